"""The analytic model of `two_block_sort`: two blocks and their places, and the costs."""

from __future__ import annotations

import math

from numba import njit

from ...tasks.push import wrapped
from ...tasks.two_block_sort import HALF, OFFSET, TOLERANCE
from ..contact import away, two_after, unopened
from ..gripper_motion import JOINTS, joint, tilted


@njit
def step(x, u, p, out):
    """One control period of the model. (18,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 10  # of the arm's joints, where they are the action
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
    """Distances of both blocks from their places, summed, m. (18,)"""
    return misplaced(x, 5, 1.0) + misplaced(x, 10, -1.0)


@njit
def misplaced(x, at, side):
    """Distance of a block from its place, m: red's is to the left (side 1), blue's to the right."""
    goal = x.shape[0] - 3
    dx = x[at] - x[goal] + side * OFFSET * math.sin(x[goal + 2])
    dy = x[at + 1] - x[goal + 1] - side * OFFSET * math.cos(x[goal + 2])
    return math.sqrt(dx * dx + dy * dy)


@njit
def near(x):
    """How far the gripper is from the nearer of the blocks not in place, m. (18,)"""
    red, blue = misplaced(x, 5, 1.0) > TOLERANCE, misplaced(x, 10, -1.0) > TOLERANCE
    if red and blue:
        return min(away(x, 5), away(x, 10))
    if red:
        return away(x, 5)
    if blue:
        return away(x, 10)
    return 0.0


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (18,), (5,), (2,)"""
    return error(x) + 0.1 * near(x) + unopened(x, error(x), 0.04) + tilted(x, u, x.shape[0] - 10)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (18,), (2,)"""
    return 5.0 * error(x)
