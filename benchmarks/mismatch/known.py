"""`Known`: data, how a group is supposed to act on them, and how far that is true.

The words are those of Wang et al., "A General Theory of Correct, Incorrect, and Extrinsic
Equivariance" (NeurIPS 2023): of a point x and an element g the pair is *extrinsic* where gx never
occurs, *correct* where the answer at gx is the answer at x, moved, and otherwise *incorrect*. The
degrees are shares of pairs of a point drawn from the data and an element drawn from all but the
identity, which is correct always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from covary.symmetry.group import Group


class Degrees(NamedTuple):
    """Shares of pairs (x, g), g not the identity; they add up to 1."""

    correct: float
    incorrect: float
    extrinsic: float


@dataclass(frozen=True)
class Known:
    """A data set and the truth about the symmetry that is proposed for it.

    Where several points of an orbit occur, they are equally likely: so it is in all families here.
    """

    name: str
    """Family and settings."""
    group: Group
    """What is proposed."""
    x: np.ndarray
    """Inputs. (N, n)"""
    y: np.ndarray
    """Labels (N,), whole numbers from 0; or what is to be regressed (N, m)."""
    move: Callable[[int, np.ndarray], np.ndarray]
    """Where an element sends inputs. (N, n) -> (N, n)"""
    answer: Callable[[int, np.ndarray], np.ndarray]
    """Where it sends labels or values; whoever leaves them in place returns them."""
    degrees: Degrees | None = None
    """In closed form; None: not known so."""
    floor: float | None = None
    """Least error (share of wrong labels, mean squared error summed over outputs) of any network
    that is equivariant, in closed form; None: not known so."""
    occurs: Callable[[np.ndarray], np.ndarray] | None = None
    """Whether inputs can occur. (N, n) -> (N,) bool"""
    truth: Callable[[np.ndarray], np.ndarray] | None = None
    """The answer at inputs that can occur, without noise."""
    units: tuple[tuple[int, ...], ...] = ()
    """Columns of `x` that share a unit; those in none have one each."""
    value_units: tuple[tuple[int, ...], ...] = ()
    """The same of `y`."""
    episode: np.ndarray | None = None
    """The demonstration that each row is of; None: rows are drawn one by one. (N,)"""

    @property
    def labels(self) -> bool:
        """Whether it is a classification."""
        return self.y.ndim == 1

    def agree(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether answers are the same, values up to rounding. (N,) bool"""
        return a == b if self.labels else np.abs(a - b).max(axis=-1) < 1e-9


def unmoved(g: int, y: np.ndarray) -> np.ndarray:
    """The action on answers of an invariant function."""
    return y


def enumerated(data: Known) -> Degrees:
    """The degrees, by going through the orbits of all points.

    Raises:
        ValueError: The data do not say what can occur, and what is true there.
    """
    if data.occurs is None or data.truth is None:
        raise ValueError(f"{data.name}: nothing says what can occur")
    counts, here = np.zeros(3), data.truth(data.x)
    for g in data.group.elements[1:]:
        there = data.move(g, data.x)
        occurs = data.occurs(there)
        same = np.zeros(len(there), bool)
        same[occurs] = data.agree(data.truth(there[occurs]), data.answer(g, here)[occurs])
        counts += same.sum(), (occurs & ~same).sum(), (~occurs).sum()
    return Degrees(*(counts / counts.sum()))


def enumerated_floor(data: Known) -> float:
    """The least error of an equivariant function on these orbits, by going through them.

    Of labels the orbit's majority is the best answer, of values the mean of what is moved back
    (for orthogonal actions; the bounds of invariant classification, invariant and equivariant
    regression of the paper in the module's docstring). Points are taken to have no stabiliser.

    Raises:
        ValueError: The data do not say what can occur, and what is true there.
    """
    if data.occurs is None or data.truth is None:
        raise ValueError(f"{data.name}: nothing says what can occur")
    back, present = [], []
    for g in data.group.elements:
        there = data.move(g, data.x)
        present.append(data.occurs(there))
        value = data.truth(there)
        back.append(data.answer(int(data.group.inverse[g]), value))
    values, weights = np.stack(back), np.stack(present).astype(float)
    weights /= weights.sum(0)
    if data.labels:
        shares = [(weights * (values == label)).sum(0) for label in np.unique(values)]
        return float(1.0 - np.max(shares, axis=0).mean())
    mean = (weights[..., None] * values).sum(0)
    return float((weights * np.square(values - mean).sum(-1)).sum(0).mean())
