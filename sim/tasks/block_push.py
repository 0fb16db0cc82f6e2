"""`BlockPush`: a gripper pushes a block over the table to a goal."""

from __future__ import annotations

import numpy as np

from ...symmetry.part import Vector
from ..tabletop.tabletop import Tabletop, goal_mark
from ..tabletop.things import block

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
