"""Finite groups of planar and spatial symmetries and of swaps: elements, products, matrices."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np


class GroupError(ValueError):
    """A group or subgroup that does not exist, with what would."""


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group whose elements are the integers 0 .. order-1; element 0 is the identity.

    Attributes:
        name: Its short name, e.g. ``"D4"``; what launch files say.
        space: How each element moves space, orthogonal matrices; a planar one leaves the vertical
            where it is. (order, 3, 3)
        product: ``product[g, h]`` is the element gh (h acts first). (order, order)
        element_names: One name an element: ``e``, ``r1`` (a rotation by 1/n turn), ``r1s``
            (the mirror y -> -y, then r1), ``swap``; of a polyhedral group ``r90(0,0,1)`` (degrees
            and axis), with an ``i`` before it what is turned through the origin afterwards.
        turns: The direction angle (rad) to which each element sends direction 0 of the plane, or
            None where some element tilts the plane. (order,)
        sample_of: The continuous group that it stands for, SO2, O2, SO3 or O3; empty: for itself
            alone.
    """

    name: str
    space: np.ndarray
    product: np.ndarray
    element_names: tuple[str, ...]
    turns: np.ndarray | None
    sample_of: str = ""

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

    @property
    def planar(self) -> bool:
        """Whether it leaves the vertical where it is, and so moves the plane."""
        return self.turns is not None

    @cached_property
    def plane(self) -> np.ndarray:
        """How each element moves the plane, orthogonal matrices. (order, 2, 2)

        Raises:
            GroupError: Some element tilts the plane.
        """
        self._check_planar()
        return np.ascontiguousarray(self.space[:, :2, :2])

    @property
    def turn(self) -> np.ndarray:
        """The angle such that a direction a of the plane goes to ``sign * a + turn``. (order,)

        Raises:
            GroupError: Some element tilts the plane.
        """
        self._check_planar()
        assert self.turns is not None
        return self.turns

    def _check_planar(self) -> None:
        if not self.planar:
            raise GroupError(
                f"{self.name} tilts the plane: it moves Vector3, Pseudovector, Quaternion and "
                "Scalar, no planar part"
            )

    @cached_property
    def sign(self) -> np.ndarray:
        """Determinant of each matrix: -1 where the element is a mirror or an inversion. (order,)"""
        if self.planar:
            p = self.plane
            return np.round(p[:, 0, 0] * p[:, 1, 1] - p[:, 0, 1] * p[:, 1, 0])
        return np.round(np.linalg.det(self.space))

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
        if not self.planar:
            return (*names, *(word for word in _WITHIN if self._found(group(word))))
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
        found = (0,) if wanted.order == 1 else self._found(wanted)
        if not found:
            raise GroupError(
                f"{name} is no subgroup of {self.name}; it has {', '.join(self.subgroup_names())}"
            )
        return found

    def _found(self, wanted: Group) -> tuple[int, ...]:
        """The elements that move space as those of another group do; none if one is missing."""
        if (wanted.name == "swap") != (self.name == "swap"):
            return ()
        found = []
        for matrix in wanted.space:
            near = np.flatnonzero(np.abs(self.space - matrix).max(axis=(1, 2)) < 1e-9)
            if not len(near):
                return ()
            found.append(int(near[0]))
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
        turns = self._turns_of(index)
        return Group(name, self.space[index], product, names, turns)

    def _turns_of(self, index: list[int]) -> np.ndarray | None:
        """The turns of some elements, which may leave the vertical in place where others do not."""
        if self.turns is not None:
            return self.turns[index]
        some = self.space[index]
        if np.abs(some[:, 2, 2] - 1.0).max() > 1e-9:
            return None
        return np.arctan2(some[:, 1, 0], some[:, 0, 0])


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
    space = np.zeros((len(names), 3, 3))
    space[:, :2, :2], space[:, 2, 2] = plane + 0.0, 1.0
    return Group(name, space, rotation + turns * flip, tuple(names), turn)


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
        np.stack([np.eye(3), np.eye(3)]),
        np.array([[0, 1], [1, 0]]),
        ("e", "swap"),
        np.zeros(2),
    )


def so2(n: int) -> Group:
    """SO(2) to the extent that C_n samples it: exact for its n rotations, silent between them."""
    return replace(cyclic(n), sample_of="SO2")


def o2(n: int) -> Group:
    """O(2) to the extent that D_n samples it: exact for its 2n elements, silent between them."""
    return replace(dihedral(n), sample_of="O2")


_GOLDEN = (1.0 + np.sqrt(5.0)) / 2.0
_ENTRIES = np.array([0.0, 0.5, 1.0, _GOLDEN / 2.0, (_GOLDEN - 1.0) / 2.0])
"""Sizes of the entries of all matrices of the polyhedral groups."""
_HALF_TURN = np.diag([-1.0, -1.0, 1.0])
_THIRD_TURN = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # about (1, 1, 1)
_QUARTER_TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_FIFTH_TURN = 0.5 * np.array(  # about (1, 0, golden)
    [[_GOLDEN, 1.0 - _GOLDEN, 1.0], [_GOLDEN - 1.0, -1.0, -_GOLDEN], [1.0, _GOLDEN, 1.0 - _GOLDEN]]
)


@cache
def tetrahedral() -> Group:
    """T: the 12 rotations of a tetrahedron whose corners are every second one of a cube's."""
    return _polyhedral("T", _HALF_TURN, _THIRD_TURN)


@cache
def octahedral(full: bool = False) -> Group:
    """O: the 24 rotations of a cube with its faces across x, y, z; full: O_h, order 48.

    Its matrices are the signed permutations (of determinant 1), hence exact.
    """
    more = (-np.eye(3),) if full else ()
    return _polyhedral("Oh" if full else "O", _HALF_TURN, _THIRD_TURN, _QUARTER_TURN, *more)


@cache
def icosahedral(full: bool = False) -> Group:
    """I: the 60 rotations of an icosahedron with half turns about x, y, z; full: I_h, order 120.

    Its entries are 0, 1/2, 1 and halves of the golden ratio and of its inverse: exact but for the
    rounding of the latter two.
    """
    more = (-np.eye(3),) if full else ()
    return _polyhedral("Ih" if full else "I", _HALF_TURN, _THIRD_TURN, _FIFTH_TURN, *more)


def _polyhedral(name: str, *generators: np.ndarray) -> Group:
    """The group that some matrices generate."""
    space = [np.eye(3)]
    known = {_key(space[0])}
    for matrix in space:  # grows while it is walked
        for generator in generators:
            there = _entries_of(generator @ matrix)
            if _key(there) not in known:
                known.add(_key(there))
                space.append(there)
    space.sort(key=lambda m: -round(float(np.linalg.det(m))))  # rotations first, the identity ahead
    position = {_key(matrix): g for g, matrix in enumerate(space)}
    product = np.array([[position[_key(a @ b)] for b in space] for a in space])
    return Group(name, np.stack(space), product, tuple(_described(m) for m in space), None)


def _entries_of(matrix: np.ndarray) -> np.ndarray:
    """The matrix with the very entries that rounding left it near."""
    nearest = _ENTRIES[np.argmin(np.abs(np.abs(matrix)[..., None] - _ENTRIES), axis=-1)]
    return np.copysign(nearest, matrix) + 0.0


def _key(matrix: np.ndarray) -> bytes:
    return np.round(4.0 * matrix).astype(np.int8).tobytes()  # 0, 1, 2, 3 and 4 quarters


def _described(matrix: np.ndarray) -> str:
    """Degrees and axis of a rotation; with an i before it, of one followed by the inversion."""
    through = bool(np.linalg.det(matrix) < 0)
    m = -matrix if through else matrix
    cosine = np.clip(0.5 * (np.trace(m) - 1.0), -1.0, 1.0)
    if cosine > 1.0 - 1e-9:
        return "i" if through else "e"
    axis = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    if cosine < -1.0 + 1e-9:  # a half turn is twice the projection on its axis, less the identity
        columns = m + np.eye(3)
        axis = columns[:, np.argmax(np.abs(columns).max(axis=0))]
        axis = axis * np.sign(axis[np.flatnonzero(np.abs(axis) > 1e-9)[0]])
    axis = np.round(axis / np.abs(axis).max(), 2) + 0.0
    words = ",".join(f"{value:g}" for value in axis)
    return f"{'i' if through else ''}r{np.degrees(np.arccos(cosine)):.0f}({words})"


def so3() -> Group:
    """SO(3) to the extent that I samples it: exact for its 60 rotations, silent between them."""
    return replace(icosahedral(), sample_of="SO3")


def o3() -> Group:
    """O(3) to the extent that I_h samples it: exact for its 120 elements, silent between them."""
    return replace(icosahedral(full=True), sample_of="O3")


def inversion() -> Group:
    """Every point to the opposite one, and the identity."""
    return _polyhedral("inversion", -np.eye(3))


_NAMED = {
    "trivial": trivial,
    "none": trivial,
    "reflection": reflection,
    "D1": reflection,
    "C1": trivial,
    "swap": permutation_pair,
    "inversion": inversion,
    "T": tetrahedral,
    "O": octahedral,
    "Oh": lambda: octahedral(full=True),
    "I": icosahedral,
    "Ih": lambda: icosahedral(full=True),
}
_NUMBERED = {"C": cyclic, "D": dihedral, "SO2_": so2, "O2_": o2}
_WITHIN = ("C2", "C4", "reflection", "D2", "D4", "inversion", "T", "O", "Oh", "I", "Ih")
"""Words for subgroups of the polyhedral groups; turns and mirrors are those of the plane."""


def group(name: str) -> Group:
    """The group a word names: C4, D8, SO2_16, O2_16, reflection, swap, trivial, T, O, Oh, I, Ih.

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
        f"; did you mean {near[0]}?"
        if near
        else "; known: C<n>, D<n>, reflection, swap, trivial, T, O, Oh, I, Ih"
    )
    raise GroupError(f"no group is called {name!r}{hint}")


def _check_turns(n: int) -> None:
    if not 1 <= n <= 360:
        raise GroupError(f"a planar group needs 1 to 360 turns, not {n}")
