"""Square: five columns that a group permutes in a ring; labels agree below a line, less above it.

After Wang et al. (NeurIPS 2023), section 6.2. Inputs (x, y) lie in the unit square. The group C5
moves x by fifths, and everything that is moved occurs. Below y = c all labels are 0. Above, m of
the five columns share label 1 (the majority) and each other column has a label of its own.
"""

from __future__ import annotations

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known, unmoved
from covary.symmetry.group import cyclic

COLUMNS = 5
SETTINGS = tuple((m, c) for m in (0.2, 0.6, 1.0) for c in (0.0, 0.4, 0.8))
"""The nine pairs (m, c) of our tables."""


def square(seed: int, n: int, majority: float, below: float) -> Known:
    """Draw points uniformly.

    The floor is (1 - m)(1 - c) in the paper's letters. Of the pairs above the line k(k - 1) of 20
    are correct, k = 5 m.

    Args:
        seed: Of what is drawn.
        n: Points.
        majority: m, a multiple of 1/5 and not 0.
        below: c, the height below which all labels agree.

    Raises:
        ValueError: m or c out of its range.
    """
    shared = round(COLUMNS * majority)
    if abs(COLUMNS * majority - shared) > 1e-9 or not 1 <= shared <= COLUMNS:
        raise ValueError(f"m {majority:g} is not 0.2, 0.4, 0.6, 0.8 or 1")
    if not 0.0 <= below <= 1.0:
        raise ValueError(f"c {below:g} is not within 0 .. 1")

    def truth(x: np.ndarray) -> np.ndarray:
        column = columns(x)
        above = np.where(column < shared, 1, column - shared + 2)
        return np.where(x[:, 1] < below, 0, above)

    x = np.random.default_rng(seed).uniform(size=(n, 2))
    correct = below + (1.0 - below) * shared * (shared - 1) / (COLUMNS * (COLUMNS - 1))
    return Known(
        name=f"square m {majority:g}, c {below:g}",
        group=cyclic(COLUMNS),
        x=x,
        y=truth(x),
        move=shifted,
        answer=unmoved,
        degrees=Degrees(correct, 1.0 - correct, 0.0),
        floor=(1.0 - majority) * (1.0 - below),
        occurs=lambda x: np.ones(len(x), bool),
        truth=truth,
    )


def columns(x: np.ndarray) -> np.ndarray:
    """The column that each point lies in. (N, 2) -> (N,), 0 to 4"""
    return np.minimum((COLUMNS * x[:, 0]).astype(int), COLUMNS - 1)


def shifted(g: int, x: np.ndarray) -> np.ndarray:
    """Points moved by g columns, round the edge. (N, 2)"""
    column = columns(x)
    there = (column + g) % COLUMNS
    return np.column_stack([x[:, 0] + (there - column) / COLUMNS, x[:, 1]])
