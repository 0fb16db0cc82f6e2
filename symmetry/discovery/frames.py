"""Where each unit stands, as the steadiest of its points show: a direction, axes and a side.

Moved units stand elsewhere by just their motions. So if the law of the data has a group, units
stand anywhere in its orbit alike. Then the means over units of the side and of harmonics of the
direction, the Fourier coefficients of a law on the group, are zero but for chance where the group
does not keep them.
"""

from __future__ import annotations

import numpy as np

HARMONICS = 12
"""Of a direction of the plane: up to the largest turns of the catalogue."""
_FALL = -1.5
"""A harmonic counts by this power of its number: a few smooth departures rather than any."""


class Frames:
    """Of units.

    Args:
        lead: A row of each unit, its steadiest points first. (units, k, 2 or 3)

    Attributes:
        weights: Of what `means` gives; the side, which comes first, has none. (1 + C,)
    """

    def __init__(self, lead: np.ndarray) -> None:
        count, k, d = lead.shape
        first = _unit(lead[:, 0])
        self._axes = [first]
        self._side = np.zeros(count)
        if k >= d:
            self._side = np.sign(np.linalg.det(lead[:, :d]))
        if d == 3 and k > 1:
            along = np.einsum("nd,nd->n", lead[:, 1], first)
            self._axes.append(_unit(lead[:, 1] - along[:, None] * first))
        if d == 2:
            numbers = np.repeat(np.arange(1, HARMONICS + 1), 4)
        else:
            pairs = len(self._axes)
            numbers = np.repeat([1, 2, 3], [3 * (2 * pairs - 1), 9 * (2 * pairs - 1), 27])
        self.weights = np.concatenate([[0.0], numbers**_FALL])

    def means(self, moves: np.ndarray) -> np.ndarray:
        """Over units that were moved: of the side, and of harmonics. (1 + C,)

        Args:
            moves: (units, d, d)
        """
        sign = np.sign(np.linalg.det(moves))
        side = self._side * sign
        axes = [np.einsum("nij,nj->ni", moves, axis) for axis in self._axes]
        if moves.shape[1] == 2:
            turn = axes[0][:, 0] + 1j * axes[0][:, 1]
            powers = np.cumprod(np.tile(turn, (HARMONICS, 1)), axis=0)
            each = np.stack([powers.mean(axis=1), (powers * side).mean(axis=1)], axis=1)
            harmonics = np.stack([np.real(each), np.imag(each)], axis=2).ravel()
            return np.concatenate([[side.mean()], harmonics])
        first = axes[0]
        vectors, pairs = [first], [first[:, :, None] * first[:, None]]
        if len(axes) > 1:
            second = axes[1]
            vectors += [second, np.cross(first, second)]
            pairs += [first[:, :, None] * second[:, None], second[:, :, None] * second[:, None]]
        cubes = np.einsum("na,nb,nc->abc", first, first, first) / len(first)
        found = [np.concatenate(vectors, axis=1).mean(axis=0)]
        found += [pair.mean(axis=0).ravel() for pair in pairs]
        return np.concatenate([[side.mean()], *found, cubes.ravel()])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
