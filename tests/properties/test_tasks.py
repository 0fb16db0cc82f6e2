"""Every task in sim/tasks keeps its promises: symmetry, costs, limits, models, names."""

import importlib
import inspect
import math
import pkgutil

import numpy as np
import pytest

import covary.sim.tasks
from covary.sim.check_task import check_task
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tabletop.tabletop import Tabletop
from covary.sim.task import Task


def found():
    classes = []
    for module in pkgutil.iter_modules(covary.sim.tasks.__path__):
        loaded = importlib.import_module(f"covary.sim.tasks.{module.name}")
        for _, cls in inspect.getmembers(loaded, inspect.isclass):
            if cls.__module__ == loaded.__name__ and issubclass(cls, Task):
                classes.append(cls)
    return classes


TASKS = found()
WITH_KERNELS = [cls for cls in TASKS if cls().kernels is not None]


def usual(classes):
    """The models of the tabletop tasks are much the same: of most the slow set tries them."""
    return [
        pytest.param(
            task := cls(),
            id=task.name,
            marks=pytest.mark.slow
            if isinstance(task, Tabletop) and task.name != "block_push"
            else (),
        )
        for cls in classes
    ]


every_task = pytest.mark.parametrize("task", [cls() for cls in TASKS], ids=lambda t: t.name)
every_modelled_task = pytest.mark.parametrize("task", usual(TASKS))
every_analytic_task = pytest.mark.parametrize("task", usual(WITH_KERNELS))


def some(task, seed, rows, ticks):
    """A start and action sequences within the limits. (n,), (rows, ticks, m)"""
    rng = np.random.default_rng(seed)
    low, high = task.limits.bound()
    held = rng.uniform(low, high, (rows, 1, len(low)))
    jitter = 0.2 * rng.uniform(low, high, (rows, ticks, len(low)))
    return task.initial_state(rng), task.limits.project(held + jitter)


def along(task, dynamics, seed=0, rows=24, ticks=20):
    x, u = some(task, seed, rows, ticks)
    costs = np.empty((dynamics.models, rows))
    states = np.empty((dynamics.models, rows, ticks, len(x)))
    dynamics.rollout(x, u, costs, states)
    return x, u, costs, states


def test_the_walk_finds_tasks():
    assert "push" in {cls.name for cls in TASKS}


@every_analytic_task
def test_the_symmetry_holds_on_the_kernels(task, record_property):
    report = check_task(task, NumbaDynamics(task), samples=64, tolerance=1e-9)
    record_property("switches", sum(law.switches for law in report.laws))
    report.raise_if_failed()
    # Random actions hardly reach a thing on a table; test_tabletop_model.py tries contact there.
    enough, done = (1, 0) if isinstance(task, Tabletop) else (16, 1)
    assert report.active >= enough and report.successes >= done, str(report)


@pytest.mark.parametrize(
    "task", [cls() for cls in TASKS if cls.exact_dynamics], ids=lambda t: t.name
)
def test_the_symmetry_holds_in_mujoco(task):
    check_task(task, MujocoDynamics(task), samples=12, tolerance=1e-9).raise_if_failed()


@pytest.mark.parametrize("make", [NumbaDynamics, MujocoDynamics])
@every_analytic_task
def test_a_rollout_costs_what_the_task_says(task, make):
    dynamics = make(task)
    _, u, costs, states = along(task, dynamics)
    own = task.running_cost(states, u).sum(axis=-1) + task.terminal_cost(states[:, :, -1])
    assert np.abs(costs - own).max() <= 1e-12 * (1.0 + np.abs(own).max())


@every_analytic_task
def test_a_rollout_repeats_next_state(task):
    """The fused kernel of a rollout is the model of a step, many times over."""
    dynamics = NumbaDynamics(task)
    x, u, costs, states = along(task, dynamics)
    here = np.broadcast_to(x, states[0, :, 0].shape)
    for t in range(u.shape[1]):
        here = dynamics.next_state(here, u[:, t])
        apart = task.symmetry.difference("state", here, states[0, :, t])
        assert np.abs(apart).max() <= 1e-9 * (1.0 + np.abs(here).max())
    without = np.empty_like(costs)
    dynamics.rollout(x, u, without)
    # Costs alone are rolled out side by side, by a kernel of their own.
    apart = np.abs(costs - without).max()
    assert apart <= 1e-12 * np.abs(costs).max(), "costs depend on whether states are kept"


@every_modelled_task
def test_batched_costs_are_the_scalar_ones(task):
    model = NumbaDynamics if task.kernels is not None else MujocoDynamics
    _, u, _, states = along(task, model(task), rows=5, ticks=6)
    x = states[0]
    running, ending, arrived = task.running_cost(x, u), task.terminal_cost(x), task.success(x)
    assert running.shape == ending.shape == arrived.shape == (5, 6)
    assert arrived.dtype == bool
    for k, t in np.ndindex(5, 6):
        assert task.running_cost(x[k, t], u[k, t]) == running[k, t]
        assert task.terminal_cost(x[k, t]) == ending[k, t]
        assert task.success(x[k, t]) == arrived[k, t]
    assert np.array_equal(task.running_cost(x[:, :1], u)[:, 0], running[:, 0])
    assert task.running_cost(x[2, 3], u).shape == (5, 6), "one state, many actions"
    assert np.array_equal(task.running_cost(x[::2], u[::2]), running[::2]), "strides matter"


@every_analytic_task
def test_m_rows_of_parameters_give_m_rows(task):
    factor = 1.0 + 0.1 * np.arange(3)[:, None]
    dynamics = NumbaDynamics(task, task.parameters * factor)
    assert dynamics.models == 3
    x, u, costs, states = along(task, dynamics, rows=7)
    assert costs.shape == (3, 7) and np.isfinite(costs).all()
    for m in range(3):
        _, _, one, alone = along(task, NumbaDynamics(task, dynamics.parameters[m]), rows=7)
        assert np.array_equal(costs[m], one[0]) and np.array_equal(states[m], alone[0])
    assert np.array_equal(NumbaDynamics(task).parameters, task.parameters[None])
    assert len(task.parameter_names) == len(task.parameters)


@every_analytic_task
def test_kernels_read_their_arguments_only(task):
    """A rollout leaves x0, actions and parameters as they were, and gives the same again."""
    dynamics = NumbaDynamics(task)
    x, u = some(task, 3, 6, 9)
    before = x.copy(), u.copy(), dynamics.parameters.copy()
    first, second = np.empty((1, 6)), np.full((1, 6), 7.0)
    dynamics.rollout(x, u, first)
    dynamics.rollout(x, u, second)
    assert np.array_equal(first, second)
    for now, then in zip((x, u, dynamics.parameters), before, strict=True):
        assert np.array_equal(now, then)


@every_task
def test_the_mujoco_model_is_the_plant(task):
    dynamics, plant = MujocoDynamics(task), Plant(task.for_planning())
    x, u, _, states = along(task, dynamics, rows=2, ticks=12)
    for row, way in zip(u, states[0], strict=True):
        plant.reset(x)
        for action, there in zip(row, way, strict=True):
            plant.apply(action)
            for _ in range(dynamics.substeps):
                plant.step()
            assert np.array_equal(plant.state(), there)


@every_task
def test_starts(task):
    starts = np.stack([task.initial_state(np.random.default_rng(seed)) for seed in range(200)])
    assert starts.shape == (200, len(task.state_names)) and np.isfinite(starts).all()
    assert len(np.unique(starts, axis=0)) == 200, "the seed is not used"
    assert not task.success(starts).any(), "an episode that has succeeded before it starts"
    starts = starts[:30]  # an arm's inverse kinematics takes its time
    goal = starts[:, task.goal_slice]
    back = task.state_from_physics(*task.physics_from_state(starts), goal)
    assert np.abs(task.symmetry.difference("state", back, starts)).max() < 1e-12


@every_task
def test_goals(task):
    """A goal asked for as a pose is a goal part, and replaces the goal alone."""
    if not task.goal:
        pytest.skip("it has no goal that can be moved")
    here = task.goal_slice
    goal = task.goal_from_pose(0.1, -0.05, 4.0)
    assert goal.shape == (here.stop - here.start,)
    assert all(-math.pi <= v < math.pi for v in goal)
    x = np.stack([task.initial_state(np.random.default_rng(seed)) for seed in range(3)])
    moved = task.with_goal(x, goal)
    assert np.array_equal(moved[:, here], np.broadcast_to(goal, moved[:, here].shape))
    rest = np.delete(np.arange(x.shape[1]), np.r_[here])
    assert np.array_equal(moved[:, rest], x[:, rest]) and not np.array_equal(moved, x)


@every_task
def test_names_units_and_spaces(task):
    assert task.name == type(task).__module__.rpartition(".")[2], "named after its file"
    assert task.action_interface in ("velocity", "effort")
    assert task.symmetry.width("state") == len(task.state_names) == len(set(task.state_names))
    assert task.symmetry.width("action") == len(task.action_names) == len(set(task.action_names))
    steps = task.dt / task.physics_dt
    assert abs(steps - round(steps)) < 1e-9 and task.hold < task.time_limit
    x = task.initial_state(np.random.default_rng(0))
    assert task.observation_space.contains(task.observe(x))
    assert task.action_space.contains(task.safe_action())
    assert task.limits.violation(task.safe_action()) == 0.0
    assert (type(task).__doc__ or "").count("**") >= 4, "success and starts stand in the docstring"
    for frame in task.frames(x).values():
        assert len(frame) == 3 and np.isfinite(frame).all()
