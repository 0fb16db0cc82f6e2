"""Motions one by one: how any rotation, mirror or shift acts on a declaration's parts.

A finite declaration says how each of its parts goes with a matrix of space, and asks no part which
matrices there are. So every other motion acts through the same parts.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .declaration import Symmetry, SymmetryError
from .group import Group, GroupError
from .part import Part, Point3, Pose, Position

CONTINUOUS = ("SO2", "O2", "SE2", "E2", "SO3", "O3", "SE3", "E3")
"""The continuous groups of plane and space: rotations, with mirrors, and both with shifts."""


@dataclass(frozen=True, eq=False)
class Motion:
    """``p -> space (p - centre) + centre + shift`` for a point, ``v -> space v`` for a vector.

    Attributes:
        space: An orthogonal matrix; one of the plane leaves the vertical where it is. (3, 3)
        shift: m. (3,)
    """

    space: np.ndarray
    shift: np.ndarray

    @property
    def inverse(self) -> Motion:
        """What undoes it."""
        return Motion(self.space.T, -self.space.T @ self.shift)

    def __str__(self) -> str:
        mirrored = np.linalg.det(self.space) < 0
        proper = self.space @ MIRROR.space if mirrored else self.space
        angle = np.degrees(np.arccos(np.clip(0.5 * (np.trace(proper) - 1.0), -1.0, 1.0)))
        words = f"{'mirrored, ' * bool(mirrored)}turned by {angle:.0f} deg"
        if not self.shift.any():
            return words
        by = self.shift if self.shift[2] else self.shift[:2]
        return f"{words}, shifted by ({', '.join(f'{a:.2f}' for a in by)}) m"

    def after(self, other: Motion) -> Motion:
        """The motion that does `other` first, then this one."""
        return Motion(self.space @ other.space, self.space @ other.shift + self.shift)


IDENTITY = Motion(np.eye(3), np.zeros(3))
MIRROR = Motion(np.diag([1.0, -1.0, 1.0]), np.zeros(3))
"""y -> -y."""


def turned(angle: float) -> np.ndarray:
    """The rotation about the vertical by an angle (rad). (3, 3)"""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def drawn(word: str, rng: np.random.Generator) -> Motion:
    """A random element of one of `CONTINUOUS`, shifted by up to a metre if it shifts."""
    if spatial(word):
        space, upper = np.linalg.qr(rng.standard_normal((3, 3)))
        space = space * np.sign(np.diag(upper))
        space *= np.sign(np.linalg.det(space))
    else:
        space = turned(rng.uniform(-np.pi, np.pi))
    shift = rng.uniform(-1.0, 1.0, 3) * shifts(word) * [1.0, 1.0, spatial(word)]
    motion = Motion(space, shift)
    return motion.after(MIRROR) if mirrors(word) and rng.random() < 0.5 else motion


def mirrors(word: str) -> bool:
    """Whether a continuous group has mirrors."""
    return word[0] in "OE"


def shifts(word: str) -> bool:
    """Whether it has shifts."""
    return "E" in word


def spatial(word: str) -> bool:
    """Whether it tilts the plane."""
    return word.endswith("3")


def under(symmetry: Symmetry, motions: Sequence[Motion], name: str = "") -> Symmetry:
    """The same parts under some motions: element 0 is the identity, then they, as they come.

    It is no group, since nothing is said of products; all that acts by elements works.

    Args:
        symmetry: Whose parts.
        motions: The elements from 1 on.
        name: Of the group that they are of, where something is to be said of them.

    Raises:
        GroupError: Some part goes with the plane only, which they tilt.
    """
    moved = (IDENTITY, *motions)
    space, shift = np.stack([m.space for m in moved]), np.stack([m.shift for m in moved])
    turns = None
    if (space[:, 2, 2] == 1.0).all():
        turns = np.arctan2(space[:, 1, 0], space[:, 0, 0])
    names = tuple(str(m) for m in moved) if name else ("",) * len(moved)
    few = Group(name, space, np.zeros((len(moved), len(moved)), int), names, turns)
    state = symmetry.state
    if shift.any():
        state = {
            part_name: _Shifted(part, shift[:, : 3 if isinstance(part, Point3) else 2])
            if isinstance(part, Position | Pose | Point3)
            else part
            for part_name, part in state.items()
        }
    return replace(symmetry, group=few, state=state, observation=None, _parent=None, _elements=None)


@dataclass(frozen=True, eq=False)
class _Shifted:
    """A point or pose, or several points, that are shifted beside."""

    part: Part
    by: np.ndarray  # (order, 2 or 3)

    @property
    def linear(self) -> bool:
        return False

    def width(self, group: Group) -> int:
        return self.part.width(group)

    def matrices(self, group: Group) -> np.ndarray:
        return self.part.matrices(group)

    def offsets(self, group: Group) -> np.ndarray:
        offsets = self.part.offsets(group).copy()
        if isinstance(self.part, Point3):
            return offsets + np.tile(self.by, self.part.size)
        offsets[:, :2] += self.by
        return offsets

    def angles(self, group: Group) -> np.ndarray:
        return self.part.angles(group)


def check_continuous(symmetry: Symmetry, word: str) -> None:
    """Hold a declaration to a continuous group, as far as it says itself.

    Raises:
        GroupError: There is no such group, or the declared one is no sample of it.
        SymmetryError: Its parts go with the finite group only.
    """
    if word not in CONTINUOUS:
        near = difflib.get_close_matches(word, CONTINUOUS, n=1, cutoff=0.3) or CONTINUOUS
        raise GroupError(f"{word} is no continuous group; did you mean {near[0]}?")
    group = symmetry.group
    dimension = word[-1]
    enough = {f"O{dimension}"} if mirrors(word) else {f"SO{dimension}", f"O{dimension}"}
    enough |= {"O3"} if mirrors(word) else {"SO3", "O3"}
    if group.sample_of not in enough:
        what = f"a sample of {group.sample_of}" if group.sample_of else "declared for itself alone"
        raise GroupError(
            f"the task's group {group.name} is {what}, not for {word}; take symmetry: full, or "
            "declare it by so2(n), o2(n), so3() or o3() if it is as symmetric as that"
        )
    every = under(symmetry, [Motion(matrix, np.zeros(3)) for matrix in group.space])
    for name, part in (*symmetry.state.items(), *symmetry.action.items()):
        if part.width(every.group) != part.width(group):
            raise SymmetryError(_finite_only(name, group))
    for space in ("state", "action"):
        ours, theirs = symmetry.affine(space), every.affine(space)
        for name, here in symmetry.slices(space).items():
            apart = np.abs(ours[0][:, here] - theirs[0][1:, here]).max()
            offset = ours[1][:, here] - theirs[1][1:, here]
            offset[:, ours[2][here]] = np.sin(
                0.5 * offset[:, ours[2][here]]
            )  # whole turns are none
            if max(apart, np.abs(offset).max()) > 1e-9:
                raise SymmetryError(_finite_only(name, group))
    movable = Position | Pose | Point3
    if shifts(word) and not any(isinstance(p, movable) for p in symmetry.state.values()):
        raise SymmetryError(
            f"no part is a Position, a Pose or a Point3, which is what {word} moves"
        )


def _finite_only(part: str, group: Group) -> str:
    return f"part {part!r} goes with the finite group {group.name} only"
