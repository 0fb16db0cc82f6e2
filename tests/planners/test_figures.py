"""Figures of a plan: effective samples, costs, iterations, and the equivariance error."""

from dataclasses import replace

import numpy as np
import pytest
from posted_mass import START, planner

from covary.planners.loop.figures import equivariance_error

KNOWN = {"predictive_sampling": 1.0, "cem": 13.0}


@pytest.mark.parametrize("name", ["predictive_sampling", "mppi", "smppi", "cem", "dial"])
def test_what_a_plan_was_chosen_from(name):
    one = planner(name, iterations=2)
    plan, _ = one.plan(START, 0.0, one.initial_memory(0))
    found = one.figures()
    assert found.iterations == 2 and 125 <= found.samples <= 128  # as many as make orbits
    assert (
        found.best_cost == pytest.approx(plan.cost, rel=0.2) and found.best_cost < found.mean_cost
    )
    if name in KNOWN:
        assert found.effective_samples == pytest.approx(KNOWN[name])
    else:
        assert 1.0 <= found.effective_samples < 128 and found.temperature > 0.0


def test_a_temperature_that_is_chosen_is_told():
    one = planner("mppi", effective_samples=20.0)
    one.plan(START, 0.0, one.initial_memory(0))
    found = one.figures()
    assert found.effective_samples == pytest.approx(20.0, abs=0.01) and found.temperature != 0.1


def test_nothing_is_known_before_a_plan_and_of_rollouts_that_blow_up():
    one = planner("mppi")
    assert np.isnan(one.figures().best_cost) and one.figures().iterations == 0
    one.dynamics.cost = lambda x, u: np.full(len(x), np.nan)
    one.plan(START, 0.0, one.initial_memory(0))
    found = one.figures()
    assert found.samples == 128 and np.isnan(found.effective_samples)


def test_the_equivariance_error_sees_a_cost_that_breaks_the_symmetry():
    one = planner("mppi", temperature=30.0, noise=1.5)
    _, memory = one.plan(START, 0.0, one.initial_memory(0))
    assert max(equivariance_error(one, START, 0.1, memory, g) for g in range(8)) < 1e-12
    mirrored = np.array([2.0, 0.0, 0.0, 0.0, 1.0, 0.0])  # there a plan picks a side
    fresh = one.initial_memory(0)
    assert max(equivariance_error(one, mirrored, 0.0, fresh, g) for g in range(8)) < 1e-12
    cost = one.dynamics.cost
    one.dynamics.cost = lambda x, u: cost(x, u) + x[..., 0]
    assert max(equivariance_error(one, START, 0.1, memory, g) for g in range(8)) > 1e-3
    broken = replace(memory, planned=memory.planned + 1.0)
    assert equivariance_error(one, START, 0.1, broken, 0) == 0.0  # the identity moves nothing
