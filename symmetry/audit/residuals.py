"""How far maps are from equivariant: the worst element, sample and coordinate of a residual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..declaration import Space, Symmetry


@dataclass(frozen=True)
class Residual:
    """The largest difference between f(gx) and g f(x) that was seen.

    Attributes:
        error: It, relative to 1 + the size of the coordinate; inf where only one is finite.
        coordinate: Name of the coordinate.
        element: Name of the element.
        compared: How many pairs were compared.
    """

    error: float = 0.0
    coordinate: str = ""
    element: str = ""
    compared: int = 0

    def worst(self, other: Residual) -> Residual:
        """The larger one, with the pairs of both."""
        first = self if self.error >= other.error else other
        compared = self.compared + other.compared
        return Residual(first.error, first.coordinate, first.element, compared)


def residual(there: np.ndarray, here: np.ndarray, names: Sequence[str], element: str) -> Residual:
    """Of a map's values at moved inputs, and of its moved values.

    Args:
        there: f(gx). (..., d)
        here: g f(x), or what is subtracted from `there` at last. (..., d)
        names: Of the coordinates, d of them.
        element: Name of g.
    """
    return _residual(there - here, there, here, names, element)


def audited(
    symmetry: Symmetry,
    f: Callable[[np.ndarray, np.ndarray], np.ndarray],
    states: np.ndarray,
    actions: np.ndarray,
    names: Sequence[str],
    space: Space | None = None,
) -> Residual:
    """The residual of a map of states and actions, over all elements.

    Args:
        symmetry: The group and how it acts.
        f: (B, n), (B, m) -> (B, d); its values are of `space`, or invariant (B, d) for None.
        states: (B, n)
        actions: (B, m)
        names: Of the coordinates of its values.
        space: state or action.
    """
    value, found = np.asarray(f(states, actions), float), Residual()
    for g in symmetry.group.elements:
        there = np.asarray(f(*symmetry.act(g, state=states, action=actions)), float)
        with np.errstate(invalid="ignore"):
            here, apart = value, there - value
        if space is not None:
            here = symmetry.act(g, **{space: value})
            apart = symmetry.difference(space, there, here)
        name = symmetry.group.element_names[g]
        found = found.worst(_residual(apart, there, here, names, name))
    return found


def _residual(
    apart: np.ndarray,
    there: np.ndarray,
    here: np.ndarray,
    names: Sequence[str],
    element: str,
) -> Residual:
    rows = [np.reshape(a, (-1, len(names))) for a in (apart, there, here)]
    with np.errstate(invalid="ignore"):
        off = np.abs(rows[0]) / (1.0 + np.abs(rows[2]))
    neither = ~np.isfinite(rows[1]) & ~np.isfinite(rows[2])
    off = np.where(neither, 0.0, np.where(np.isfinite(off), off, np.inf))
    most = off.max(axis=0)
    worst = int(np.argmax(most))
    return Residual(float(most[worst]), names[worst], element, len(off))
