"""Orbits of noise: which draws are moved by which elements, so that no sample is left over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

TINY = 1e-9


@dataclass(frozen=True, eq=False)
class SmallOrbit:
    """What the group makes of a draw that some of its elements leave in place.

    Attributes:
        fixed: Brings a draw onto their mirror or axis, and makes it so much larger that over its
            orbit the variance stays 1 on the mean. (m, m)
        moved: Of each distinct image one matrix that makes it. (S, m, m)
        reach: How many directions the images span, of a draw on many knots.
    """

    fixed: np.ndarray
    moved: np.ndarray
    reach: int


class Orbits:
    """How a number of samples is made of whole orbits, the largest first.

    A draw with no symmetry of its own has as many images as the group has matrices. What is left of
    the samples when no more of these fit goes to draws on mirrors, then on axes, whose orbits are
    smaller: all orbits are closed under the group, so their union is. On the mean they have
    variance 1, as those of other draws.

    Images of one draw span few directions: of forces on three balls the 48 of Oh span 9 of the 45
    that five knots have. Where whole orbits together span fewer than there are, and those on
    mirrors span more for as many samples, all draws are on mirrors.

    Args:
        matrices: The distinct matrices of the group on actions. (E, m, m)
        knots: On which noise is drawn, N.
    """

    def __init__(self, matrices: np.ndarray, knots: int) -> None:
        self.matrices = np.asarray(matrices, float)
        self.order = len(self.matrices)
        self.small = _small_orbits(self.matrices.tobytes(), self.matrices.shape)
        self.sparing = 0
        """Samples from which on, at least, whole orbits come first."""
        reach, width = _rank(self.matrices), self.matrices.shape[-1]
        first = self.small[0] if self.small else None
        if first and first.reach * self.order > reach * len(first.moved):
            self.sparing = self.order * -(-knots * width // reach)

    def split(self, samples: int) -> tuple[int, list[SmallOrbit]]:
        """How many whole orbits, and which smaller ones beside them, there is room for."""
        count, left = divmod(samples, self.order) if samples >= self.sparing else (0, samples)
        chosen: list[SmallOrbit] = []
        for kind in self.small:
            fit, left = divmod(left, len(kind.moved))
            chosen += [kind] * fit
        return count, chosen

    def most_draws(self, samples: int) -> int:
        """The most draws that so many samples, or fewer, are made of."""
        least = min(samples, max(self.sparing, self.order) + self.order)
        beside = max(len(self.split(few)[1]) for few in range(least + 1))
        return samples // self.order + beside


@lru_cache(maxsize=256)
def _small_orbits(data: bytes, shape: tuple[int, ...]) -> tuple[SmallOrbit, ...]:
    """The orbits of draws that two elements fix; of each size the one of most dimensions.

    Args:
        data: Of the matrices; they are looked at once for all planners with a group.
        shape: Of them.
    """
    matrices = np.frombuffer(data).reshape(shape)
    eye = np.eye(shape[-1])
    found: dict[int, SmallOrbit] = {}
    dimensions: dict[int, int] = {}
    for a in _one_of_each_kind(matrices):
        for b in range(len(matrices)):
            onto = _onto_fixed(np.concatenate([matrices[a] - eye, matrices[b] - eye]))
            wide = round(float(np.trace(onto)))
            images = matrices @ onto
            if not wide or wide == len(eye):
                continue
            same = np.abs(images - onto).max(axis=(1, 2)) < TINY
            size = len(matrices) // int(same.sum())
            evened = _evened(matrices, onto)
            if wide <= dimensions.get(size, 0) or evened is None:
                continue
            dimensions[size] = wide
            moved = _distinct(matrices, images)
            found[size] = SmallOrbit(evened, moved, _rank(images))
    return tuple(found[size] for size in sorted(found, reverse=True))


def _one_of_each_kind(matrices: np.ndarray) -> list[int]:
    """An element of each class of conjugate ones: the orbits of the others are the same."""
    left, kept = np.arange(len(matrices)), []
    while len(left):
        kept.append(int(left[0]))
        alike = matrices @ matrices[left[0]] @ np.swapaxes(matrices, 1, 2)
        apart = np.abs(alike[:, None] - matrices[left]).max(axis=(2, 3))
        left = left[apart.min(axis=0) > TINY]
    return kept


def _onto_fixed(asked: np.ndarray) -> np.ndarray:
    """The projection onto what some matrices bring to nothing. (R, m) -> (m, m)"""
    _, sizes, rows = np.linalg.svd(asked)
    free = rows[np.pad(sizes, (0, rows.shape[0] - len(sizes))) < 1e-6]
    return free.T @ free


def _evened(matrices: np.ndarray, onto: np.ndarray) -> np.ndarray | None:
    """A projection, larger for each block of coordinates so that its orbit has variance 1. (m, m)

    One factor for all that the group mixes: so what is fixed stays fixed. None: some coordinates
    would have no noise at all; such samples are often the best, whatever they say of the others.
    """
    linked = (np.abs(matrices) > TINY).any(axis=0)
    linked = np.linalg.matrix_power((linked | linked.T).astype(float), len(linked)) > 0
    share = (linked @ onto.diagonal()) / linked.sum(axis=1)
    return onto / np.sqrt(share)[:, None] if share.min() > TINY else None


def _distinct(matrices: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The matrices that make different images. (E, m, m) -> (S, m, m)"""
    kept: list[int] = []
    for g, image in enumerate(images):
        if all(np.abs(image - images[k]).max() > TINY for k in kept):
            kept.append(g)
    return matrices[kept]


def _rank(images: np.ndarray) -> int:
    """How many directions matrices span together. (S, m, m)"""
    return int(np.linalg.matrix_rank(images.reshape(len(images), -1), tol=1e-6))
