"""`Symmetry`: one frozen declaration of how a group acts on state, action and observation."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np

from .group import Group, GroupError
from .part import Part

Space = Literal["state", "action", "observation"]


class SymmetryError(ValueError):
    """A declaration that cannot be, or arrays that do not fit it."""


def wrap(angle: np.ndarray) -> np.ndarray:
    """Angles (rad) brought to [-pi, pi)."""
    turned = (angle + np.pi) % (2.0 * np.pi) - np.pi
    return np.where(turned >= np.pi, -np.pi, turned)  # just below -pi rounding gives pi itself


@dataclass(frozen=True)
class _Action:
    """A(g), b(g) and the angle mask of one whole vector."""

    matrices: np.ndarray  # (order, d, d)
    offsets: np.ndarray  # (order, d)
    angles: np.ndarray  # (d,) bool
    linear: bool
    slices: dict[str, slice]

    def apply(self, g: int, x: np.ndarray) -> np.ndarray:
        moved = x @ self.matrices[g].T + self.offsets[g]
        if self.angles.any():
            moved[..., self.angles] = wrap(moved[..., self.angles])
        return moved


@dataclass(frozen=True, eq=False)
class Symmetry:
    """How a group acts on state, action and observation, each a sum of named parts.

    The declaration is made once, on the task. ``observation=None`` means that the action on what
    is observed is not known in closed form.

    Attributes:
        group: The group that acts.
        state: Part by part, in the order of the state vector.
        action: Part by part, in the order of the action vector; only linear parts.
        observation: Part by part, or None.

    Raises:
        SymmetryError: An action part is not linear, or a space has no part.
    """

    group: Group
    state: Mapping[str, Part]
    action: Mapping[str, Part]
    observation: Mapping[str, Part] | None = None
    _parent: Group | None = field(default=None, repr=False)
    _elements: tuple[int, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for space in ("state", "action"):
            if not getattr(self, space):
                raise SymmetryError(f"a symmetry needs at least one {space} part")
        for name, part in self.action.items():
            if not part.linear:
                raise SymmetryError(
                    f"action part {name!r} is a {type(part).__name__}, "
                    "which does not act by a matrix; use Scalar, Pseudoscalar, Vector, Vector3, "
                    "Pseudovector or Regular"
                )

    # What a space is made of.

    def _parts(self, space: Space) -> Mapping[str, Part]:
        parts = getattr(self, space)
        if parts is None:
            raise SymmetryError("the action on the observation is not declared")
        return parts

    @cached_property
    def _actions(self) -> dict[str, _Action]:
        """Of the spaces that were asked for."""
        return {}

    def _assemble(self, parts: Mapping[str, Part]) -> _Action:
        parent = self._parent or self.group
        rows = list(self._elements if self._elements is not None else parent.elements)
        widths = [part.width(parent) for part in parts.values()]
        total = sum(widths)
        matrices = np.zeros((len(rows), total, total))
        offsets = np.zeros((len(rows), total))
        angles = np.zeros(total, bool)
        slices = {}
        start = 0
        for (name, part), width in zip(parts.items(), widths, strict=True):
            here = slice(start, start + width)
            matrices[:, here, here] = part.matrices(parent)[rows]
            offsets[:, here] = part.offsets(parent)[rows]
            angles[here] = part.angles(parent)
            slices[name] = here
            start += width
        for array in (matrices, offsets, angles):
            array.setflags(write=False)
        return _Action(matrices, offsets, angles, all(p.linear for p in parts.values()), slices)

    def _action_on(self, space: Space) -> _Action:
        if space not in self._actions:
            self._actions[space] = self._assemble(self._parts(space))
        return self._actions[space]

    def width(self, space: Space) -> int:
        """Number of coordinates of a space."""
        return len(self._action_on(space).angles)

    def slices(self, space: Space) -> dict[str, slice]:
        """Where each part stands in the vector of a space."""
        return dict(self._action_on(space).slices)

    # How the group acts.

    @overload
    def act(self, g: int, *, state: Any) -> np.ndarray: ...
    @overload
    def act(self, g: int, *, action: Any) -> np.ndarray: ...
    @overload
    def act(self, g: int, *, observation: Any) -> np.ndarray: ...
    @overload
    def act(self, g: int, *, state: Any, action: Any) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def act(self, g: int, *, state: Any, observation: Any) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def act(self, g: int, *, action: Any, observation: Any) -> tuple[np.ndarray, np.ndarray]: ...

    def act(self, g: int, **arrays: Any) -> Any:
        """Where element g sends a state, an action, an observation, or several of them.

        Args:
            g: The element, 0 .. order-1.
            **arrays: ``state``, ``action`` and ``observation``, each (..., width), batched over
                leading axes.

        Returns:
            One new array, or a tuple of them in the order of the keywords.

        Raises:
            SymmetryError: No such element or keyword, or an array of another width.
        """
        if not 0 <= g < self.group.order:
            raise SymmetryError(
                f"{self.group.name} has no element {g}; its order is {self.group.order}"
            )
        moved = []
        for space, array in arrays.items():
            if space not in ("state", "action", "observation"):
                raise SymmetryError(
                    f"a symmetry acts on state, action and observation, not {space!r}"
                )
            acting = self._action_on(space)  # type: ignore[arg-type]
            x = np.asarray(array, float)
            if x.shape[-1:] != acting.angles.shape:
                raise SymmetryError(
                    f"{space} has {len(acting.angles)} coordinates; got an array of shape {x.shape}"
                )
            moved.append(acting.apply(g, x))
        if not moved:
            raise SymmetryError("act needs a state, an action or an observation")
        return moved[0] if len(moved) == 1 else tuple(moved)

    def orbit(self, space: Space) -> np.ndarray:
        """The matrices A(g) of a space of linear parts, element by element. (order, d, d)

        Raises:
            SymmetryError: Some part of the space does not act by a matrix alone.
        """
        acting = self._action_on(space)
        if not acting.linear:
            raise SymmetryError(
                f"the {space} holds angles or poses, which no matrix moves; use act()"
            )
        return acting.matrices

    def affine(self, space: Space) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A(g), b(g) and which coordinates are angles. (order, d, d), (order, d), (d,) bool"""
        acting = self._action_on(space)
        return acting.matrices, acting.offsets, acting.angles

    def difference(self, space: Space, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """A - b, with angles subtracted the short way round. (..., d)"""
        acting = self._action_on(space)
        out = np.asarray(a, float) - np.asarray(b, float)
        if acting.angles.any():
            out[..., acting.angles] = wrap(out[..., acting.angles])
        return out

    def stabiliser(self, tolerance: float = 1e-9, **arrays: Any) -> tuple[int, ...]:
        """The elements that leave all the given arrays where they are.

        Args:
            tolerance: Largest change, relative to 1 + the largest entry, that counts as none.
            **arrays: As in `act`; an array with leading axes is fixed if all its rows are.
        """
        fixed = np.ones(self.group.order, bool)
        for space, array in arrays.items():
            acting = self._action_on(space)  # type: ignore[arg-type]
            x = np.asarray(array, float).reshape(-1, len(acting.angles))
            moved = np.einsum("gij,kj->gki", acting.matrices, x) + acting.offsets[:, None] - x
            if acting.angles.any():
                moved[..., acting.angles] = wrap(moved[..., acting.angles])
            fixed &= np.abs(moved).max(axis=(1, 2)) <= tolerance * (1.0 + np.abs(x).max())
        return tuple(int(g) for g in np.flatnonzero(fixed))

    def distinct_actions(self) -> tuple[int, ...]:
        """One element for each distinct action matrix: the orbit without its repetitions.

        Rotations do nothing to joint torques, so the orbit of a torque has one or two points
        however large the group is.
        """
        kept: list[int] = []
        matrices = self.orbit("action")
        for g in self.group.elements:
            if all(np.abs(matrices[g] - matrices[k]).max() > 1e-9 for k in kept):
                kept.append(g)
        return tuple(kept)

    def blocks(self, space: Space) -> tuple[tuple[int, ...], ...]:
        """The finest split of the coordinates on which one spread a block is equivariant.

        A diagonal matrix commutes with every A(g) if and only if it is constant on these blocks.
        """
        linked = np.asarray((np.abs(self.orbit(space)) > 1e-12).any(axis=0))
        linked |= linked.T
        left = set(range(len(linked)))
        blocks = []
        while left:
            block = {min(left)}
            while True:
                grown = {int(j) for i in block for j in np.flatnonzero(linked[i])}
                if grown <= block:
                    break
                block |= grown
            blocks.append(tuple(sorted(block)))
            left -= block
        return tuple(blocks)

    # Smaller symmetries.

    def restrict(self, subgroup: str) -> Symmetry:
        """The same parts under a subgroup.

        Args:
            subgroup: ``full``, ``none``, or a name such as ``C4`` or ``reflection``.

        Raises:
            GroupError: No such subgroup here.
        """
        word = {"full": self.group.name, "none": "trivial"}.get(subgroup, subgroup)
        try:
            chosen = self.group.subgroup(word)
        except GroupError as error:
            names = ("full", "none", *self.group.subgroup_names())
            words = {name.lower(): name for name in names}
            near = difflib.get_close_matches(subgroup.lower(), words, n=1)
            if near and "did you mean" not in str(error):
                raise GroupError(f"{error}; did you mean {words[near[0]]}?") from None
            raise
        name = word if len(chosen) < self.group.order else self.group.name
        inside = self._elements if self._elements is not None else tuple(self.group.elements)
        return replace(
            self,
            group=self.group.restricted(chosen, name),
            _parent=self._parent or self.group,
            _elements=tuple(inside[g] for g in chosen),
        )

    def trivial(self) -> Symmetry:
        """The same parts under the group of one element."""
        return self.restrict("trivial")
