"""The catalogue of groups, and which of them found elements are: by clustering and closure.

Elements of the plane are lifted to rotations of space (a mirror to the half turn about its line),
which keeps products; so one rule tells C_n, D_n, SO(2) and O(2) in the plane and in space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..group import group
from .clusters import Clusters, clustered

LARGEST_TURN = 12
"""C_n and D_n are told apart from SO(2) and O(2) up to this n."""
_SHARE = 1.0 / 3.0
"""An element of a finite group of order m is there if it has this part of the share 1/m, or as
little as chance gives it at times (three standard deviations)."""
_NEAR_ENOUGH = 0.8
"""So much of what was found has to lie near the elements of a group."""
_RIPPLE = 0.3
"""Harmonics of a continuous group's elements are zero; those of each finite subgroup reach 1."""


@dataclass(frozen=True, eq=False)
class Snapped:
    """What found elements are, of the catalogue.

    Attributes:
        name: ``trivial``, ``C4``, ``D4``, ``T``, ``O``, ``I``, ``SO2``, ``O2``, ``SO3``; ``none``
            where nothing fits.
        elements: All of a finite group, the identity first; of a continuous one a fine sample.
            (m, d, d)
        frame: Sends the axes of the group's own matrices to those that were found: A = frame
            (matrix of `symmetry.group`) frame^-1. (d, d)
        score: How much of a uniform sample of the group the found ones make up; 1 is all.
        why: Why it is none; empty otherwise.
    """

    name: str
    elements: np.ndarray
    frame: np.ndarray
    score: float
    why: str = ""

    @property
    def finite(self) -> bool:
        """Whether it has finitely many elements."""
        return self.name not in ("SO2", "O2", "SO3", "none")


def snapped(matrices: np.ndarray) -> Snapped:
    """The group of the catalogue that found elements are a sample of.

    Args:
        matrices: Orthogonal, or of a compact group that is one in other axes. (N, d, d)
    """
    d = matrices.shape[1]
    if len(matrices) < 10:
        return _nothing(d, f"only {len(matrices)} elements were found")
    if d == 3:
        return _snapped(matrices, np.eye(d))
    first = _snapped(*orthogonal(matrices))
    if not first.finite:
        return first
    # Once more, in axes in which each element counts alike, however often it was found.
    apart = ((matrices[:, None] - first.elements[None]) ** 2).sum(axis=(2, 3))
    nearest = apart.argmin(axis=1)
    near = [matrices[nearest == g] for g in range(len(first.elements))]
    axes = axes_in_which_orthogonal(np.stack([m.mean(axis=0) for m in near if len(m)]))
    return _snapped(projected(matrices, axes), axes)


def _snapped(matrices: np.ndarray, axes: np.ndarray) -> Snapped:
    """As `snapped`, of elements that are orthogonal in some axes."""
    d = matrices.shape[1]
    lifted = lift(matrices)
    continuous = _continuous(lifted, d)
    if continuous is not None:
        name, frame, score = continuous
        return _made(name, d, frame, axes, score)
    clusters = clustered(lifted)
    inside = float(clusters.shares.sum())
    if inside < _NEAR_ENOUGH:
        return _nothing(d, f"only {100 * inside:.0f} % of the elements lie in clusters")
    if not clusters.closed():
        return _nothing(d, f"{len(clusters.means)} clusters are not closed under products")
    even = 1.0 / len(clusters.means)
    expected, least = even * len(lifted), clusters.shares.min() * len(lifted)
    if least < min(_SHARE * expected, expected - 3.0 * np.sqrt(expected)):
        share = 100 * clusters.shares.min()
        return _nothing(
            d, f"{len(clusters.means)} clusters are unequal: the least has {share:.1f} %"
        )
    name = _named(clusters, d)
    frame = None if name is None else _aligned(name, clusters, d)
    if name is None or frame is None:
        return _nothing(d, f"no group of the catalogue has these {len(clusters.means)} elements")
    return _made(name, d, frame, axes, float(np.minimum(clusters.shares, even).sum()))


def sampler(name: str, d: int, frame: np.ndarray) -> Callable[..., np.ndarray]:
    """Uniform elements of a group in some axes: (count, generator) -> (count, d, d)."""
    back = np.linalg.inv(frame)

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        if name == "SO3":
            return _uniform_rotations(count, rng)
        if name in ("SO2", "O2"):
            angle = rng.uniform(-np.pi, np.pi, count)
            own = turns(angle, d)
            if name == "O2":
                flip = np.diag([1.0, -1.0, -1.0])[:d, :d]
                own = np.where(rng.random(count)[:, None, None] < 0.5, own @ flip, own)
        else:
            known = own_matrices(name, d)
            own = known[rng.integers(len(known), size=count)]
        return frame @ own @ back

    return draw


def own_matrices(name: str, d: int) -> np.ndarray:
    """The elements of a finite group as `symmetry.group` has them, D_n in space by half turns.

    Raises:
        GroupError: There is none of that name, or it moves no plane.
    """
    known = group(name)
    return known.plane if d == 2 else lift(known.plane) if known.planar else known.space


def lift(matrices: np.ndarray) -> np.ndarray:
    """Elements of O(2) as rotations of space: det beside them. (N, 2, 2) -> (N, 3, 3)"""
    if matrices.shape[1] == 3:
        return matrices
    space = np.zeros((len(matrices), 3, 3))
    space[:, :2, :2] = matrices
    space[:, 2, 2] = np.sign(np.linalg.det(matrices))
    return space


def turns(angle: np.ndarray, d: int) -> np.ndarray:
    """Rotations about the vertical. (n,) -> (n, d, d)"""
    matrix = np.tile(np.eye(d), (len(angle), 1, 1))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angle)
    matrix[:, 1, 0] = np.sin(angle)
    matrix[:, 0, 1] = -matrix[:, 1, 0]
    return matrix


def orthogonal(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elements of a compact group in axes in which they are orthogonal, and these axes F.

    Returns:
        F^-1 A F, each made exactly orthogonal (N, d, d), and F (d, d).
    """
    axes = axes_in_which_orthogonal(matrices)
    return projected(matrices, axes), axes


def axes_in_which_orthogonal(matrices: np.ndarray) -> np.ndarray:
    """Axes of the mean of A'A: over a compact group it is a metric that the group keeps. (d, d)"""
    metric = np.mean(np.swapaxes(matrices, 1, 2) @ matrices, axis=0)
    values, vectors = np.linalg.eigh(metric / np.sqrt(np.linalg.det(metric)))
    return vectors / np.sqrt(values) @ vectors.T


def projected(matrices: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The orthogonal matrices nearest to F^-1 A F. (N, d, d)"""
    u, _, v = np.linalg.svd(np.linalg.inv(axes) @ matrices @ axes)
    return u @ v


def _uniform_rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    q = rng.standard_normal((count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _continuous(rotations: np.ndarray, d: int) -> tuple[str, np.ndarray, float] | None:
    """SO(2), O(2) or SO(3) if the elements are spread evenly over one: name, axes and score."""
    cosine = np.clip(0.5 * (np.trace(rotations, axis1=1, axis2=2) - 1.0), -1.0, 1.0)
    half = np.maximum(0.5 * np.arccos(cosine), 1e-6)
    if d == 3:
        # Characters: over a finite group each has a mean of 1 or more for some l up to 6.
        ripple = max(abs(float(np.mean(np.sin(k * half) / np.sin(half)))) for k in range(3, 15, 2))
        if ripple < _RIPPLE:
            return "SO3", np.eye(3), 1.0 - ripple
    frame = np.eye(3) if d == 2 else _main_axis(rotations)
    own = frame.T @ rotations @ frame
    upright = np.abs(own[:, 2, 2]) > np.cos(0.3)
    if upright.mean() < 0.9:
        return None
    own = own[upright]
    plain = own[:, 2, 2] > 0
    angle = np.arctan2(own[:, 1, 0], own[:, 0, 0])
    ripples = [_ripple(angle[plain])]
    if not 0.02 < np.mean(~plain) < 0.98:
        name = "SO2"
    else:
        name = "O2"
        ripples += [_ripple(angle[~plain]), abs(2.0 * float(plain.mean()) - 1.0)]
    if plain.sum() < 10 or max(ripples) > _RIPPLE:
        return None
    return name, frame[:d, :d], 1.0 - max(ripples)


def _ripple(angle: np.ndarray) -> float:
    waves = np.exp(1j * np.outer(np.arange(1, LARGEST_TURN + 1), angle))
    return float(np.abs(waves.mean(axis=1)).max())


def _main_axis(rotations: np.ndarray) -> np.ndarray:
    """Axes of which the third is the one that most is turned about. (3, 3)"""
    skew = rotations - np.swapaxes(rotations, 1, 2)
    vectors = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    axes = np.linalg.eigh(vectors.T @ vectors)[1]
    return axes * np.sign(np.linalg.det(axes))


def _named(clusters: Clusters, d: int) -> str | None:
    """The group of a closed set of rotations, by its order and the angles in it."""
    if d == 2:
        plain = int(np.sum(clusters.means[:, 2, 2] > 0))
        mirrored = len(clusters.means) - plain
        if plain > LARGEST_TURN or mirrored not in (0, plain):
            return None
        if plain == 1:
            return "reflection" if mirrored else "trivial"
        return f"D{plain}" if mirrored else f"C{plain}"
    count = len(clusters.means)
    angles = clusters.angles
    if count == 1:
        return "trivial"
    half_turns = int(np.sum(np.abs(angles - np.pi) < 0.2))
    if count == 12 and half_turns == 3:
        return "T"
    if count == 24 and half_turns == 9:
        return "O"
    if count == 60 and half_turns == 15:
        return "I"
    smallest = float(angles[1:].min())
    if count <= LARGEST_TURN and abs(smallest - 2 * np.pi / count) < 0.15:
        return f"C{count}"
    n = count // 2
    if count == 2 * n and n <= LARGEST_TURN and half_turns >= n:
        return f"D{n}"
    return None


def _aligned(name: str, clusters: Clusters, d: int) -> np.ndarray | None:
    """The axes in which the group's own matrices are the clusters' means; None: they never are."""
    if name == "trivial":
        return np.eye(d)
    if d == 3:
        return clusters.axes_of(own_matrices(name, 3))
    mirrored = clusters.means[:, 2, 2] < 0
    if not mirrored.any():
        return np.eye(2)
    n = int(mirrored.sum())
    seen = clusters.means[mirrored]
    angle = np.arctan2(seen[:, 1, 0], seen[:, 0, 0])
    # The mirrors' angles are 2 phi + 2 pi k / n, where phi is the angle of the first line.
    first = np.angle(np.exp(1j * n * angle).mean()) / n
    return turns(np.array([0.5 * first]), 2)[0]


def _made(name: str, d: int, frame: np.ndarray, axes: np.ndarray, score: float) -> Snapped:
    whole = axes @ frame
    back = np.linalg.inv(whole)
    if name in ("SO2", "O2"):
        own = turns(2 * np.pi * np.arange(36) / 36, d)
        if name == "O2":
            own = np.concatenate([own, own @ np.diag([1.0, -1.0, -1.0])[:d, :d]])
    elif name == "SO3":
        own = group("I").space
    else:
        own = own_matrices(name, d)
    return Snapped(name, whole @ own @ back, whole, score)


def _nothing(d: int, why: str) -> Snapped:
    return Snapped("none", np.eye(d)[None], np.eye(d), 0.0, why)
