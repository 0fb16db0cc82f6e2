"""`TwoBlockSort`: a gripper puts two blocks on the two sides of a line, each on its own."""

from __future__ import annotations

import math

import numpy as np

from ...symmetry.group import so2
from ...symmetry.part import Pose
from ..tabletop.tabletop import Tabletop, goal_mark, in_disc
from ..tabletop.things import block

HALF = 0.02
"""Half the width of both blocks, m."""
TOLERANCE = 0.025
"""Largest distance of a block from its place that is a success, m."""
OFFSET = 0.08
"""Distance of the places of the blocks from the goal's origin, along its y, m."""


class TwoBlockSort(Tabletop):
    """Put the red block to the left of a goal pose, the blue one to its right.

    State (18,): gripper x, y, yaw, height, opening; red x, y, yaw, height, tilt; blue's; goal x, y,
    yaw. The places are 80 mm from the goal along its y: left (+y) for red, right for blue.

    **Success**: both blocks' centres within 25 mm of their places and on the table, upright, the
    gripper open by 60 mm, for 0.25 s on end, within 30 s.

    **Starts**: goal's origin uniform in a disc of 0.10 m, its yaw any; two blocks (40 mm, 0.3 kg)
    uniform in the disc of 0.20 m, any yaw, their discs (28 mm) 20 mm apart and 60 mm more, each
    80 mm or more from both places.

    **Symmetry**: a mirror would send red to blue's side, so there are rotations only: SO(2) about
    the origin, declared as C8.
    """

    name = "two_block_sort"
    time_limit = 30.0
    group = so2(8)
    goal = "goal"
    goal_part = Pose()
    goal_names = ("goal_x", "goal_y", "goal_yaw")
    things = (
        block("red", (HALF, HALF, HALF), rgba="0.75 0.20 0.20 1"),
        block("blue", (HALF, HALF, HALF), rgba="0.20 0.30 0.75 1"),
    )
    decoration = goal_mark(0.025, (("0.75 0.2 0.2 0.4", OFFSET), ("0.2 0.3 0.75 0.4", -OFFSET)))

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Goal near the middle, blocks anywhere away from the places."""
        goal = np.array([*in_disc(rng, 0.10), rng.uniform(-math.pi, math.pi)])
        spots = [places(goal)[side] for side in (0, 1)]
        while True:
            poses = self.apart(rng, tuple(thing.radius + 0.03 for thing in self.things))
            if all(math.hypot(*(p[:2] - s)) >= 0.08 for p in poses for s in spots):
                return poses, goal

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether both are in their places, let go. (..., 18) -> (...) bool"""
        done = x[..., self.at["opening"].start] >= 0.06
        for side, thing in enumerate(self.things):
            here = self.at[thing.name].start
            done = done & (self.apart_from_place(x, side) <= TOLERANCE)
            done = done & (x[..., here + 3] < thing.rest + 0.005) & (x[..., here + 4] < 0.2)
        return done

    def apart_from_place(self, x: np.ndarray, side: int) -> np.ndarray:
        """Distance of red (side 0) or blue (side 1) from its place, m. (..., 18) -> (...)"""
        here = x[..., self.at[self.things[side].name]][..., :2]
        apart = here - places(x[..., self.at["goal"]])[side]
        return np.sqrt(np.sum(apart**2, axis=-1))


def places(goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where red and blue belong. (..., 3) -> (..., 2), (..., 2)"""
    left = OFFSET * np.stack([-np.sin(goal[..., 2]), np.cos(goal[..., 2])], axis=-1)
    return goal[..., :2] + left, goal[..., :2] - left
