"""Choosing a side where the state is symmetric, and keeping to it.

If an element s fixes both state and mean, the samples come in groups {a, s a, ...} of equal cost
and any weighted mean of them all is fixed by s too: neither left nor right, straight into the
obstacle. So there the best sample becomes the mean; which of its images under the fixing elements
is drawn. For one horizon from then on only samples that go to the side of the mean count, since an
average over both sides, or noise, could still take the plan back or across. The side stays in the
memory.
"""

from __future__ import annotations

import numpy as np

from ...symmetry.declaration import Symmetry


def draw_side(
    symmetry: Symmetry,
    fixing: tuple[int, ...],
    mean: np.ndarray,
    actions: np.ndarray,
    costs: np.ndarray,
    key: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray] | None:
    """The best sample or one of its images, if some element fixes state and mean but moves actions.

    The draw is keyed by the planner's random state, never by a sample's index: for (gx, g mean) it
    gives g s times what it gives for (x, mean), with s an element that fixes both.

    Args:
        symmetry: The planner's symmetry.
        fixing: The elements that fix the state.
        mean: The mean that the samples lie about. (H, m)
        actions: All samples, a set closed under the group about the mean. (K, H, m)
        costs: Their costs. (K,)
        key: Seed and number of the draw.

    Returns:
        The sample drawn (H, m) and the projection onto what the fixing elements move (m, m), or
        None where there is no side to choose.
    """
    movers = _movers(symmetry, fixing, mean)
    if len(movers) == 1:
        return None
    moved = np.einsum("sij,khj->skhi", movers, actions)  # (S, K, H, m)
    unmoved = np.abs(moved - actions).max(axis=(0, 2, 3)) <= 1e-9 * (1.0 + np.abs(actions).max())
    if unmoved.all():
        return None
    best = int(np.argmin(np.where(unmoved, np.inf, costs)))
    draw = np.random.Generator(np.random.Philox(key=list(key), counter=[0, 0, 0, 1]))
    image = np.argmax(np.einsum("shi,hi->s", moved[:, best], draw.standard_normal(mean.shape)))
    return moved[image, best], np.eye(len(movers[0])) - movers.mean(axis=0)


def on_side(
    side: np.ndarray, integrals: int, mean: np.ndarray, actions: np.ndarray
) -> np.ndarray | slice:
    """Which samples go to the side that the mean goes to; all, if that is hardly any.

    Args:
        side: Projection onto the directions in which there are sides, from `draw_side`. (m, m)
        integrals: How often actions add up to a way: 1 for velocities, 2 for forces.
        mean: (H, m)
        actions: All samples. (K, H, m)
    """
    here, way = mean @ side.T, np.einsum("ij,khj->khi", side, actions)
    for _ in range(integrals):
        here, way = np.cumsum(here, axis=0), np.cumsum(way, axis=1)
    kept = np.flatnonzero(np.einsum("khi,hi->k", way, here) > 0.0)
    return kept if 8 * len(kept) >= len(actions) else slice(None)


def _movers(symmetry: Symmetry, fixing: tuple[int, ...], mean: np.ndarray) -> np.ndarray:
    """Distinct action matrices of elements that fix state and mean, identity first. (S, m, m)"""
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
