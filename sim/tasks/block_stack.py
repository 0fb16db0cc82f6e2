"""`BlockStack`: a gripper puts one block on another."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..tabletop.contact import away, two_after, unopened
from ..tabletop.gripper_motion import JOINTS, joint
from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block
from .push import wrapped

HALF = 0.02
"""Half the width of both blocks, m."""
STEP = 2 * HALF
"""How much higher the block has to be than the base, m."""


class BlockStack(Tabletop):
    """Stack a block on another and let it go.

    State (15,): gripper x, y, yaw, height, opening; block x, y, yaw, height, tilt; the base's.

    **Success**: the block's centre within 15 mm of the base's as seen from above and 40 mm higher,
    by 5 mm, both upright, the gripper open by 60 mm, for 0.25 s on end, within 20 s.

    **Starts**: two blocks (40 mm; 0.3 kg, the base 0.5 kg) uniform in the disc of 0.20 m, any yaw,
    their discs (28 mm) 20 mm apart, and 60 mm more for the fingers.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "block_stack"
    time_limit = 20.0
    goal = ""
    things = (
        block("block", (HALF, HALF, HALF)),
        block("base", (HALF, HALF, HALF), 0.5, rgba="0.35 0.45 0.65 1"),
    )
    across = 0.015
    """Largest distance of the centres as seen from above that is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Both anywhere in the workspace, with room for the fingers between them."""
        return self.apart(rng, tuple(thing.radius + 0.03 for thing in self.things)), np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the block lies on the base, let go. (..., 15) -> (...) bool"""
        apart = x[..., self.at["block"]][..., :2] - x[..., self.at["base"]][..., :2]
        tilts = x[..., self.at["block_tilt"].start], x[..., self.at["base_tilt"].start]
        return (
            (np.sum(apart**2, axis=-1) <= self.across**2)
            & (np.abs(self._high(x)) <= 0.005)
            & (np.maximum(*tilts) < 0.1)
            & (x[..., self.at["opening"].start] >= 0.06)
        )

    def _high(self, x: np.ndarray) -> np.ndarray:
        """How far the block is from where it would lie, upwards, m."""
        up = x[..., self.at["block_height"].start] - x[..., self.at["base_height"].start]
        return up - STEP


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
    return error(x) + 0.1 * away(x, 5) + unopened(x, error(x), 0.02)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (15,), (2,)"""
    return 5.0 * error(x)
