"""What the data say at a moved point: whether any lie near it, and the values of those that do."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]

from .claim import AuditError

NEIGHBOURS = 5
"""Whose mean is taken for the map's value at a point."""
FOLDS = 10
"""Parts that the episodes are dealt into; a point's neighbours are of the other parts."""
TREE = 12
"""With more coordinates than that all distances are worked out."""
MOST = 1e100
"""Numbers beyond that, and below its inverse, have no squares."""
LEAST_SAMPLES = 50
"""Fewer points calibrate no percentile."""
LEAST_EPISODES = 5
"""Fewer episodes give no interval."""


def spread(values: np.ndarray, units: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """The unit of each column: the spread of those that share it. (N, m) -> (m,)

    A column that does not vary has a tiny unit, since whatever moves it leaves the data.
    """
    variance = values.var(axis=0)
    for block in units:
        variance[list(block)] = variance[list(block)].mean()
    size = np.abs(values).max(axis=0)
    for block in units:
        size[list(block)] = size[list(block)].max()
    least = np.where(size > 0, 1e-6 * size, 1.0)
    return np.maximum(np.sqrt(variance), least)


class _Near(Protocol):
    """What tells the nearest of some points."""

    def query(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances (S, k), rising, and rows (S, k)."""
        ...


class Neighbours:
    """The nearest other points of a point, none of them of its own episode.

    Args:
        points: Embedded and in units. (N, m)
        episode: 0 .. E-1 of each; None: each point stands for itself, and is left out itself.
        chosen: Rows that are looked at. (S,)

    Attributes:
        most: So many neighbours can be had of each.
    """

    def __init__(self, points: np.ndarray, episode: np.ndarray | None, chosen: np.ndarray) -> None:
        self._chosen = chosen
        self._parts: list[tuple[np.ndarray, np.ndarray, _Near]] = []
        self._alone = episode is None
        if episode is None:
            self._parts.append((np.arange(len(chosen)), np.arange(len(points)), _tree(points)))
        else:
            fold = episode % min(FOLDS, int(episode.max()) + 1)
            for part in np.unique(fold[chosen]):
                rows = np.flatnonzero(fold != part)
                here = np.flatnonzero(fold[chosen] == part)
                self._parts.append((here, rows, _tree(points[rows])))
        self.most = min(len(rows) for _, rows, _ in self._parts) - self._alone

    def near(self, moved: np.ndarray, count: int = NEIGHBOURS) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the nearest, and the rows of the nearest ones, the nearest first.

        Args:
            moved: Where each chosen point went. (S, m)
            count: How many, `most` at the most.

        Returns:
            (S,), (S, count)
        """
        nearest = np.empty(len(moved))
        found = np.empty((len(moved), count), int)
        for here, rows, tree in self._parts:
            distance, index = tree.query(moved[here], k=count + self._alone)
            if distance.ndim == 1:  # scipy's answer to k = 1
                distance, index = distance[:, None], index[:, None]
            if self._alone:
                own = index == self._chosen[here][:, None]
                own[~own.any(axis=1), -1] = True  # not among them: the farthest one is too many
                distance = distance[~own].reshape(len(here), count)
                index = index[~own].reshape(len(here), count)
            nearest[here], found[here] = distance[:, 0], rows[index]
        return nearest, found


class _Table:
    """All distances: where there are many coordinates a tree has to look at all of them anyway."""

    def __init__(self, points: np.ndarray) -> None:
        self._points, self._squares = points, np.einsum("nm,nm->n", points, points)

    def query(self, x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances (S, k), rising, and rows (S, k)."""
        away, found = np.empty((len(x), k)), np.empty((len(x), k), int)
        for first in range(0, len(x), 256):
            here = slice(first, first + 256)
            off = self._squares - 2.0 * (x[here] @ self._points.T)  # less its own squares
            rows = np.argpartition(off, k - 1, axis=1)[:, :k]
            apart = np.sqrt(np.square(self._points[rows] - x[here, None]).sum(axis=2))
            order = np.argsort(apart, axis=1, kind="stable")
            away[here] = np.take_along_axis(apart, order, 1)
            found[here] = np.take_along_axis(rows, order, 1)
        return away, found


def _tree(points: np.ndarray) -> _Near:
    if points.shape[1] > TREE:
        return _Table(points)
    return cKDTree(points, balanced_tree=False, compact_nodes=True)


def checked_rows(name: str, rows: np.ndarray, count: int | None = None) -> np.ndarray:
    """Numbers as (N, d) float64, finite and as many as there should be.

    Raises:
        AuditError: They are not.
    """
    try:
        found = np.asarray(rows, float)
    except (TypeError, ValueError):
        raise AuditError(f"{name}: holds what are no numbers") from None
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or not found.shape[1]:
        raise AuditError(f"{name}: must be (samples, coordinates), not {np.shape(rows)}")
    if count is not None and len(found) != count:
        raise AuditError(f"{name}: {len(found)} rows beside {count} of the state")
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise AuditError(f"{name}: row {bad[0]} is not finite ({len(bad)} such rows)")
    if (size := np.abs(found).max(initial=0.0)) > MOST or 0.0 < size < 1.0 / MOST:
        raise AuditError(f"{name}: its largest number is {size:.2g}; choose other units")
    return found


def checked_episodes(episode: np.ndarray | None, count: int) -> np.ndarray | None:
    """Episodes as 0 .. E-1. (N,)

    Raises:
        AuditError: Not one for each row, or too few of them.
    """
    if episode is None:
        return None
    given = np.asarray(episode)
    if given.shape != (count,):
        raise AuditError(f"episode: must be one for each of {count} rows, not {given.shape}")
    names, numbers = np.unique(given, return_inverse=True)
    if len(names) < LEAST_EPISODES:
        raise AuditError(
            f"episode: {len(names)}, and intervals need {LEAST_EPISODES}; without `episode` each "
            "row counts as independent"
        )
    return numbers
