"""The analytic model of `block_stack`: a block on another, and the costs; see `contact`."""

from __future__ import annotations

import math

from numba import njit

from ...tasks.block_stack import HALF, STEP
from ...tasks.push import wrapped
from ..contact import away, two_after, unopened
from ..gripper_motion import JOINTS, joint, tilted


@njit
def step(x, u, p, out):
    """One control period of the model. (15,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, t, o = two_after(x, u, p, first, HALF, HALF)
    out[0], out[1], out[2], out[3], out[4] = g[0], g[1], g[2], g[3], g[4]
    out[5], out[6], out[7], out[8] = t[0], t[1], wrapped(t[2]), t[3]
    out[10], out[11], out[12], out[13] = o[0], o[1], wrapped(o[2]), o[3]
    out[9] = x[9]
    out[14] = x[14]
    for i in range(15, x.shape[0]):
        out[i] = x[i]
    if u.shape[0] > 5:
        for i in range(JOINTS):
            out[first + i] = joint(x, u, first, i, g[5])


@njit
def error(x):
    """Distance of the block from its place on the base, m. (15,)"""
    dx, dy, dz = x[5] - x[10], x[6] - x[11], x[8] - x[13] - STEP
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (15,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5) + unopened(x, error(x), 0.02) + tilted(x, u, x.shape[0] - 7)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (15,), (2,)"""
    return 5.0 * error(x)
