"""The named parts of a state, an action or an observation, and how a group acts on each.

An element g acts on a part by ``x -> A(g) x + b(g)``, followed by wrapping where the part holds an
angle. Parts whose b is zero and which hold no angle are linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .group import Group


class Part(Protocol):
    """What a `Symmetry` needs of a part."""

    @property
    def linear(self) -> bool:
        """Whether it acts by a matrix alone."""
        ...

    def width(self, group: Group) -> int:
        """Number of coordinates."""
        ...

    def matrices(self, group: Group) -> np.ndarray:
        """A(g). (order, width, width)"""
        ...

    def offsets(self, group: Group) -> np.ndarray:
        """b(g). (order, width)"""
        ...

    def angles(self, group: Group) -> np.ndarray:
        """Which coordinates are angles, wrapped to [-pi, pi). (width,) bool"""
        ...


def _copies(blocks: np.ndarray, count: int) -> np.ndarray:
    """Block-diagonal, `count` equal blocks. (order, d, d) -> (order, count d, count d)"""
    return np.kron(np.eye(count)[None], blocks) if count > 1 else blocks


def _check_size(size: int) -> None:
    if size < 1:
        raise ValueError(f"a part needs at least one entry, not {size}")


@dataclass(frozen=True)
class _Linear:
    """A part that acts by matrices alone."""

    size: int = 1

    def __post_init__(self) -> None:
        _check_size(self.size)

    @property
    def linear(self) -> bool:
        return True

    def matrices(self, group: Group) -> np.ndarray:
        raise NotImplementedError

    def width(self, group: Group) -> int:
        return self.matrices(group).shape[-1]

    def offsets(self, group: Group) -> np.ndarray:
        return np.zeros((group.order, self.width(group)))

    def angles(self, group: Group) -> np.ndarray:
        return np.zeros(self.width(group), bool)


@dataclass(frozen=True)
class Scalar(_Linear):
    """`size` numbers that no element changes (a gripper opening, a height, a speed)."""

    def matrices(self, group: Group) -> np.ndarray:
        """Identities. (order, size, size)"""
        return _copies(np.ones((group.order, 1, 1)), self.size)


@dataclass(frozen=True)
class Pseudoscalar(_Linear):
    """`size` numbers that rotations keep and mirrors change the sign of (a yaw rate)."""

    def matrices(self, group: Group) -> np.ndarray:
        """The determinant on the diagonal. (order, size, size)"""
        return _copies(group.sign[:, None, None], self.size)


@dataclass(frozen=True)
class Vector(_Linear):
    """`size` planar vectors (x, y): displacements, velocities, forces, points about the origin."""

    def matrices(self, group: Group) -> np.ndarray:
        """The planar matrices, block by block. (order, 2 size, 2 size)"""
        return _copies(group.plane, self.size)


@dataclass(frozen=True)
class Vector3(_Linear):
    """`size` vectors (x, y, z): displacements, velocities, forces, points about the origin."""

    def matrices(self, group: Group) -> np.ndarray:
        """The matrices of space, block by block. (order, 3 size, 3 size)"""
        return _copies(group.space, self.size)


@dataclass(frozen=True)
class Point3(Vector3):
    """`size` points (x, y, z), moved about the origin; only they are moved by shifts of space."""


@dataclass(frozen=True)
class Pseudovector(_Linear):
    """`size` angular velocities or torques (x, y, z): a mirror keeps what lies across it.

    They may be told in the world's axes or in those of a body that the group keeps (`Quaternion`).
    """

    def matrices(self, group: Group) -> np.ndarray:
        """Determinant times the matrix of space, block by block. (order, 3 size, 3 size)"""
        return _copies(group.sign[:, None, None] * group.space, self.size)


@dataclass(frozen=True)
class Quaternion(_Linear):
    """`size` orientations (w, x, y, z) with w >= 0 of a body whose own shape the group keeps.

    The body's matrix R goes to A(g) R A(g)^-1: the scene is moved, and the body's axes are named
    anew by the element that its shape does not notice (a quadrotor with four equal arms under D4).
    So w stays, and the rest is a `Pseudovector`: mirrors act too, no sign is to be chosen, and the
    convention w >= 0 is kept. Whoever makes a state keeps to the convention; at w = 0 (half turns)
    two quaternions are one orientation, and that is where a state jumps.
    """

    def matrices(self, group: Group) -> np.ndarray:
        """Block by block, 1 and determinant times the matrix of space. (order, 4 size, 4 size)"""
        blocks = np.zeros((group.order, 4, 4))
        blocks[:, 0, 0] = 1.0
        blocks[:, 1:, 1:] = Pseudovector().matrices(group)
        return _copies(blocks, self.size)


@dataclass(frozen=True)
class Regular(_Linear):
    """The regular representation, on channels of `size` numbers: g moves channel h to channel gh.

    Under a group of order 2 it swaps two alike things; over C_n it shifts n channels in a ring.
    """

    def matrices(self, group: Group) -> np.ndarray:
        """Permutation matrices. (order, order size, order size)"""
        n = group.order
        permutation = np.zeros((n, n, n))
        g, h = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
        permutation[g, group.product, h] = 1.0
        return np.kron(permutation, np.eye(self.size)[None])


@dataclass(frozen=True)
class Angle:
    """`size` directions in the plane (rad): shifted by rotations, reflected and shifted by mirrors.

    A *relative* angle between two bodies is no direction: it is a `Pseudoscalar`.
    """

    size: int = 1

    def __post_init__(self) -> None:
        _check_size(self.size)

    @property
    def linear(self) -> bool:
        """No: rotations add their turn."""
        return False

    def width(self, group: Group) -> int:
        """One coordinate for each direction."""
        return self.size

    def matrices(self, group: Group) -> np.ndarray:
        """The determinant on the diagonal. (order, size, size)"""
        return _copies(group.sign[:, None, None], self.size)

    def offsets(self, group: Group) -> np.ndarray:
        """The turn of each element. (order, size)"""
        return np.repeat(group.turn[:, None], self.size, axis=1)

    def angles(self, group: Group) -> np.ndarray:
        """All of them."""
        return np.ones(self.size, bool)


@dataclass(frozen=True)
class Position:
    """A point (x, y), moved about `centre` (m)."""

    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def linear(self) -> bool:
        """Whether the centre is the origin."""
        return self.centre == (0.0, 0.0)

    def width(self, group: Group) -> int:
        """Two: x and y."""
        return 2

    def matrices(self, group: Group) -> np.ndarray:
        """The planar matrices. (order, 2, 2)"""
        return group.plane

    def offsets(self, group: Group) -> np.ndarray:
        """What keeps the centre where it is: c - A c. (order, 2)"""
        centre = np.array(self.centre)
        return centre - group.plane @ centre

    def angles(self, group: Group) -> np.ndarray:
        """None."""
        return np.zeros(2, bool)


@dataclass(frozen=True)
class Pose:
    """A planar pose (x, y, yaw), moved about `centre` (m); yaw is a direction (rad).

    A mirror sends the pose of a body to the pose of its mirror image, which is the same body only
    if the body is symmetric about its own x axis (a box, a T, a disc are).
    """

    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def linear(self) -> bool:
        """No: it holds an angle."""
        return False

    def width(self, group: Group) -> int:
        """Three: x, y and yaw."""
        return 3

    def matrices(self, group: Group) -> np.ndarray:
        """Planar matrix and determinant, block diagonal. (order, 3, 3)"""
        full = np.zeros((group.order, 3, 3))
        full[:, :2, :2] = group.plane
        full[:, 2, 2] = group.sign
        return full

    def offsets(self, group: Group) -> np.ndarray:
        """What keeps the centre, and the turn. (order, 3)"""
        return np.concatenate([Position(self.centre).offsets(group), group.turn[:, None]], axis=1)

    def angles(self, group: Group) -> np.ndarray:
        """The yaw."""
        return np.array([False, False, True])
