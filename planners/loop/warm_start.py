"""A plan read later: where the next one starts from."""

from __future__ import annotations

import numpy as np


def moved_on(mean: np.ndarray, steps: float) -> np.ndarray:
    """Actions `steps` control periods later, the last one repeated. (H, m) -> (H, m)

    Between whole steps it is the time average, which is what a held action does over one.
    """
    whole = int(np.floor(steps + 1e-6))
    part = max(steps - whole, 0.0)
    last = len(mean) - 1
    index = np.minimum(np.arange(last + 1) + whole, last)
    if part < 1e-6:
        return mean[index]
    return (1.0 - part) * mean[index] + part * mean[np.minimum(index + 1, last)]


def held_on(rows: np.ndarray, steps: float) -> np.ndarray:
    """A row of each moment of a plan, whole periods later, the last one repeated. (H, C)"""
    later = np.arange(len(rows)) + round(steps)
    return rows[np.clip(later, 0, len(rows) - 1)]
