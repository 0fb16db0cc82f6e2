"""Moves that scripts share: grasping a thing, in four stages; letting go, in two."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim, half_turn

OPEN, CLOSE = 0.2, -0.2
"""Rates of opening, m/s."""
ABOVE = 0.12
"""Height of the gripper on its way, m."""
SQUEEZE_S = 0.5
"""How long to close the fingers before lifting, s."""


def at(position: np.ndarray, height: float) -> np.ndarray:
    """x, y and a height as one point. (2,) -> (3,)"""
    return np.array([position[0], position[1], height])


def square_yaw(x: np.ndarray, yaw: float) -> float:
    """The yaw of a square thing that the gripper is nearest to, rad: quarter turns are alike."""
    quarter = np.pi / 2
    return yaw + quarter * np.round((x[2] - yaw) / quarter)


def grasp(
    task: Any, x: np.ndarray, name: str, stage: int, seconds: float, height: float, yaw: float
) -> Aim:
    """Stages 0 to 3: over the thing, down to `height` (m), close, and up."""
    here = x[task.at[name]]
    over = at(here, ABOVE + height)
    if stage == 0:
        return Aim(over, yaw, OPEN, within=0.005)
    if stage == 1:
        return Aim(at(here, height), yaw, OPEN, within=0.003)
    if stage == 2:
        return Aim(at(x[:2], x[3]), None, CLOSE, done=seconds >= SQUEEZE_S)
    return Aim(at(x[:2], ABOVE + height), None, CLOSE, within=0.01, speed=0.15)


def turned_from(x: np.ndarray, yaw: float) -> float:
    """How far the gripper is from a yaw, rad, half turns not counting."""
    return abs(half_turn(yaw - x[2]))
