"""Choosing a side where the state is symmetric: there an average would go straight into the obstacle.

If an element s fixes both state and mean, the samples come in groups {a, s a, ...} of equal cost and
any weighted mean of all of them is fixed by s too: neither left nor right. So one sample of each group
is kept, the one nearest to the best sample; which of the best sample's images counts as the best is
drawn. The plan then has a side, the side stays in the mean, and the next plan needs no draw.
"""

from __future__ import annotations

import numpy as np

from ..symmetry.declaration import Symmetry


def one_side(
    symmetry: Symmetry,
    fixing: tuple[int, ...],
    mean: np.ndarray,
    actions: np.ndarray,
    costs: np.ndarray,
    key: tuple[int, int],
) -> np.ndarray | slice:
    """Which samples to keep: all, unless some element fixes state and mean but moves actions.

    The draw is keyed by the planner's random state, never by a sample's index: for (gx, g mean)
    the kept set is g s times the kept set of (x, mean), s an element that fixes both.

    Args:
        symmetry: The planner's symmetry.
        fixing: The elements that fix the state.
        mean: The mean that the samples lie about. (H, m)
        actions: All samples, a set closed under the group about the mean. (K, H, m)
        costs: Their costs. (K,)
        key: Seed and number of the draw.

    Returns:
        An index into the samples.
    """
    movers = _movers(symmetry, fixing, mean)
    if len(movers) == 1:
        return slice(None)
    away = actions - mean  # (K, H, m)
    size = np.sqrt(np.einsum("khi,khi->k", away, away))
    moved = np.einsum("sij,khj->skhi", movers, away)  # (S, K, H, m)
    fixed = np.abs(moved - away).max(axis=(0, 2, 3)) <= 1e-9 * (1.0 + size)
    if fixed.all():
        return slice(None)
    best = int(np.argmin(np.where(fixed, np.inf, costs)))
    images = moved[:, best]  # (S, H, m)
    draw = np.random.Generator(np.random.Philox(key=list(key), counter=[0, 0, 0, 1]))
    direction = images[np.argmax(np.einsum("shi,hi->s", images, draw.standard_normal(mean.shape)))]
    nearness = np.einsum("skhi,hi->sk", moved, direction)  # (S, K)
    tie = 1e-12 * (1.0 + size * np.sqrt(np.sum(direction * direction)))
    return np.flatnonzero(nearness[0] >= nearness.max(axis=0) - tie)


def _movers(symmetry: Symmetry, fixing: tuple[int, ...], mean: np.ndarray) -> np.ndarray:
    """Distinct action matrices of the elements that fix state and mean, identity first. (S, m, m)"""
    matrices = symmetry.orbit("action")
    kept = [matrices[0]]
    if len(fixing) > 1:
        scale = 1e-9 * (1.0 + np.abs(mean).max())
        for g in fixing:
            a = matrices[g]
            new = all(np.abs(a - k).max() > 1e-9 for k in kept)
            if new and np.abs(np.einsum("ij,hj->hi", a, mean) - mean).max() <= scale:
                kept.append(a)
    return np.stack(kept)
