"""Script of block_push: push the block to the goal from behind."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim
from .moves import push


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    return push(x, x[task.at["block"]][:2], x[task.at["goal"]], stage)
