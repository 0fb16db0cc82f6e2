"""Degrees of correct, incorrect and extrinsic equivariance of a map that samples show.

A pair (x, g) is *extrinsic* where no sample lies near gx, *correct* where the samples there say
g f(x), and *incorrect* where they say something else (Wang et al., "A General Theory of Correct,
Incorrect, and Extrinsic Equivariance", 2023). Whether one lies near is told by distance, and
whether two values differ by a tolerance; both are what the identity itself shows. Where that
tolerance is so wide that hardly a pair could be told wrong, pairs are told by means (`counts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .claim import AuditError, Claim
from .counts import WEAK, Counts, Interval, Shares, around, intervals_of, shares_of
from .local import best_way
from .neighbours import LEAST_SAMPLES, Neighbours, checked_episodes, checked_rows, spread
from .votes import LabelValues, VectorValues

PERCENTILE = 95.0
"""Of the identity's distances and residuals."""
TOLERANCE = 1.2
"""Two values differ beyond so many of that percentile of residuals."""
LEAST_DIFFERENT = 10
"""Fewer places have no neighbourhoods."""
WORST = 12
"""Frames that are named."""


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
        tolerance: Residual that counts as none, in units of the spread of y, at the sample in the
            middle: more where neighbours agree less. Of a label the share of neighbours that must
            say otherwise.
        by: Whether pairs were told wrong one by one, or by means.
        power: Share of samples that would be told wrong with another sample's y (another label),
            less those that are anyway; by means, the chance that a map that is wrong in half of the
            pairs would be noticed. An audit with little power says `correct` of anything.
        departure: The share of wrong pairs by means, as it comes out: below 0 by chance, above 1
            where values are more than unlike.
        departure_interval: Of it.
        samples: How many points were looked at.
        episodes: Of how many episodes; 0: none were told.
        rows: The points that were looked at. (S,)
        supported: Under which elements some lie near where they go. (order, S) bool
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
    by: Literal["pairs", "means"]
    power: float
    departure: float
    departure_interval: Interval
    samples: int
    episodes: int
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    supported: np.ndarray = field(default_factory=lambda: np.zeros((1, 0), bool))

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
    if (different := len(np.unique(points, axis=0))) < LEAST_DIFFERENT:
        raise AuditError(f"state: {different} different rows; an audit needs {LEAST_DIFFERENT}")
    unit = spread(points, claim.units)
    points = points / unit
    near = Neighbours(points, episode, chosen)
    way = best_way(points, values.compared, episode, rng, values.ridges)
    there, beside = points, near
    if not way.plain:
        there = points @ way.metric
        beside = Neighbours(there, episode, chosen)
    count = min(way.count, beside.most)

    away = np.empty((claim.order, len(chosen)))
    for g in range(claim.order):
        moved = _embedded(claim, _moved(claim, g, x, chosen)) / unit
        away[g], found = near.near(moved, count if way.plain else 1)
        if not way.plain:
            moved = moved @ way.metric
            _, found = beside.near(moved, count)
        values.seen(g, there[found] - moved[:, None], found, chosen, way.ridge)
    reach = claim.near * float(np.percentile(away[0], PERCENTILE)) + 1e-9
    supported = away <= reach
    values.calibrate(PERCENTILE, TOLERANCE)
    wrong = supported & (values.residual > values.tolerance)

    owner = np.arange(len(chosen)) if episode is None else episode[chosen]
    counted = Counts(
        owner, supported, wrong, values.floor_terms(supported), values.excess, values.exchanged
    )
    once, drawn = counted.once(), counted.drawn(rng)
    power, by_means = values.power(rng), False
    if power < WEAK and (of_means := counted.power_of_means(drawn)) >= WEAK:
        power, by_means = of_means, True
    each, total, bound = counted.told(once, by_means)
    each_drawn, total_drawn, bound_drawn = counted.told(drawn, by_means)
    departure = float(counted.departed(once)[1][0])
    elements = tuple(
        Element(name, shares_of(each[0, g]), intervals_of(each[0, g], each_drawn[:, g], power))
        for g, name in enumerate(claim.names)
        if g
    )
    return Degrees(
        shares=shares_of(total[0]),
        intervals=intervals_of(total[0], total_drawn, power),
        elements=elements,
        coordinates=values.coordinates(supported),
        steps=_steps(episode, chosen, supported, wrong),
        worst=_worst(claim, chosen, wrong, values),
        bound=float(bound[0]),
        bound_interval=around(bound[0], bound_drawn),
        reach=reach,
        tolerance=float(values.tolerance),
        by="means" if by_means else "pairs",
        power=power,
        departure=departure,
        departure_interval=around(departure, counted.departed(drawn)[1]),
        samples=len(chosen),
        episodes=0 if episode is None else int(episode.max()) + 1,
        rows=chosen,
        supported=supported,
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
