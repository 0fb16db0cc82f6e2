"""Noise on executed actions: told by seed, episode and tick, as symmetric as the limits."""

import numpy as np
import pytest
from test_control_node import ACTIONS, TASK, World

from covary.control.action_noise import ActionNoise
from covary.nodes.parameters import ParameterError
from covary.sim.load_task import load_task


def test_none_by_default_and_nothing_is_drawn(monkeypatch):
    action = np.array([0.3, -0.1])
    monkeypatch.setattr(np.random, "default_rng", None)
    assert ActionNoise(TASK, 0.0, 7).added(action, 3, 0.1) is action


def test_a_draw_is_told_by_seed_episode_and_tick():
    action = np.zeros(2)

    def draw(seed, episode, elapsed):
        return tuple(ActionNoise(TASK, 0.2, seed).added(action, episode, elapsed))

    assert draw(7, 3, 0.10) == draw(7, 3, 0.10 + 1e-9)
    assert len({draw(7, 3, 0.10), draw(8, 3, 0.10), draw(7, 4, 0.10), draw(7, 3, 0.15)}) == 4


def test_the_noise_of_a_start_is_another():
    start = np.random.default_rng([7, 0]).standard_normal(2)
    noise = ActionNoise(TASK, 1e-3, 7)
    assert not np.allclose(noise.added(np.zeros(2), 0, 0.0) / noise.std, start)


@pytest.mark.parametrize("name", ["push", "block_pick"])
def test_it_is_a_fraction_of_the_largest_and_isotropic_where_the_group_acts(name):
    task = load_task(name, {"robot": "floating_gripper"} if name == "block_pick" else {})
    noise = ActionNoise(task, 0.1, 0)
    low, high = task.limits.bound()
    np.testing.assert_allclose(noise.std, 0.1 * np.maximum(-low, high))
    covariance = np.diag(noise.std**2)
    for matrix in task.symmetry.orbit("action"):
        np.testing.assert_allclose(matrix @ covariance @ matrix.T, covariance, atol=1e-15)
    drawn = np.array([noise.added(np.zeros(len(low)), 0, k * task.dt) for k in range(2000)])
    np.testing.assert_allclose(drawn.std(axis=0), noise.std, rtol=0.08)


def test_what_comes_out_is_within_the_limits():
    noise = ActionNoise(TASK, 3.0, 0)
    drawn = np.array([noise.added(np.array([2.0, 0.0]), 0, k * TASK.dt) for k in range(50)])
    assert TASK.limits.violation(drawn).max() < 1e-12


def test_the_node_adds_it_to_plans_and_to_nothing_else():
    world = World(realtime=False, action_noise=0.1, seed=5)
    expected = ActionNoise(TASK, 0.1, 5)
    for episode, begin in ((4, 0.0), (5, 1.0)):
        for tick in range(3):
            time = begin + tick * TASK.dt
            world.state(time, episode)
            ((_, sent),) = world.plan(time)
            assert sent == round(float(expected.added(ACTIONS[0], episode, tick * TASK.dt)[0]), 6)
    silent = World(realtime=True, action_noise=0.1, seed=5)
    assert silent.state(0.0) == [(0.0, 0.0)]  # no plan: the safe action as it is


@pytest.mark.parametrize("value", [-0.1, np.inf, np.nan])
def test_noise_that_is_none(value):
    with pytest.raises((ParameterError, ValueError), match="action_noise"):
        World(realtime=True, action_noise=value)
