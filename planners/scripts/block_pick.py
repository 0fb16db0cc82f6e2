"""Script of block_pick: grasp the block and lift it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim
from .moves import CLOSED, PICKED, pick, rest


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    if stage < PICKED:
        return pick(x, x[task.at["block"]], task.things[0].rest, stage, seconds)
    return rest(x, CLOSED)
