"""`Cloud`: samples of points that a group moves together, with the numbers that go along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LEAST = 32
"""Fewer samples are no data."""
_LARGEST = 1e100
"""Squares of larger values may be no numbers."""


class DiscoveryError(ValueError):
    """Data in which nothing can be looked for, with the reason."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """N samples; a motion (A, b) sends each point p to A p + b and each free vector v to A v.

    Attributes:
        points: The points and free vectors of each sample, always in the same order. (N, k, d)
        free: Which of them are free vectors, which shifts leave alone. (k,) bool
        scalars: What no motion changes, but for `odd`. (N, s)
        odd: Which scalars change their sign under mirrors. (s,) bool
    """

    points: np.ndarray
    free: np.ndarray
    scalars: np.ndarray
    odd: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @property
    def dimension(self) -> int:
        """Of space: 2 or 3."""
        return self.points.shape[2]

    def taken(self, index: np.ndarray) -> Cloud:
        """Some of the samples."""
        return replace(self, points=self.points[index], scalars=self.scalars[index])

    def moved(self, matrices: np.ndarray, shifts: np.ndarray | None = None) -> Cloud:
        """Each sample moved by a motion of its own, or all by one.

        Args:
            matrices: (N, d, d) or (d, d)
            shifts: (N, d) or (d,); None: none.
        """
        matrices = np.broadcast_to(matrices, (len(self), self.dimension, self.dimension))
        points = self.points @ np.swapaxes(matrices, 1, 2)
        if shifts is not None:
            shifts = np.broadcast_to(shifts, (len(self), self.dimension))
            points = points + np.where(self.free[:, None], 0.0, shifts[:, None, :])
        sign = np.sign(np.linalg.det(matrices))[:, None]
        return replace(self, points=points, scalars=self.scalars * np.where(self.odd, sign, 1.0))

    def flat(self) -> np.ndarray:
        """Points and scalars of each sample in a row. (N, k d + s)"""
        return np.concatenate([self.points.reshape(len(self), -1), self.scalars], axis=1)

    @property
    def spread(self) -> float:
        """Root mean square distance of the points from their mean; of the vectors if all are free.

        It is what distances are told in.
        """
        placed = self.points[:, ~self.free] if not self.free.all() else self.points
        apart = placed - (placed.mean(axis=(0, 1)) if not self.free.all() else 0.0)
        return float(np.sqrt((apart**2).sum(axis=-1).mean()))


def cloud(
    points: np.ndarray,
    free: Sequence[bool] | np.ndarray | None = None,
    scalars: np.ndarray | None = None,
    odd: Sequence[bool] | np.ndarray | None = None,
) -> Cloud:
    """A checked `Cloud`.

    Args:
        points: (N, k, 2) or (N, k, 3)
        free: (k,); None: none is.
        scalars: (N, s); None: there are none.
        odd: (s,); None: none is.

    Raises:
        DiscoveryError: Another shape, no numbers, rows that are not finite, constant data, or
            too few of them.
    """
    points = np.asarray(points)
    if points.dtype.kind not in "fiub":
        raise DiscoveryError("points are no array of numbers (N, k, 2) or (N, k, 3)")
    points = points.astype(float)
    if points.ndim != 3 or points.shape[2] not in (2, 3) or not points.shape[1]:
        raise DiscoveryError(f"points are of shape {points.shape}, not (N, k, 2) or (N, k, 3)")
    count = points.shape[1]
    scalars = np.zeros((len(points), 0)) if scalars is None else np.asarray(scalars, float)
    free = np.zeros(count, bool) if free is None else np.asarray(free, bool)
    odd = np.zeros(scalars.shape[-1], bool) if odd is None else np.asarray(odd, bool)
    if scalars.ndim != 2 or len(scalars) != len(points):
        raise DiscoveryError(f"scalars are of shape {scalars.shape}, not ({len(points)}, s)")
    if free.shape != (count,) or odd.shape != (scalars.shape[1],):
        raise DiscoveryError(f"{free.size} words for {count} points, {odd.size} for the scalars")
    made = Cloud(points, free, scalars, odd)
    if len(points) < LEAST:
        raise DiscoveryError(f"{len(points)} samples are too few; at least {LEAST} are needed")
    bad = np.flatnonzero(~np.isfinite(made.flat()).all(axis=1))
    if len(bad):
        raise DiscoveryError(
            f"{len(bad)} of {len(points)} rows are not finite, the first is row {bad[0]}"
        )
    sizes = np.abs(made.flat()).max(axis=0)
    if sizes.max() > _LARGEST:
        raise DiscoveryError(f"a value of {sizes.max():.3g} is too large; {_LARGEST:g} at most")
    if not (np.ptp(made.flat(), axis=0) > 1e-9 * sizes).any():
        raise DiscoveryError(f"constant data: all {len(points)} samples are the same")
    if made.spread <= 1e-9 * np.abs(points).max():
        raise DiscoveryError("constant data: all points are in one place")
    return made
