"""Clusters of rotations: where they are, whether they are closed, and how a group lies in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RADIUS = 0.2
"""Rotations nearer to a mean than this (rad) are of its cluster."""
_LEAST = 0.002
"""A cluster with a smaller share of all is chance."""
_STRAY = 1.0 / 40.0
"""So is one with less than this part of the largest: ends between the arms, at which the flow has
not yet made up its mind."""
_MOST = 130


@dataclass(frozen=True, eq=False)
class Clusters:
    """Some rotations and how many of a sample lie near each.

    Attributes:
        means: The identity first, where it is there. (K, 3, 3)
        shares: Of the whole sample. (K,)
    """

    means: np.ndarray
    shares: np.ndarray

    @property
    def angles(self) -> np.ndarray:
        """By which each turns (rad). (K,)"""
        return angles(self.means)

    def closed(self) -> bool:
        """Whether the identity, and all products, are near to some mean."""
        if not len(self.means) or self.angles[0] > RADIUS:
            return False
        products = np.einsum("aij,bjk->abik", self.means, self.means).reshape(-1, 3, 3)
        return bool(_apart(products, self.means).min(axis=1).max() < 2.0 * RADIUS)

    def axes_of(self, own: np.ndarray) -> np.ndarray | None:
        """The rotation F for which F A F^-1 are the means, A over a group's own matrices.

        Args:
            own: (K, 3, 3)

        Returns:
            (3, 3), or None where there is none.
        """
        there, turned = _axes(self.means), self.angles
        here, wanted = _axes(own), angles(own)
        first = int(np.argmax(np.where(wanted < np.pi - 0.3, wanted, 0.0)))
        first = first or int(np.argmax(wanted))
        level = np.abs(here @ here[first])
        level[wanted < 0.1] = 1.0
        second = int(np.argmin(level))
        best, least = None, np.inf
        alike = [np.flatnonzero(np.abs(turned - wanted[g]) < RADIUS) for g in (first, second)]
        if level[second] > 0.99:  # one axis: any turn about it will do
            alike[1] = np.array([-1])
        for one in alike[0]:
            for other in alike[1]:
                for sign in (1.0, -1.0):
                    frame = _between(
                        here[first], here[second], there[one], sign * there[other], bool(other < 0)
                    )
                    if frame is None:
                        continue
                    apart = _apart(frame @ own @ frame.T, self.means).min(axis=1)
                    if apart.max() < least:
                        best, least = frame, float(apart.max())
        return self._refined(best, own) if best is not None and least < 2.0 * RADIUS else None

    def _refined(self, frame: np.ndarray, own: np.ndarray) -> np.ndarray:
        """The axes for which all elements together are nearest: F A = M F in least squares."""
        for _ in range(3):
            nearest = self.means[_apart(frame @ own @ frame.T, self.means).argmin(axis=1)]
            u, _, v = np.linalg.svd(np.mean(nearest @ frame @ np.swapaxes(own, 1, 2), axis=0))
            frame = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
        return frame


def clustered(rotations: np.ndarray) -> Clusters:
    """Clusters of a sample: again and again the rotation with most others near it, and their mean.

    Args:
        rotations: (N, 3, 3)
    """
    cosine = np.einsum("aij,bij->ab", rotations, rotations)
    near = cosine > 1.0 + 2.0 * np.cos(RADIUS)
    free = np.ones(len(rotations), bool)
    means, shares = [], []
    while free.any() and len(means) < _MOST:
        counts = near[:, free].sum(axis=1)
        counts[~free] = 0
        most = int(np.argmax(counts))
        members = near[most] & free
        mean = _mean(rotations[members])
        members = free & (angles(rotations @ mean.T) < RADIUS)
        if members.sum() < max(2.0, _LEAST * len(rotations)):
            break
        means.append(_mean(rotations[members]))
        shares.append(float(members.mean()))
        free &= ~members & ~near[most]
    if not means:
        return Clusters(np.zeros((0, 3, 3)), np.zeros(0))
    found, share = np.stack(means), np.array(shares)
    found, share = found[share > _STRAY * share.max()], share[share > _STRAY * share.max()]
    order = np.argsort(angles(found), kind="stable")
    return Clusters(found[order], share[order])


def angles(rotations: np.ndarray) -> np.ndarray:
    """By which rotations turn (rad). (..., 3, 3) -> (...)"""
    trace = np.trace(rotations, axis1=-2, axis2=-1)
    return np.arccos(np.clip(0.5 * (trace - 1.0), -1.0, 1.0))


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    inner = one.reshape(len(one), 9) @ other.reshape(len(other), 9).T
    return np.arccos(np.clip(0.5 * (inner - 1.0), -1.0, 1.0))


def _mean(rotations: np.ndarray) -> np.ndarray:
    u, _, v = np.linalg.svd(rotations.mean(axis=0))
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v


def _axes(rotations: np.ndarray) -> np.ndarray:
    """Unit axes of rotations; of a half turn either end. (K, 3, 3) -> (K, 3)"""
    found = []
    for m in rotations:
        axis = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
        if np.linalg.norm(axis) < 0.3:  # near a half turn or the identity
            columns = 0.5 * (m + m.T) + np.eye(3)
            column = columns[:, np.argmax(np.diag(columns))]
            axis = column if axis @ column >= 0 else -column
        found.append(axis / max(float(np.linalg.norm(axis)), 1e-12))
    return np.stack(found)


def _between(
    a: np.ndarray, b: np.ndarray, there: np.ndarray, other: np.ndarray, single: bool
) -> np.ndarray | None:
    """The rotation that sends directions a and b to two others; None where they lie otherwise."""
    if single:
        b = np.eye(3)[np.argmin(np.abs(a))]
        other = np.eye(3)[np.argmin(np.abs(there))]
    elif abs(a @ b - there @ other) > 0.25:
        return None
    return _basis(there, other) @ _basis(a, b).T


def _basis(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    b = b - (a @ b) * a
    b = b / np.linalg.norm(b)
    return np.stack([a, b, np.cross(a, b)], axis=1)
