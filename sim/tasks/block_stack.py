"""`BlockStack`: a gripper puts one block on another."""

from __future__ import annotations

import numpy as np

from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block

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
