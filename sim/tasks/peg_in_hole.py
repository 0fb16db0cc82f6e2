"""`PegInHole`: a gripper puts a square peg into a square hole."""

from __future__ import annotations

import numpy as np

from ..tabletop.tabletop import Tabletop
from ..tabletop.things import PEG_HALF, hole, peg


class PegInHole(Tabletop):
    """Insert a peg, with 3 mm of play on each side.

    State (15,): gripper x, y, yaw, height, opening; peg x, y, yaw, height, tilt; the hole's.

    **Success**: the peg's centre within 5 mm of the hole's as seen from above, at most 10 mm higher
    than on the table, and upright within 10 degrees, for 0.25 s on end, within 25 s.

    **Starts**: peg (20 x 20 x 80 mm, 0.08 kg), standing, and the block with the hole (80 mm wide,
    40 mm high, hole 26 mm, 4 kg) uniform in the disc of 0.20 m, any yaw, their discs (14 and 57 mm)
    20 mm apart, and 40 mm more.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "peg_in_hole"
    time_limit = 25.0
    goal = ""
    things = (peg("peg"), hole("hole"))
    across = 0.005
    """Largest distance of the centres as seen from above that is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Both anywhere in the workspace, with room for the fingers between them."""
        first, second = self.things
        return self.apart(rng, (first.radius + 0.04, second.radius)), np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the peg is in. (..., 15) -> (...) bool"""
        apart = x[..., self.at["peg"]][..., :2] - x[..., self.at["hole"]][..., :2]
        return (
            (np.sum(apart**2, axis=-1) <= self.across**2)
            & (self._high(x) <= 0.010)
            & (x[..., self.at["peg_tilt"].start] < np.deg2rad(10.0))
        )

    def _high(self, x: np.ndarray) -> np.ndarray:
        """How much higher the peg is than on the table, m."""
        foot = x[..., self.at["peg_height"].start] - x[..., self.at["hole_height"].start]
        return foot - PEG_HALF[2]
