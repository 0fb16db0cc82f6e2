"""Following a plan: which action when, which plans are refused, what happens without one."""

import numpy as np
import pytest

from covary.control.plan_follower import PlanFollower
from covary.sim.tasks.point_mass import PointMass

ACTIONS = 0.1 * np.arange(1.0, 6.0)[:, None] * np.ones((5, 2))


@pytest.fixture
def follower():
    made = PlanFollower(PointMass(), timeout=0.15)
    made.reset(1.0)
    return made


def first(follower, time):
    action, planned = follower.action(time)
    return round(float(action[0]), 6), planned


def test_it_steps_through_the_plan_and_takes_the_newest(follower):
    assert follower.offer(1.0, 0.05, ACTIONS)
    assert first(follower, 1.0) == (0.1, True)
    assert first(follower, 1.05) == (0.2, True)
    assert first(follower, 1.1) == (0.3, True)
    assert follower.offer(1.1, 0.05, -ACTIONS)
    assert first(follower, 1.1) == (-0.1, True)


def test_an_old_plan_gives_the_safe_action(follower):
    follower.offer(1.0, 0.05, ACTIONS)
    assert first(follower, 1.15) == (0.4, True)
    assert first(follower, 1.2) == (0.0, False)


def test_past_the_end_of_a_plan_there_is_nothing_to_follow(follower):
    follower.offer(1.0, 0.05, ACTIONS[:2])
    assert first(follower, 1.1) == (0.0, False)


def test_without_a_plan_the_safe_action(follower):
    assert first(follower, 1.0) == (0.0, False)


@pytest.mark.parametrize(
    ("time", "actions"),
    [(0.9, ACTIONS), (1.0, np.full((5, 2), np.nan)), (1.0, np.full((5, 2), np.inf))],
)
def test_plans_of_before_and_plans_of_nothing_are_refused(follower, time, actions):
    assert not follower.offer(time, 0.05, actions)
    assert follower.refused == 1
    assert first(follower, 1.0) == (0.0, False)


def test_an_older_plan_never_replaces_a_newer_one(follower):
    assert follower.offer(1.05, 0.05, ACTIONS)
    assert not follower.offer(1.0, 0.05, -ACTIONS)
    assert first(follower, 1.05) == (0.1, True)


def test_a_new_episode_forgets_the_plans_of_the_old(follower):
    follower.offer(1.0, 0.05, ACTIONS)
    follower.reset(1.05)
    assert first(follower, 1.05) == (0.0, False)


def test_a_delayed_plan_takes_effect_later_at_its_own_time():
    follower = PlanFollower(PointMass(), timeout=0.15, delay=0.1)
    follower.reset(1.0)
    follower.offer(1.0, 0.05, ACTIONS)
    assert first(follower, 1.05) == (0.0, False)
    assert first(follower, 1.1) == (0.3, True)
    follower.offer(1.05, 0.05, -ACTIONS)
    assert first(follower, 1.1) == (0.3, True)
    assert first(follower, 1.15) == (-0.3, True)


def test_actions_are_within_the_limits():
    task = PointMass()
    follower = PlanFollower(task, timeout=1.0)
    follower.reset(0.0)
    follower.offer(0.0, 0.05, np.full((3, 2), 1e6))
    action, _ = follower.action(0.0)
    assert task.limits.violation(action) < 1e-9
