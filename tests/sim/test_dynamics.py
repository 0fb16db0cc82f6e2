"""`NumbaDynamics` and `MujocoDynamics`: one protocol; MuJoCo's equals the plant bit for bit."""

import threading

import numpy as np
import pytest

from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push


def pushes(task, rng, count, ticks):
    """A start beside the box and actions that drive at it. (8,), (count, ticks, 2)"""
    x = task.initial_state(rng)
    direction = rng.uniform(-np.pi, np.pi)
    x[:2] = x[2:4] + 0.13 * np.array([np.cos(direction), np.sin(direction)])
    u = 2.0 * (x[2:4] - x[:2]) + rng.normal(0.0, 0.05, (count, ticks, 2))
    return x, task.limits.project(u)


def rolled(dynamics, x, u):
    costs = np.empty((dynamics.models, len(u)))
    states = np.empty((dynamics.models, *u.shape[:2], len(x)))
    dynamics.rollout(x, u, costs, states)
    return costs, states


def test_the_mujoco_model_is_the_plant_bit_for_bit():
    task = Push()
    dynamics, plant = MujocoDynamics(task), Plant(task)
    rng = np.random.default_rng(0)
    for _ in range(4):
        x, u = pushes(task, rng, 2, 30)
        _, states = rolled(dynamics, x, u)
        for row, expected in zip(u, states[0], strict=True):
            plant.reset(x)
            for action, there in zip(row, expected, strict=True):
                plant.apply(action)
                for _ in range(dynamics.substeps):
                    plant.step()
                assert np.array_equal(plant.state(), there)
        assert np.abs(states[0, :, -1, 2:5] - x[2:5]).max() > 0.01, "nothing was pushed"


@pytest.mark.parametrize("make", [NumbaDynamics, MujocoDynamics])
def test_costs_are_the_tasks_own(make):
    task = Push()
    x, u = pushes(task, np.random.default_rng(1), 6, 20)
    costs, states = rolled(make(task), x, u)
    own = task.running_cost(states, u).sum(axis=2) + task.terminal_cost(states[:, :, -1])
    assert np.abs(costs - own).max() <= 1e-12
    without = np.empty_like(costs)
    make(task).rollout(x, u, without)
    assert np.abs(costs - without).max() <= 1e-12


@pytest.mark.parametrize("make", [NumbaDynamics, MujocoDynamics])
def test_results_depend_on_the_arguments_alone(make):
    task = Push()
    used = make(task)
    rng = np.random.default_rng(2)
    x, u = pushes(task, rng, 5, 12)
    first = rolled(used, x, u)
    rolled(used, *pushes(task, rng, 5, 12))
    used.next_state(x, u[0])
    rolled(used, *pushes(task, rng, 3, 7))
    again, fresh = rolled(used, x, u), rolled(make(task), x, u)
    alone = np.concatenate([rolled(used, x, row[None])[1] for row in u], axis=1)
    for other in (again, fresh):
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert np.array_equal(first[1], alone), "a rollout depends on its neighbours"


@pytest.mark.parametrize("make", [NumbaDynamics, MujocoDynamics])
def test_next_state_is_the_first_step_of_a_rollout(make):
    task, dynamics = Push(), make(Push())
    x, u = pushes(task, np.random.default_rng(3), 6, 1)
    _, states = rolled(dynamics, x, u)
    assert np.abs(dynamics.next_state(x, u[:, 0]) - states[0, :, 0]).max() <= 1e-12
    grid = dynamics.next_state(np.broadcast_to(x, (2, 3, 8)), u[:, 0].reshape(2, 3, 2))
    assert grid.shape == (2, 3, 8)
    assert np.array_equal(grid.reshape(6, 8), dynamics.next_state(x, u[:, 0]))
    one = dynamics.next_state(x, u[4, 0])
    assert one.shape == (8,) and np.array_equal(one, grid[1, 1])


def test_each_row_of_next_state_keeps_its_own_goal():
    task, dynamics = Push(), MujocoDynamics(Push())
    x = np.stack([task.initial_state(np.random.default_rng(seed)) for seed in range(5)])
    assert np.array_equal(dynamics.next_state(x, np.zeros(2))[:, 5:8], x[:, 5:8])
    assert dynamics.next_state(x[:0], np.zeros(2)).shape == (0, 8)


def test_threads_change_nothing():
    task = Push()
    x, u = pushes(task, np.random.default_rng(4), 9, 8)
    before = threading.active_count()
    one, two = MujocoDynamics(task), MujocoDynamics(task, threads=2)
    assert threading.active_count() == before
    for a, b in zip(rolled(one, x, u), rolled(two, x, u), strict=True):
        assert np.array_equal(a, b)


def test_one_thread_is_none_more():
    """Counted by the kernel: a thread that MuJoCo started would not show in Python's threading."""
    status = "/proc/self/status"

    def threads():
        with open(status, encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))

    try:
        before = threads()
    except OSError:
        pytest.skip(f"no {status} on this system")
    dynamics = MujocoDynamics(Push())
    x, u = pushes(Push(), np.random.default_rng(5), 2, 2)
    rolled(dynamics, x, u)
    assert threads() == before


def test_buffers_are_made_once():
    task, dynamics = Push(), MujocoDynamics(Push())
    x, u = pushes(task, np.random.default_rng(6), 4, 5)
    rolled(dynamics, x, u)
    dynamics.next_state(x, u[:, 0])
    kept = dict(dynamics._buffers)
    for _ in range(3):
        rolled(dynamics, x, u)
        dynamics.next_state(x, u[:, 0])
    assert dict(dynamics._buffers) == kept


def test_friction_is_scaled_on_a_model_of_its_own():
    task = Push()
    slippery, plant = MujocoDynamics(task, friction_scale=0.8), Plant(task)
    assert slippery.model is not plant.model
    assert np.array_equal(slippery.model.geom_friction, 0.8 * plant.model.geom_friction)
    assert np.array_equal(plant.model.geom_friction, MujocoDynamics(task).model.geom_friction)
    x, u = pushes(task, np.random.default_rng(7), 4, 30)
    apart = rolled(slippery, x, u)[1] - rolled(MujocoDynamics(task), x, u)[1]
    assert 1e-6 < np.abs(apart[..., 2:4]).max() < 0.05


def test_a_task_without_kernels():
    full, task = Push(), Push()
    task.kernels, task.parameters = None, np.zeros(0)
    x, u = pushes(task, np.random.default_rng(8), 2, 3)
    with pytest.raises(NotImplementedError, match="Push needs kernels, or a running_cost"):
        MujocoDynamics(task).rollout(x, u, np.empty((1, 2)))
    task.running_cost, task.terminal_cost = full.running_cost, full.terminal_cost
    assert np.isfinite(rolled(MujocoDynamics(task), x, u)[0]).all()
    with pytest.raises(ValueError, match="no analytic model"):
        NumbaDynamics(task)


@pytest.mark.parametrize("wrong", [{"friction_scale": -0.1}, {"threads": 0}])
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MujocoDynamics(Push(), **wrong)


def test_a_period_that_is_no_whole_number_of_steps():
    class Uneven(Push):
        physics_dt = 0.0049

    with pytest.raises(ValueError, match="multiple"):
        MujocoDynamics(Uneven())


def test_parameters_of_several_models():
    task = Push()
    rows = np.stack([task.parameters, task.parameters * [2.0, 1.0, 1.0, 1.0, 1.0]])
    x, u = pushes(task, np.random.default_rng(9), 4, 10)
    both = NumbaDynamics(task, rows)
    assert both.models == 2
    _, states = rolled(both, x, u)
    for m, row in enumerate(rows):
        assert np.array_equal(states[m], rolled(NumbaDynamics(task, row), x, u)[1][0])
    with pytest.raises(ValueError, match="5 physical parameters"):
        NumbaDynamics(task, np.zeros(4))


def test_several_mujoco_models_are_each_as_if_alone():
    task = Push()
    x = task.initial_state(np.random.default_rng(1))
    u = np.random.default_rng(2).uniform(-0.2, 0.2, (5, 6, 2))
    x[0:2] = x[2:4] - [0.09, 0.0]  # at the box
    u[:, :, 0] = 0.2
    factors = np.array([[1.0, 1.0], [0.4, 1.0], [1.0, 3.0]])
    several = MujocoDynamics(task, threads=2, factors=factors)
    costs, states = rolled(several, x, u)
    for m, (friction, mass) in enumerate(factors):
        alone = MujocoDynamics(task, factors=np.array([[friction, mass]]))
        for found, wanted in zip((costs, states), rolled(alone, x, u), strict=True):
            assert np.array_equal(found[m], wanted[0])
    assert np.array_equal(costs[0], rolled(MujocoDynamics(task), x, u)[0][0])
    assert np.array_equal(costs[1], rolled(MujocoDynamics(task, 0.4), x, u)[0][0])
    assert len({round(float(row.sum()), 9) for row in costs}) == 3
    assert np.array_equal(several.next_state(x, u[0, 0]), states[0, 0, 0])
