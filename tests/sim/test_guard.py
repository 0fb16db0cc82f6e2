"""`PlantGuard`: deadlines in ticks, NaN, limits, stops and stamps."""

import numpy as np
import pytest

from covary.sim.guard import LATE, NO_COMMAND, OK, REJECTED, STOPPED, PlantGuard
from covary.sim.limits import Ball, Limits
from covary.sim.tasks.push import Push

U = np.array([0.1, -0.05])


@pytest.fixture
def guard():
    return PlantGuard(Push(), deadline_ticks=20)


def assert_safe(guard, tick, status):
    action, why = guard.action(tick)
    assert why == status and np.array_equal(action, guard.task.safe_action())


def test_nothing_moves_before_the_first_command(guard):
    assert_safe(guard, 0, NO_COMMAND)
    assert_safe(guard, 10_000, NO_COMMAND)


def test_the_deadline_is_counted_in_ticks_from_the_stamp(guard):
    assert guard.offer(U, stamp_tick=100, tick=107)
    for tick in (107, 119):
        action, why = guard.action(tick)
        assert why == OK and np.array_equal(action, U)
    assert_safe(guard, 120, LATE)
    assert guard.offer(U, stamp_tick=115, tick=121), "a newer command ends the lateness"
    assert guard.action(121)[1] == OK
    assert guard.action(134)[1] == OK
    assert_safe(guard, 135, LATE)


def test_a_command_that_comes_after_its_deadline_does_nothing(guard):
    guard.offer(U, stamp_tick=10, tick=50)
    assert_safe(guard, 50, LATE)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_command_that_is_no_number_ends_the_one_before(guard, poison):
    guard.offer(U, stamp_tick=10, tick=10)
    assert not guard.offer(np.array([0.0, poison]), stamp_tick=11, tick=11)
    assert_safe(guard, 11, REJECTED)
    assert guard.rejected == 1
    assert guard.offer(U, stamp_tick=12, tick=12)
    assert guard.action(12)[1] == OK


def test_limits_are_projected(guard):
    assert guard.offer(np.array([3.0, 4.0]), stamp_tick=1, tick=1)
    action, why = guard.action(1)
    assert why == OK and action == pytest.approx([0.15, 0.20], abs=1e-15)
    assert guard.limited == 1
    guard.offer(0.2 * U, stamp_tick=2, tick=2)
    assert guard.limited == 1, "what is within the limits is not counted"


def test_rates_are_kept_from_one_command_to_the_next():
    """At most 2 m/s^2: 0.1 m/s in a control period of 50 ms (10 ticks), in any direction."""
    task = Push()
    rates = Limits({"pusher": Ball(2.0)}, task.limits.slices)
    guard, full = PlantGuard(task, 20, rates), np.array([0.15, 0.20])
    for tick, share in ((0, 0.4), (10, 0.8), (20, 1.0), (30, 1.0)):
        assert guard.offer(full, stamp_tick=tick, tick=tick)
        assert guard.action(tick)[0] == pytest.approx(share * full, abs=1e-15)
    assert guard.limited == 2
    for tick, share in ((35, 0.8), (40, 0.6), (55, 0.2)):
        assert guard.offer(-full, stamp_tick=tick, tick=tick), "half, half and no more than one"
        assert guard.action(tick)[0] == pytest.approx(share * full, abs=1e-15)
    assert_safe(guard, 75, LATE)  # at once: what is safe is not slowed down
    assert guard.offer(full, stamp_tick=90, tick=90)
    assert guard.action(90)[0] == pytest.approx(0.4 * full, abs=1e-15), "late: from rest"
    guard.stop()
    assert_safe(guard, 91, STOPPED)
    guard.clear_stop()
    assert guard.offer(full, stamp_tick=95, tick=95)
    assert guard.action(95)[0] == pytest.approx(0.2 * full, abs=1e-15), "stopped: from rest"
    guard.reset()
    assert guard.offer(full, stamp_tick=0, tick=0)
    assert guard.action(0)[0] == pytest.approx(0.4 * full, abs=1e-15), "a new episode: from rest"


def test_without_rates_an_action_within_the_limits_is_not_touched(guard):
    for tick, action in enumerate((U, -U, np.array([0.1, 0.2]))):
        guard.offer(action, stamp_tick=tick, tick=tick)
        assert np.array_equal(guard.action(tick)[0], action)


@pytest.mark.parametrize(
    ("stamp", "why"), [(9, "older"), (10, "the same"), (13, "from the future")]
)
def test_stale_and_future_stamps_are_refused(guard, stamp, why):
    guard.offer(U, stamp_tick=10, tick=10)
    assert not guard.offer(-U, stamp_tick=stamp, tick=12), why
    assert np.array_equal(guard.action(12)[0], U), "the command before goes on"
    assert guard.rejected == 1


def test_a_stop_holds_until_it_is_cleared(guard):
    guard.offer(U, stamp_tick=10, tick=10)
    guard.stop()
    assert_safe(guard, 11, STOPPED)
    guard.offer(U, stamp_tick=12, tick=12)
    assert_safe(guard, 12, STOPPED)
    guard.reset()
    assert_safe(guard, 0, STOPPED)
    guard.offer(U, stamp_tick=1, tick=1)
    guard.clear_stop()
    assert_safe(guard, 1, NO_COMMAND)
    assert not guard.offer(U, stamp_tick=1, tick=2), "a command from the time of the stop"
    assert guard.offer(U, stamp_tick=2, tick=2)
    assert guard.action(2)[1] == OK


def test_a_new_episode_starts_without_a_command(guard):
    guard.offer(U, stamp_tick=100, tick=100, time=0.5)
    assert guard.command_time == 0.5
    guard.reset()
    assert_safe(guard, 0, NO_COMMAND)
    assert guard.command_time == 0.0
    assert guard.offer(U, stamp_tick=0, tick=0), "stamps count from the new episode's start"


def test_the_command_is_a_copy(guard):
    mine = U.copy()
    guard.offer(mine, stamp_tick=1, tick=1)
    mine[:] = 9.0
    assert np.array_equal(guard.action(1)[0], U)


def test_a_deadline_of_no_tick_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        PlantGuard(Push(), deadline_ticks=0)
