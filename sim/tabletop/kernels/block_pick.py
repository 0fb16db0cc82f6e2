"""The analytic model of `block_pick`: a block that is picked up, and the costs; see `contact`."""

from __future__ import annotations

from numba import njit

from ...tasks.block_pick import HALF, HEIGHT
from ...tasks.push import wrapped
from ..contact import away, one_after
from ..gripper_motion import JOINTS, joint, tilted


@njit
def step(x, u, p, out):
    """One control period of the model. (10,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, t = one_after(x, u, p, first, HALF, HALF)
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
    """How much higher the block has to be, m. (10,)"""
    return max(HEIGHT - x[8], 0.0)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (10,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5) + tilted(x, u, x.shape[0] - 7)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (10,), (2,)"""
    return 5.0 * error(x)
