"""`covary export`: what it refuses, in one line and before anything is written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from covary.commands.exports import robomimic
from covary.commands.exports.contents import image_name
from covary.commands.main import build

sys.path.insert(0, str(Path(__file__).parents[1] / "exports"))
from demonstrations import record  # noqa: E402


def export(*words):
    return CliRunner().invoke(build("export"), ["export", *map(str, words)])


def refused(done, *said):
    """One line, exit code 2."""
    assert done.exit_code == 2, done.output
    assert len(done.output.strip().splitlines()) == 1, done.output
    for words in said:
        assert words in done.output
    return True


def few(folder, **options):
    """Three short episodes without cameras; `options` are for the middle one."""
    for k in range(3):
        record(folder, k, ticks=6, cameras=False, **(options if k == 1 else {}))
    return folder


def spoil(topic, row, **values):
    """A change of one message."""

    def change(where, k, message):
        if (where, k) == (topic, row):
            for name, value in values.items():
                getattr(message, name)[0] = value
        return message

    return change


def flip_a_byte(folder):
    (file,) = (folder / "bags" / "episode_000001").glob("*.mcap")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("kind", ["--lerobot", "--robomimic"])
def test_a_corrupt_episode_is_named_and_nothing_is_written(tmp_path, kind):
    flip_a_byte(few(tmp_path / "in"))
    out = tmp_path / "out"
    out.mkdir()
    done = export(tmp_path / "in", kind, out / "it")
    assert refused(done, "episode_000001", "--skip-damaged leaves it out")
    assert list(out.iterdir()) == []
    done = export(tmp_path / "in", kind, out / "it", "--skip-damaged")
    assert done.exit_code == 0 and "left out" in done.output and "episode_000001" in done.output
    assert "2 (2 successes, 1 left out)" in done.output
    assert [path.name for path in out.iterdir()] == ["it"]


def test_a_bag_that_was_never_closed_is_named_too(tmp_path):
    few(tmp_path / "in")
    bags = tmp_path / "in" / "bags"
    (bags / "episode_000001").rename(bags / "episode_000001.open")
    done = export(tmp_path / "in", "--robomimic", tmp_path / "x")
    assert refused(done, "episode_000001.open: was never closed", "covary recover")
    done = export(tmp_path / "in", "--robomimic", tmp_path / "x", "--skip-damaged")
    assert done.exit_code == 0 and "1 left out" in done.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil("/state", 2, value=np.nan), "its state is not finite at row 2"),
        (spoil("/command", 3, velocity=np.inf), "its action is not finite at row 3"),
        (spoil("/cost", 5, final=np.nan), "its final state is not finite"),
        (lambda topic, k, m: None if (topic, k) == ("/cost", 4) else m, "rewards are missing"),
        (
            lambda topic, k, m: None if (topic, k) == ("/command", 2) else m,
            "its tick after t=5.050 s has no command",
        ),
    ],
)
def test_numbers_that_are_none_are_refused_with_the_episodes_name(tmp_path, change, said):
    few(tmp_path / "in", change=change)
    assert refused(export(tmp_path / "in", "--robomimic", tmp_path / "x"), "episode_000001", said)
    done = export(tmp_path / "in", "--robomimic", tmp_path / "x", "--skip-damaged")
    assert done.exit_code == 0 and said in done.output


def test_a_nan_in_an_image_is_refused(tmp_path):
    def change(topic, k, message):
        if topic.endswith("depth/image_raw") and k == 2:
            message.data[4:8] = np.float32([np.nan]).view(np.uint8)
        return message

    record(tmp_path, 0, ticks=6, change=change)
    said = "image on /camera/top/depth/image_raw is not finite at row 1"
    assert refused(export(tmp_path, "--lerobot", tmp_path / "x"), "episode_000000", said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"aborted": "true"}, "it was aborted"),
        ({"task": "reacher"}, "its task is 'reacher', that of episode_000000 is 'push'"),
        ({"engine": "pybullet"}, "its engine is 'pybullet'"),
    ],
)
def test_episodes_of_another_kind_are_refused(tmp_path, options, said):
    few(tmp_path / "in", **options)
    assert refused(export(tmp_path / "in", "--robomimic", tmp_path / "x"), said)


def test_what_stands_there_stays_as_it_is(tmp_path):
    few(tmp_path / "in")
    for kind in ("--lerobot", "--robomimic"):
        target = tmp_path / f"there{kind}"
        target.write_text("mine")
        done = export(tmp_path / "in", kind, target)
        assert refused(done, "is there already", "name another one")
        assert target.read_text() == "mine"


def test_one_format_and_a_dataset_are_needed(tmp_path):
    few(tmp_path / "in")
    assert refused(export(tmp_path / "in"), "name the format: --lerobot PATH")
    both = ("--lerobot", tmp_path / "a", "--robomimic", tmp_path / "b")
    assert refused(export(tmp_path / "in", *both), "one format at a time")
    both = ("--robomimic", tmp_path / "b", "--images")
    assert refused(export(tmp_path / "in", *both), "--images is for --lerobot")
    both = ("--robomimic", tmp_path / "b", "--ground-truth")
    assert refused(export(tmp_path / "in", *both), "no /ground_truth in it; leave out")
    for folder, said in ((tmp_path / "none", "no such folder"), (tmp_path, "no bags")):
        assert refused(export(folder, "--lerobot", tmp_path / "x"), str(folder), said)


def test_a_missing_package_says_what_to_type(tmp_path, monkeypatch):
    few(tmp_path / "in")
    monkeypatch.setitem(sys.modules, "h5py", None)
    done = export(tmp_path / "in", "--robomimic", tmp_path / "x")
    assert refused(done, "--robomimic needs h5py", "pip install 'covary[data]'")


FULL = """
import resource, signal, sys
import av, h5py, minari, pyarrow.parquet, PIL.Image, covary.commands.export
from typer.testing import CliRunner
from covary.commands.main import build

app = build("export")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # no file may become larger than this
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for words in (["--lerobot", "a", "--images"], ["--robomimic", "b"], ["--minari", "xy/c-v0"]):
    done = CliRunner().invoke(app, ["export", "in", *words])
    assert isinstance(done.exception, SystemExit), done.exception
    print(done.exit_code, done.output.strip())
"""


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    for k in range(3):
        record(tmp_path / "in", k, ticks=12)
    environment = {**os.environ, "MINARI_DATASETS_PATH": str(tmp_path / "minari")}
    command = [sys.executable, "-P", "-c", FULL]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith("2 /") and "cannot be written: File too large" in line
    assert {path.name for path in tmp_path.iterdir()} == {"in", "minari"}
    assert list((tmp_path / "minari").iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch):
    few(tmp_path / "in")

    def stop(writer, episode):
        raise KeyboardInterrupt

    monkeypatch.setattr(robomimic.RobomimicWriter, "add", stop)
    done = export(tmp_path / "in", "--robomimic", tmp_path / "x")
    assert done.exit_code == 130 and "nothing was written" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_odd_sizes_are_for_images(tmp_path):
    def change(topic, k, message):
        if topic == "/camera/top/image_raw":
            message.width -= 1
        return message

    record(tmp_path / "in", 0, ticks=6, change=change)
    assert refused(export(tmp_path / "in", "--lerobot", tmp_path / "x"), "even sizes", "--images")
    assert export(tmp_path / "in", "--lerobot", tmp_path / "x", "--images").exit_code == 0


def test_cameras_have_short_names():
    for topic, kind, name in (
        ("/camera/top/image_raw", "rgb", "top"),
        ("/camera/top/depth/image_raw", "depth", "top"),
        ("/camera/top/depth/image_rect_raw", "depth", "top"),
        ("/camera/hand/left/image_raw", "rgb", "hand_left"),
        ("/heightmap", "depth", "heightmap"),
        ("/camera/image_raw", "rgb", "image_raw"),
    ):
        assert image_name(topic, kind) == name
