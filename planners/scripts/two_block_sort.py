"""Script of two_block_sort: red to its place, then blue to its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...sim.tasks.two_block_sort import places
from ..expert import Aim
from .moves import PICKED, PUT, pick, put, rest


def aim(task: Any, x: np.ndarray, stage: int, seconds: float) -> Aim:
    """Where to go: see `Aim`."""
    side, stage = divmod(stage, PICKED + PUT)
    if side > 1:
        return rest(x)
    thing = task.things[side]
    here, height = x[task.at[thing.name]], thing.rest
    if stage < PICKED:
        return pick(x, here, height, stage, seconds)
    there = places(x[task.at["goal"]])[side]
    return put(x, here, there, height + 0.001, stage - PICKED, seconds)
