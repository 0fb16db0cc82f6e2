"""Constraints on the state: kept by a Lagrangian and by a barrier, exactly under the group."""

from dataclasses import replace

import numpy as np
import posted_mass
import pytest
from posted_mass import SLICE, START, Posted, PostedDynamics, away, planner, run

from covary.planners.bounds.constraints import LARGEST, Barrier
from covary.planners.mppi import MPPI
from covary.planners.symmetric.canonical import Canonical
from covary.sim.limits import Ball, Limits

KINDS = ["lagrangian", "barrier"]
NAMES = "predictive_sampling mppi kmppi smppi cem icem dial cma_es covo".split()


def deepest(kind, seed, **more):
    """How far inside the post a run gets, m, and how far from the goal it ends."""
    one = planner(constraints=kind, temperature=0.3, **more)
    states, _ = run(one, seed=seed)
    return float(one.task.constraint(states).max()), float(np.linalg.norm(states[-1, :2]))


def test_without_it_goes_through_the_post_and_with_either_round_it():
    found = {k: [deepest(k, seed) for seed in range(3)] for k in ("off", *KINDS)}
    inside = {kind: [depth for depth, _ in runs] for kind, runs in found.items()}
    assert min(inside["off"]) > 0.1
    assert max(inside["lagrangian"]) < 0.02  # a price: it is paid where that is cheaper
    assert max(inside["barrier"]) < 0.0
    for kind in KINDS:
        assert max(distance for _, distance in found[kind]) < 0.3  # and it gets there


def test_the_price_alone_is_not_enough_and_the_multipliers_learn():
    """Planned again and again from one state: what one plan cuts costs the next ones more."""
    x, depths = np.array([1.8, 0.05, -2.0, 0.0, 1.0, 0.0]), []
    for learns in (0.0, 1.0):
        one = planner(penalty=20.0, temperature=0.3, samples=256)
        memory = one.initial_memory(0)
        for _ in range(20):
            plan, memory = one.plan(x, 0.0, memory)
            memory = replace(memory, multipliers=learns * memory.multipliers)
        states = np.empty((1, 1, 20, 6))
        one.dynamics.rollout(x, plan.actions[None], np.empty((1, 1)), states)
        depths.append(float(one.task.constraint(states).max()))
    assert depths[0] > 0.15 and depths[1] < 0.02


def test_a_barrier_holds_in_what_is_done_and_a_smaller_share_keeps_farther_away():
    """But for millimetres, in the few periods in which no sample satisfies it at every step."""
    nearest = {}
    for share in (0.2, 0.5):
        one = planner(constraints="barrier", barrier_share=share)
        states, _ = run(one)
        h = -one.task.constraint(states)[:, 0]
        lacks = (1.0 - share) * h[:-1] - h[1:]
        assert lacks.max() < 0.01 and np.count_nonzero(lacks > 1e-9) <= 3
        nearest[share] = h.min()
    assert nearest[0.2] > nearest[0.5] > 0.0


def test_the_filter_mends_a_mean_that_no_sample_is():
    """The mean of ways round both sides is a way through the middle."""
    one = planner(constraints="barrier")
    barrier = one.constraints
    assert isinstance(barrier, Barrier)
    x = np.array([1.0, 0.0, -2.0, 0.0, 0.0, 0.0])
    through = np.zeros((20, 2))
    round_it = np.tile([3.0, 0.0], (20, 1))
    settling = barrier.settled(x, through, round_it, np.zeros((20, 1)))
    one.dynamics.rollout(*next(settling))
    with pytest.raises(StopIteration) as end:
        next(settling)
    mended, _ = end.value.value
    costs, states = np.zeros((1, 2)), np.zeros((1, 2, 20, 6))
    one.dynamics.rollout(x, np.stack([through, mended]), costs, states)
    before, after = barrier.lacks(x, states)[0]
    assert before > 0.3 and after < 1e-9
    assert np.abs(mended - round_it).max() > 0.1  # no farther than it had to


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_satisfies_it_the_violation_is_the_least(kind):
    """The goal lies in the post's middle, and it starts inside: it comes out, and stays finite."""
    one = planner(constraints=kind, iterations=2, temperature=0.3)
    states, actions = run(one, start=np.array([0.1, 0.02, 0.0, 0.0, 0.0, 0.0]))
    assert np.isfinite(states).all() and np.isfinite(actions).all()
    broken = one.task.constraint(states)[:, 0]
    assert broken[0] > 0.19 and broken[30:].max() < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_a_constraint_that_nothing_can_satisfy(kind):
    class Impossible(Posted):
        def constraint(self, x):
            return 1.0 + np.sum(x[..., :1] ** 2 + x[..., 1:2] ** 2, axis=-1, keepdims=True)

    one = planner(constraints=kind, task=Impossible(), penalty=1e4)
    memory = one.initial_memory(0)
    for _ in range(30):
        plan, memory = one.plan(START, 0.0, memory)
        assert np.isfinite(plan.actions).all() and np.isfinite(memory.multipliers).all()
    assert memory.multipliers.max() <= LARGEST * 1e4
    assert plan.actions[0, 0] < 0.0  # towards where it is broken least


def test_a_constraint_that_is_no_number_is_the_worst_cost():
    class Odd(Posted):
        def constraint(self, x):
            return np.where(x[..., :1] < 1.9, np.nan, -1.0)

    for kind in KINDS:
        one = planner(constraints=kind, task=Odd())
        plan, memory = one.plan(START, 0.0, one.initial_memory(0))
        assert np.isfinite(plan.actions).all() and np.isfinite(memory.multipliers).all()


def test_multipliers_move_on_with_the_plan():
    one = planner()
    _, memory = one.plan(np.array([1.6, 0.05, -2.0, 0.0, 1.0, 0.0]), 0.0, one.initial_memory(0))
    assert memory.multipliers.max() > 0.0
    later = memory.multipliers_after(3.0)
    np.testing.assert_array_equal(later[:17], memory.multipliers[3:])
    np.testing.assert_array_equal(later[17:], np.tile(memory.multipliers[-1], (3, 1)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_algorithm_is_exact_with_it(name, kind):
    """Saturating actions, warm starts, and weights that many samples share."""
    warm = dict.fromkeys(("mppi", "kmppi", "smppi", "covo"), {"temperature": 30.0})
    more = {**warm, "dial": {"relative_temperature": 0.5}}.get(name, {})
    one = planner(name, constraints=kind, noise=3.0, iterations=2, **more)
    x = np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])
    assert away(one, x) < 1e-9
    saturated = np.linalg.norm(one.samples.actions, axis=-1)
    assert np.mean(saturated > 3.0 - 1e-9) > 0.2
    counted = one.figures().effective_samples
    assert np.isnan(counted) or counted > 5 or name == "predictive_sampling"
    _, memory = one.plan(x, 0.0, one.initial_memory(0))
    assert kind == "barrier" or memory.multipliers.max() > 0.0  # it was at work


def test_in_canonical_frames_all_bounds_at_once_are_exact_too():
    task = Posted()
    task.rates = Limits({"u": Ball(8.0)}, SLICE)
    inside = planner("cem", "none", task, delay_ms=200.0, noise=3.0, iterations=2)
    assert away(Canonical(inside), np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_constraints_that_the_group_changes_are_caught(kind):
    """The control of the law above: the post is wider in one direction."""

    class Oval(Posted):
        def constraint(self, x):
            away = np.hypot(x[..., 0] - x[..., 4], 2.0 * (x[..., 1] - x[..., 5]))
            return (posted_mass.RADIUS - away)[..., None]

    one = planner(constraints=kind, task=Oval(), noise=1.5, iterations=2, temperature=30.0)
    assert away(one, np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])) > 1e-3


def test_a_post_dead_ahead_is_passed_on_both_sides_over_seeds():
    ahead = np.array([2.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    sides = set()
    for seed in range(6):
        one = planner(constraints="barrier", temperature=0.3)
        states, _ = run(one, seed=seed, start=ahead, steps=30)
        assert one.task.constraint(states).max() < 0.0
        near = np.argmin(np.abs(states[:, 0] - 1.0))
        sides.add(bool(states[near, 1] > 0.0))
    assert sides == {True, False}


def test_a_latent_model_tells_no_state_to_constrain():
    latent = PostedDynamics()
    latent.latent = True
    with pytest.raises(ValueError, match="constraints: a latent model tells no state"):
        MPPI(latent)
    assert MPPI(latent, constraints="off").constraints is None


@pytest.mark.parametrize(
    ("change", "said"),
    [({"penalty": 0.0}, "penalty: 0.0 must be"), ({"barrier_share": 1.5}, "barrier_share: 1.5")],
)
def test_bad_parameters_are_refused_by_name(change, said):
    with pytest.raises(ValueError, match=said):
        planner(**change)
