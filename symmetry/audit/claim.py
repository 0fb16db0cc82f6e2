"""`Claim`: a proposed symmetry of a map x -> y, as what each element does to x and to y."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..declaration import Symmetry

Values = Literal["action", "difference", "invariant", "label"]
"""What y is: an action; a state's change; numbers or a label that no element changes."""

NEAR = 1.5
"""A moved point is supported within so many of the 95th percentile of nearest distances."""


class AuditError(ValueError):
    """Data that say nothing about a claim, or that do not fit it."""


@dataclass(frozen=True, eq=False)
class Claim:
    """That f(gx) = g f(x) for some elements g.

    Attributes:
        names: Of the elements; element 0 is the identity.
        move: (g, x) -> gx on rows. (N, n) -> (N, n)
        carry: (g, y) -> gy on rows, linear in y. (N, d) -> (N, d), or labels (N,) -> (N,)
        embed: x as points between which distances mean something (angles as unit vectors); None:
            x itself. (N, n) -> (N, m)
        units: Columns of embedded x that share one unit; those in none have one each.
        value_units: The same of y.
        label: Whether y is a label, which is equal or not and never near.
        width: Coordinates of x; 0: any.
        value_width: Coordinates of y; 0: any.
        near: A moved point is supported within so many of the 95th percentile of distances to the
            nearest other sample.
    """

    names: tuple[str, ...]
    move: Callable[[int, np.ndarray], np.ndarray]
    carry: Callable[[int, np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray] | None = None
    units: tuple[tuple[int, ...], ...] = ()
    value_units: tuple[tuple[int, ...], ...] = ()
    label: bool = False
    width: int = 0
    value_width: int = 0
    near: float = NEAR

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.names)


def claim_of(symmetry: Symmetry, values: Values = "action", with_action: bool = False) -> Claim:
    """The claim that a map of states goes with a declared symmetry.

    Args:
        symmetry: Its `state` acts on x.
        values: How it acts on y: as on an action; as on the difference of two states (no shift
            moves it); not at all, on numbers or on a label.
        with_action: Whether x is a state followed by an action, as for dynamics and rewards.
    """
    matrices, _, angles = symmetry.affine("state")
    n = len(angles)
    units = list(mixed(matrices))
    if with_action:
        angles = np.concatenate([angles, np.zeros(symmetry.width("action"), bool)])
        units += [tuple(n + j for j in block) for block in mixed(symmetry.orbit("action"))]
    plain, turned = np.flatnonzero(~angles), np.flatnonzero(angles)
    column = {int(k): j for j, k in enumerate(plain)}  # of what `embed` gives
    blocks = [tuple(column[k] for k in block if k in column) for block in units]
    blocks += [(len(plain) + j, len(angles) + j) for j in range(len(turned))]

    def move(g: int, x: np.ndarray) -> np.ndarray:
        if not with_action:
            return symmetry.act(g, state=x)
        return np.concatenate(symmetry.act(g, state=x[:, :n], action=x[:, n:]), axis=1)

    def embed(x: np.ndarray) -> np.ndarray:
        return np.concatenate([x[:, plain], np.cos(x[:, turned]), np.sin(x[:, turned])], axis=1)

    acting = None
    if values in ("action", "difference"):
        acting = symmetry.orbit("action") if values == "action" else matrices

    def carry(g: int, y: np.ndarray) -> np.ndarray:
        return y if acting is None else y @ acting[g].T

    return Claim(
        names=symmetry.group.element_names,
        move=move,
        carry=carry,
        embed=embed,
        units=tuple(block for block in blocks if block),
        value_units=() if acting is None else mixed(acting),
        label=values == "label",
        width=len(angles),
        value_width=0 if acting is None else acting.shape[-1],
    )


def mixed(matrices: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """The coordinates in the finest blocks that no matrix mixes. (order, d, d)"""
    linked: np.ndarray = np.asarray((np.abs(matrices) > 1e-12).any(axis=0))
    linked = linked | linked.T | np.eye(len(linked), dtype=bool)
    for _ in range(len(linked)):
        grown = (linked.astype(int) @ linked.astype(int)) > 0
        if (grown == linked).all():
            break
        linked = grown
    return tuple(sorted({tuple(int(j) for j in np.flatnonzero(row)) for row in linked}))
