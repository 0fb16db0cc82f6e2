"""Script of block_stack: pick the block up, put it on the base."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...sim.tasks.block_stack import STEP
from ..expert import Aim
from .moves import PICKED, PUT, pick, put, rest


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    block, base = x[task.at["block"]], x[task.at["base"]]
    height = task.things[0].rest
    if stage < PICKED:
        return pick(x, block, height, stage, seconds)
    if stage < PICKED + PUT:
        on_base = height + STEP + 0.001
        return put(x, block, base[:2], on_base, stage - PICKED, seconds, base[2])
    return rest(x)
