"""Every analytic task in the tree is fused, in both precisions, and costs what its kernels say."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import covary.benchmarks.problems
import covary.sim.tasks
from covary.sim import fused_kernels
from covary.sim.kernel_loops import loops
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.task import Task
from covary.sim.tasks.block_push import BlockPush
from covary.sim.tasks.point_masses import PointMasses


def found():
    """All tasks with kernels, and the widest of those that have several widths."""
    tasks = [PointMasses(balls=6), BlockPush(actions="joint")]
    for package in (covary.sim.tasks, covary.benchmarks.problems):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_peer"):  # they run where the peer is
                continue
            loaded = importlib.import_module(f"{package.__name__}.{module.name}")
            for _, cls in inspect.getmembers(loaded, inspect.isclass):
                there = cls.__module__ == loaded.__name__ and issubclass(cls, Task)
                if (
                    not there
                    or package is covary.benchmarks.problems
                    and not hasattr(loaded, "step")
                ):
                    continue
                if (task := cls()).kernels is not None:
                    tasks.append(task)
    return tasks


TASKS = found()
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{t.name}-{len(t.state_names)}")
in_both = pytest.mark.parametrize("precision", list(fused_kernels.LANES))


def test_the_walk_finds_tasks():
    names = {"push", "point_mass", "point_masses", "point_mass_obstacles", "reacher", "cart_pole"}
    assert names | {"drone", "pointmass", "reacher2", "peg_in_hole"} <= {
        task.name for task in TASKS
    }
    assert all(task.kernels is not None for task in TASKS)


@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@every_task
def test_it_can_be_translated(task, precision):
    assert f"real = np.{precision}" in fused_kernels.source_of(task, precision)[0]


@pytest.mark.slow
@in_both
@every_task
def test_it_costs_what_its_kernels_say(task, precision):
    rng = np.random.default_rng(0)
    low, high = task.limits.bound()
    parameters = task.parameters * rng.uniform(0.9, 1.1, (2, len(task.parameters)))
    model = NumbaDynamics(task, parameters, precision)
    bound = 1e-11 if precision == "float64" else 2e-4
    for _ in range(3):
        x = task.initial_state(rng)
        actions = task.limits.project(rng.normal(size=(70, 20, len(low))) * high)
        fused, own, with_states = (np.full((2, 70), np.nan) for _ in range(3))
        states, kept = (np.full((2, 70, 20, len(x)), np.nan) for _ in range(2))
        model.rollout(x, actions, fused)
        model.rollout(x, actions, with_states, kept)
        assert model.not_fused == "", model.not_fused
        loops(task.kernels).rollout(x, actions, parameters, own, states)
        assert np.abs(fused - own).max() <= bound * np.abs(own).max()
        apart = np.abs(task.symmetry.difference("state", kept, states))
        assert apart.max() <= 1e-11 * np.abs(states).max()
