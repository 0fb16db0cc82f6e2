"""A ball in space in a field about the origin: what linear theory is tried on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import o3
from covary.symmetry.part import Vector3

BALL = Symmetry(o3(), {"position": Vector3(), "velocity": Vector3()}, {"force": Vector3()})
"""A point mass in space, seen from a base point: a place."""


def field(swirl: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Its step, (k, 6), (k, 3) -> (k, 6); a swirl, as a magnetic pole's, knows no mirrors."""

    def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        p, v = x[:, :3], x[:, 3:]
        far = np.sum(p * p, axis=1, keepdims=True)
        along = np.sum(p * u, axis=1, keepdims=True)
        force = u + 0.5 * along * p + swirl * np.cross(p, u + v) - (1.0 + far) * p - 0.3 * v
        return np.hstack([p + 0.1 * v + 0.005 * force, v + 0.1 * force])

    return step
