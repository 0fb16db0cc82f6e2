"""Where episodes start: a task's own starts, and the narrower ones that imitation is tried on."""

from __future__ import annotations

import math

import numpy as np

from ..symmetry.declaration import wrap

STARTS = ("own", "demonstrated", "widened")
"""What a task's option `starts` may be.

``own``: the task's whole start distribution. ``demonstrated``: everything near one place, as where
few demonstrations come from. ``widened``: the same goal, and everything else from farther around,
where a policy that has seen the demonstrated ones only has to cope.
"""
AROUND = {"demonstrated": (0.04, 0.3), "widened": (0.12, 0.9)}
"""How far things are from their places at most, m and rad."""


def checked(starts: str) -> str:
    """The word, if it is one.

    Raises:
        ValueError: It is none of `STARTS`.
    """
    if starts not in STARTS:
        raise ValueError(f"starts: {starts!r} is none of {', '.join(STARTS)}")
    return starts


def around(rng: np.random.Generator, place: np.ndarray, starts: str) -> np.ndarray:
    """A pose (x, y, yaw) uniform around a place, within the distances of `AROUND`. (3,)"""
    away, turned = AROUND[starts]
    direction, radius = rng.uniform(-math.pi, math.pi), away * math.sqrt(rng.uniform())
    yaw = wrap(np.float64(place[2] + rng.uniform(-turned, turned)))
    x, y = radius * math.cos(direction), radius * math.sin(direction)
    return np.array([place[0] + x, place[1] + y, yaw])
