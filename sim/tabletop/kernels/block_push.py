"""The analytic model of `block_push`: a block that is pushed, and what it costs; see `contact`."""

from __future__ import annotations

import math

from numba import njit

from ...tasks.block_push import HALF, HIGH
from ...tasks.push import wrapped
from ..contact import away, one_after
from ..gripper_motion import JOINTS, joint, tilted


@njit
def step(x, u, p, out):
    """One control period of the model. (12,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 9  # of the arm's joints, where they are the action
    g, t = one_after(x, u, p, first, HALF, HIGH)
    out[0], out[1], out[2], out[3], out[4] = g[0], g[1], g[2], g[3], g[4]
    out[5], out[6], out[7], out[8] = t[0], t[1], wrapped(t[2]), t[3]
    out[9] = x[9]
    for i in range(10, x.shape[0]):
        out[i] = x[i]
    if u.shape[0] > 5:
        for i in range(JOINTS):
            out[first + i] = joint(x, u, first, i, g[5])


@njit
def error(x):
    """Distance of the block from the goal, m. (12,)"""
    dx, dy = x[5] - x[x.shape[0] - 2], x[6] - x[x.shape[0] - 1]
    return math.sqrt(dx * dx + dy * dy)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (12,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5) + tilted(x, u, x.shape[0] - 9)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (12,), (2,)"""
    return 5.0 * error(x)
