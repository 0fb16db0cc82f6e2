"""`DrawerOpen`: a gripper pulls a drawer open by its handle."""

from __future__ import annotations

import math

import numpy as np

from ..tabletop.tabletop import Tabletop, in_disc
from ..tabletop.things import DRAWER_TRAVEL, HANDLE_HEIGHT, HANDLE_X, drawer


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
    out = 0.055
    """How far out is a success, m."""

    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """The cabinet near the middle, turned anyhow."""
        pose = np.array([*in_disc(rng, self.places), rng.uniform(-math.pi, math.pi)])
        return [pose], np.zeros(0)

    def error(self, x: np.ndarray) -> np.ndarray:
        """How much further out the drawer has to be, m. (..., 11) -> (...)"""
        return np.maximum(self.out - x[..., self.at["cabinet_slide"].start], 0.0)

    def reach(self, x: np.ndarray) -> np.ndarray:
        """How far the gripper is from the handle, m. (..., 11) -> (...)"""
        gap = x[..., [0, 1, 3]] - self.handle(x)
        return np.sqrt(np.sum(gap**2, axis=-1))

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the drawer is open. (..., 11) -> (...) bool"""
        return x[..., self.at["cabinet_slide"].start] >= self.out

    def handle(self, x: np.ndarray) -> np.ndarray:
        """Where the middle of the handle is. (..., 11) -> (..., 3)"""
        px, py, yaw = (x[..., self.at["cabinet"].start + k] for k in range(3))
        away = HANDLE_X + np.clip(x[..., self.at["cabinet_slide"].start], 0.0, DRAWER_TRAVEL)
        height = x[..., self.at["cabinet_height"].start] + HANDLE_HEIGHT
        return np.stack([px + away * np.cos(yaw), py + away * np.sin(yaw), height], axis=-1)
