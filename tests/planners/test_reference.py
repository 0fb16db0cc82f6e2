"""MPPI and CEM against short NumPy references fed the same noise."""

import numpy as np
import pytest

from covary.planners.cem import CEM
from covary.planners.loop.normals import normals
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

TASKS = [PointMass, Reacher, Push]
H, N, K = 12, 4, 48


def interpolate(noise):
    """Straight lines through N knots spread over H steps."""
    at = np.arange(H) * (N - 1) / (H - 1)
    steps = np.empty((len(noise), H, noise.shape[2]))
    for k in range(len(noise)):
        for j in range(noise.shape[2]):
            steps[k, :, j] = np.interp(at, np.arange(N), noise[k, :, j])
    return steps


def cost_of(task, dynamics, x, actions):
    total = np.zeros(len(actions))
    for k, plan in enumerate(actions):
        state = x
        for u in plan:
            state = dynamics.next_state(state, u)
            total[k] += task.running_cost(state, u)
        total[k] += task.terminal_cost(state)
    return total


def reference(kind, task, dynamics, x, mean, std, rng, rounds, orbit):
    """One plan. `orbit` holds the matrices that the noise is closed under."""
    width, count = mean.shape[1], K // len(orbit)
    for _ in range(rounds):
        numbers = normals(rng.bit_generator.random_raw(), N * width, count)
        base = numbers.T.reshape(count, N, width) * std
        noise = np.array([[a @ knot for knot in knots] for knots in base for a in orbit])
        actions = task.limits.project(mean + interpolate(noise))
        cost = cost_of(task, dynamics, x, actions)
        if kind is MPPI:
            w = np.exp(-(cost - cost.min()) / 0.1)
            mean = np.tensordot(w / w.sum(), actions, 1)
        else:
            best = np.argsort(cost)[: round(0.1 * K)]
            mean = actions[best].mean(0)
            std = np.maximum(noise[best].std(0), 0.02 * task.limits.bound()[1])
    return mean


def start(task, seed=3):
    return task.initial_state(np.random.default_rng(seed))


@pytest.mark.parametrize("task_class", TASKS)
@pytest.mark.parametrize("kind", [MPPI, CEM])
def test_without_symmetry_it_is_the_plain_algorithm(task_class, kind):
    task = task_class()
    dynamics = NumbaDynamics(task)
    planner = kind(dynamics, "none", samples=K, horizon=H, knots=N, iterations=3)
    memory = planner.initial_memory(5)
    x = start(task)
    expected, rest = memory.mean, task.safe_action()[None]
    for tick in range(3):
        rng = np.random.Generator(np.random.Philox(key=[5, tick]))
        warm = np.concatenate([expected[1:], rest]) if tick else expected
        expected = reference(
            kind, task, dynamics, x, warm, planner.initial_std, rng, 3, [np.eye(warm.shape[1])]
        )
        plan, memory = planner.plan(x, tick * task.dt, memory)
        np.testing.assert_allclose(plan.actions, expected, rtol=0, atol=1e-12)
        x = dynamics.next_state(x, plan.actions[0])


@pytest.mark.parametrize("task_class", TASKS)
def test_with_symmetry_it_is_the_algorithm_on_the_noise_orbit(task_class):
    task = task_class()
    dynamics = NumbaDynamics(task)
    planner = MPPI(dynamics, "full", samples=K, horizon=H, knots=N, iterations=2)
    memory = planner.initial_memory(5)
    orbit = task.symmetry.orbit("action")[list(task.symmetry.distinct_actions())]
    rng = np.random.Generator(np.random.Philox(key=[5, 0]))
    expected = reference(
        MPPI, task, dynamics, start(task), memory.mean, planner.initial_std, rng, 2, orbit
    )
    plan, _ = planner.plan(start(task), 0.0, memory)
    np.testing.assert_allclose(plan.actions, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [MPPI, CEM])
def test_the_plain_algorithm_is_not_equivariant(kind):
    """The control of the exactness tests: without the orbit they would fail by far."""
    task = PointMass()
    planner = kind(NumbaDynamics(task), "none", samples=K, horizon=H, knots=N)
    worst = 0.0
    for seed in range(5):
        x = start(task, seed)
        memory = planner.initial_memory(seed)
        here = planner.plan(x, 0.0, memory)[0].actions
        for g in task.symmetry.group.elements:
            there = planner.plan(task.symmetry.act(g, state=x), 0.0, memory)[0].actions
            worst = max(worst, np.abs(there - task.symmetry.act(g, action=here)).max())
    assert worst > 1e-3


@pytest.mark.parametrize("kind", [MPPI, CEM])
def test_rollouts_left_over_by_the_orbit_are_the_mean(kind):
    task = PointMass()
    planner = kind(NumbaDynamics(task), "full", samples=37, horizon=H, knots=N)
    x = start(task)
    memory = planner.initial_memory(0)
    for g in task.symmetry.group.elements:
        here, warm = planner.plan(x, 0.0, memory)
        there, moved = planner.plan(
            task.symmetry.act(g, state=x), 0.0, memory.act(planner.symmetry, g)
        )
        assert np.abs(there.actions - task.symmetry.act(g, action=here.actions)).max() < 1e-9
