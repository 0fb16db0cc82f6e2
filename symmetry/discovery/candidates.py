"""Candidate groups that move points: elements, random draws, and which lies within which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..group import group
from ..motion import mirrors

Draw = Callable[[np.random.Generator, int], np.ndarray]

NET = 48
"""Rotations that stand for a continuous group of the plane where cells of it are wanted."""
_NEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Candidate:
    """A group of orthogonal matrices that may be a data set's.

    Attributes:
        name: C4, D3, T, SO2, or whatever its user calls it.
        matrices: All elements of a finite group, the identity first; of a continuous one a finite
            subgroup, which stands for it where a finite number of elements is needed. (m, d, d)
        draw: Random elements of a continuous group, (rng, count) -> (count, d, d); None: finite.
        member: Whether matrices (n, d, d) are elements of a continuous group, (n,) bool.
    """

    name: str
    matrices: np.ndarray
    draw: Draw | None = None
    member: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def dimension(self) -> int:
        """Of the points that it moves."""
        return self.matrices.shape[-1]

    def random(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Elements drawn uniformly. (count, d, d)"""
        if self.draw is not None:
            return self.draw(rng, count)
        return self.matrices[rng.integers(len(self.matrices), size=count)]

    def within(self, other: Candidate) -> bool:
        """Whether every element is an element of the other."""
        if self.draw is not None and other.draw is None:
            return False
        if other.member is not None:
            return bool(other.member(self.matrices).all())
        apart = np.abs(self.matrices[:, None] - other.matrices[None]).max(axis=(2, 3))
        return bool((apart.min(axis=1) < _NEAR).all())


def finite(name: str, matrices: np.ndarray) -> Candidate:
    """A candidate of some matrices.

    Args:
        name: What it is called.
        matrices: All its elements, in any order. (m, d, d)

    Raises:
        ValueError: They are not orthogonal, or not closed under products.
    """
    matrices = np.asarray(matrices, float)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise ValueError(f"{name}: matrices have the shape {matrices.shape}, not (m, d, d)")
    one = np.eye(matrices.shape[1])
    if np.abs(matrices @ matrices.transpose(0, 2, 1) - one).max() > _NEAR:
        raise ValueError(f"{name}: some matrix is not orthogonal")
    for matrix in matrices:
        apart = np.abs((matrix @ matrices)[:, None] - matrices[None]).max(axis=(2, 3))
        if apart.min(axis=1).max() > 1e-3:
            raise ValueError(f"{name}: its matrices are not closed under products")
    first = np.argsort(np.abs(matrices - one).max(axis=(1, 2)), kind="stable")
    return Candidate(name, matrices[first])


def named(name: str, dimension: int = 2) -> Candidate:
    """The candidate a word names: what `group` knows, and SO2, O2, SO3, O3.

    Args:
        name: C4, D3, reflection, trivial, T, O, I, SO2, ...
        dimension: 2: points of the plane; 3: of space, where planar groups turn about z.

    Raises:
        GroupError: No such group, or it tilts the plane and the points are planar.
    """
    nets = {"SO2": f"C{NET}", "O2": f"D{NET}", "SO3": "I", "O3": "Ih"}
    found = group(nets.get(name, name))
    matrices = found.plane if dimension == 2 else found.space
    if name not in nets:
        return Candidate(name, matrices)
    planar = name in ("SO2", "O2")

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        if planar:
            angle = rng.uniform(-np.pi, np.pi, count)
            some = np.zeros((count, dimension, dimension))
            some[:, 2:, 2:] = 1.0
            some[:, 0, 0] = some[:, 1, 1] = np.cos(angle)
            some[:, 1, 0] = np.sin(angle)
            some[:, 0, 1] = -some[:, 1, 0]
            if mirrors(name):
                some[:, :, 1] *= rng.choice([-1.0, 1.0], count)[:, None]
            return some
        some = _rotations(rng, count)
        return some * rng.choice([-1.0, 1.0], count)[:, None, None] if mirrors(name) else some

    def member(some: np.ndarray) -> np.ndarray:
        inside = np.ones(len(some), bool)
        if not mirrors(name):
            inside &= np.linalg.det(some) > 0.0
        if planar and dimension == 3:
            inside &= np.abs(some[:, 2, 2] - 1.0) < _NEAR
        return inside

    return Candidate(name, matrices, draw, member)


def _rotations(rng: np.random.Generator, count: int) -> np.ndarray:
    """Uniform on SO(3), from uniform unit quaternions. (count, 3, 3)"""
    q = rng.standard_normal((count, 4))
    w, v = q[:, 0], q[:, 1:]
    lengths = np.square(q).sum(axis=1)
    cross = np.zeros((count, 3, 3))
    cross[:, [2, 0, 1], [1, 2, 0]] = v
    cross[:, [1, 2, 0], [2, 0, 1]] = -v
    scaled = w[:, None, None] * cross + cross @ cross
    return np.eye(3) + 2.0 * scaled / lengths[:, None, None]


def catalogue(dimension: int, most: int = 12) -> list[Candidate]:
    """All groups that are tried: trivial, C_n, D_n, SO2, O2; in space T, O, I, Oh, Ih, SO3 too.

    Args:
        dimension: 2 or 3.
        most: The largest n of C_n and D_n in the plane; in space 6 at most.
    """
    most = min(most, 6) if dimension == 3 else most
    names = ["trivial", "reflection"]
    names += [f"{kind}{n}" for n in range(2, most + 1) for kind in "CD"]
    names += ["SO2", "O2"]
    names += ["inversion", "T", "O", "Oh", "I", "Ih", "SO3", "O3"] if dimension == 3 else []
    return [named(name, dimension) for name in names]
