"""The reference problems are what is written about them, worked out again in NumPy."""

import numpy as np
import pytest

from covary.benchmarks.problems.pointmass import Pointmass
from covary.benchmarks.problems.pushing import PushT
from covary.benchmarks.problems.reacher2 import Reacher2
from covary.sim.check_task import check_task
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics


def pointmass(x, u):
    v = x[2:4] + 0.05 * (u - 0.1 * x[2:4])
    p = x[:2] + 0.05 * v
    cost = np.sum((p - x[4:]) ** 2) + 0.1 * np.sum(v**2) + 0.01 * np.sum(u**2)
    return np.concatenate([p, v, x[4:]]), cost


def reacher2(x, u):
    """By the Lagrangian: mass matrix from both middles' Jacobians, Coriolis from its slope."""

    def inertia(q):
        total = np.zeros((2, 2))
        for rod in range(2):
            reach = np.array([0.5, 0.25]) if rod else np.array([0.25, 0.0])
            angles = np.array([q[0], q[0] + q[1]])
            columns = []
            for joint in range(2):
                moved = np.array([reach[k] if k >= joint else 0.0 for k in range(2)])
                columns.append([-np.sum(moved * np.sin(angles)), np.sum(moved * np.cos(angles))])
            jacobian = np.array(columns).T
            turning = np.array([1.0, 1.0 if rod else 0.0])
            total += jacobian.T @ jacobian + 0.5**2 / 12.0 * np.outer(turning, turning)
        return total

    q, w, h = x[:2], x[2:4], 1e-6
    slope = (inertia(q + [0.0, h]) - inertia(q - [0.0, h])) / (2.0 * h)  # of q[1]; none of q[0]
    coriolis = w[1] * slope @ w - np.array([0.0, 0.5 * w @ slope @ w])
    w = w + 0.02 * np.linalg.solve(inertia(q), u - coriolis - 0.5 * w)
    q = q + 0.02 * w
    outer = q[0] + q[1]
    end = 0.5 * np.array([np.cos(q[0]) + np.cos(outer), np.sin(q[0]) + np.sin(outer)])
    cost = 10 * np.sum((end - x[4:]) ** 2) + 0.01 * np.sum(w**2) + 0.001 * np.sum(u**2)
    return np.concatenate([q, w, x[4:]]), cost


@pytest.mark.parametrize(
    ("task", "told", "start", "limit"),
    [
        (Pointmass(), pointmass, [0, 0, 0, 0, 1, 1], 2.0),
        (Reacher2(), reacher2, [0.1, 0.1, 0, 0, 0.3, 0.6], 5.0),
    ],
)
def test_they_are_what_is_written(task, told, start, limit):
    model, rng = NumbaDynamics(task), np.random.default_rng(0)
    assert task.initial_state(rng).tolist() == start
    assert [bound.tolist() for bound in task.limits.bound()] == [[-limit] * 2, [limit] * 2]
    for _ in range(20):
        x, u = rng.normal(size=6), rng.normal(size=2)
        expected, cost = told(x, u)
        got = model.next_state(x, u)
        assert np.abs(got - expected).max() < 1e-8
        assert task.running_cost(got, u) == pytest.approx(cost, abs=1e-7)
    assert check_task(task, model).ok


def test_a_t_that_is_pushed_aside_of_its_middle_moves_and_turns():
    task = PushT()
    model, x0 = MujocoDynamics(task), np.zeros(10)
    x0[:2] = 0.2, 0.6  # above the right half of its bar
    actions = np.stack([np.tile([0.2, y], (50, 1)) for y in (-2.0, 2.0)])  # at it, and away
    costs, states = np.empty((1, 2)), np.empty((1, 2, 50, 10))
    model.rollout(x0, actions, costs, states)
    at, away = states[0]
    assert at[-1, 3] < -0.1 and at[-1, 4] < -0.1  # down, and clockwise
    assert np.abs(away[:, 2:5]).max() < 1e-12
    assert costs[0] == pytest.approx(task.running_cost(states[0], actions).sum(axis=-1), abs=1e-12)
