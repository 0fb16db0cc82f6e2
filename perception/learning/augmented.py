"""Batches moved by random elements of a symmetry: what an ordinary network can do with a group."""

from __future__ import annotations

import numpy as np

from ...sim.task import Task
from ...symmetry.declaration import Symmetry


def moved(
    symmetry: Symmetry,
    task: Task,
    rng: np.random.Generator,
    x: np.ndarray,
    u: np.ndarray,
    following: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each sample moved by an element of its own.

    Args:
        symmetry: Whose group is drawn from.
        task: Whose states and actions these are.
        rng: Draws the elements.
        x: (B, n)
        u: (B, H, m)
        following: (B, H, n)
    """
    name = symmetry.group.name
    whole = task.symmetry.restrict("none" if symmetry.group.order == 1 else name)
    drawn = rng.integers(symmetry.group.order, size=len(x))
    x, u, following = x.copy(), u.copy(), following.copy()
    for g in np.unique(drawn):
        rows = drawn == g
        x[rows] = whole.act(int(g), state=x[rows])
        u[rows] = whole.act(int(g), action=u[rows])
        following[rows] = whole.act(int(g), state=following[rows])
    return x, u, following
