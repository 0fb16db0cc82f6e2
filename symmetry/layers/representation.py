"""`Representation`: a finite group and the orthogonal matrices by which it acts on a vector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..declaration import Space, Symmetry
from ..group import Group


class RepresentationError(ValueError):
    """Matrices that are no representation, or representations that do not fit together."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Equal copies of one representation, side by side; what layers treat as a unit.

    Attributes:
        matrices: rho(g) of one copy. (order, d, d)
        copies: How many; copy i holds the channels i * d to (i + 1) * d.
        permutation: ``permutation[g, c]`` is the channel of the copy to which g moves channel c;
            None where some matrix is no permutation. (order, d)
        regular: Whether the channels of a copy are the group's elements, and g moves h to gh.
    """

    matrices: np.ndarray
    copies: int
    permutation: np.ndarray | None
    regular: bool

    @property
    def size(self) -> int:
        """Channels of one copy."""
        return self.matrices.shape[-1]

    @property
    def width(self) -> int:
        """Channels of all copies."""
        return self.copies * self.size


class Representation:
    """How a group acts on a vector: a sum of pieces, each some copies of one representation.

    The vector lies on an array's last axis. ``a + b`` puts two side by side, ``3 * a`` three.

    Args:
        group: The group that acts.
        matrices: rho(g), orthogonal, with rho(gh) = rho(g) rho(h). (order, d, d)

    Raises:
        RepresentationError: The matrices break that law, are not orthogonal, or not one for each
            element.
    """

    def __init__(self, group: Group, matrices: np.ndarray) -> None:
        matrices = _snapped(np.asarray(matrices, float))
        _check(group, matrices)
        block, copies = _copies_in(matrices)
        permutation = _permutation(block)
        regular = permutation is not None and np.array_equal(permutation, group.product)
        self.group = group
        self.pieces: tuple[Piece, ...] = (Piece(block, copies, permutation, regular),)

    def __repr__(self) -> str:
        parts = [
            f"{p.copies} x " + (f"regular ({p.size})" if p.regular else str(p.size))
            for p in self.pieces
        ]
        return f"<{self.group.name} on {' + '.join(parts)} channels>"

    def __add__(self, other: Representation) -> Representation:
        """The two side by side, this one first."""
        check_same_group(self, other)
        last, first = self.pieces[-1], other.pieces[0]
        if last.matrices.shape == first.matrices.shape and np.allclose(
            last.matrices, first.matrices, rtol=0.0, atol=1e-12
        ):
            joint = Piece(last.matrices, last.copies + first.copies, last.permutation, last.regular)
            return _of_pieces(self.group, (*self.pieces[:-1], joint, *other.pieces[1:]))
        return _of_pieces(self.group, self.pieces + other.pieces)

    def __rmul__(self, count: int) -> Representation:
        """`count` copies, side by side."""
        if count < 1:
            raise RepresentationError(f"a representation needs at least one copy, not {count}")
        if len(self.pieces) == 1:
            p = self.pieces[0]
            piece = Piece(p.matrices, count * p.copies, p.permutation, p.regular)
            return _of_pieces(self.group, (piece,))
        return _of_pieces(self.group, count * self.pieces)

    @cached_property
    def width(self) -> int:
        """Number of channels."""
        return sum(piece.width for piece in self.pieces)

    @property
    def fields(self) -> int:
        """Number of regular fields if the vector is made of nothing else, otherwise 0."""
        only = len(self.pieces) == 1 and self.pieces[0].regular
        return self.pieces[0].copies if only else 0

    @cached_property
    def matrices(self) -> np.ndarray:
        """rho(g) of the whole vector. (order, width, width)"""
        full = np.zeros((self.group.order, self.width, self.width))
        start = 0
        for piece in self.pieces:
            for _ in range(piece.copies):
                here = slice(start, start + piece.size)
                full[:, here, here] = piece.matrices
                start += piece.size
        full.setflags(write=False)
        return full

    @cached_property
    def permutation(self) -> np.ndarray | None:
        """``permutation[g, c]``: where g moves channel c; None if it mixes some. (order, width)"""
        if any(piece.permutation is None for piece in self.pieces):
            return None
        moved, start = [], 0
        for piece in self.pieces:
            offsets = start + piece.size * np.arange(piece.copies)
            moved.append((offsets[None, :, None] + piece.permutation[:, None, :]).reshape(  # type: ignore[index]
                self.group.order, piece.width))  # fmt: skip
            start += piece.width
        return np.concatenate(moved, axis=1)

    def act(self, g: int, x: Any) -> Any:
        """Where element g sends the vectors x, an array or a torch tensor. (..., width)"""
        if x.shape[-1] != self.width:
            raise RepresentationError(f"{self} does not act on an array of shape {tuple(x.shape)}")
        if self.permutation is not None:
            return x[..., self.permutation[int(self.group.inverse[g])].tolist()]
        matrix = self.matrices[g].T
        if not isinstance(x, np.ndarray):
            matrix = x.new_tensor(matrix)
        return x @ matrix


def _of_pieces(group: Group, pieces: tuple[Piece, ...]) -> Representation:
    """A sum whose pieces have been checked before."""
    made = Representation.__new__(Representation)
    made.group, made.pieces = group, pieces
    return made


def check_same_group(a: Representation, b: Representation) -> None:
    """Holds two representations to one group.

    Raises:
        RepresentationError: They are of different groups.
    """
    if not np.array_equal(a.group.product, b.group.product):
        raise RepresentationError(f"{a} and {b} are of different groups")


def _check(group: Group, matrices: np.ndarray) -> None:
    """The law for generators is the law for all, since every element is a product of them."""
    d = matrices.shape[-1]
    if matrices.shape != (group.order, d, d) or d == 0:
        raise RepresentationError(
            f"{group.name} needs {group.order} square matrices, not an array of shape "
            f"{matrices.shape}"
        )
    tolerance = 1e-9
    if np.abs(matrices[0] - np.eye(d)).max() > tolerance:
        raise RepresentationError("the identity does not act as the identity matrix")
    if np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(d)).max() > tolerance:
        raise RepresentationError("a matrix is not orthogonal; scale the channels so that all are")
    for c in group.generators:
        if np.abs(matrices[c] @ matrices - matrices[group.product[c]]).max() > tolerance:
            raise RepresentationError(
                f"no representation of {group.name}: the matrix of a product that begins with "
                f"{group.element_names[c]} is not the product of the matrices"
            )


def _copies_in(matrices: np.ndarray) -> tuple[np.ndarray, int]:
    """The smallest equal blocks along the diagonal, and how many there are."""
    d = matrices.shape[-1]
    for size in range(1, d):
        if d % size == 0:
            block = matrices[:, :size, :size]
            repeated = np.stack([np.kron(np.eye(d // size), b) for b in block])
            if np.allclose(repeated, matrices, rtol=0.0, atol=1e-12):
                return block, d // size
    return matrices, 1


def _permutation(matrices: np.ndarray) -> np.ndarray | None:
    """Where each channel goes, if every matrix is a permutation. (order, d)"""
    if not np.isin(matrices, (0.0, 1.0)).all():
        return None  # orthogonal ones of zeros and ones are permutations
    return np.argmax(matrices, axis=1)


def regular(group: Group, fields: int = 1) -> Representation:
    """Fields of one channel for each element: g moves channel ``i * order + h`` to gh of field i.

    Under a group of order 2 such as ``swap`` a field is two alike things that change places.
    """
    return fields * permuting(group, group.product)


def permuting(group: Group, permutation: np.ndarray) -> Representation:
    """Channels that change places: g moves channel c to ``permutation[g, c]``. (order, d)

    Cosets of a subgroup (quotient representations) and interchangeable things are of this kind.
    """
    permutation = np.asarray(permutation)
    matrices = np.zeros((*permutation.shape, permutation.shape[-1]))
    g, c = np.indices(permutation.shape)
    matrices[g, permutation, c] = 1.0
    return Representation(group, matrices)


def trivial_of(group: Group, count: int = 1) -> Representation:
    """Channels that no element changes."""
    return count * Representation(group, np.ones((group.order, 1, 1)))


def signs(group: Group, values: np.ndarray | None = None, count: int = 1) -> Representation:
    """Channels whose sign elements change.

    Args:
        group: The group.
        values: +1 or -1 for each element; by default -1 for mirrors (a yaw rate). (order,)
        count: How many channels.
    """
    values = group.sign if values is None else np.asarray(values, float)
    return count * Representation(group, values[:, None, None])


def planar(group: Group, frequency: int = 1, count: int = 1) -> Representation:
    """Pairs (cos k a, sin k a) of a direction a, as the group moves directions.

    A rotation turns the pair by k times its angle; a mirror y -> -y changes the sign of the sine.
    Frequency 1 is a planar vector, frequency 0 a scalar beside what mirrors change the sign of.
    Where the plane stays (``swap``) the pair does too.

    Args:
        group: The group.
        frequency: k, at least 0.
        count: How many pairs.
    """
    if frequency < 0:
        raise RepresentationError(f"a frequency is at least 0, not {frequency}")
    angle = frequency * group.turn
    cos, sin = np.cos(angle), np.sin(angle)
    matrices = np.stack(
        [np.stack([cos, -sin * group.sign], -1), np.stack([sin, cos * group.sign], -1)], -2
    )
    return count * Representation(group, matrices)


def _snapped(values: np.ndarray) -> np.ndarray:
    """Entries that are 0, +-1/2 or +-1 but for rounding are made exactly so; -0 becomes 0."""
    halves = np.round(2.0 * values) / 2.0
    return np.where(np.abs(values - halves) < 1e-12, halves, values) + 0.0


def from_parts(symmetry: Symmetry, space: Space) -> Representation:
    """How a declared symmetry's group acts on a space of linear parts, part by part.

    Args:
        symmetry: The declaration, or what `restrict` made of it.
        space: ``"state"``, ``"action"`` or ``"observation"``.

    Raises:
        SymmetryError: The space holds angles or poses, which no matrix moves.
    """
    whole = symmetry.orbit(space)
    made = [Representation(symmetry.group, whole[:, s, s]) for s in symmetry.slices(space).values()]
    total = made[0]
    for part in made[1:]:
        total = total + part
    return total
