"""Measures of risk over models, against their definitions; plans with several models."""

import numpy as np
import pytest

from covary.planners.loop.risk import risk_measure
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.planner_plugin import ModelSpread
from covary.sim.tasks.point_mass import PointMass

COSTS = np.random.default_rng(0).gamma(2.0, 10.0, (10, 200))


def test_each_is_what_it_is_called():
    def found(kind, level=0.8, aversion=0.1):
        return risk_measure(kind, level, aversion)(COSTS)

    ordered = np.sort(COSTS, axis=0)
    np.testing.assert_allclose(found("mean"), COSTS.mean(axis=0))
    np.testing.assert_allclose(found("worst"), ordered[-1])
    np.testing.assert_allclose(found("value_at_risk"), np.quantile(COSTS, 0.8, axis=0))
    np.testing.assert_allclose(found("cvar"), ordered[8:].mean(axis=0))
    np.testing.assert_allclose(
        found("cvar", level=0.75), (0.5 * ordered[7] + ordered[8:].sum(0)) / 2.5
    )
    np.testing.assert_allclose(found("cvar", level=0.0), COSTS.mean(axis=0))
    np.testing.assert_allclose(found("variance"), COSTS.mean(axis=0) + 0.1 * COSTS.var(axis=0))
    np.testing.assert_allclose(
        found("entropic"), np.log(np.mean(np.exp(0.1 * COSTS), axis=0)) / 0.1
    )


def test_entropic_risk_lies_between_the_mean_and_the_worst():
    for aversion, towards in ((1e-6, COSTS.mean(axis=0)), (1e3, COSTS.max(axis=0))):
        found = risk_measure("entropic", 0.0, aversion)(COSTS)
        np.testing.assert_allclose(found, towards, rtol=1e-2)


@pytest.mark.parametrize("kind", ["mean", "worst", "value_at_risk", "cvar", "entropic", "variance"])
def test_what_blows_up_in_one_model_is_lost_and_one_model_is_itself(kind):
    measure = risk_measure(kind, 0.5, 0.1)
    costs = COSTS.copy()
    costs[3, 7], costs[0, 9] = np.nan, np.inf
    found = measure(costs)
    assert np.flatnonzero(~np.isfinite(found)).tolist() == [7, 9] and np.all(
        found[[7, 9]] == np.inf
    )
    np.testing.assert_array_equal(measure(COSTS[:1]), COSTS[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk": "cvarr"}, "did you mean cvar"),
        ({"risk_level": 1.0}, "risk_level"),
        ({"risk_aversion": 0.0}, "risk_aversion"),
    ],
)
def test_bad_parameters_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        MPPI(NumbaDynamics(PointMass()), **change)


@pytest.mark.parametrize("risk", ["cvar", "entropic"])
def test_plans_over_several_models_are_exact_and_care(risk):
    task = PointMass()
    spread = ModelSpread(6, 0.3, 0)
    drawn = spread.parameters(task)
    np.testing.assert_array_equal(drawn[0], task.parameters)
    assert drawn.shape == (6, 2) and (drawn > 0).all() and drawn.std(axis=0).min() > 0.05
    one = MPPI(NumbaDynamics(task, drawn), samples=64, horizon=12, risk=risk, risk_aversion=1.0)
    mean = MPPI(NumbaDynamics(task, drawn), samples=64, horizon=12)
    x, s = task.initial_state(np.random.default_rng(0)), one.symmetry
    memory = one.initial_memory(0)
    plan, _ = one.plan(x, 0.0, memory)
    for g in s.group.elements:
        there, _ = one.plan(s.act(g, state=x), 0.0, memory.act(s, g))
        np.testing.assert_allclose(there.actions, s.act(g, action=plan.actions), atol=1e-9)
    other, _ = mean.plan(x, 0.0, memory)
    assert np.abs(other.actions - plan.actions).max() > 1e-6
