"""The experts of known Gymnasium environments solve them, and others are refused by name."""

import numpy as np
import pytest

from covary.planners.gym_expert import GymExpert
from covary.sim.gym.gym_task import GymTask
from covary.sim.judge import Judge
from covary.sim.tasks.push import Push

pytest.importorskip("gymnasium_robotics")


def won(env_id, episodes, seed=11, starts="own"):
    """How many of the episodes the expert brings to a success."""
    task = GymTask(env_id, starts)
    plant, expert, successes = task.plant(), GymExpert(task), 0
    for i in range(episodes):
        plant.begin(np.random.default_rng([seed, i]))
        judge, memory, verdict, tick = Judge(plant), expert.initial_memory(i), None, 0
        while verdict is None:
            plan, memory = expert.plan(plant.state(), tick * task.dt, memory)
            assert task.limits.violation(plan.actions).max() <= 1e-12
            plant.apply(plan.actions[0])
            plant.step()
            tick += 1
            verdict = judge.period(plan.actions[0], tick * task.dt)
        successes += verdict
    plant.close()
    return successes


SOLVED = (
    *("Reacher-v5", "InvertedPendulum-v5", "FetchReach-v4", "FetchPush-v4"),
    *("FetchPickAndPlace-v4", "PointMaze_UMaze-v3", "PointMaze_Large-v3"),
)


@pytest.mark.parametrize("env_id", SOLVED)
def test_an_expert_solves_its_environment(env_id):
    assert won(env_id, 4) == 4


@pytest.mark.slow
@pytest.mark.parametrize("env_id", SOLVED)
def test_an_expert_solves_its_environment_from_a_hundred_starts(env_id):
    assert won(env_id, 100, seed=12) >= 95


DEMONSTRATED = (
    *("FetchPush-v4", "FetchPickAndPlace-v4"),
    *("PointMazeRooms-v0", "PointMazeCorridor-v0"),
)


@pytest.mark.parametrize("env_id", DEMONSTRATED)
def test_an_expert_can_be_imitated_from_demonstrated_starts(env_id):
    assert won(env_id, 2, starts="demonstrated") == 2


@pytest.mark.slow
@pytest.mark.parametrize("starts", ["demonstrated", "widened"])
@pytest.mark.parametrize("env_id", DEMONSTRATED)
def test_an_expert_solves_demonstrated_and_widened_starts(env_id, starts):
    assert won(env_id, 200, seed=12, starts=starts) >= 196


def test_where_there_is_no_script_it_says_where_there_are():
    with pytest.raises(ValueError, match=r"no script for Pendulum-v1; there are some for Reacher"):
        GymExpert(GymTask("Pendulum-v1"))
    with pytest.raises(ValueError, match="no script for push"):
        GymExpert(Push())
