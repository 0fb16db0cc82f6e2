"""Script of drawer_open: grasp the handle across its bar and pull."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...sim.tasks.drawer_open import OUT
from ..expert import Aim
from .moves import ABOVE, CLOSED, SQUEEZE_S, at

WIDTH = 0.028
"""Opening that leaves the finger behind the handle room, m."""


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    cabinet = x[task.at["cabinet"]]
    handle = task.handle(x)
    yaw = float(cabinet[2] + np.pi / 2)  # the fingers move along the drawer
    if stage == 0:
        return Aim(at(handle, ABOVE), yaw, WIDTH, within=0.006)
    if stage == 1:
        return Aim(handle, yaw, WIDTH, within=0.003)
    if stage == 2:
        return Aim(x[[0, 1, 3]], None, CLOSED, done=seconds >= SQUEEZE_S)
    left = OUT + 0.01 - x[task.at["cabinet_slide"].start]
    out = np.array([np.cos(cabinet[2]), np.sin(cabinet[2]), 0.0])
    return Aim(x[[0, 1, 3]] + left * out, yaw, CLOSED, done=False, speed=0.12)
