"""Frames: for each state the motion that brings it from its canonical place to where it is.

A frame c is equivariant, ``c(gx) = g c(x)``, so ``c(x)^-1 x`` is the same for all states of an
orbit: a moving frame (Fels and Olver, "Moving Coframes II", 1999; for networks Kaba et al.,
"Equivariance with Learned Canonicalization Functions", 2023). Where an element s fixes the state,
c is one of the elements ``c s``, and what else goes with the group (`Tie`) chooses among them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from .declaration import Symmetry
from .motion import MIRROR, Motion, mirrors, shifts, spatial, turned, under
from .part import Angle, Point3, Pose, Position, Pseudovector, Vector, Vector3

TIE = 1e-9
"""Largest difference of two keys that is rounding, relative to 1 + the largest entry."""
SHORT = 1e-3
"""A vector shorter than this says no direction as long as there is another one, SI units."""


class Frame(NamedTuple):
    """Where a state stands.

    Attributes:
        acting: The declared parts under the two elements below.
        there: The element that brings the canonical state to the state.
        back: Its inverse.
    """

    acting: Symmetry
    there: int
    back: int


class Tie(Protocol):
    """What goes with the group beside the state: a planner's memory."""

    def key(self, acting: Symmetry, g: int) -> float:
        """A number that says what it looks like after element g."""
        ...

    def directions(self) -> np.ndarray:
        """Vectors that go with the group, the most important first. (k, 3)"""
        ...


class FiniteFrame:
    """The element whose canonical state is the largest by a fixed generic linear order.

    The canonical states fill one cell (a Dirichlet domain) of as many as the group has elements.
    **Discontinuity set**: the walls between cells, where two elements' largest keys are equal: the
    frame jumps there. On a wall a second and a third order decide, so that the law still holds; in
    states that an element fixes, up to that element. It fails only where two keys differ by just
    `TIE`, within rounding.

    Args:
        symmetry: Whose elements are chosen from.
    """

    def __init__(self, symmetry: Symmetry) -> None:
        self.symmetry = symmetry
        self._orders = _orders(symmetry)

    def key(self, canonical: np.ndarray) -> float:
        """What is largest for the canonical one of a state's images (n,)."""
        return float(self._orders(canonical)[0])

    def of(self, state: np.ndarray, tie: Tie) -> Frame:
        """The frame of a state (n,)."""
        s = self.symmetry
        if s.group.order == 1:
            return Frame(s, 0, 0)
        back = _first(s, range(s.group.order), self._orders, state, tie)
        return Frame(s, int(s.group.inverse[back]), back)


class ContinuousFrame:
    """Goal to the origin if the group shifts, directions along the axes, a generic order for sides.

    In the plane the direction that comes to lie along x is that of the first of these which is not
    shorter than `SHORT`: the goal's own angle, another angle (both never vanish), the goal's
    vector, another vector. In space the first such vector comes to lie along x, and the first whose
    part across it is not shorter fixes the turn about x. Points count from the goal if the group
    shifts, and from the centre that they are moved about if not.

    **Discontinuity set**: states where a vector that gives a direction is `SHORT` long (in space
    also where the part across is): the frame jumps to that of the next one. In the plane it is
    empty where some part holds an angle. With mirrors also the states in which the two sides' keys
    are equal, above all those that a mirror fixes. On it the law still holds, up to an element that
    fixes the state. It fails where a length or a difference of keys is just its threshold, within
    rounding. Where all directions vanish, memory's count; below `SHORT` rounding errors grow as one
    over the length.

    Args:
        symmetry: The task's, held to the group by `check_continuous`.
        word: One of `CONTINUOUS`.
        goal: Name of the state part that is the goal; empty: none.
    """

    def __init__(self, symmetry: Symmetry, word: str, goal: str) -> None:
        self.symmetry, self.word = symmetry, word
        slices = symmetry.slices("state")
        self._angles: list[int] = []
        self._anchor: tuple[int, np.ndarray] | None = None
        # Where each vector begins, its width, the centre it is told from, and whether it shifts.
        self._vectors: list[tuple[int, int, np.ndarray, bool]] = []
        for name in sorted(slices, key=lambda name: name != goal):
            part, here = symmetry.state[name], slices[name]
            if isinstance(part, Angle):
                self._angles += range(here.start, here.stop)
            elif isinstance(part, Pose):
                self._angles.append(here.start + 2)
            if isinstance(part, Pose | Position):
                self._add(here.start, 2, np.array([*part.centre, 0.0]), True)
            elif isinstance(part, Vector):
                for start in range(here.start, here.stop, 2):
                    self._add(start, 2, np.zeros(3), False)
            elif isinstance(part, Vector3) or (
                isinstance(part, Pseudovector) and not mirrors(word)
            ):
                for start in range(here.start, here.stop, 3):
                    self._add(start, 3, np.zeros(3), isinstance(part, Point3))
        self._orders = _orders(symmetry)

    def _add(self, start: int, width: int, centre: np.ndarray, point: bool) -> None:
        self._vectors.append((start, width, centre, point))
        if point and self._anchor is None:
            self._anchor = (start, centre[:width])

    def of(self, state: np.ndarray, tie: Tie) -> Frame:
        """The frame of a state (n,)."""
        x = np.asarray(state, float)
        shift = np.zeros(3)
        if shifts(self.word) and self._anchor is not None:
            start, centre = self._anchor
            shift[: len(centre)] = x[start : start + len(centre)] - centre
        motion = Motion(self._turned(x, shift, tie), shift)
        motions = [motion, motion.inverse]
        if mirrors(self.word):
            mirrored = motion.after(MIRROR)
            motions += [mirrored, mirrored.inverse]
        acting = under(self.symmetry, motions)
        back = _first(acting, range(2, len(motions) + 1, 2), self._orders, x, tie)
        return Frame(acting, back - 1, back)

    def _turned(self, x: np.ndarray, shift: np.ndarray, tie: Tie) -> np.ndarray:
        """The rotation that brings the axes to the state's directions. (3, 3)"""
        if self._angles and not spatial(self.word):
            return turned(float(x[self._angles[0]]))
        vectors = np.zeros((len(self._vectors), 3))
        for vector, (start, width, centre, point) in zip(vectors, self._vectors, strict=True):
            vector[:width] = x[start : start + width]
            vector -= centre + shift * point
        vectors = np.concatenate([vectors, tie.directions()])
        if not spatial(self.word):
            vectors[:, 2] = 0.0
        along = _direction(vectors)
        if not spatial(self.word):
            return turned(float(np.arctan2(along[1], along[0])))
        across = _direction(vectors - np.outer(vectors @ along, along))
        if abs(along @ across) > 0.5:  # there is none: all that is left is turned by nothing
            across = _direction(np.eye(3) - np.outer(along, along))
        across -= along * (along @ across)
        across /= np.linalg.norm(across)
        return np.stack([along, np.cross(across, along), across], axis=1)


def _direction(vectors: np.ndarray) -> np.ndarray:
    """The direction of the first vector that is not `SHORT`, or the longest; else x. (3,)"""
    lengths = np.linalg.norm(vectors, axis=1)
    if not len(lengths) or lengths.max() < 1e-12:
        return np.array([1.0, 0.0, 0.0])
    long = np.flatnonzero(lengths >= SHORT)
    first = long[0] if len(long) else np.argmax(lengths)
    return vectors[first] / lengths[first]


def _orders(symmetry: Symmetry) -> Callable[[np.ndarray], np.ndarray]:
    """Three fixed generic linear functions of a state, angles by cosine and sine."""
    angles = symmetry.affine("state")[2]
    weights = np.random.default_rng(20).standard_normal((3, len(angles) + int(angles.sum())))

    def orders(x: np.ndarray) -> np.ndarray:
        seen = np.concatenate([np.where(angles, np.cos(x), x), np.sin(x[..., angles])], axis=-1)
        return seen @ weights.T

    return orders


def _first(
    acting: Symmetry,
    elements: range,
    orders: Callable[[np.ndarray], np.ndarray],
    state: np.ndarray,
    tie: Tie,
) -> int:
    """Of the elements the one that sends the state highest; of equal ones the tie's highest."""
    x = np.asarray(state, float)
    matrices, offsets, _ = acting.affine("state")
    rows = list(elements)
    keys = orders(matrices[rows] @ x + offsets[rows])  # (E, 3)
    slack = TIE * (1.0 + np.abs(x).max())
    left = np.arange(len(rows))
    for column in keys.T:
        if len(left) == 1:
            break
        left = left[column[left] >= column[left].max() - slack]
    if len(left) > 1:
        told = np.array([tie.key(acting, rows[i]) for i in left])
        left = left[told >= told.max() - TIE * (1.0 + np.abs(told).max())]
    return rows[left[0]]
