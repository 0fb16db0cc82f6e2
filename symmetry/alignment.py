"""Alignment: how far apart two states are when one of them may be moved, and what moves it there.

``d(x, y) = min over g of |g y - x|`` in a metric that the group keeps, so it is one number for two
orbits, whichever of their states are told. A frame that goes with the state (`frame.py`) says less:
what it puts in place, the goal say, then has to fit, however badly all else does.

The best rotation of one set of vectors onto another has a closed form: in the plane an angle, in
space a singular value decomposition (Kabsch, "A solution for the best rotation to relate two sets
of vectors", 1976). Directions count as unit vectors, and the best shift takes weighted centroids
onto each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .declaration import Symmetry
from .frame import TIE
from .group import octahedral
from .motion import IDENTITY, MIRROR, Motion, drawn, mirrors, shifts, spatial, turned, under


class Alignment:
    """Distances between orbits of states, in units of the spread of some states.

    Coordinates that the group mixes have one unit; those that do not vary count in SI units.

    Args:
        symmetry: The declared parts. Without a word its own group moves them.
        word: One of `CONTINUOUS`, which the declaration stands for (`check_continuous`); or empty.
            Under one of them a part whose turn is not linear in the rotation's matrix (none of
            ours) leaves the identity and the mirror to be tried.
        states: Whose spread is the unit. (N, n)
        counts: How much some parts count, by their names; the others 1.
    """

    def __init__(
        self,
        symmetry: Symmetry,
        word: str,
        states: np.ndarray,
        counts: Mapping[str, float] | None = None,
    ) -> None:
        self.symmetry, self.word = symmetry, word
        self._counts = np.ones(symmetry.width("state"))
        for name, count in (counts or {}).items():
            self._counts[symmetry.slices("state")[name]] = count
        self._sides = [IDENTITY, MIRROR] if word and mirrors(word) else [IDENTITY]
        self._images, self._undo = symmetry, symmetry.group.inverse
        self._coefficients: np.ndarray | None = None
        """(1 + sin and cos, or the entries of a rotation; rotations tried)"""
        if word:
            rotations, self._coefficients = _sampled(spatial(word))
            self._image_under(rotations)
        self._angles = symmetry.affine("state")[2]
        self._centre = self._matrices_and_offsets()[1].mean(axis=0)
        self._metric = np.eye(len(self._angles) + int(self._angles.sum()))
        self._metric = self._measured(np.asarray(states, float))
        if self._coefficients is not None and not self._is_linear(states[0]):
            self._coefficients = None
            self._image_under(np.eye(3)[None])

    def features(self, states: np.ndarray) -> np.ndarray:
        """States as they are compared: as points of a Euclidean space. (..., n) -> (..., d)"""
        x, angles = np.asarray(states, float), self._angles
        told = [np.where(angles, np.cos(x), x - self._centre), np.sin(x[..., angles])]
        return np.concatenate(told, axis=-1) @ self._metric

    def squared(
        self, kept: np.ndarray, state: np.ndarray, squares: np.ndarray | None = None
    ) -> np.ndarray:
        """Squared distances of the orbits of kept states and of a state (n,).

        Args:
            kept: Features of states. (S, d)
            state: (n,)
            squares: Squared lengths of these features, where they are known already. (S,)

        Returns:
            (S,)
        """
        images = self._features_of_images(state)
        best = self._products(kept, images).max(axis=0)
        if squares is None:
            squares = np.einsum("sd,sd->s", kept, kept)
        return np.maximum(squares + images[0] @ images[0] - 2.0 * best, 0.0)

    def bringing(self, kept: np.ndarray, state: np.ndarray) -> tuple[Symmetry, int]:
        """What brings a kept state nearest to a state, but for its shift, which moves no action.

        Args:
            kept: Features of a state. (d,)
            state: (n,)

        Returns:
            The declared parts under some elements, and which of them it is; of equals the first.
        """
        images = self._features_of_images(state)
        products = self._products(kept[None], images)[:, 0]
        best = int(np.argmax(products >= products.max() - TIE))
        if self._coefficients is None:
            return self._images, int(self._undo[best])
        matrix = self._rotation(self._expanded(images)[best] @ kept)
        there = Motion(matrix, np.zeros(3)).after(self._sides[best])
        return under(self.symmetry, [there.inverse]), 1

    def _image_under(self, rotations: np.ndarray) -> None:
        """Which images of a state are looked at: side by side, the identity once more before."""
        motions = [Motion(m, np.zeros(3)).after(side) for side in self._sides for m in rotations]
        self._images = under(self.symmetry, motions)
        # Used only where the sides alone are tried, each of which undoes itself.
        self._undo = 1 + np.arange(len(motions))

    def _matrices_and_offsets(self) -> tuple[np.ndarray, np.ndarray]:
        matrices, offsets, _ = self._images.affine("state")
        first = int(self._images is not self.symmetry)
        return matrices[first:], offsets[first:]

    def _features_of_images(self, state: np.ndarray) -> np.ndarray:
        """(E, d)"""
        matrices, offsets = self._matrices_and_offsets()
        return self.features(matrices @ np.asarray(state, float) + offsets)

    def _expanded(self, images: np.ndarray) -> np.ndarray:
        """Side by side the features' part that rotations leave, and what their entries multiply.

        (E, d) -> (sides, 3 or 10, d)
        """
        assert self._coefficients is not None
        return self._coefficients @ images.reshape(len(self._sides), -1, images.shape[1])

    def _products(self, kept: np.ndarray, images: np.ndarray) -> np.ndarray:
        """Inner products with the best image of each side, or with each image. (sides or E, S)"""
        if self._coefficients is None:
            return images @ kept.T
        few = self._expanded(images)
        found = (few.reshape(-1, few.shape[-1]) @ kept.T).reshape(*few.shape[:2], len(kept))
        if not spatial(self.word):
            return found[:, 0] + np.sqrt(found[:, 1] ** 2 + found[:, 2] ** 2)
        return np.stack([side[0] + _most(side[1:]) for side in found])

    def _rotation(self, found: np.ndarray) -> np.ndarray:
        """The rotation that is best, from products with a side's parts. (3 or 10,) -> (3, 3)"""
        if not spatial(self.word):
            flat = np.hypot(found[1], found[2]) < TIE  # nothing that could be turned
            return turned(0.0 if flat else float(np.arctan2(found[2], found[1])))
        left, _, right = np.linalg.svd(found[1:].reshape(3, 3))
        return left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right

    def _measured(self, states: np.ndarray) -> np.ndarray:
        """Shifts out, each block of coordinates by its spread, shifts out by the weights. (d, d)"""
        matrices, offsets = self._matrices_and_offsets()
        free = np.eye(len(self._metric))
        basis = self._shifts()
        free -= basis @ np.linalg.pinv(basis)
        images = np.einsum("gij,kj->gki", matrices, states) + offsets[:, None]
        variance = np.var((self.features(images) @ free).reshape(-1, len(free)), axis=0)
        linked = np.abs(matrices).max(axis=0) > 1e-12
        spread = np.ones(len(free))
        own = np.concatenate([np.arange(len(linked)), np.flatnonzero(self._angles)])
        for block in _blocks(linked):
            rows = np.isin(own, block)
            spread[rows] = np.sqrt(variance[rows].mean())
        weights = self._counts[own] / np.where(spread > 1e-6, spread, 1.0)
        weighted = weights[:, None] * basis
        rest = np.eye(len(free)) - weighted @ np.linalg.pinv(weighted)
        return free @ np.diag(weights) @ rest

    def _shifts(self) -> np.ndarray:
        """How features move with each shift. (d, 2, 3 or 0)"""
        axes = np.eye(3)[: (3 if spatial(self.word) else 2)] if self.word else np.empty((0, 3))
        if not (self.word and shifts(self.word)):
            return np.zeros((len(self._metric), 0))
        moved = under(self.symmetry, [Motion(np.eye(3), axis) for axis in axes])
        offsets = moved.affine("state")[1]
        basis = np.zeros((len(self._metric), len(axes)))
        basis[: offsets.shape[1]] = (offsets[1:] - offsets[0]).T
        return basis

    def _is_linear(self, state: np.ndarray) -> bool:
        """Whether features go with rotations as their entries say, tried on one."""
        rng = np.random.default_rng(0)
        matrix = drawn("SO3" if spatial(self.word) else "SO2", rng).space
        entries = matrix.ravel() if spatial(self.word) else matrix[[0, 1], 0]
        few = self._expanded(self._features_of_images(state))[0]
        there = under(self.symmetry, [Motion(matrix, np.zeros(3))]).act(1, state=state)
        apart = few.T @ np.concatenate([[1.0], entries]) - self.features(there)
        return bool(np.abs(apart).max() < 1e-9 * (1.0 + np.abs(few).max()))


def _sampled(space: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (R, 3, 3), and what of features under them goes with a general one's entries.

    A function of a rotation that is affine in its entries is known from a few: sums over a finite
    subgroup tell its parts from each other (Schur's orthogonality).
    """
    if space:
        rotations = octahedral().space  # 24, on which the entries are orthogonal, of square 8
        entries = rotations.reshape(-1, 9).T / 8.0
    else:
        rotations = np.stack([turned(0.5 * np.pi * k) for k in range(4)])
        entries = rotations[:, [0, 1], 0].T / 2.0
    return rotations, np.concatenate([np.full((1, len(rotations)), 1 / len(rotations)), entries])


def _most(h: np.ndarray) -> np.ndarray:
    """The largest ``sum R_ij h_ij`` over rotations R of space, h row by row. (9, S) -> (S,)

    It is the sum of the singular values, the least with the determinant's sign. Their squares are
    the eigenvalues of h^T h, by its invariants and the cosines of Cardano's casus irreducibilis.
    """
    a, b, c, d, e, f, g, i, j = h
    minors = [e * j - f * i, f * g - d * j, d * i - e * g]  # of the first row: they give h's own
    determinant = a * minors[0] + b * minors[1] + c * minors[2]
    minors += [b * j - c * i, a * j - c * g, a * i - b * g]
    minors += [b * f - c * e, a * f - c * d, a * e - b * d]
    first = a * a + b * b + c * c + d * d + e * e + f * f + g * g + i * i + j * j
    second = np.asarray(sum(m * m for m in minors))
    size = np.sqrt(np.maximum(first * first - 3.0 * second, 0.0)) / 3.0
    mean = first / 3.0
    third = mean * (mean * mean - 0.5 * second) + 0.5 * determinant * determinant
    angle = np.arccos(np.clip(third / np.maximum(size**3, 1e-300), -1.0, 1.0)) / 3.0
    along, across = np.cos(angle), np.sqrt(3.0) * np.sin(angle)
    largest, middle, least = (
        np.sqrt(np.maximum(mean + size * part, 0.0))
        for part in (2.0 * along, across - along, -across - along)
    )
    return largest + middle + np.sign(determinant) * least


def _blocks(linked: np.ndarray) -> list[np.ndarray]:
    """Coordinates that are linked, directly or by others. (n, n) bool"""
    reached = linked | linked.T | np.eye(len(linked), dtype=bool)
    for _ in range(len(linked)):
        reached = reached @ reached
    return [np.flatnonzero(row) for row in np.unique(reached, axis=0)]
