"""`BlockPick`: a gripper picks a block up."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..tabletop.contact import away, one_after
from ..tabletop.gripper_motion import JOINTS, joint
from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block
from .push import wrapped

HALF = 0.02
"""Half the block's width, m."""
HEIGHT = 0.10
"""Of the block's centre that is a success, m."""


class BlockPick(Tabletop):
    """Grasp a block and lift it.

    State (10,): gripper x, y, yaw, height, opening; block x, y, yaw, height, tilt.

    **Success**: the block's centre 100 mm above the table or higher for 0.25 s on end, within 12 s.

    **Starts**: block (40 mm, 0.3 kg) uniform in the disc of 0.20 m, any yaw. Gripper as in all
    tabletop tasks: open, 160 mm high, uniform in a disc of 0.10 m, yaw uniform within 90 degrees.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "block_pick"
    time_limit = 12.0
    goal = ""
    things = (block("block", (HALF, HALF, HALF)),)

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """The block anywhere in the workspace."""
        return self.apart(rng, (self.things[0].radius,)), np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the block is high enough. (..., 10) -> (...) bool"""
        return x[..., self.at["block_height"].start] >= HEIGHT


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
    return error(x) + 0.1 * away(x, 5)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (10,), (2,)"""
    return 5.0 * error(x)
