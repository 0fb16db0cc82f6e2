"""Limits on the rate and the acceleration of actions: kept from what is applied now on, exactly."""

from dataclasses import replace

import numpy as np
import pytest
from posted_mass import SLICE, START, Posted, away, planner, run

from covary.planners.bounds.slew import Slew
from covary.planners.mppi import MPPI
from covary.sim.guard import PlantGuard
from covary.sim.limits import Ball, Box, Interval, Limits
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass

KINDS = {"ball": Ball, "interval": lambda size: Interval(-size, size)}


def slewed(kind="ball", rate=8.0, acceleration=40.0, limit=3.0):
    """A task whose limits are all of one kind."""
    task = Posted()
    of = KINDS[kind]
    task.limits = Limits({"u": of(limit)}, SLICE)
    task.rates = Limits({"u": of(rate)}, SLICE)
    task.accelerations = Limits({"u": of(acceleration)}, SLICE) if acceleration else None
    return task


def sizes(kind, before, actions):
    """Largest action, rate and acceleration of sequences that follow two actions."""
    both = np.broadcast_to(before, (len(actions), 2, 2))
    rate = np.diff(np.concatenate([both, actions], axis=1), axis=1) / Posted.dt
    found = (actions, rate[:, 1:], np.diff(rate, axis=1) / Posted.dt)
    if kind == "ball":
        return [float(np.linalg.norm(value, axis=-1).max()) for value in found]
    return [float(np.abs(value).max()) for value in found]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [[[0.0, 0.0], [0.0, 0.0]], [[1.0, 2.0], [1.2, 2.5]]])
def test_all_three_hold_together_and_what_keeps_them_stays(kind, before):
    task, before = slewed(kind), np.array(before)
    wild = task.limits.project(2.0 * np.random.default_rng(0).normal(size=(200, 30, 2)).cumsum(1))
    kept = wild.copy()
    Slew(task).project(kept, before)
    limits = (3.0, 8.0, 40.0)
    assert all(s <= m + 1e-6 for s, m in zip(sizes(kind, before, kept), limits, strict=True))
    assert all(s > 0.99 * m for s, m in zip(sizes(kind, before, kept), limits, strict=True))
    for same in (kept.copy(), kept.mean(axis=0, keepdims=True)):  # what it allows is convex
        again = same.copy()
        Slew(task).project(again, before)
        np.testing.assert_allclose(again, same, atol=1e-9)


def test_it_commutes_with_every_rotation():
    task, rng = slewed(), np.random.default_rng(1)
    wild, before = 3.0 * rng.normal(size=(64, 30, 2)), np.array([[0.3, -1.0], [0.5, -0.6]])
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    here, there = wild.copy(), wild @ turn.T
    Slew(task).project(here, before)
    Slew(task).project(there, before @ turn.T)
    np.testing.assert_allclose(there, here @ turn.T, atol=1e-9)


@pytest.mark.parametrize("acceleration", [0.0, 40.0])
def test_samples_plans_and_what_is_done_keep_to_it(acceleration):
    task = slewed(acceleration=acceleration)
    one = planner(task=task, noise=2.0, iterations=2)
    _, done = run(one, steps=25)
    free = run(planner(noise=2.0, iterations=2), steps=25)[1]
    at_rest = np.zeros((2, 2))
    _, rate, acc = sizes("ball", at_rest, done[None])
    assert rate <= 8.0 + 1e-6 and (not acceleration or acc <= 40.0 + 1e-4)
    assert sizes("ball", at_rest, free[None])[1] > 16.0
    assert sizes("ball", at_rest, one.dynamics.seen[0])[1] <= 8.0 + 1e-6


def test_the_first_action_follows_what_is_applied_now():
    one = planner(task=slewed(acceleration=0.0))
    memory = one.initial_memory(0)
    applied = np.array([[0.0, 2.9], [0.0, 2.9]])
    memory = replace(memory, sent=applied, planned=np.tile(applied[:1], (20, 1)), draws=1, time=0.0)
    plan, memory = one.plan(START, 0.1, memory)
    assert np.linalg.norm(plan.actions[0] - applied[1]) <= 0.8 + 1e-9
    np.testing.assert_array_equal(memory.planned, plan.actions)
    _, later = one.plan(START, 0.3, memory)
    np.testing.assert_array_equal(later.sent, plan.actions[:2])  # two periods passed


def test_the_guard_before_the_actuators_has_nothing_to_slow_down():
    task = PointMass()
    task.rates = Limits({"force": Ball(6.0)}, task.limits.slices)
    period = round(task.dt / task.physics_dt)
    limited = {}
    for knows in (True, False):
        blind = PointMass()
        model = NumbaDynamics(task if knows else blind)
        one = MPPI(model, samples=64, horizon=10, knots=4, noise=1.0)
        guard = PlantGuard(task, 2 * period, task.rates)
        x, memory = task.initial_state(np.random.default_rng(0)), one.initial_memory(0)
        for k in range(20):
            plan, memory = one.plan(x, k * task.dt, memory)
            assert guard.offer(plan.actions[0], k * period, k * period)
            x = one.dynamics.next_state(x, guard.action(k * period)[0])
        limited[knows] = guard.limited
    assert limited[True] == 0 and limited[False] > 5


@pytest.mark.parametrize("name", ["mppi", "icem", "cma_es"])
def test_planners_are_exact_with_it(name):
    more = {"temperature": 30.0} if name == "mppi" else {}
    one = planner(name, task=slewed(), noise=3.0, iterations=2, **more)
    assert away(one, np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])) < 1e-9
    assert name != "mppi" or one.figures().effective_samples > 5


def test_one_axis_slower_than_the_other_is_caught():
    """The control of the law above."""
    one = planner(task=slewed(acceleration=0.0), noise=3.0, temperature=30.0)
    project = one.slew.project

    def broken(actions, before):
        project(actions, before)
        actions[..., 0] = before[1, 0] + 0.5 * (actions[..., 0] - before[1, 0])

    one.slew.project = broken
    assert away(one, np.array([1.5, 0.1, -2.0, 0.3, 1.0, 0.05])) > 1e-3


def test_what_cannot_be_kept_is_refused():
    mixed = slewed()
    mixed.rates = Limits({"u": Box((-1.0, -1.0), (1.0, 1.0))}, SLICE)
    with pytest.raises(ValueError, match="u: limits of one kind are needed .limits: Ball, rates"):
        planner(task=mixed)
    one_way = slewed("interval")
    one_way.rates = Limits({"u": Interval(0.0, 1.0)}, SLICE)
    with pytest.raises(ValueError, match="rates must allow both signs"):
        planner(symmetry="none", task=one_way)
    turned = slewed("interval")
    turned.rates = Limits({"u": Box((-1.0, -2.0), (1.0, 2.0))}, SLICE)
    with pytest.raises(ValueError, match="rates of action part 'u' .Box. are not symmetric"):
        planner(task=turned)
