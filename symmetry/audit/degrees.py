"""Degrees of correct, incorrect and extrinsic equivariance of a map that samples show.

A pair (x, g) is *extrinsic* where no sample lies near gx, *correct* where the samples there say
g f(x), and *incorrect* where they say something else (Wang et al., "A General Theory of Correct,
Incorrect, and Extrinsic Equivariance", 2023). Whether one lies near is told by distance, and
whether two values differ by a tolerance; both are what the identity itself shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .claim import AuditError, Claim
from .neighbours import (
    LEAST_SAMPLES,
    Neighbours,
    checked_episodes,
    checked_rows,
    spread,
)
from .votes import LabelValues, VectorValues

PERCENTILE = 95.0
"""Of the identity's distances and residuals."""
NEAR = 1.5
"""A moved point is supported within so many of that percentile of nearest distances."""
TOLERANCE = 1.2
"""Two values differ beyond so many of that percentile of residuals."""
WEAK = 0.5
"""Below this power intervals of correct and incorrect hold all that would have looked the same."""
REPLICATES = 400
"""Of the bootstrap."""
LEVEL = 95.0
"""Of the intervals, %."""
WORST = 12
"""Frames that are named."""
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


@dataclass(frozen=True)
class Element:
    """Of one element.

    Attributes:
        name: Of the element.
        shares: Over the samples.
        intervals: Of each share.
    """

    name: str
    shares: Shares
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Frame:
    """A sample at which the claim is wrong.

    Attributes:
        index: Its row.
        element: Under which.
        excess: Its residual in tolerances; above 1.
    """

    index: int
    element: str
    excess: float


@dataclass(frozen=True)
class Degrees:
    """What an audit of a map found, over all elements but the identity.

    Attributes:
        shares: Degrees, the mean over elements.
        intervals: 95 % intervals of each, over episodes (over samples where there are none).
        elements: Element by element, the identity left out.
        coordinates: Share of supported pairs at which each coordinate of y is off by itself. (d,)
        steps: correct, incorrect, extrinsic by the position within the episode; NaN where no
            sample was looked at. (T, 3); without episodes (0, 3)
        worst: Frames, the worst first.
        bound: Least error of any map that keeps to the claim: mean squared error in the units of y,
            or error rate for a label (`floors.py`).
        bound_interval: Of it.
        reach: Distance within which a point is supported, in units of the data's spread.
        tolerance: Residual that counts as none, in units of the spread of y; of a label the share
            of neighbours that must say otherwise.
        power: Share of samples that would be told wrong with another sample's y (another label);
            an audit with little power says `correct` of anything.
        samples: How many points were looked at.
        episodes: Of how many episodes; 0: none were told.
    """

    shares: Shares
    intervals: dict[str, Interval]
    elements: tuple[Element, ...]
    coordinates: np.ndarray
    steps: np.ndarray
    worst: tuple[Frame, ...]
    bound: float
    bound_interval: Interval
    reach: float
    tolerance: float
    power: float
    samples: int
    episodes: int

    @property
    def correct(self) -> float:
        """Degree of correct equivariance."""
        return self.shares.correct

    @property
    def incorrect(self) -> float:
        """Degree of incorrect equivariance."""
        return self.shares.incorrect

    @property
    def extrinsic(self) -> float:
        """Degree of extrinsic equivariance."""
        return self.shares.extrinsic


def degrees(
    x: np.ndarray,
    y: np.ndarray,
    claim: Claim,
    episode: np.ndarray | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> Degrees:
    """How correct, incorrect and extrinsic it is that a map goes with a claim.

    Args:
        x: (N, n)
        y: (N, d), or labels (N,)
        claim: What is proposed (`claim_of` a declared symmetry).
        episode: Which episode a row is of, any words or numbers; the rows of one are in the order
            of time. None: all rows are independent. (N,)
        samples: At most so many points are moved; all are there to be found near.
        seed: Of their choice and of the bootstrap.

    Raises:
        AuditError: Too few samples or episodes, rows that are not finite, nothing that varies, or
            arrays that do not fit the claim.
    """
    x = checked_rows("state", x)
    count = len(x)
    if count < LEAST_SAMPLES:
        raise AuditError(f"{count} samples are too few: an audit needs {LEAST_SAMPLES}")
    if claim.width and x.shape[1] != claim.width:
        raise AuditError(
            f"state: {x.shape[1]} coordinates; the parts that the group acts on have {claim.width}"
        )
    kind = LabelValues if claim.label else VectorValues
    values = kind(y, claim, count)
    episode = checked_episodes(episode, count)
    rng = np.random.default_rng(seed)
    chosen = np.arange(count)
    if count > samples:
        chosen = np.sort(rng.choice(count, samples, replace=False))
    points = _embedded(claim, x)
    if (points.max(axis=0) == points.min(axis=0)).all():
        raise AuditError("state: constant: all rows are the same")
    unit = spread(points, claim.units)
    near = Neighbours(points / unit, episode, chosen)

    away = np.empty((claim.order, len(chosen)))
    for g in range(claim.order):
        moved = _moved(claim, g, x, chosen)
        away[g], found = near.near(_embedded(claim, moved) / unit)
        values.seen(g, found, chosen)
    reach = NEAR * float(np.percentile(away[0], PERCENTILE)) + 1e-9
    supported = away <= reach
    values.calibrate(PERCENTILE, TOLERANCE)
    wrong = supported & (values.residual > values.tolerance)

    owner = np.arange(len(chosen)) if episode is None else episode[chosen]
    counted = _Counts(owner, supported, wrong, values.floor_terms(supported))
    draws = rng.multinomial(
        counted.owners, np.full(counted.owners, 1.0 / counted.owners), REPLICATES
    )
    each, total, bound = counted.told(np.ones((1, counted.owners)))
    each_drawn, total_drawn, bound_drawn = counted.told(draws)
    power = values.power(rng)
    elements = tuple(
        Element(name, _shares(each[0, g]), _intervals(each[0, g], each_drawn[:, g], power))
        for g, name in enumerate(claim.names)
        if g
    )
    return Degrees(
        shares=_shares(total[0]),
        intervals=_intervals(total[0], total_drawn, power),
        elements=elements,
        coordinates=values.coordinates(supported),
        steps=_steps(episode, chosen, supported, wrong),
        worst=_worst(claim, chosen, wrong, values),
        bound=float(bound[0]),
        bound_interval=_around(bound[0], bound_drawn),
        reach=reach,
        tolerance=float(values.tolerance),
        power=power,
        samples=len(chosen),
        episodes=0 if episode is None else int(episode.max()) + 1,
    )


def _embedded(claim: Claim, x: np.ndarray) -> np.ndarray:
    return x if claim.embed is None else checked_rows("embedded state", claim.embed(x), len(x))


def _moved(claim: Claim, g: int, x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    moved = np.asarray(claim.move(g, x[chosen]), float)
    if moved.shape != (len(chosen), x.shape[1]):
        raise AuditError(f"{claim.names[g]} makes {moved.shape} of {(len(chosen), x.shape[1])}")
    if not np.isfinite(moved).all():
        raise AuditError(f"{claim.names[g]} moves samples to what is not finite")
    if g == 0 and np.abs(moved - x[chosen]).max() > 1e-6 * (1.0 + np.abs(x).max()):
        raise AuditError(f"the first element, {claim.names[0]}, must be the identity")
    return moved


class _Counts:
    """Pairs by owner (an episode, or a sample), from which any resample's degrees are told."""

    def __init__(
        self, owner: np.ndarray, supported: np.ndarray, wrong: np.ndarray, floor: np.ndarray
    ) -> None:
        names, at = np.unique(owner, return_inverse=True)
        self.owners, order = len(names), len(supported)

        def summed(rows: np.ndarray) -> np.ndarray:  # (order, S) -> (owners, order)
            out = np.zeros((self.owners, len(rows)))
            np.add.at(out, at, rows.T)
            return out

        self._tables = np.concatenate(
            [
                summed(np.ones((1, len(at)))),
                summed(floor[None]),
                summed(supported.astype(float)),
                summed(wrong.astype(float)),
            ],
            axis=1,
        )
        self._order = order

    def told(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Degrees by element and over them, and the floor.

        Args:
            weights: How often each owner counts. (B, owners)

        Returns:
            (B, order, 3), (B, 3), (B,)
        """
        sums = weights @ self._tables
        n, floor = sums[:, :1], sums[:, 1:2]
        supported = sums[:, 2 : 2 + self._order]
        wrong = sums[:, 2 + self._order :]
        off = 1.0 - supported / n
        bad = wrong / np.maximum(supported, 1.0)
        # The identity is correct everywhere; whatever it shows is the estimator's own.
        extrinsic = np.clip((off - off[:, :1]) / np.maximum(1.0 - off[:, :1], 1e-12), 0.0, 1.0)
        incorrect = np.clip((bad - bad[:, :1]) / np.maximum(1.0 - bad[:, :1], 1e-12), 0.0, 1.0)
        incorrect = incorrect * (1.0 - extrinsic)
        each = np.stack([1.0 - extrinsic - incorrect, incorrect, extrinsic], axis=2)
        total = each[:, 1:].mean(axis=1) if self._order > 1 else each[:, 0]
        return each, total, np.maximum((floor / n)[:, 0], 0.0)


def _shares(row: np.ndarray) -> Shares:
    incorrect, extrinsic = (np.round(row[1:] * _GRID) / _GRID).tolist()
    return Shares(1.0 - (incorrect + extrinsic), incorrect, extrinsic)


def _intervals(row: np.ndarray, drawn: np.ndarray, power: float) -> dict[str, Interval]:
    names = ("correct", "incorrect", "extrinsic")
    found = {name: _around(row[k], drawn[:, k]) for k, name in enumerate(names)}
    if power < WEAK:  # of wrong pairs only so many show
        low, high = found["incorrect"]
        most = min((high + 1.0 - PERCENTILE / 100.0) / max(power, 1e-9), 1.0 - float(row[2]))
        found["incorrect"] = (low, max(high, most))
        found["correct"] = (
            min(found["correct"][0], 1.0 - float(row[2]) - most),
            found["correct"][1],
        )
    return found


def _around(value: float, drawn: np.ndarray) -> Interval:
    low, high = np.percentile(drawn, [50.0 - LEVEL / 2, 50.0 + LEVEL / 2])
    return float(min(low, value)), float(max(high, value))


def _steps(
    episode: np.ndarray | None, chosen: np.ndarray, supported: np.ndarray, wrong: np.ndarray
) -> np.ndarray:
    """(T, 3), the identity left out and no floor subtracted."""
    if episode is None:
        return np.zeros((0, 3))
    position = np.zeros(len(episode), int)
    order = np.argsort(episode, kind="stable")
    starts = np.flatnonzero(np.diff(episode[order], prepend=-1))
    lengths = np.diff(np.append(starts, len(order)))
    position[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    at, others = position[chosen], slice(1, None) if len(supported) > 1 else slice(None)
    count = np.bincount(at, minlength=int(position.max()) + 1).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        incorrect = np.bincount(at, wrong[others].mean(axis=0), len(count)) / count
        extrinsic = 1.0 - np.bincount(at, supported[others].mean(axis=0), len(count)) / count
    return np.stack([1.0 - incorrect - extrinsic, incorrect, extrinsic], axis=1)


def _worst(
    claim: Claim, chosen: np.ndarray, wrong: np.ndarray, values: VectorValues | LabelValues
) -> tuple[Frame, ...]:
    excess = np.where(wrong, values.residual / values.tolerance, 0.0)
    excess[0] = 0.0
    element = excess.argmax(axis=0)
    most = excess.max(axis=0)
    rows: Sequence[int] = np.argsort(-most, kind="stable")[:WORST].tolist()
    return tuple(
        Frame(int(chosen[i]), claim.names[int(element[i])], float(most[i]))
        for i in rows
        if most[i] > 0.0
    )
