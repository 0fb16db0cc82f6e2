"""`BlockPick`: a gripper picks a block up."""

from __future__ import annotations

import numpy as np

from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block

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
