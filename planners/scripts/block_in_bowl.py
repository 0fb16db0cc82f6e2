"""Script of block_in_bowl: pick the block up, let it go over the bowl."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim
from .moves import PICKED, PUT, pick, put, rest

RELEASE = 0.056
"""Height of the gripper, its fingers just clear of the bowl's rim, m."""


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    block, bowl = x[task.at["block"]], x[task.at["bowl"]]
    if stage < PICKED:
        return pick(x, block, task.things[0].rest, stage, seconds)
    if stage < PICKED + PUT:
        return put(x, block, bowl[:2], RELEASE, stage - PICKED, seconds)
    return rest(x)
