"""The anytime budget: it stops before an iteration that would not fit, and always makes one."""

import numpy as np
import pytest
from posted_mass import START, planner

from covary.planners.bounds.budget import LEAST_SHARE, Budget
from covary.planners.mppi import MPPI
from covary.sim.limits import Ball, Limits
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_mass_obstacles import PointMassObstacles

SIZES = {"samples": 64, "horizon": 10, "knots": 4}


class Clock:
    """Time that passes as it is told."""

    now = 0.0

    def __call__(self):
        return self.now


def plan_of(budget, clock, takes, wanted=100, iterations=10, least=8):
    """Iterations of a plan, each sample taking `takes` seconds: the counts that were allowed."""
    budget.begin()
    counts = []
    for _ in range(iterations):
        count = budget.allows(wanted, least)
        if not count:
            break
        clock.now += takes * count
        budget.spent(count)
        counts.append(count)
    return counts


def test_it_stops_before_an_iteration_that_would_not_fit():
    clock = Clock()
    budget = Budget(1.0, clock)
    assert len(plan_of(budget, clock, takes=9.9)) == 10  # the first plan compiles
    plan_of(budget, clock, takes=0.003)  # nothing was known
    for _ in range(30):
        before = clock.now
        counts = plan_of(budget, clock, takes=0.003)
        assert clock.now - before <= 1.0
    assert counts == [100] * 3


def test_one_iteration_is_always_made_smaller_if_it_must_be():
    clock = Clock()
    budget = Budget(1.0, clock)
    for _ in range(2):
        plan_of(budget, clock, takes=0.02)  # nothing was known
    for _ in range(40):
        before = clock.now
        counts = plan_of(budget, clock, takes=0.02)
    assert len(counts) == 1 and 40 <= counts[0] <= 50 and clock.now - before <= 1.0
    for _ in range(40):
        counts = plan_of(budget, clock, takes=5.0)
    assert counts == [round(LEAST_SHARE * 100)]
    assert plan_of(budget, clock, takes=5.0, wanted=16) == [8]  # one orbit, and what is kept


def test_it_is_careful_where_times_scatter():
    found = {}
    for scatter in (0.0, 0.5):
        clock, rng = Clock(), np.random.default_rng(0)
        budget, late, done = Budget(1.0, clock), 0, 0
        plan_of(budget, clock, takes=0.002, iterations=3)
        plan_of(budget, clock, takes=0.002, iterations=3)
        for _ in range(300):
            before = clock.now
            takes = 0.002 * (1.0 + scatter * rng.choice([-1.0, 1.0]))
            done += len(plan_of(budget, clock, takes))
            late += clock.now - before > 1.0
        found[scatter] = (late, done)
    assert found[0.0][0] == 0 and found[0.5][0] <= 10 and found[0.5][1] < found[0.0][1]


def test_without_a_bound_it_changes_nothing():
    budget = Budget(np.inf, Clock())
    assert plan_of(budget, Clock(), takes=1.0, iterations=4) == [100] * 4


def test_a_plan_made_at_one_go_fits_or_not():
    clock = Clock()
    budget = Budget(1.0, clock)
    assert budget.holds(10**9)  # nothing is known
    for _ in range(40):
        plan_of(budget, clock, takes=0.001, iterations=1)
    assert budget.holds(900) and not budget.holds(1100)


NAMES = "predictive_sampling mppi kmppi smppi cem icem dial cma_es covo".split()


@pytest.mark.parametrize("name", NAMES)
def test_planners_keep_to_it(name):
    """By a clock that the rollouts move on: 2 ms for each sample."""
    one, clock = planner(name, iterations=6, constraints="off"), Clock()
    rollout = one.dynamics.rollout

    def timed(x0, actions, costs, states):
        clock.now += 0.002 * len(actions)
        rollout(x0, actions, costs, states)

    one.dynamics.rollout = timed
    memory = one.initial_memory(0)
    one.budget = Budget(0.6, clock)
    for k in range(12):
        before = clock.now
        plan, memory = one.plan(START, 0.1 * k, memory)
        assert k < 2 or clock.now - before <= 0.6
    assert one.figures().iterations == 2 and np.isfinite(plan.actions).all()
    one.budget = Budget(0.1, clock)
    for k in range(12, 30):
        before = clock.now
        plan, memory = one.plan(START, 0.1 * k, memory)
    assert clock.now - before <= 0.1 and one.figures().samples < 60
    assert np.isfinite(plan.actions).all()


class Stepped(Budget):
    """One to which each iteration takes 100 ms."""

    def spent(self, samples):
        self._clock.now += 0.1
        super().spent(samples)


def test_a_fused_plan_keeps_to_it_and_leaves_what_is_too_much_to_the_loop():
    one, clock = MPPI(NumbaDynamics(PointMass()), **{**SIZES, "iterations": 6}), Clock()
    x, memory = PointMass().initial_state(np.random.default_rng(0)), one.initial_memory(0)
    one.budget, whole = Stepped(0.35, clock), []
    for k in range(12):
        before = clock.now
        plan, memory = one.plan(x, 0.05 * k, memory)
        whole.append("filled" in vars(memory))
    assert all(whole) and one.figures().iterations == 3 and clock.now - before < 0.35
    one.keep_within(0.05)
    plan, memory = one.plan(x, 0.6, memory)
    assert one.figures().samples < 64 and np.isfinite(plan.actions).all()  # the loop's


@pytest.mark.parametrize(
    "bound", [pytest.param("delay", marks=pytest.mark.slow), "rates", "constraints"]
)
def test_no_plan_that_keeps_to_more_than_limits_is_fused(bound):
    """What a kernel does not know it must not leave out."""
    task = PointMassObstacles("constrained" if bound == "constraints" else "priced")
    if bound == "rates":
        task.rates = Limits({"force": Ball(4.0)}, task.limits.slices)
    more = {"delay_ms": 50.0} if bound == "delay" else {}
    one = MPPI(NumbaDynamics(task), **SIZES, **more)
    assert one.bounded and one.fused is None
    off = MPPI(NumbaDynamics(task), **SIZES, constraints="off")
    assert (off.fused is None) == (bound == "rates")


def test_warming_up_leaves_the_loop_nothing_to_compile():
    one = MPPI(NumbaDynamics(PointMass()), **SIZES)
    x = PointMass().initial_state(np.random.default_rng(0))
    one.plan(x, 0.0, one.initial_memory(0))
    assert one.fused and one.dynamics._fused is None
    one.warm_up(x)
    known = [len(f.signatures) for f in (one.dynamics._fused, one.fused.improve)]
    x.setflags(write=False)  # as the states of messages are
    one.warm_up(x)
    one.plan(x, 0.0, one.initial_memory(0))
    assert [len(f.signatures) for f in (one.dynamics._fused, one.fused.improve)] == known
