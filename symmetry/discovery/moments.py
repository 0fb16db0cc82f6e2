"""Means of polynomials of the points over all rows of each unit, and of units that are moved.

The space of polynomials of one degree is moved into itself, linearly, so a unit of any number of
rows is moved in closed form: in the plane, with z = x + iy, a rotation by t turns a monomial of a
factors z and b conjugates by (a - b) t, and a mirror conjugates it. What a group does not keep of
the mean over units is zero but for chance if the law of the data has that group.
"""

from __future__ import annotations

import itertools

import numpy as np

HARMONICS = 12
"""Of each point's direction: up to the largest turns of the catalogue."""
_PAIRED = 12
"""Points that are paired with each other, the steadiest ones; others go with the first alone."""


class Moments:
    """Of a sample.

    Args:
        points: All rows of the units, each point in a unit of its own, the steadiest first.
            (N, k, 2 or 3)
        of: Which unit each row is of, 0 .. units - 1. (N,)

    Attributes:
        family: Of each number that `means` gives: 0 of degree two or less, 1 of higher ones and
            of harmonics of each point's direction. (C,)
    """

    def __init__(self, points: np.ndarray, of: np.ndarray) -> None:
        self._of, self._count = of, np.bincount(of).astype(float)
        self._planar: list[tuple[int, np.ndarray]] = []
        self._tensors: list[np.ndarray] = []
        self._signed = np.zeros((len(self._count), 0))
        points = np.asarray(points, float)
        families = self._plane(points) if points.shape[2] == 2 else self._space(points)
        self.family = np.concatenate(families)

    def means(self, moves: np.ndarray) -> np.ndarray:
        """Over units that were moved. (C,)

        Args:
            moves: (units, d, d)
        """
        count, sign = len(moves), np.sign(np.linalg.det(moves))
        found = [sign @ self._signed / count]
        if moves.shape[1] == 2:
            turn = moves[:, 0, 0] + 1j * moves[:, 1, 0]
            plain, mirrored = sign > 0, sign < 0
            for charge, mean in self._planar:
                weight = turn**charge
                m = (weight * plain) @ mean + ((weight * mirrored).conj() @ mean).conj()
                found += [m.real / count, m.imag / count]
        for tensor in self._tensors:  # (units, K, 3, 3, ...): each index is moved
            letters = "bcf"[: tensor.ndim - 2]
            factors = ",".join(f"e{letter.upper()}{letter}" for letter in letters)
            path = f"ek{letters},{factors}->k{letters.upper()}"
            moved = np.einsum(path, tensor, *[moves] * len(letters), optimize=True)
            found.append(moved.ravel() / count)
        return np.concatenate(found)

    def _of_units(self, rows: np.ndarray) -> np.ndarray:
        """The mean of each unit. (N, ...) -> (units, ...)"""
        flat = rows.reshape(len(rows), -1)
        order = np.argsort(self._of, kind="stable")
        starts = np.searchsorted(self._of[order], np.arange(len(self._count)))
        summed = np.add.reduceat(flat[order], starts, axis=0) / self._count[:, None]
        return summed.reshape(len(self._count), *rows.shape[1:])

    def _plane(self, points: np.ndarray) -> list[np.ndarray]:
        z = points[..., 0] + 1j * points[..., 1]  # (N, k)
        k = z.shape[1]
        first, second = _pairs(k)
        one, two = z[:, first], z[:, second]
        other = first != second
        area = (one[:, other].conj() * two[:, other]).imag
        along = (one[:, other].conj() * two[:, other]).real
        self._signed = self._of_units(np.concatenate([area, area * along], axis=1))
        families = [np.repeat([0, 1], area.shape[1])]
        size = np.abs(z)
        direction = z / np.maximum(size, 1e-12)
        told = [
            (1, 0, z),
            (2, 0, one * two),
            (1, 1, size[:, second] ** 2 * one),
            (1, 1, one**2 * two.conj()),
            (1, 1, two**2 * one.conj()),
            (2, 1, size[:, first] ** 2 * one * two),
            (3, 1, one**2 * two),
            (4, 1, one**2 * two**2),
        ]
        told += [(n, 1, size * direction**n) for n in range(3, HARMONICS + 1)]
        for charge, family, rows in told:
            self._planar.append((charge, self._of_units(rows)))
            families.append(np.full(2 * rows.shape[1], family))
        return families

    def _space(self, points: np.ndarray) -> list[np.ndarray]:
        k = points.shape[1]
        first, second = _pairs(k)
        triples = np.array(list(itertools.combinations(range(min(k, _PAIRED)), 3)), int)
        volume = np.zeros((len(points), 0))
        if len(triples):
            volume = np.linalg.det(points[:, triples])
        self._signed = self._of_units(volume)
        families = [np.zeros(volume.shape[1], int)]
        square = np.square(points).sum(axis=2)
        told = [
            (0, points),
            (0, np.einsum("nka,nkb->nkab", points[:, first], points[:, second])),
            (1, points[:, first] * square[:, second, None]),
            (1, np.einsum("nka,nkb,nkc->nkabc", points, points, points)),
        ]
        for family, rows in told:
            tensor = self._of_units(rows)
            self._tensors.append(tensor)
            families.append(np.full(tensor[0].size, family))
        return families


def _pairs(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Which points are paired, each with itself too."""
    some = min(k, _PAIRED)
    pairs = list(itertools.combinations_with_replacement(range(some), 2))
    pairs += [(0, j) for j in range(some, k)] + [(j, j) for j in range(some, k)]
    first, second = np.array(pairs).T
    return first, second
