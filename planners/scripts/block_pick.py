"""Script of block_pick: grasp the block and lift it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim
from .moves import CLOSE, at, grasp, square_yaw

LIFTED = 0.15


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    if stage < 3:
        yaw = square_yaw(x, x[task.at["block"]][2])
        return grasp(task, x, "block", stage, seconds, task.things[0].rest, yaw)
    return Aim(at(x[:2], LIFTED), None, CLOSE, done=False, speed=0.15)
