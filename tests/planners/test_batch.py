"""Plans for several environments at once are those of single calls, bit for bit."""

from dataclasses import fields

import numpy as np
import pytest
from posted_mass import START, PostedDynamics, planner

from covary.planners.mppi import MPPI

NAMES = "predictive_sampling mppi kmppi smppi cem icem dial cma_es covo tube_mppi mppi_ilqr".split()
COMPILED = ("covo", "tube_mppi", "mppi_ilqr")
"""Of which more has to be compiled."""


class BatchedDynamics(PostedDynamics):
    """One whose rollouts from several starts are one call."""

    calls = 0

    def rollout_batch(self, x0, actions, costs, states):
        self.calls += 1
        x = np.broadcast_to(x0[:, None], (*actions.shape[:2], 6))
        costs[:] = 0.0
        for t in range(actions.shape[2]):
            x = self.next_state(x, actions[:, :, t])
            costs[:, 0] += self.cost(x, actions[:, :, t])
            if states is not None:
                states[:, 0, :, t] = x


def starts(count):
    rng = np.random.default_rng(0)
    return START + 0.3 * rng.normal(size=(count, 6))


def equal(one, other):
    for f in fields(one):
        np.testing.assert_array_equal(getattr(one, f.name), getattr(other, f.name))


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in COMPILED else []) for n in NAMES],
)
def test_the_same_bit_for_bit(name):
    more = {} if name == "tube_mppi" else {"delay_ms": 100.0}  # that one refuses a delay
    one, many = planner(name, **more), planner(name, **more)
    states, times = starts(3), [0.0, 0.1, 0.7]
    alone = [one.initial_memory(i) for i in range(3)]
    together = list(alone)
    for k in range(2):
        for i in range(3):
            plan, alone[i] = one.plan(states[i], times[i] + 0.1 * k, alone[i])
            equal(plan, plan)
        plans, together = many.plan_batch(states, [t + 0.1 * k for t in times], together)
        for i in range(3):
            equal(together[i], alone[i])
        equal(plans[2], plan)


@pytest.mark.parametrize("constraints", ["off", "lagrangian", "barrier"])
def test_a_model_that_can_rolls_out_all_of_them_in_one_call(constraints):
    many = MPPI(BatchedDynamics(), samples=64, horizon=10, iterations=3, constraints=constraints)
    one = MPPI(PostedDynamics(), samples=64, horizon=10, iterations=3, constraints=constraints)
    states, memories = starts(5), [one.initial_memory(i) for i in range(5)]
    plans, _ = many.plan_batch(states, [0.0] * 5, memories)
    assert many.dynamics.calls == 3 + (constraints != "off") and not many.dynamics.seen
    for x, memory, plan in zip(states, memories, plans, strict=True):
        np.testing.assert_allclose(plan.actions, one.plan(x, 0.0, memory)[0].actions, atol=1e-12)


def test_one_that_ends_sooner_leaves_the_others_at_work():
    class Blown(PostedDynamics):
        def rollout(self, x0, actions, costs, states):
            super().rollout(x0, actions, costs, states)
            if x0[0] > 3.0:
                costs[:] = np.nan

    one = MPPI(Blown(), samples=64, horizon=10, iterations=3)
    states = np.stack([START, START + 2.0])
    memories = [one.initial_memory(0), one.initial_memory(1)]
    plans, _ = one.plan_batch(states, [0.0, 0.0], memories)
    equal(plans[0], one.plan(states[0], 0.0, memories[0])[0])
    assert plans[1].cost == np.inf and not plans[1].actions.any()


def test_a_planner_with_a_plan_of_its_own_plans_one_by_one():
    class Mine(MPPI):
        def plan(self, state, time, memory):
            plan, memory = super().plan(-state, time, memory)
            return plan, memory

    one = Mine(PostedDynamics(), samples=64, horizon=10)
    plans, memories = one.plan_batch(starts(2), [0.0, 0.0], [one.initial_memory(0)] * 2)
    equal(plans[1], one.plan(starts(2)[1], 0.0, one.initial_memory(0))[0])
    assert len(memories) == 2


def test_states_times_and_memories_are_as_many():
    one = planner()
    with pytest.raises(ValueError, match="zip"):
        one.plan_batch(starts(2), [0.0], [one.initial_memory(0)] * 2)


def test_mujoco_rolls_out_from_several_states_as_from_each():
    from covary.sim.mujoco_dynamics import MujocoDynamics
    from covary.sim.tasks.push import Push

    task, rng = Push(), np.random.default_rng(0)
    dynamics = MujocoDynamics(task, factors=np.array([[1.0, 1.0], [0.6, 1.5]]))
    x = np.stack([task.initial_state(rng) for _ in range(2)])
    actions = rng.normal(0.0, 0.2, (2, 3, 4, 2))
    costs, states = np.empty((2, 2, 3)), np.empty((2, 2, 3, 4, len(task.state_names)))
    dynamics.rollout_batch(x, actions, costs, states)
    for i in range(2):
        one, its = np.empty((2, 3)), np.empty(states.shape[1:])
        dynamics.rollout(x[i], actions[i], one, its)
        np.testing.assert_array_equal(costs[i], one)
        np.testing.assert_array_equal(states[i], its)
