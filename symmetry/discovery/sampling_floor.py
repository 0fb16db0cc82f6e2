"""The Wasserstein distance between elements, and its floor: two fresh samples of one group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Between all of some elements and all of others: an angle in space, Frobenius in the plane.

    Args:
        one: (N, d, d)
        other: (M, d, d)

    Returns:
        The angle (rad) of one's inverse times the other, where d = 3; else the Frobenius norm of
        their difference. (N, M)
    """
    flat, there = one.reshape(len(one), -1), other.reshape(len(other), -1)
    inner = flat @ there.T
    if one.shape[1] == 3:
        return np.arccos(np.clip(0.5 * (inner - 1.0), -1.0, 1.0))
    square = (flat**2).sum(axis=1)[:, None] + (there**2).sum(axis=1)[None] - 2.0 * inner
    return np.sqrt(np.maximum(square, 0.0))


def wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """The first Wasserstein distance of two samples of equal size, by an exact assignment.

    Args:
        one: (N, d, d)
        other: (N, d, d)

    Raises:
        ValueError: The samples are of different sizes, or empty.
    """
    if len(one) != len(other) or not len(one):
        raise ValueError(f"samples of {len(one)} and of {len(other)} elements")
    cost = distances(one, other)
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


def distance_and_floor(
    found: np.ndarray,
    ideal: Callable[[int, np.random.Generator], np.ndarray],
    seed: int = 0,
    most: int = 500,
    repeats: int = 8,
) -> tuple[float, float]:
    """How far found elements are from a group, and how far two samples of the group itself are.

    Both are means over as many fresh draws. A distance at the floor is all that can be had at that
    number of elements.

    Args:
        found: (N, d, d)
        ideal: (count, generator) -> uniform elements of the group (count, d, d).
        seed: Of the draws.
        most: So many of the found ones are taken, since an assignment takes their third power.
        repeats: Draws.

    Returns:
        The distance and the floor, in the unit of `distances`.
    """
    rng = np.random.default_rng([seed, 2])
    taken = found if len(found) <= most else found[rng.choice(len(found), most, replace=False)]
    count = len(taken)
    away = [wasserstein(taken, ideal(count, rng)) for _ in range(repeats)]
    floor = [wasserstein(ideal(count, rng), ideal(count, rng)) for _ in range(repeats)]
    return float(np.mean(away)), float(np.mean(floor))
