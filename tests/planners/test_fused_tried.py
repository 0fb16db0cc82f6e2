"""Fused plans with sequences tried beside the noise are those of the loop, whoever wins."""

import numpy as np
import pytest

from covary.planners.kmppi import KMPPI
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push

WORLDS = {cls: NumbaDynamics(cls()) for cls in (PointMass, Push)}
SIZE = {"samples": 50, "horizon": 20, "knots": 5, "iterations": 2, "temperature": 2.0}
TIMES = np.array([0.0, 1.0, 2.3, 2.3, 4.0])


def both(kind, task, symmetry="none", **more):
    """A planner twice: with the fused plan, and without."""
    one, other = (kind(WORLDS[task], symmetry, **(SIZE | more)) for _ in range(2))
    other.fused = None
    assert one.fused is not None
    return one, other


def apart(one, other, x, count, size):
    """Worst difference of plans, costs and memories, and what the last tried ones count."""
    rng, task, worst, shares = np.random.default_rng(1), one.task, 0.0, []
    a, b = one.initial_memory(3), other.initial_memory(3)
    for time in TIMES * task.dt:
        tried = size * other.largest * rng.standard_normal((count, 20, len(task.action_names)))
        tried = list(task.limits.project(tried))
        plan, a = one.plan(x, time, a, tried)
        looped, b = other.plan(x, time, b, tried)
        parts = [(plan.actions, looped.actions), (plan.cost, looped.cost)]
        parts += [(getattr(a, name), getattr(b, name)) for name in ("mean", "planned", "sent")]
        parts += [(np.sort(p._last[1]) for p in (one, other))]
        worst = max(worst, *(np.abs(np.subtract(p, q)).max() for p, q in parts))
        shares.append(other.weight(other._last[1])[-count - 1 :].sum())
        x = one.dynamics.next_state(x, plan.actions[0])
    return worst, shares


@pytest.mark.parametrize(
    ("kind", "task", "symmetry", "more"),
    [
        (MPPI, PointMass, "none", {}),
        pytest.param(MPPI, Push, "none", {}, marks=pytest.mark.slow),
        (MPPI, PointMass, "C2", {"noise_law": "sobol", "iterations": 3}),
        (KMPPI, PointMass, "D1", {"noise_law": "sobol", "antithetic": True}),
        (KMPPI, PointMass, "none", {"samples": 33}),
    ],
)
def test_they_are_those_of_the_loop(kind, task, symmetry, more):
    """Warm starts, one and three tried, which count neither for nothing nor for all."""
    one, other = both(kind, task, symmetry, **more)
    x = task().initial_state(np.random.default_rng(0))
    for count in (1, 3):
        worst, shares = apart(one, other, x, count, 0.2)
        assert worst < 1e-11
        assert 0.01 < max(shares) < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MPPI, KMPPI])
def test_float32_plans_are_near(kind):
    one, other = both(kind, PointMass, precision="float32")
    x = PointMass().initial_state(np.random.default_rng(2))
    assert apart(one, other, x, 2, 0.2)[0] < 2e-3


@pytest.mark.parametrize("temperature", [1e-300, 1e300])
def test_extreme_temperatures_give_numbers(temperature):
    """The best of all that is tried, or the mean."""
    one, other = both(MPPI, PointMass, temperature=temperature)
    x = PointMass().initial_state(np.random.default_rng(1))
    assert apart(one, other, x, 2, 0.2)[0] < 1e-10


def test_what_blows_up_counts_nothing():
    """A tried sequence alone, or all samples."""
    model = NumbaDynamics(PointMass())
    rollout = model.rollout

    def blowing(x0, actions, costs, states=None):
        rollout(x0, actions, costs, states)
        costs[:, (actions == 1.0).all(axis=(1, 2))] = np.nan

    model.rollout = blowing
    one, other = (MPPI(model, "none", **SIZE) for _ in range(2))
    other.fused = None
    x = np.array([0.3, 0.1, 0.0, 0.0, 0.5, 0.2])
    best, _ = other.plan(x, 0.0, other.initial_memory(0))
    tried = [best.actions, np.ones_like(best.actions)]
    (a, _), (b, _) = (p.plan(x, 0.0, p.initial_memory(0), tried) for p in (one, other))
    assert np.abs(a.actions - b.actions).max() < 1e-11
    assert np.isinf(one._last[1]).sum() == np.isinf(other._last[1]).sum() == 1
    x[2:4] = 1e200
    (a, _), (b, _) = (p.plan(x, 0.0, p.initial_memory(0), tried) for p in (one, other))
    assert a.cost == b.cost == np.inf
    np.testing.assert_array_equal(a.actions, b.actions)


def test_without_whole_orbits_it_is_left_to_the_loop():
    one, _ = both(MPPI, PointMass, "C4", samples=8)
    x, memory = np.array([0.3, 0.1, 0.0, 0.0, 0.5, 0.2]), one.initial_memory(0)
    assert one.fused.trying(x, 0.0, memory, [memory.mean] * 3) is not None
    for count in (1, 2, 4, 7):
        assert one.fused.trying(x, 0.0, memory, [memory.mean] * count) is None
