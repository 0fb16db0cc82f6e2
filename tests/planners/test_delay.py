"""Delay compensation: planned from where the state will be, with what was sent in the memory."""

import numpy as np
import pytest
from posted_mass import START, away, planner, run

from covary.nodes.parameters import ParameterError
from covary.planners.bounds.delay import delayed_periods
from covary.planners.ilqr import ILQR
from covary.planners.mppi import MPPI
from covary.planners.mppi_ilqr import MPPIiLQR
from covary.planners.symmetric.canonical import Canonical
from covary.planners.tube_mppi import TubeMPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass


def test_whole_periods_that_have_begun():
    found = [delayed_periods(ms * 1e-3, 0.05) for ms in (0, 1, 50, 50.001, 99, 100)]
    assert found == [0, 1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match="delay_ms: -1"):
        planner(delay_ms=-1.0)


def test_a_plan_begins_with_what_was_sent_and_goes_on_from_where_that_leads():
    one = planner(delay_ms=200.0, constraints="off")
    memory, plans = one.initial_memory(0), []
    for k in range(4):
        plan, memory = one.plan(START, 0.1 * k, memory)
        plans.append(plan.actions)
    assert plans[0].shape == (22, 2) and not plans[0][:2].any()  # nothing was sent before
    # Of two periods later the plan of then says what is done by now.
    np.testing.assert_array_equal(plans[2][0], plans[0][2])
    np.testing.assert_array_equal(plans[3][:2], [plans[1][2], plans[2][2]])
    same = planner(constraints="off")
    x = one.dynamics.next_state(one.dynamics.next_state(START, np.zeros(2)), np.zeros(2))
    straight, _ = same.plan(x, 0.0, same.initial_memory(0))
    np.testing.assert_allclose(plans[0][2:], straight.actions, atol=1e-12)


def test_it_is_cheaper_to_know_of_the_delay():
    for seed in range(3):
        costs = []
        for known in (0.0, 500.0):
            one = planner(delay_ms=known, constraints="off", iterations=2)
            states, actions = run(one, seed=seed, steps=50, delay=5)
            costs.append(float(one.dynamics.cost(states[1:], actions).sum()))
        assert costs[1] < 0.95 * costs[0]


@pytest.mark.parametrize("name", ["mppi", "icem", "cma_es"])
def test_planners_are_exact_with_it(name):
    more = {"temperature": 30.0} if name == "mppi" else {}
    one = planner(name, delay_ms=250.0, noise=3.0, iterations=2, **more)
    assert away(one, np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])) < 1e-9


def test_what_was_sent_must_go_with_the_group():
    """The control of the law above: a memory whose sent actions stay where they were."""
    one = planner(delay_ms=250.0, noise=3.0, temperature=30.0)
    x, s = np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05]), one.symmetry
    _, memory = one.plan(x, 0.0, one.initial_memory(0))
    moved = memory.act(s, 1)
    right, _ = one.plan(s.act(1, state=x), 0.1, moved)
    object.__setattr__(moved, "planned", memory.planned)
    wrong, _ = one.plan(s.act(1, state=x), 0.1, moved)
    plan, _ = one.plan(x, 0.1, memory)
    expected = s.act(1, action=plan.actions)
    assert np.abs(right.actions - expected).max() < 1e-9 < np.abs(wrong.actions - expected).max()


def test_a_model_that_blows_up_on_the_way_gives_no_plan():
    one = planner(delay_ms=200.0)
    one.dynamics.next_state = lambda x, u: np.full(6, np.inf)
    with pytest.raises(ValueError, match="rolled ahead is not finite in x"):
        one.plan(START, 0.0, one.initial_memory(0))


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    (
        (MPPI, {"delay_ms": 100.0}, "delay_ms: a latent model tells no state"),
        (TubeMPPI, {}, "the nominal state: a latent model tells no state"),
        (MPPIiLQR, {}, "slopes: a latent model tells no state"),
        (ILQR, {}, "slopes: a latent model tells no state"),
    ),
)
def test_what_asks_a_model_for_states_takes_no_latent_one(kind, parameters, said):
    dynamics = NumbaDynamics(PointMass())
    dynamics.latent = True  # as a `TorchDynamics` over a model that encodes says
    MPPI(dynamics)
    with pytest.raises(ValueError, match=said):
        kind(dynamics, **parameters)


def test_no_continuous_frame_round_a_latent_model():
    dynamics = NumbaDynamics(PointMass())
    dynamics.latent = True
    with pytest.raises(ParameterError, match="symmetry: SO2: a latent model tells no state"):
        Canonical(MPPI(dynamics, "none"), "SO2")
