"""Finite groups of planar symmetries and of swaps: elements, products, action on the plane."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np


class GroupError(ValueError):
    """A group or subgroup that does not exist, with what would."""


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group whose elements are the integers 0 .. order-1; element 0 is the identity.

    Attributes:
        name: Its short name, e.g. ``"D4"``; what launch files say.
        plane: How each element moves the plane, orthogonal matrices. (order, 2, 2)
        turn: The direction angle (rad) to which each element sends direction 0, so that a
            direction a goes to ``sign * a + turn``. (order,)
        product: ``product[g, h]`` is the element gh (h acts first). (order, order)
        element_names: One name an element: ``e``, ``r1`` (a rotation by 1/n turn), ``r1s``
            (the mirror y -> -y, then r1), ``swap``.
    """

    name: str
    plane: np.ndarray
    turn: np.ndarray
    product: np.ndarray
    element_names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<group {self.name}, {self.order} elements>"

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.element_names)

    @property
    def elements(self) -> range:
        """All elements, the identity first."""
        return range(self.order)

    @cached_property
    def sign(self) -> np.ndarray:
        """Determinant of each planar matrix: -1 where the element is a mirror. (order,)"""
        p = self.plane
        return np.round(p[:, 0, 0] * p[:, 1, 1] - p[:, 0, 1] * p[:, 1, 0])

    @cached_property
    def inverse(self) -> np.ndarray:
        """``inverse[g]`` is the element with ``product[g, inverse[g]] == 0``. (order,)"""
        return np.argmin(self.product, axis=1)

    @cached_property
    def generators(self) -> tuple[int, ...]:
        """A small set of elements whose products are all of the group."""
        chosen: list[int] = []
        reached = {0}
        for g in self.elements:
            if g in reached:
                continue
            chosen.append(g)
            frontier = {0}
            reached = {0}
            while frontier:
                frontier = {int(self.product[c, h]) for c in chosen for h in frontier} - reached
                reached |= frontier
        return tuple(chosen)

    def subgroup_names(self) -> tuple[str, ...]:
        """Names that `subgroup` accepts here."""
        names = ["trivial"]
        if self.name == "swap":
            return (*names, "swap")
        turns = int(np.sum(self.sign > 0))
        divisors = [d for d in range(2, turns + 1) if turns % d == 0]
        names += [f"C{d}" for d in divisors]
        if self.order > turns:
            names += ["reflection", *(f"D{d}" for d in divisors)]
        return tuple(names)

    def subgroup(self, name: str) -> tuple[int, ...]:
        """The elements of the standard subgroup of that name, in that subgroup's own order.

        C_m holds the rotations by 1/m turn, D_m these and the mirror y -> -y with its turns.

        Raises:
            GroupError: No such subgroup; the message names those that exist.
        """
        if name == self.name:
            return tuple(self.elements)
        wanted = group(name)
        if wanted.order == 1:
            return (0,)
        found = []
        if (wanted.name == "swap") == (self.name == "swap"):
            for matrix in wanted.plane:
                near = np.flatnonzero(np.abs(self.plane - matrix).max(axis=(1, 2)) < 1e-9)
                found.append(int(near[0]) if len(near) else -1)
        if not found or -1 in found:
            raise GroupError(
                f"{name} is no subgroup of {self.name}; it has {', '.join(self.subgroup_names())}"
            )
        return tuple(found)

    def restricted(self, elements: tuple[int, ...], name: str) -> Group:
        """The group formed by some elements (closed under products, the identity first)."""
        position = {g: i for i, g in enumerate(elements)}
        index = list(elements)
        try:
            product = np.array([[position[int(self.product[g, h])] for h in index] for g in index])
        except KeyError as error:
            raise GroupError(f"{elements} of {self.name} is not closed under products") from error
        names = tuple(self.element_names[g] for g in index)
        return Group(name, self.plane[index], self.turn[index], product, names)


def _planar(name: str, turns: int, mirrored: bool) -> Group:
    angle = 2.0 * np.pi * np.arange(turns) / turns
    cos, sin = _snapped(np.cos(angle)), _snapped(np.sin(angle))
    plane = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)  # (n, 2, 2)
    turn = angle
    names = ["e", *(f"r{k}" for k in range(1, turns))]
    if mirrored:
        plane = np.concatenate([plane, plane * np.array([1.0, -1.0])])
        turn = np.concatenate([turn, angle])
        names += ["s", *(f"r{k}s" for k in range(1, turns))]
    k = np.arange(len(names)) % turns
    m = np.arange(len(names)) // turns
    # r^k s^m r^l s^p = r^(k + (-1)^m l) s^(m + p)
    rotation = (k[:, None] + np.where(m[:, None] == 1, -1, 1) * k[None, :]) % turns
    flip = (m[:, None] + m[None, :]) % 2
    return Group(name, plane + 0.0, turn, rotation + turns * flip, tuple(names))


def _snapped(values: np.ndarray) -> np.ndarray:
    """Cosines that are 0, +-1/2 or +-1 are made exactly so, hence quarter turns are exact."""
    halves = np.round(2.0 * values) / 2.0
    return np.where(np.abs(values - halves) < 1e-14, halves, values)


def trivial() -> Group:
    """The group of one element: no symmetry."""
    return _planar("trivial", 1, False)


def cyclic(n: int) -> Group:
    """C_n: rotations by multiples of 1/n turn."""
    _check_turns(n)
    return _planar(f"C{n}", n, False) if n > 1 else trivial()


def dihedral(n: int) -> Group:
    """D_n: C_n and its n mirrors; the first mirror is y -> -y. Order 2n."""
    _check_turns(n)
    return _planar(f"D{n}", n, True) if n > 1 else reflection()


def reflection() -> Group:
    """The mirror y -> -y and the identity (D_1)."""
    return _planar("reflection", 1, True)


def permutation_pair() -> Group:
    """The swap of two alike things and the identity; the plane stays where it is."""
    return Group(
        "swap",
        np.stack([np.eye(2), np.eye(2)]),
        np.zeros(2),
        np.array([[0, 1], [1, 0]]),
        ("e", "swap"),
    )


def so2(n: int) -> Group:
    """SO(2) to the extent that C_n samples it: exact for its n rotations, silent between them."""
    return cyclic(n)


def o2(n: int) -> Group:
    """O(2) to the extent that D_n samples it: exact for its 2n elements, silent between them."""
    return dihedral(n)


_NAMED = {
    "trivial": trivial,
    "none": trivial,
    "reflection": reflection,
    "D1": reflection,
    "C1": trivial,
    "swap": permutation_pair,
}
_NUMBERED = {"C": cyclic, "D": dihedral, "SO2_": so2, "O2_": o2}


def group(name: str) -> Group:
    """The group a word names: C4, D8, SO2_16, O2_16, reflection, swap, or trivial.

    Raises:
        GroupError: No such group; the message names the nearest word.
    """
    if name in _NAMED:
        return _NAMED[name]()
    match = re.fullmatch(r"(C|D|SO2_|O2_)(\d{1,3})", name)
    if match:
        return _NUMBERED[match.group(1)](int(match.group(2)))
    words = {w.lower(): w for w in (*_NAMED, "C2", "C4", "C8", "D4", "D8", "SO2_16")}
    near = [words[w] for w in difflib.get_close_matches(name.lower(), words, n=1)]
    hint = (
        f"; did you mean {near[0]}?" if near else "; known: C<n>, D<n>, reflection, swap, trivial"
    )
    raise GroupError(f"no group is called {name!r}{hint}")


def _check_turns(n: int) -> None:
    if not 1 <= n <= 360:
        raise GroupError(f"a planar group needs 1 to 360 turns, not {n}")
