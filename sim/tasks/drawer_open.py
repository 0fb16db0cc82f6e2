"""`DrawerOpen`: a gripper pulls a drawer open by its handle."""

from __future__ import annotations

import math

import numpy as np

from ..tabletop.tabletop import Tabletop, in_disc
from ..tabletop.things import DRAWER_TRAVEL, HANDLE_HEIGHT, HANDLE_X, drawer

OUT = 0.055
"""How far out is a success, m."""
LENGTH, HEIGHT = 0.04, 0.008
"""Half the handle's length and height, m."""


class DrawerOpen(Tabletop):
    """Open a drawer.

    State (11,): gripper x, y, yaw, height, opening; cabinet x, y, yaw, height, tilt; how far its
    drawer is out.

    **Success**: the drawer 55 mm out of its 80 mm or more, for 0.25 s on end, within 20 s.

    **Starts**: cabinet (100 x 120 x 70 mm, 11 kg, held by friction alone) uniform in a disc of
    0.12 m about the origin, any yaw; the drawer closed.

    **Symmetry**: O(2) about the origin, declared as D8.
    """

    name = "drawer_open"
    time_limit = 20.0
    goal = ""
    places = 0.12  # so that an open drawer is within reach
    things = (drawer("cabinet"),)

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """The cabinet near the middle, turned anyhow."""
        pose = np.array([*in_disc(rng, self.places), rng.uniform(-math.pi, math.pi)])
        return [pose], np.zeros(0)

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the drawer is open. (..., 11) -> (...) bool"""
        return x[..., self.at["cabinet_slide"].start] >= OUT

    def handle(self, x: np.ndarray) -> np.ndarray:
        """Where the middle of the handle is. (..., 11) -> (..., 3)"""
        px, py, yaw = (x[..., self.at["cabinet"].start + k] for k in range(3))
        away = HANDLE_X + np.clip(x[..., self.at["cabinet_slide"].start], 0.0, DRAWER_TRAVEL)
        height = x[..., self.at["cabinet_height"].start] + HANDLE_HEIGHT
        return np.stack([px + away * np.cos(yaw), py + away * np.sin(yaw), height], axis=-1)
