"""Starts of Fetch and of our mazes: where the page says, and functions of the seed."""

import gymnasium
import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.sim.gym.gym_task import GymTask
from covary.sim.judge import Judge

pytest.importorskip("gymnasium_robotics")

from covary.sim.gym.worlds import fetch_starts, mazes  # noqa: E402

GRIP = fetch_starts.GRIP


def begun(env_id, starts, count):
    """States at the beginning of episodes. (count, n)"""
    plant = GymTask(env_id, starts).plant()
    found = []
    for i in range(count):
        plant.begin(np.random.default_rng([3, i]))
        found.append(plant.state())
    plant.close()
    return np.array(found)


@pytest.mark.parametrize(
    ("starts", "wide", "up"), [("demonstrated", 0.01, 0), ("widened", 0.15, 0.02)]
)
@pytest.mark.parametrize(("env_id", "lift"), [("FetchPush-v4", 0.0), ("FetchPickAndPlace-v4", 0.2)])
def test_fetch_begins_with_block_and_goal_in_their_places(env_id, lift, starts, wide, up):
    x = begun(env_id, starts, 12)
    away = x[:, :3] - GRIP - [0.0, 0.0, up]
    assert np.abs(away[:, :2]).max() <= wide + 1e-4 and np.abs(away[:, 2]).max() < 1e-4
    assert np.ptp(away[:, :2], axis=0).min() > wide
    np.testing.assert_allclose(x[:, 3:5], np.tile(GRIP[:2] + 0.0375, (12, 1)), atol=1e-9)
    goal = x[:, -3:] - x[:, 3:6]
    np.testing.assert_allclose(goal, np.tile([0.0375, 0.0375, lift], (12, 1)), atol=1e-6)
    assert GymTask(env_id, starts).hold == 0.4 and GymTask(env_id).hold == 0.0


def test_its_own_starts_are_the_environment_s():
    env = gymnasium.make("FetchPush-v4")
    seen, _ = env.reset(seed=int(np.random.default_rng([3, 0]).integers(2**31)))
    np.testing.assert_array_equal(begun("FetchPush-v4", "own", 1)[0, :25], seen["observation"])


@pytest.mark.parametrize("env_id", ["PointMazeRooms-v0", "FetchPickAndPlace-v4"])
@pytest.mark.parametrize("starts", ["demonstrated", "widened"])
def test_an_episode_is_a_function_of_seed_and_number(env_id, starts):
    task = GymTask(env_id, starts)
    plant = task.plant()

    def run(plant, i):
        plant.begin(np.random.default_rng([3, i]))
        out = [plant.physics_state()]
        for k in range(3):
            plant.apply(np.full(len(task.action_names), 0.2 * k))
            plant.step()
            out += [plant.state(), plant.physics_state()]
        return np.concatenate(out)

    first = run(plant, 2)
    run(plant, 0)
    np.testing.assert_array_equal(run(plant, 2), first)
    np.testing.assert_array_equal(run(task.plant(), 2), first)
    assert not np.array_equal(run(plant, 1), first)


@pytest.mark.parametrize(
    ("env_id", "start", "goal", "cells"),
    [
        ("PointMazeRooms-v0", (-5.0, 0.0), (5.0, 0.0), 50),
        ("PointMazeCorridor-v0", (-3.0, 3.0), (3.0, -3.0), 39),
    ],
)
def test_a_maze_begins_in_one_cell_or_in_any_but_the_goal_s(env_id, start, goal, cells):
    x = begun(env_id, "demonstrated", 20)
    assert np.abs(x[:, :2] - start).max() <= mazes.JITTER and np.ptp(x[:, 0]) > mazes.JITTER
    assert not x[:, 2:4].any() and (x[:, 6:] == goal).all()
    x = begun(env_id, "widened", 40 * cells // 10)
    assert (x[:, 6:] == goal).all()
    found = {tuple(cell) for cell in np.round(x[:, :2]).astype(int).tolist()}
    assert 0.9 * cells <= len(found) <= cells and goal not in found
    assert np.abs(x[:, :2] - np.round(x[:, :2])).max() <= mazes.JITTER
    np.testing.assert_array_equal(begun(env_id, "own", 5), begun(env_id, "widened", 5))


def test_a_maze_is_over_at_its_goal_and_not_before():
    task = GymTask("PointMazeRooms-v0", "demonstrated")
    assert task.dt == 0.1 and task.time_limit == pytest.approx(20.0)
    plant = task.plant()
    plant.begin(np.random.default_rng(0))
    judge, verdict, tick = Judge(plant), None, 0
    while verdict is None:
        away = plant.state()[6:8] - plant.state()[:2]
        assert np.hypot(*away) > mazes.NEAR
        plant.apply(np.clip(0.3 * away - 0.25 * plant.state()[2:4], -0.3, 0.3))
        plant.step()
        tick += 1
        verdict = judge.period(np.zeros(2), tick * task.dt)
    assert verdict and plant.over and plant.cost(np.zeros(2)) == -1.0
    assert np.hypot(*(plant.state()[6:8] - plant.state()[:2])) <= mazes.NEAR


def test_others_have_only_their_own():
    with pytest.raises(ParameterError, match="Reacher-v5 has only its own; widened ones are known"):
        GymTask("Reacher-v5", "widened")
    with pytest.raises(ParameterError, match="'near' is none of own, demonstrated, widened"):
        GymTask("FetchPush-v4", "near")


def test_a_maze_can_be_made_by_anybody():
    env = gymnasium.make("covary.sim.gym.worlds.mazes:PointMazeCorridor-v0", starts="demonstrated")
    seen, info = env.reset(seed=0)
    assert np.abs(seen["achieved_goal"] - [-3.0, 3.0]).max() <= 0.1 and info == {"success": False}
    env.close()
