"""`Hand`: from a person's target to the gripper's rates, within limits, whatever is put in."""

import math

import numpy as np
import pytest

from covary.sim.load_task import load_task
from covary.sim.viewing.hand import GAIN, HIGHEST, REACH, Hand, yaw_of

TASK = load_task("block_pick")


def start(seed=0):
    return TASK.initial_state(np.random.default_rng(seed))


def moved(x, u):
    """The state a period later, were the gripper to do as it is told."""
    x = x.copy()
    x[0:2] += TASK.dt * u[1:3]
    x[3] += TASK.dt * u[3]
    x[2] += TASK.dt * u[4]
    x[4] = np.clip(x[4] + TASK.dt * u[0], 0.0, 0.08)
    return x


def test_an_episode_begins_at_rest_where_the_gripper_is():
    hand = Hand(TASK)
    for seed in range(3):
        hand.begin()
        x = start(seed)
        assert np.abs(hand.action(x)).max() < 1e-9
        np.testing.assert_allclose(hand.position, x[[0, 1, 3]])


def test_the_gripper_comes_to_the_target_within_the_limits():
    hand, x = Hand(TASK), start()
    hand.action(x)
    hand.aim(np.array([0.15, -0.1, 0.03]), 3.0)
    for _ in range(80):
        u = hand.action(x)
        assert TASK.limits.violation(u).max() < 1e-9
        x = moved(x, u)
    np.testing.assert_allclose(x[[0, 1, 3]], [0.15, -0.1, 0.03], atol=1e-4)
    assert math.cos(x[2] - 3.0) > 1 - 1e-6


def test_near_the_target_the_rates_are_in_proportion():
    hand, x = Hand(TASK), start()
    hand.action(x)
    hand.aim(x[[0, 1, 3]] + [0.01, 0.0, -0.005], x[2] + 0.1)
    np.testing.assert_allclose(hand.action(x), [0, 0.01 * GAIN, 0, -0.005 * GAIN, 0.1 * GAIN],
                               atol=1e-9)  # fmt: skip


def test_the_shorter_way_round_is_taken():
    hand, x = Hand(TASK), start()
    x[2] = 3.1
    hand.action(x)
    hand.aim(hand.position, -3.1)
    assert 0 < hand.action(x)[4] < 1.0


def test_fingers_close_and_go_on_pressing_and_open_again():
    hand, x = Hand(TASK), start()
    hand.action(x)
    hand.closed = True
    for _ in range(40):
        x = moved(x, hand.action(x))
    assert x[4] == 0.0 and hand.action(x)[0] < 0
    hand.closed = False
    for _ in range(60):
        x = moved(x, hand.action(x))
    assert x[4] == pytest.approx(0.08, abs=1e-4)
    hand.closed = True
    hand.begin()
    assert not hand.closed


@pytest.mark.parametrize(
    ("position", "yaw"),
    [
        ([math.nan, 0, 0], 0.0),
        ([0, math.inf, 0], 0.0),
        ([0, 0, 0], math.nan),
        ([0, 0], 0.0),
        ([0, 0, 0, 0], 0.0),
    ],
)
def test_a_target_that_is_none_is_refused_and_the_old_one_stays(position, yaw):
    hand, x = Hand(TASK), start()
    before = hand.action(x)
    with pytest.raises(ValueError, match="no target"):
        hand.aim(np.array(position, float), yaw)
    np.testing.assert_array_equal(hand.action(x), before)


def test_a_target_out_of_reach_is_brought_within_it():
    hand = Hand(TASK)
    hand.aim(np.array([30.0, -40.0, 1e9]), 100.0)
    np.testing.assert_allclose(hand.position, [0.6 * REACH, -0.8 * REACH, HIGHEST])
    assert -math.pi <= hand.yaw < math.pi
    hand.aim(np.array([0.0, 0.0, -5.0]), 0.0)
    assert hand.position[2] == 0.0


def test_a_state_that_is_not_finite_moves_nothing():
    hand = Hand(TASK)
    np.testing.assert_array_equal(hand.action(np.full_like(start(), np.nan)), TASK.safe_action())


def test_the_yaw_of_an_orientation():
    for yaw in (-3.0, -0.5, 0.0, 2.0):
        assert yaw_of([math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)]) == pytest.approx(yaw)
    assert math.isnan(yaw_of([0, 0, 0, 0])) and math.isnan(yaw_of([math.nan, 0, 0, 1]))


def test_a_task_without_a_gripper_cannot_be_demonstrated():
    with pytest.raises(ValueError, match="push: a person moves a gripper"):
        Hand(load_task("push"))
    with pytest.raises(ValueError, match="its actions are gripper, "):
        Hand(load_task("block_pick", {"robot": "arm", "actions": "joint"}))
