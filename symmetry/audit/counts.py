"""Degrees and floor of any resample of the samples, from sums over the episodes they are of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

REPLICATES = 400
"""Of the bootstrap."""
LEVEL = 95.0
"""Of the intervals, %."""
WEAK = 0.5
"""Below this power intervals of correct and incorrect hold all that would have looked the same."""
UNSEEN = 0.05
"""As many pairs may be wrong unnoticed, were the power one: the tolerance is a 95th percentile."""
FEW = 10
"""With fewer episodes means are not trusted: a resample of so few is too much like another."""
HALF = 0.5
"""The share of wrong pairs that means have to notice."""
ONE_SIDED = 1.645
"""Of a test at 5 %, in standard errors."""
_GRID = 2.0**32
"""Degrees are whole multiples of its inverse: their sums are exact."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Shares:
    """Degrees that sum to 1.

    Attributes:
        correct: Share of pairs (x, g) at which the map is equivariant.
        incorrect: At which it is not.
        extrinsic: At which there is nothing to be wrong about.
    """

    correct: float
    incorrect: float
    extrinsic: float


class Counts:
    """Pairs by owner (an episode, or a sample), from which any resample's degrees are told.

    Pair by pair, or by means. By means the share of wrong pairs is how much more the moved values
    are off than the unmoved ones, over how much more exchanged ones are: with w of the pairs wrong,
    that is to say their values without any relation to what they should be, it is w. So pairs that
    tell nothing one by one, because the map is told badly everywhere, do so together.

    Args:
        owner: Of each sample. (S,)
        supported: Which pairs have samples near. (order, S)
        wrong: Which of them differ. (order, S)
        floor: Terms of the floor. (S,)
        excess: Squared error of the moved values, less what chance makes. (order, S)
        exchanged: How much more the squared error would be with another sample's value. (S,)
    """

    def __init__(
        self,
        owner: np.ndarray,
        supported: np.ndarray,
        wrong: np.ndarray,
        floor: np.ndarray,
        excess: np.ndarray,
        exchanged: np.ndarray,
    ) -> None:
        names, at = np.unique(owner, return_inverse=True)
        self.owners, self._order = len(names), len(supported)
        seen = supported.astype(float)
        rows = [np.ones((1, len(at))), floor[None], exchanged[None]]
        rows += [seen, wrong.astype(float), seen * excess, excess[:1]]
        self._tables = np.zeros((self.owners, sum(len(r) for r in rows)))
        np.add.at(self._tables, at, np.concatenate(rows).T)

    def once(self) -> np.ndarray:
        """The weights of the samples as they are. (1, owners)"""
        return np.ones((1, self.owners))

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Weights of resamples. (REPLICATES, owners)"""
        share = np.full(self.owners, 1.0 / self.owners)
        return rng.multinomial(self.owners, share, REPLICATES).astype(float)

    def told(
        self, weights: np.ndarray, by_means: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Degrees by element and over them, and the floor.

        Args:
            weights: How often each owner counts. (B, owners)
            by_means: Rather than pair by pair.

        Returns:
            (B, order, 3), (B, 3), (B,)
        """
        n, floor, supported, wrong = self._sums(weights)
        off = 1.0 - supported / n
        bad = wrong / np.maximum(supported, 1.0)
        # The identity is correct everywhere; whatever it shows is the estimator's own.
        extrinsic = np.clip((off - off[:, :1]) / np.maximum(1.0 - off[:, :1], 1e-12), 0.0, 1.0)
        over_all = np.zeros(len(weights))
        incorrect = np.clip((bad - bad[:, :1]) / np.maximum(1.0 - bad[:, :1], 1e-12), 0.0, 1.0)
        if by_means:
            incorrect, over_all = map(
                _kept_within, self.departed(self.once()), self.departed(weights)
            )
        incorrect = incorrect * (1.0 - extrinsic)
        each = np.stack([1.0 - extrinsic - incorrect, incorrect, extrinsic], axis=2)
        total = each[:, 1:].mean(axis=1) if self._order > 1 else each[:, 0]
        if by_means:  # not the mean of what was kept above 0, which chance alone makes more than 0
            total[:, 1] = over_all * (1.0 - total[:, 2])
            total[:, 0] = 1.0 - total[:, 1] - total[:, 2]
        return each, total, np.maximum((floor / n)[:, 0], 0.0)

    def departed(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The share of wrong pairs by means, as it comes out: of each element, and over them.

        Args:
            weights: How often each owner counts. (B, owners)

        Returns:
            (B, order), (B,)
        """
        sums, order = weights @ self._tables, self._order
        n, supported = sums[:, :1], sums[:, 3 : 3 + order]
        excess, own = sums[:, 3 + 2 * order : 3 + 3 * order], sums[:, -1:]
        more = sums[:, 2:3] / n
        scale = np.where(np.abs(more) > 1e-12, more, 1e-12)
        each = (excess / np.maximum(supported, 1.0) - own / n) / scale
        others = slice(1, None) if order > 1 else slice(None)
        weight = supported[:, others]
        whole = (each[:, others] * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1.0)
        return each, whole

    def power_of_means(self, drawn: np.ndarray) -> float:
        """The chance that a map that is wrong in half of the pairs would be noticed by means.

        Args:
            drawn: Weights of resamples. (B, owners)
        """
        skill = np.percentile(drawn @ self._tables[:, 2], 2.5)
        if self.owners < FEW or self._order < 2 or not skill > 0.0:
            return 0.0  # few, or neighbours tell no more of a value than any sample does
        low, high = np.percentile(self.departed(drawn)[1], [2.5, 97.5])
        error = max(float(high - low) / (2.0 * 1.96), 1e-9)
        return 0.5 * (1.0 + math.erf((HALF / error - ONE_SIDED) / math.sqrt(2.0)))

    def _sums(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        sums, order = weights @ self._tables, self._order
        return sums[:, :1], sums[:, 1:2], sums[:, 3 : 3 + order], sums[:, 3 + order : 3 + 2 * order]


def _kept_within(value: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Resamples of shares that come out below 0 by chance; that chance is no smaller for it."""
    return np.clip(np.clip(value, 0.0, 1.0) + drawn - value, 0.0, 1.0)


def shares_of(row: np.ndarray) -> Shares:
    """Degrees as whole multiples of 2^-32. (3,)"""
    incorrect, extrinsic = (np.round(row[1:] * _GRID) / _GRID).tolist()
    return Shares(1.0 - (incorrect + extrinsic), incorrect, extrinsic)


def intervals_of(row: np.ndarray, drawn: np.ndarray, power: float) -> dict[str, Interval]:
    """Of degrees (3,), from those of resamples (B, 3)."""
    names = ("correct", "incorrect", "extrinsic")
    found = {name: around(row[k], drawn[:, k]) for k, name in enumerate(names)}
    if power < WEAK:  # of wrong pairs only so many show
        low, high = found["incorrect"]
        most = min((high + UNSEEN) / max(power, 1e-9), 1.0 - float(row[2]))
        found["incorrect"] = (low, max(high, most))
        found["correct"] = (
            min(found["correct"][0], 1.0 - float(row[2]) - most),
            found["correct"][1],
        )
    return found


def around(value: float, drawn: np.ndarray) -> Interval:
    """The interval of a value, from resamples (B,)."""
    low, high = np.percentile(drawn, [50.0 - LEVEL / 2, 50.0 + LEVEL / 2])
    return float(min(low, value)), float(max(high, value))
