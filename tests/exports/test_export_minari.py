"""`covary export --minari`: `minari.load_dataset` gives back what the bags hold."""

import json

import minari
import numpy as np
import pytest
from demonstrations import K, record
from typer.testing import CliRunner

from covary.commands.main import build

NAME = "covary/test/push-v0"


def export(*words):
    return CliRunner().invoke(build("export"), ["export", *map(str, words)])


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """Minari's folder of datasets is one of our own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def test_load_dataset_gives_equal_arrays(tmp_path, datasets):
    known = [
        record(
            tmp_path / "in", k, ticks=20 + k, truth=True, hand=True, success=("true", "false")[k]
        )
        for k in range(2)
    ]
    known.append(record(tmp_path / "in", 2, ticks=9, truth=True, hand=True))
    done = export(tmp_path / "in", "--minari", NAME, "--ground-truth")
    assert done.exit_code == 0, done.output
    dataset = minari.load_dataset(NAME)
    assert list(minari.list_local_datasets()) == [NAME]
    assert dataset.total_episodes == 3
    assert dataset.total_steps == sum(len(was.time) for was in known)
    for was, episode in zip(known, dataset, strict=True):
        seen = episode.observations
        assert np.array_equal(seen["state"], np.vstack([was.state, was.final]))
        assert np.array_equal(seen["ground_truth"][:-1], was.truth)
        assert np.array_equal(episode.actions, was.action)
        assert np.array_equal(episode.rewards, was.reward)
        assert np.array_equal(episode.infos["success"][1:], was.near)
        assert np.array_equal(episode.infos["time"][:-1], was.time)
        for key in ("top_image", "hand_image"):
            assert seen[key].dtype == np.uint8
            assert np.array_equal(seen[key], np.concatenate([was.images, was.images[-1:]]))
        depth = seen["top_depth"][:-1]
        assert np.array_equal(depth.view(np.uint32), was.depth.view(np.uint32))
        assert np.array_equal(seen["hand_pose"][:-1], was.hand)
        good = was.facts["success"] == "true"
        assert episode.terminations.tolist() == [False] * (len(was.time) - 1) + [good]
        assert episode.truncations.tolist() == [False] * (len(was.time) - 1) + [not good]
        for k in range(len(was.time)):
            row = {name: values[k] for name, values in seen.items()}
            assert dataset.observation_space.contains(row)
            assert dataset.action_space.contains(episode.actions[k])
    facts = json.loads((datasets / NAME / "covary.json").read_text())
    assert facts["cameras"]["top.depth"]["intrinsics_px"] == K.tolist()
    assert [path.name for path in datasets.iterdir()] == ["covary"]


def test_without_cameras_observations_are_states_and_the_environment_comes_back(tmp_path, datasets):
    was = record(tmp_path / "in", 0, ticks=5, cameras=False)
    assert export(tmp_path / "in", "--minari", "push-v3").exit_code == 0
    dataset = minari.load_dataset("push-v3")
    assert np.array_equal(dataset[0].observations, np.vstack([was.state, was.final]))
    env = dataset.recover_environment()
    assert env.observation_space == dataset.observation_space
    assert env.action_space == dataset.action_space
    env.close()


@pytest.mark.parametrize(
    "name", ["push", "covary/push", "../push-v0", "/push-v0", "a b-v0", "x/push-v0", ""]
)
def test_what_is_no_name_is_refused_in_a_line(tmp_path, datasets, name):
    record(tmp_path / "in", 0, ticks=3, cameras=False)
    done = export(tmp_path / "in", "--minari", name)
    assert done.exit_code == 2 and "a name is like covary/block_pick-v0" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_dataset_is_never_overwritten(tmp_path, datasets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", "minari")
    record(tmp_path / "in", 0, ticks=3, cameras=False)
    assert export(tmp_path / "in", "--minari", NAME).exit_code == 0
    done = export(tmp_path / "in", "--minari", NAME)
    assert done.exit_code == 2 and "is there already" in done.output
    assert minari.load_dataset(NAME).total_episodes == 1
