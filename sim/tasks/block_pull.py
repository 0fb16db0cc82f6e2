"""`BlockPull`: a gripper drags one flat block to another until they touch."""

from __future__ import annotations

import numpy as np

from ..tabletop.tabletop import Tabletop
from ..tabletop.things import block

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
