"""A launch's own recordings, with heightmaps and a gripper's view, through every format."""

import subprocess
import sys
from pathlib import Path

import h5py
import minari
import numpy as np
import pytest
from demonstrations import record
from lerobot_layout import check
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.bags.dataset import Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
from launches import launch, renders  # noqa: E402

MAP, HAND = "observation.depth.heightmap", "observation.depth.in_hand"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two picks of the expert. The colours need a GL library, the heightmaps none."""
    words = ["episodes:=2", "robot:=floating_gripper", "heightmap:=64", "in_hand:=24"]
    words += ["camera:=true"] if renders() else []
    place = tmp_path_factory.mktemp("launch") / "it"
    return launch(place, "block_pick", *words, "--lockstep", here=True).folder


def export(*words):
    done = CliRunner().invoke(build("export"), ["export", *map(str, words)])
    assert done.exit_code == 0, done.output


def test_a_run_folder_becomes_a_lerobot_dataset(run, tmp_path):
    export(run, "--lerobot", tmp_path / "out", "--ground-truth", "--images")
    read = check(tmp_path / "out")
    assert len(read.episodes) == 2
    for found, episode in zip(read.episodes, Dataset(run), strict=True):
        for name, values in (("observation.state", episode.state), ("action", episode.action),
                             ("observation.environment_state", episode.ground_truth),
                             ("next.reward", episode.reward)):  # fmt: skip
            assert np.array_equal(found[name], values.astype(np.float32))
        assert np.isclose(episode.reward.sum(), -float(episode.metadata["cost"]))
        for key, name in ((MAP, "heightmap"), (HAND, "in_hand")):
            images = episode.cameras[f"/camera/{name}/image_raw"].images
            assert np.array_equal(found[key].view(np.uint32), images.view(np.uint32))
        assert np.ptp(found[MAP][-1]) > 0.03  # the block is in the gripper
        assert np.ptp(found["observation.camera_pose.in_hand"][:, 2]) > 0.03
        if "/camera/top/image_raw" in episode.cameras:
            images = episode.cameras["/camera/top/image_raw"].images
            assert np.array_equal(found["observation.images.top"], images)
    units = read.info["features"]["observation.environment_state"]["info"]["units"]
    assert set(units) == {"m", "rad"}


def test_and_a_robomimic_file_and_a_minari_dataset(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    export(run, "--robomimic", tmp_path / "out.hdf5")
    export(run, "--minari", "covary/block_pick-v0")
    dataset = minari.load_dataset("covary/block_pick-v0")
    with h5py.File(tmp_path / "out.hdf5") as file:
        for k, episode in enumerate(Dataset(run)):
            demo, loaded = file[f"data/demo_{k}"], dataset[k]
            for values, want in (
                (demo["actions"], episode.action),
                (loaded.actions, episode.action),
                (demo["rewards"], episode.reward),
                (loaded.rewards, episode.reward),
                (demo["obs/state"], episode.state),
                (loaded.observations["state"][:-1], episode.state),
                (demo["next_obs/state"][-1], episode.final_state),
                (loaded.observations["state"][-1], episode.final_state),
                (demo["states"], episode.ground_truth),
            ):
                assert np.array_equal(values, want)
            images = episode.cameras["/camera/heightmap/image_raw"].images
            assert np.array_equal(demo["obs/heightmap_depth"], images)
            assert np.array_equal(loaded.observations["heightmap_depth"][:-1], images)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--lerobot", "out"), ("--robomimic", "out")])
def test_memory_does_not_grow_with_the_dataset(tmp_path, words):
    code = (
        "import resource, sys\n"
        "from covary.commands.main import build\n"
        "build('export')(sys.argv[1:], standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    peaks = []
    for episodes in (8, 48):
        place = tmp_path / str(episodes)
        for k in range(episodes):
            record(place / "in", k, ticks=100, every=1)
        command = [sys.executable, "-c", code, "export", "in", *words]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 30, f"{peaks} MB"
