"""95 % intervals of what was measured: of a rate, and of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def wilson(successes: int, n: int, z: float = 1.96) -> list[float]:
    """The 95 % interval of a rate of `n` (Wilson 1927)."""
    if n == 0:
        return [0.0, 1.0]
    p, scale = successes / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return [max(0.0, round(middle - half, 4)), min(1.0, round(middle + half, 4))]


def of_mean(values: Sequence[float]) -> list[float] | None:
    """The 95 % interval of a mean (Student 1908); None of fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    from scipy.special import stdtrit  # those who have only rates do not wait for it

    middle, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * spread / math.sqrt(n)
    return [middle - half, middle + half]
