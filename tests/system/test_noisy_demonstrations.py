"""Demonstrations with noise on their actions: the same whoever makes them, intentions kept."""

import hashlib

import numpy as np
import pytest

from covary.nodes.bags.dataset import Dataset
from covary.nodes.collecting.worker import Attempter
from covary.nodes.launching.launch_file import find, read_assignments, resolve

WORDS = ("starts:=demonstrated", "seed:=6", "episodes:=1")
LAUNCHES = {
    "block_push": ("robot:=floating_gripper",),
    "gym": ("env_id:=PointMazeRooms-v0", "planner:=gym_expert"),
    "push": ("samples:=16", "horizon:=8", "knots:=2", "iterations:=1"),
}


def made(folder, name, numbers, *words):
    """The attempts of these numbers, made one after the other by one worker: its dataset."""
    given = read_assignments([*WORDS, *LAUNCHES[name], *words])
    (folder / "bags").mkdir(parents=True)
    attempter = Attempter(resolve(find(name), given), folder, folder / "work", False)
    for number in numbers:
        assert "error" not in attempter.make(number)
    attempter.close()
    return Dataset(folder)


def digest(folder, number):
    (bag,) = (folder / "bags" / f"episode_{number:06d}").glob("*.mcap")
    return hashlib.sha256(bag.read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["block_push", "gym", "push"])
def test_noise_is_told_by_seed_and_number_and_none_changes_nothing(tmp_path, name):
    noisy = made(tmp_path / "a", name, (0, 1), "action_noise:=0.1")
    made(tmp_path / "b", name, (1,), "action_noise:=0.1")  # another worker, nothing before it
    assert digest(tmp_path / "a", 1) == digest(tmp_path / "b", 1)
    plain, none = made(tmp_path / "c", name, (1,)), tmp_path / "d"
    made(none, name, (1,), "action_noise:=0.0")
    assert digest(tmp_path / "c", 1) == digest(none, 1) != digest(tmp_path / "a", 1)
    np.testing.assert_array_equal(plain[0].intended, plain[0].action)
    np.testing.assert_array_equal(plain[0].state[0], noisy[1].state[0])  # the start is the same
    errors = [episode.action - episode.intended for episode in noisy]
    assert all(
        0.02 < np.abs(error).mean() / np.abs(plain[0].action).max() < 0.5 for error in errors
    )
    assert not np.array_equal(errors[0][:5], errors[1][:5])
