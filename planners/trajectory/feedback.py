"""How an action should follow a deviation of the state: backwards along a trajectory.

One pass of dynamic programming over an `Expansion`: the step that would make the trajectory better,
and the gains that keep it so when the state is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from ...sim.limits import Ball, Limits
from .derivatives import Expansion

AT_LIMIT = 1e-6
"""How near to a limit, as a fraction of it, an action is at it."""
REACH = 1e3
"""Farthest step of an action, in largest actions. Where the cost hardly bends it would be as far as
rounding says, and the limits would keep of it only a direction, of rounding too."""


@dataclass(frozen=True, eq=False)
class Feedback:
    """``u_t + step_t + gain_t (x - x_t)``.

    Attributes:
        step: Towards a better trajectory. (H, m)
        gain: (H, m, n)
    """

    step: np.ndarray
    gain: np.ndarray


def backward(
    about: Expansion, actions: np.ndarray, limits: Limits, scale: np.ndarray, damping: float
) -> Feedback | None:
    """Step and gains by Riccati's recursion (Li and Todorov 2004, Gauss-Newton in the model).

    Actions at a limit that the cost presses them against only move along it, as in a projected
    Newton method (Bertsekas 1982; for boxes Tassa, Mansard and Todorov, "Control-Limited
    Differential Dynamic Programming", ICRA 2014). Along a ball's rim the way bends inwards: with
    the cost pressing outwards that is curvature.

    Args:
        about: The model and the cost about the trajectory.
        actions: The trajectory's. (H, m)
        limits: Of the actions.
        scale: Largest action of each coordinate, equal where the group mixes. (m,)
        damping: Curvature added for every action, as a fraction of the mean there is.

    Returns:
        None if it came out without a finite value.
    """
    low, high = limits.bound()
    balls = [(limits.slices[k], v.radius) for k, v in limits.parts.items() if isinstance(v, Ball)]
    rims = np.array([[here.start, here.stop, r] for here, r in balls], float).reshape(-1, 3)
    for here, _ in balls:  # no box is at its limit there
        low[here], high[here] = -np.inf, np.inf
    step, gain = np.zeros_like(actions), np.zeros((*actions.shape, about.by_state.shape[1]))
    expansion = tuple(np.ascontiguousarray(a, np.float64) for a in vars(about).values())
    _backward(
        *expansion, np.ascontiguousarray(actions), low, high, rims, scale, damping, step, gain
    )
    if not (np.isfinite(step).all() and np.isfinite(gain).all()):
        return None
    return Feedback(step, gain)


def tracking(
    by_state: np.ndarray, by_action: np.ndarray, weight: np.ndarray, price: np.ndarray
) -> np.ndarray:
    """Gains that hold a state to a trajectory: ``sum dx' weight dx + du' price du`` is least.

    Args:
        by_state: (H, n, n)
        by_action: (H, n, m)
        weight: Of a deviation of each coordinate of the state. (n,)
        price: Of a deviation of each coordinate of the action. (m,)

    Returns:
        (H, m, n)
    """
    steps, n, m = by_action.shape
    both = np.concatenate([weight, price])
    about = (np.zeros((steps, n + m)), np.tile(np.diag(both), (steps, 1, 1)))
    end = (np.zeros(n), np.diag(weight))
    nowhere = np.full(m, np.inf)  # no limit is near
    step, gain = np.zeros((steps, m)), np.zeros((steps, m, n))
    model = (np.ascontiguousarray(by_state), np.ascontiguousarray(by_action))
    rims = np.zeros((0, 3))
    _backward(*model, *about, *end, step, -nowhere, nowhere, rims, np.ones(m), 0.0, step, gain)
    return gain


@njit(cache=True)
def _backward(
    by_state,
    by_action,
    slope,
    curvature,
    end_slope,
    end_curvature,
    actions,
    low,
    high,
    rims,
    scale,
    damping,
    step,
    gain,
):
    """The recursion. Fills step (H, m) and gain (H, m, n); rims (B, 3): first, last, radius."""
    steps, m = actions.shape
    n = by_state.shape[1]
    v, vv = end_slope.copy(), end_curvature.copy()
    g, gg = np.empty(n), np.empty((n, n))
    ahead, crossed = np.empty((m, n)), np.empty((m, n))
    ga, qxx, qx = np.empty((n, n)), np.empty((n, n)), np.empty(n)
    quu, qux, qu = np.empty((m, m)), np.empty((m, n)), np.empty(m)
    free, arc, moved = np.empty((m, m)), np.empty((m, m)), np.empty((m, m))
    known, solved, mixed = np.empty((m, n + 1)), np.empty((m, n + 1)), np.empty((m, n))
    for t in range(steps - 1, -1, -1):
        a, b = by_state[t], by_action[t]
        for i in range(n):
            g[i] = slope[t, i] + v[i]
            for j in range(n):
                gg[i, j] = curvature[t, i, j] + vv[i, j]
        crossed[:] = curvature[t, n:, :n]
        _product(b.T, gg, ahead)
        ahead += crossed
        _product(ahead, a, qux)
        _product(ahead, b, quu)
        for i in range(m):
            qu[i] = slope[t, n + i]
            for k in range(n):
                qu[i] += b[k, i] * g[k]
            for j in range(m):
                quu[i, j] += curvature[t, n + i, n + j]
                for k in range(n):
                    quu[i, j] += b[k, i] * crossed[j, k]
        _product(gg, a, ga)
        _product(a.T, ga, qxx)
        for i in range(n):
            qx[i] = 0.0
            for k in range(n):
                qx[i] += a[k, i] * g[k]
        _limited(actions[t], qu, low, high, rims, free, arc)
        quu += arc
        mean, steep = 0.0, 0.0
        for i in range(m):
            mean += quu[i, i] * scale[i] * scale[i] / m
            known[i, 0] = 0.0
            for k in range(m):
                known[i, 0] += free[i, k] * qu[k]
            steep += (known[i, 0] * scale[i]) ** 2
        steep = np.sqrt(steep) / REACH
        # free (quu + damping) free + (1 - free), and free (qu, qux)
        moved[:] = quu
        for i in range(m):
            moved[i, i] += (damping * mean + steep + 1e-12) / (scale[i] * scale[i])
        _product(free, moved, arc)
        _product(arc, free, moved)
        for i in range(m):
            moved[i, i] += 1.0
            for j in range(m):
                moved[i, j] -= free[i, j]
        _product(free, qux, mixed)
        known[:, 1:] = mixed
        _solve(moved, known)
        _product(free, known, solved)
        for i in range(m):
            step[t, i] = -solved[i, 0]
            for j in range(n):
                gain[t, i, j] = -solved[i, 1 + j]
        # The value before this step: quu as it is, not damped.
        _product(quu, gain[t], mixed)
        for i in range(n):
            v[i] = qx[i]
            for k in range(m):
                uphill = qu[k]
                for j in range(m):
                    uphill += quu[k, j] * step[t, j]
                v[i] += gain[t, k, i] * uphill + qux[k, i] * step[t, k]
            for j in range(n):
                vv[i, j] = qxx[i, j]
                for k in range(m):
                    vv[i, j] += (
                        gain[t, k, i] * (mixed[k, j] + qux[k, j]) + qux[k, i] * gain[t, k, j]
                    )
        for i in range(n):
            for j in range(i):
                vv[i, j] = vv[j, i] = 0.5 * (vv[i, j] + vv[j, i])


@njit(cache=True)
def _limited(u, slope, low, high, rims, free, arc):
    """Projection onto the directions in which u is free, and the curvature of its limits. (m, m)"""
    free[:], arc[:] = 0.0, 0.0
    for i in range(len(u)):
        near = AT_LIMIT * (high[i] - low[i]) if high[i] < np.inf else 0.0
        held = (u[i] >= high[i] - near and slope[i] < 0.0) or (
            u[i] <= low[i] + near and slope[i] > 0.0
        )
        free[i, i] = 0.0 if held else 1.0
    for k in range(len(rims)):
        first, last, radius = int(rims[k, 0]), int(rims[k, 1]), rims[k, 2]
        size, force = 0.0, 0.0
        for i in range(first, last):
            size += (u[i] / radius) ** 2
            force -= slope[i] * u[i] / radius
        if size >= (1.0 - AT_LIMIT) ** 2 and force > 0.0:
            for i in range(first, last):
                for j in range(first, last):
                    free[i, j] -= u[i] * u[j] / (radius * radius * size)
                    arc[i, j] = force / radius * free[i, j]


@njit(cache=True)
def _product(one, other, out):
    """Matrix product. (p, q), (q, r) -> out (p, r)"""
    for i in range(one.shape[0]):
        for j in range(other.shape[1]):
            total = 0.0
            for k in range(one.shape[1]):
                total += one[i, k] * other[k, j]
            out[i, j] = total


@njit(cache=True)
def _solve(matrix, known):
    """Solve a positive definite system in place, by elimination. (m, m), (m, c)"""
    m = len(matrix)
    for i in range(m):
        for k in range(i + 1, m):
            factor = matrix[k, i] / matrix[i, i]
            for j in range(i, m):
                matrix[k, j] -= factor * matrix[i, j]
            for j in range(known.shape[1]):
                known[k, j] -= factor * known[i, j]
    for i in range(m - 1, -1, -1):
        for j in range(known.shape[1]):
            for k in range(i + 1, m):
                known[i, j] -= matrix[i, k] * known[k, j]
            known[i, j] /= matrix[i, i]
