"""How an action should follow a deviation of the state: backwards along a trajectory.

One pass of dynamic programming over an `Expansion`: the step that would make the trajectory better,
and the gains that keep it so when the state is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sim.limits import Ball, Box, Interval, Limits
from .derivatives import Expansion

AT_LIMIT = 1e-6
"""How near to a limit, as a fraction of it, an action is at it."""


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
    Differential Dynamic Programming", ICRA 2014).

    Args:
        about: The model and the cost about the trajectory.
        actions: The trajectory's. (H, m)
        limits: Of the actions.
        scale: Largest action of each coordinate, equal where the group mixes. (m,)
        damping: Curvature added for every action, as a fraction of the mean there is.

    Returns:
        None if it came out without a finite value.
    """
    steps, m = actions.shape
    n = about.by_state.shape[1]
    unit = 1.0 / scale**2
    step, gain = np.zeros((steps, m)), np.zeros((steps, m, n))
    v, vv = about.end_slope, about.end_curvature
    for t in range(steps - 1, -1, -1):
        a, b, slope, bend = (
            about.by_state[t],
            about.by_action[t],
            about.slope[t],
            about.curvature[t],
        )
        g, gg = slope[:n] + v, bend[:n, :n] + vv
        crossed = bend[n:, :n]  # (m, n)
        qx, qu = a.T @ g, b.T @ g + slope[n:]
        ahead = b.T @ gg + crossed  # (m, n)
        quu = ahead @ b + b.T @ crossed.T + bend[n:, n:]
        qux, qxx = ahead @ a, a.T @ gg @ a
        free, arc = _free(limits, actions[t], qu)
        quu = quu + arc
        mean = np.trace(quu * scale * scale[:, None]) / m
        damped = free @ (quu + np.diag((damping * mean + 1e-12) * unit)) @ free + np.eye(m) - free
        solved = -free @ np.linalg.solve(damped, free @ np.column_stack([qu, qux]))
        step[t], gain[t] = solved[:, 0], solved[:, 1:]
        k, kk = step[t], gain[t]
        v = qx + kk.T @ (quu @ k + qu) + qux.T @ k
        vv = qxx + kk.T @ quu @ kk + kk.T @ qux + qux.T @ kk
        vv = 0.5 * (vv + vv.T)
        if not (np.isfinite(v).all() and np.isfinite(vv).all()):
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
    q, r = np.diag(weight), np.diag(price)
    ahead, gain = q, np.zeros((len(by_state), by_action.shape[2], by_state.shape[1]))
    for t in range(len(by_state) - 1, -1, -1):
        a, b = by_state[t], by_action[t]
        gain[t] = -np.linalg.solve(r + b.T @ ahead @ b, b.T @ ahead @ a)
        ahead = q + a.T @ ahead @ (a + b @ gain[t])
        ahead = 0.5 * (ahead + ahead.T)
    return gain


def _free(limits: Limits, u: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Projection onto the directions in which an action is free, and the curvature of its limit.

    Along a ball's rim the way bends inwards: with the cost pressing outwards that is curvature.
    """
    free, arc = np.eye(len(u)), np.zeros((len(u), len(u)))
    for name, limit in limits.parts.items():
        here = limits.slices[name]
        part, press = u[here], -slope[here]
        if isinstance(limit, Ball):
            outwards = part / limit.radius
            force = float(press @ outwards)
            if part @ outwards >= limit.radius * (1.0 - AT_LIMIT) and force > 0.0:
                along = np.eye(len(part)) - np.outer(outwards, outwards) / (outwards @ outwards)
                free[here, here] = along
                arc[here, here] = force / limit.radius * along
        elif isinstance(limit, Interval | Box):
            low, high = limit.bound(len(part))
            near = AT_LIMIT * (high - low)
            held = ((part >= high - near) & (press > 0)) | ((part <= low + near) & (press < 0))
            free[here, here] = np.diag(np.where(held, 0.0, 1.0))
    return free, arc
