"""`BlockPush`: a gripper pushes a block over the table to a goal."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...symmetry.part import Vector
from ..tabletop.contact import away, one_after
from ..tabletop.gripper_motion import JOINTS, joint
from ..tabletop.tabletop import Tabletop, goal_mark
from ..tabletop.things import block
from .push import wrapped

HALF, HIGH = 0.03, 0.015
"""Half the block's width and height, m."""


class BlockPush(Tabletop):
    """Push a flat block to a goal position; its yaw does not count.

    State (12,): gripper x, y, yaw, height, opening; block x, y, yaw, height, tilt; goal x, y.

    **Success**: the block's centre within 25 mm of the goal, and upright, for 0.25 s on end, within
    20 s. (BulletArm asks for 50 mm.)

    **Starts**: block (60 x 60 x 30 mm, 0.3 kg) and goal uniform in the disc of 0.20 m, any yaw,
    their discs (42 and 30 mm) 20 mm apart. ``starts="demonstrated"``: goal at the origin, block
    within 40 mm and 0.3 rad of (-0.13, 0) m, yaw 0. ``starts="widened"``: the same goal, block
    within 120 mm and 0.9 rad of that place. The gripper: see `Tabletop`.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "block_push"
    time_limit = 20.0
    goal = "goal"
    goal_part = Vector()
    goal_names = ("goal_x", "goal_y")
    things = (block("block", (HALF, HALF, HIGH)),)
    decoration = goal_mark(0.025)
    tolerance = 0.025
    """Largest distance of the block from the goal that is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Block and goal anywhere in the workspace."""
        pose, goal = self.apart(rng, (self.things[0].radius, 0.03))
        return [pose], goal[:2]

    def centre(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Block behind the goal as the robot sees it, the goal at the origin."""
        return [np.array([-0.13, 0.0, 0.0])], np.zeros(2)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the block is at the goal. (..., 12) -> (...) bool"""
        apart = x[..., self.at["block"]][..., :2] - x[..., self.at["goal"]]
        upright = x[..., self.at["block_tilt"].start] < 0.2
        return (np.sum(apart**2, axis=-1) <= self.tolerance**2) & upright


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
    return error(x) + 0.1 * away(x, 5)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (12,), (2,)"""
    return 5.0 * error(x)
