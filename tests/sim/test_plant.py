"""`Plant`: a restored state goes on bit for bit; goals, resets and names."""

from pathlib import Path

import numpy as np
import pytest

from covary.sim.plant import Plant
from covary.sim.tasks.push import Push


@pytest.fixture
def task():
    return Push()


def beside(task, seed):
    """A start whose pusher stands behind the box, and the action that drives at it."""
    x = task.initial_state(np.random.default_rng(seed))
    x[:2] = x[2:4] + [0.13, 0.02]
    return x, np.array([-0.25, 0.0])


def run(plant, u, ticks):
    plant.apply(u)
    states = []
    for _ in range(ticks):
        plant.step()
        states.append(plant.physics_state())
    return np.array(states)


def test_a_restored_state_goes_on_bit_for_bit(task):
    x, u = beside(task, 0)
    plant = Plant(task)
    plant.reset(x)
    run(plant, u, 60)
    assert plant.data.ncon > 4, "the state that is restored is to be one in contact"
    kept = plant.physics_state()
    first = run(plant, 0.8 * u, 80)
    assert np.abs(plant.state()[2:5] - x[2:5]).max() > 0.01, "nothing was pushed"

    plant.restore(kept)
    assert np.array_equal(plant.physics_state(), kept)
    assert np.array_equal(run(plant, 0.8 * u, 80), first)

    other = Plant(task)
    other.reset(task.initial_state(np.random.default_rng(9)))
    run(other, -u, 7)
    other.restore(kept)
    assert other.tick == 60
    assert np.array_equal(run(other, 0.8 * u, 80), first), "another plant goes on otherwise"

    text = Plant(task, Path(task.mjcf).read_text(encoding="utf-8"))
    text.restore(kept)
    assert np.array_equal(run(text, 0.8 * u, 80), first), "the model's text gives another model"


def test_a_state_of_another_model_is_refused(task):
    plant = Plant(task)
    with pytest.raises(ValueError, match="another model"):
        plant.restore(plant.physics_state()[:-1])


def test_reset(task):
    x, u = beside(task, 1)
    plant = Plant(task)
    plant.reset(x)
    fresh = run(plant, u, 40)
    assert plant.tick == 40 and plant.data.time == pytest.approx(40 * task.physics_dt)
    plant.reset(x)
    assert plant.tick == 0 and plant.data.time == 0.0
    assert np.abs(task.symmetry.difference("state", plant.state(), x)).max() < 1e-12
    assert np.array_equal(plant.data.ctrl, task.ctrl_from_action(task.safe_action()))
    assert np.array_equal(run(plant, u, 40), fresh), "a reset leaves something behind"


def test_set_goal_moves_nothing_else(task):
    x, u = beside(task, 2)
    plant, other = Plant(task), Plant(task)
    plant.reset(x)
    other.reset(x)
    goal = np.array([0.05, -0.02, 1.0])
    plant.set_goal(goal)
    assert np.array_equal(plant.state()[5:8], goal)
    assert np.array_equal(plant.state()[:5], other.state()[:5])
    mark = plant.model.body("goal").mocapid[0]
    assert np.array_equal(plant.data.mocap_pos[mark, :2], goal[:2])
    assert plant.data.mocap_quat[mark] == pytest.approx([np.cos(0.5), 0, 0, np.sin(0.5)])
    run(plant, u, 60)
    run(other, u, 60)
    assert np.array_equal(plant.data.qpos, other.data.qpos)
    goal[:] = 0.0
    assert plant.state()[5] == 0.05, "the plant holds the caller's array"


def test_joints_are_those_of_the_actions(task):
    x, u = beside(task, 3)
    plant = Plant(task)
    plant.reset(x)
    run(plant, u, 40)
    position, velocity = plant.joints()
    assert np.array_equal(position, plant.state()[:2])
    assert velocity == pytest.approx(u, abs=0.02)


def test_the_time_step_is_the_tasks(task):
    assert Plant(task).model.opt.timestep == task.physics_dt
