"""Proposals: what somebody else would do is one sample, and exactness stays if that is exact."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError
from covary.planners.cem import CEM
from covary.planners.cma_es import CMAES
from covary.planners.icem import ICEM
from covary.planners.loop.proposal import proposal
from covary.planners.mppi import MPPI
from covary.planners.planner_node import PlannerNode
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()


class Homing:
    """A spring and damper straight at the goal: equivariant, and no planner's random draw."""

    def actions(self, state):
        """(1, 2)"""
        return (8.0 * (state[4:6] - state[:2]) - 4.0 * state[2:4])[None]


class Chunked(Homing):
    """The same, three periods at a time."""

    def actions(self, state):
        """(3, 2)"""
        return np.repeat(super().actions(state), 3, axis=0)


class Broken:
    """Says what is no number."""

    def actions(self, state):
        """(1, 2)"""
        return np.full((1, 2), np.nan)


def start(seed=0):
    return TASK.initial_state(np.random.default_rng(seed))


def planner(cls=MPPI, symmetry="full", proposer=None, **more):
    made = cls(NumbaDynamics(TASK), symmetry, **{"horizon": 20, "samples": 33, **more})
    if proposer is not None:
        made.take_proposals(proposer)
    return made


@pytest.mark.parametrize("proposer", [Homing(), Chunked()])
def test_a_proposal_is_the_policy_in_the_planners_own_model(proposer):
    dynamics = NumbaDynamics(TASK)
    found = proposal(proposer, dynamics, start(), 9)
    x, expected = start(), []
    while len(expected) < 9:
        for action in TASK.limits.project(proposer.actions(x)):
            expected.append(action)
            x = dynamics.next_state(x, action)
    np.testing.assert_array_equal(found, expected[:9])
    assert proposal(Broken(), dynamics, start(), 9) is None


@pytest.mark.parametrize("cls", [MPPI, CEM])
@pytest.mark.parametrize("symmetry", ["full", "C4", "none"])
def test_it_is_one_sample_and_never_makes_the_best_one_worse(cls, symmetry):
    for seed in range(3):
        alone, helped = planner(cls, symmetry), planner(cls, symmetry, Homing())
        x = start(seed)
        costs = np.empty((1, 1))
        of_proposal = proposal(Homing(), helped.dynamics, x, 20)
        helped.dynamics.rollout(x, of_proposal[None], costs)
        plan, memory = helped.plan(x, 0.0, helped.initial_memory(1))
        assert plan.cost <= costs[0, 0] + 1e-12
        assert len(helped.samples.actions) == len(alone.samples.actions)
        helped.plan(x, 0.05, memory)
        np.testing.assert_array_equal(helped.samples.actions[-1], of_proposal)


@pytest.mark.parametrize("cls", [MPPI, CEM])
@pytest.mark.parametrize("samples", [48, 33])
def test_plans_stay_exact(cls, samples):
    made = planner(cls, "full", Homing(), samples=samples)
    s = made.symmetry
    x, memory = start(3), made.initial_memory(5)
    plan, after = made.plan(x, 0.0, memory)
    for g in s.group.elements:
        moved, moved_after = made.plan(s.act(g, state=x), 0.0, memory.act(s, g))
        np.testing.assert_allclose(moved.actions, s.act(g, action=plan.actions), atol=1e-9)
        np.testing.assert_allclose(moved_after.mean, s.act(g, action=after.mean), atol=1e-9)


BOTH = {"null_sample": True, "previous_plan": True}


@pytest.mark.parametrize("cls", [MPPI, CEM, ICEM, CMAES])
def test_doing_nothing_is_one_sample_and_bounds_the_best_cost(cls):
    x, nothing = start(), np.empty((1, 1))
    x[:2], x[2:4] = x[4:6] + 0.002, 0.0  # all but there: whatever is done does harm

    def planned(samples, **more):
        made = planner(cls, samples=samples, noise=3.0, **more)
        memory = replace(made.initial_memory(1), mean=np.ones((20, 2)), draws=1, time=0.0)
        next(made.planning(x, 0.0, memory))  # as far as its first rollouts
        tried = made.samples.actions.copy()
        return made, tried, made.plan(x, 0.0, memory)[0].cost

    made, tried, helped = planned(64, **BOTH)
    made.dynamics.rollout(x, np.zeros((1, 20, 2)), nothing)
    assert helped <= nothing[0, 0] + 1e-12
    for asked in (np.zeros((20, 2)), np.ones((20, 2))):
        assert (tried == asked).all(axis=(1, 2)).any()
    assert planned(64)[2] > nothing[0, 0]


@pytest.mark.parametrize("cls", [MPPI, CEM])
def test_plans_with_them_stay_exact(cls):
    def worst(made):
        s, off = made.symmetry, 0.0
        x, memory = start(3), made.initial_memory(5)
        for time in (0.0, 0.05):  # the second is warm
            plan, after = made.plan(x, time, memory)
            assert made.figures().effective_samples > 5 or cls is CEM
            for g in s.group.elements:
                moved, _ = made.plan(s.act(g, state=x), time, memory.act(s, g))
                off = max(off, np.abs(moved.actions - s.act(g, action=plan.actions)).max())
            memory = after
        return off

    softness = {"temperature": 5.0} if cls is MPPI else {}
    made = planner(cls, samples=35, noise=2.0, **softness, **BOTH)
    assert made.fused is None
    assert worst(made) < 1e-9
    made.idle = made.idle + np.array([1.0, 0.0])  # a safe action that the group moves
    assert worst(made) > 1e-6 or cls is CEM  # of whose elites it is none


def test_a_safe_action_that_the_group_moves_is_refused(monkeypatch):
    monkeypatch.setattr(PointMass, "safe_action", lambda self: np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="null_sample: D8's element .* moves the safe action"):
        planner(null_sample=True)
    planner(symmetry="none", null_sample=True)


def test_one_that_is_not_finite_leaves_the_plan_as_it_were_without():
    helped, alone = planner(proposer=Broken()), planner(samples=33)
    first, _ = helped.plan(start(), 0.0, helped.initial_memory(2))
    second, _ = alone.plan(start(), 0.0, alone.initial_memory(2))
    np.testing.assert_allclose(first.actions, second.actions, atol=1e-13)  # loop, kernel


def test_there_must_be_room_for_it():
    with pytest.raises(ValueError, match="samples: 16 have no room for a proposal"):
        planner(samples=16, proposer=Homing())


@pytest.mark.parametrize(
    ("planner_block", "proposal_block", "message"),
    [
        ({"plugin": "uniform"}, {"plugin": "test_proposal:Outsider"}, "proposal: Uniform takes"),
        ({"plugin": "mppi"}, {"plugin": "nowhere:Mine"}, "there is no module 'nowhere'"),
        ({"plugin": "mppi"}, {"plugin": "test_proposal:Homing"}, "Homing proposes nothing"),
        ({"plugin": "mppi"}, {"plugin": "test_proposal:Outsider", "gian": 1}, "did you mean gain"),
        ({"plugin": "mppi"}, {"gain": 1}, "proposal: needs a plugin"),
    ],
)
def test_what_cannot_propose_is_one_line(planner_block, proposal_block, message):
    parameters = PlannerNode.Parameters("point_mass", planner_block, proposal=proposal_block)
    with pytest.raises(ValueError, match=message) as caught:
        PlannerNode.check(parameters)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, ParameterError) or "propos" in caught.value.key


class Outsider(Homing):
    """One that a launch file can name."""

    @dataclass(frozen=True)
    class Parameters:
        """Of the outsider."""

        gain: float = 8.0

    def __init__(self, task, parameters):
        self.parameters = parameters
