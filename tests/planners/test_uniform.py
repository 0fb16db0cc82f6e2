"""The uniform planner: within the limits, repeatable, on any task without a model."""

import numpy as np
import pytest

from covary.nodes.plugin import load
from covary.planners.uniform import Uniform


@pytest.mark.parametrize("name", ["point_mass", "push", "reacher"])
def test_its_actions_fill_the_limits_and_stay_within(name):
    task = load(name, "sim.tasks")()
    planner = Uniform(task, horizon=2000)
    x = task.initial_state(np.random.default_rng(0))
    memory = planner.initial_memory(3)
    plan, after = planner.plan(x, 0.5, memory)
    assert plan.time == 0.5 and plan.dt == task.dt
    assert np.max(task.limits.violation(plan.actions)) < 1e-12
    low, high = task.limits.bound()
    np.testing.assert_allclose(plan.actions.mean(axis=0), (low + high) / 2, atol=0.1 * high.max())
    assert (np.abs(plan.actions).max(axis=0) > 0.95 * high).all()
    again, _ = planner.plan(x, 0.5, memory)
    np.testing.assert_array_equal(again.actions, plan.actions)
    other, _ = planner.plan(x, 0.5, after)
    assert not np.array_equal(other.actions, plan.actions)


def test_it_wants_a_horizon():
    task = load("push", "sim.tasks")()
    with pytest.raises(ValueError, match="horizon"):
        Uniform(task, horizon=0)
