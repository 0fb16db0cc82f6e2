"""Which network will have the smaller error, one that keeps to a claim or one that is free of it.

Told before anything is trained, from how well the nearest episodes foretell one that is left out:
those of the data alone (what a free network can copy), and those of the data with all images of
them under the group (what an exact one can). The second are nearer, |G| times as many, but false
where the claim is. Their errors so hold both sides of the trade: the variance that few
demonstrations leave, and the floor that a false claim puts under an exact network (T3 of Wang et
al., "A General Theory of Correct, Incorrect, and Extrinsic Equivariance", 2023), which alone does
not say who wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .claim import AuditError, Claim
from .neighbours import NEIGHBOURS, Neighbours, checked_episodes, checked_rows, spread

EXACT_BELOW = 1.0
"""Impose where the error with images is less than so many of that without."""
REPLICATES = 400
"""Of the bootstrap."""


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of an exact and of a free network.

    Attributes:
        alone: Mean squared error of the neighbours' mean, in units of the spread of y.
        shared: The same, of neighbours among the data and their images under all elements.
        ratio: shared / alone.
        interval: 95 % of the ratio, over episodes.
        samples: How many points were asked about.
    """

    alone: float
    shared: float
    ratio: float
    interval: tuple[float, float]
    samples: int

    @property
    def exact_wins(self) -> bool:
        """Whether the network that keeps to the claim is expected to have the smaller error."""
        return self.ratio < EXACT_BELOW

    @property
    def certain(self) -> bool:
        """Whether the whole interval says the same."""
        low, high = self.interval
        return high < EXACT_BELOW or low >= EXACT_BELOW


def forecast(
    x: np.ndarray,
    y: np.ndarray,
    claim: Claim,
    episode: np.ndarray | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> Forecast:
    """Compare what the data foretell with and without their images under a claim.

    Args:
        x: (N, n)
        y: Vectors; a label foretells nothing here. (N, d)
        claim: What is proposed.
        episode: Which episode a row is of; None: all rows are independent. (N,)
        samples: At most so many points are asked about.
        seed: Of their choice and of the bootstrap.

    Raises:
        AuditError: Too few episodes, rows that are not finite, a label, or nothing that varies.
    """
    if claim.label:
        raise AuditError("label: a forecast is of vectors; for labels the bound says who wins")
    x = checked_rows("state", x)
    y = checked_rows("values", y, len(x))
    episode = checked_episodes(episode, len(x))
    if len(x) <= NEIGHBOURS + 1:
        raise AuditError(f"{len(x)} samples are too few for a forecast")
    if (y.max(axis=0) == y.min(axis=0)).all():
        raise AuditError("values: constant: all rows are the same")
    y = y / spread(y, claim.value_units)
    rng, chosen = np.random.default_rng(seed), np.arange(len(x))
    if len(x) > samples:
        chosen = np.sort(rng.choice(len(x), samples, replace=False))
    points = _placed(claim, x)
    unit = spread(points, claim.units)
    points = points / unit
    near, away, told = Neighbours(points, episode, chosen), [], []
    for g in range(claim.order):
        moved = _placed(claim, claim.move(g, x[chosen])) / unit
        _, found = near.near(moved)
        away.append(np.linalg.norm(points[found] - moved[:, None], axis=2))
        told.append(y[found] @ _undone(claim, g, y.shape[1]).T)
    here = y[chosen]
    distance, values = np.concatenate(away, axis=1), np.concatenate(told, axis=1)
    nearest = np.argpartition(distance, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    with_images = np.take_along_axis(values, nearest[..., None], axis=1).mean(axis=1)
    errors = np.stack([
        np.square(guess - here).sum(axis=1) for guess in (told[0].mean(axis=1), with_images)
    ])  # fmt: skip
    owner = np.arange(len(chosen)) if episode is None else episode[chosen]
    sums = np.stack([np.bincount(owner, weights=error) for error in errors])
    draws = rng.multinomial(sums.shape[1], np.full(sums.shape[1], 1 / sums.shape[1]), REPLICATES)
    alone, shared = errors.mean(axis=1)
    drawn = np.maximum(draws @ sums.T, 1e-300)
    low, high = np.percentile(drawn[:, 1] / drawn[:, 0], (2.5, 97.5))
    return Forecast(
        float(alone),
        float(shared),
        float(shared / max(alone, 1e-300)),
        (float(low), float(high)),
        len(chosen),
    )


def _placed(claim: Claim, x: np.ndarray) -> np.ndarray:
    return x if claim.embed is None else np.asarray(claim.embed(x), float)


def _undone(claim: Claim, g: int, width: int) -> np.ndarray:
    """The matrix that undoes g on y."""
    return np.linalg.inv(np.asarray(claim.carry(g, np.eye(width)), float).T)
