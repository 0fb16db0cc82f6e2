"""The last steps of an element: onto the data that its end is nearest to, by least squares.

A network's field is smooth and that of a finite group is not, so an end stops a little beside the
data. Each step fits the element anew to its sample and the samples next to its end (Besl and McKay,
"A Method for Registration of 3-D Shapes", 1992, with the points' correspondence known). Nothing is
trained.
"""

from __future__ import annotations

import numpy as np

from .cloud import Cloud
from .hypothesis import Hypothesis

_NEIGHBOURS = 8
"""Samples next to an end, of which the nearest count most."""
_STEPS = 5
_HELD = 1e-3
"""Weight of the element itself beside the points: it says what they leave open."""


def refined(
    starts: Cloud,
    data: Cloud,
    hypothesis: Hypothesis,
    matrices: np.ndarray,
    shifts: np.ndarray,
    steps: int = _STEPS,
) -> tuple[np.ndarray, np.ndarray]:
    """Elements nearer to what sends samples to where data are.

    Args:
        starts: The sample that each element was found from. (E)
        data: Where their ends are to lie.
        hypothesis: What the elements are of; each stays in its component.
        matrices: (E, d, d)
        shifts: (E, d)
        steps: How many are made.

    Returns:
        Matrices (E, d, d) and shifts (E, d).
    """
    from scipy.spatial import KDTree

    tree = KDTree(data.flat())
    near = min(_NEIGHBOURS, len(data))

    def beside(ends: Cloud) -> np.ndarray:
        apart, index = tree.query(ends.flat(), near)
        squares = apart.reshape(len(ends), near) ** 2
        # As wide as the nearest ones lie from each other, not as the end lies from them.
        width = np.median(squares - squares[:, :1], axis=1, keepdims=True) + 1e-12
        weight = np.exp(-(squares - squares[:, :1]) / width)
        weight /= weight.sum(axis=1, keepdims=True)
        return np.einsum("en,enki->eki", weight, data.points[index.reshape(len(ends), near)])

    # A linear fit to noisy points shrinks them; a rotation's does not.
    here = beside(starts) if hypothesis.name == "GL2" else starts.points
    for _ in range(steps):
        there = beside(starts.moved(matrices, shifts))
        matrices, shifts = _fitted(here, there, ~starts.free, hypothesis, matrices)
    return matrices, shifts


def _fitted(
    here: np.ndarray,
    there: np.ndarray,
    placed: np.ndarray,
    hypothesis: Hypothesis,
    matrices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The elements that send each sample's points (E, k, d) nearest to others (E, k, d)."""
    middles = np.zeros((2, len(here), here.shape[2]))
    if hypothesis.shifts:
        middles = np.stack([here[:, placed].mean(axis=1), there[:, placed].mean(axis=1)])
        here, there = (
            x - np.where(placed[:, None], middle[:, None, :], 0.0)
            for x, middle in zip((here, there), middles, strict=True)
        )
    held = _HELD * np.square(here).sum(axis=(1, 2))[:, None, None] + 1e-12
    across = np.einsum("eki,ekj->eij", there, here) + held * matrices
    if hypothesis.name == "GL2":
        gram = np.einsum("eki,ekj->eij", here, here) + held * np.eye(here.shape[2])
        fitted = across @ np.linalg.inv(gram)
    else:
        u, _, v = np.linalg.svd(across)
        sign = np.ones((len(here), here.shape[2]))
        sign[:, -1] = np.sign(np.linalg.det(u @ v) * np.linalg.det(matrices))
        fitted = (u * sign[:, None, :]) @ v
    return fitted, middles[1] - np.einsum("eij,ej->ei", fitted, middles[0])
