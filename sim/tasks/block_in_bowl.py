"""`BlockInBowl`: a gripper puts a block into a bowl."""

from __future__ import annotations

import numpy as np

from ..tabletop.tabletop import Tabletop
from ..tabletop.things import BOWL_RADIUS, BOWL_WALL, block, bowl

HALF = 0.02
"""Half the block's width, m."""
WALL = BOWL_RADIUS + BOWL_WALL / 2
"""Radius of the middle of the bowl's wall, m."""
INSIDE, OUTSIDE = BOWL_RADIUS - HALF, BOWL_RADIUS + BOWL_WALL + HALF
"""Distances of a block from the bowl's middle where it is clear of the wall: less, and more, m."""


class BlockInBowl(Tabletop):
    """Put a block into a bowl.

    State (15,): gripper x, y, yaw, height, opening; block x, y, yaw, height, tilt; the bowl's.

    **Success**: the block's centre within 35 mm of the bowl's as seen from above and at most 45 mm
    above its foot, the bowl upright, the gripper open by 60 mm, for 0.25 s on end, within 20 s.

    **Starts**: block (40 mm, 0.3 kg) and bowl (110 mm wide inside, 35 mm high, 0.5 kg) uniform in
    the disc of 0.20 m, any yaw, their discs (28 and 64 mm) 20 mm apart, and 30 mm more.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "block_in_bowl"
    time_limit = 20.0
    goal = ""
    things = (block("block", (HALF, HALF, HALF)), bowl("bowl"))
    across = 0.035
    """Largest distance of the centres as seen from above that is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Both anywhere in the workspace, with room for the fingers between them."""
        first, second = self.things
        return self.apart(rng, (first.radius + 0.03, second.radius)), np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the block lies in the bowl, let go. (..., 15) -> (...) bool"""
        apart = x[..., self.at["block"]][..., :2] - x[..., self.at["bowl"]][..., :2]
        return (
            (np.sum(apart**2, axis=-1) <= self.across**2)
            & (self._high(x) <= 0.045)
            & (x[..., self.at["bowl_tilt"].start] < 0.1)
            & (x[..., self.at["opening"].start] >= 0.06)
        )

    def _high(self, x: np.ndarray) -> np.ndarray:
        """The block's centre above the bowl's foot, m."""
        return x[..., self.at["block_height"].start] - x[..., self.at["bowl_height"].start]
