"""Script of peg_in_hole: pick the peg up by its top, turn it to the hole, put it in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..expert import Aim
from .moves import PICKED, PUT, pick, put, rest

GRIP = 0.058
"""Height of the gripper on the standing peg, its fingers just clear of the hole's block, m."""


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    peg, hole = x[task.at["peg"]], x[task.at["hole"]]
    if stage < PICKED:
        return pick(x, peg, GRIP, stage, seconds)
    if stage < PICKED + PUT:
        return put(x, peg, hole[:2], GRIP, stage - PICKED, seconds, hole[2])
    return rest(x)
