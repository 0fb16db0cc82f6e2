"""`BlockPull`: a gripper drags one flat block to another until they touch."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..tabletop.contact import away, thing_of, two_after
from ..tabletop.gripper_motion import JOINTS, joint
from ..tabletop.squares import gap
from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block
from .push import wrapped

HALF, HIGH = 0.03, 0.01
"""Half the width and height of both blocks, m."""


class BlockPull(Tabletop):
    """Bring two flat blocks together.

    State (15,): gripper x, y, yaw, height, opening; block x, y, yaw, height, tilt; the other's.

    **Success**: the free distance between the blocks at most 4 mm, both upright, for 0.25 s on end,
    within 20 s.

    **Starts**: two blocks (60 x 60 x 20 mm, 0.2 kg) uniform in the disc of 0.20 m, any yaw, their
    discs (42 mm) 20 mm apart.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "block_pull"
    time_limit = 20.0
    goal = ""
    things = (
        block("block", (HALF, HALF, HIGH), 0.2),
        block("other", (HALF, HALF, HIGH), 0.2, "0.35 0.55 0.35 1"),
    )
    tolerance = 0.004
    """Largest free distance that is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Both anywhere in the workspace."""
        return self.apart(rng, tuple(thing.radius for thing in self.things)), np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether they touch. (..., 15) -> (...) bool"""
        tilts = x[..., self.at["block_tilt"].start], x[..., self.at["other_tilt"].start]
        return (self.error(x) <= self.tolerance) & (np.maximum(*tilts) < 0.2)


@njit
def step(x, u, p, out):
    """One control period of the model. (15,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, t, o = two_after(x, u, p, first, HALF, HIGH)
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
    """Free distance between the blocks, m. (15,)"""
    return gap(thing_of(x, 5), thing_of(x, 10), HALF, HALF)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (15,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (15,), (2,)"""
    return 5.0 * error(x)
