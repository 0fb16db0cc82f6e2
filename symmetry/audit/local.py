"""The value of a map at a point, from samples near it: their mean, or a plane through them.

Which of the two, and in which coordinates samples are near, the samples settle themselves: by the
error on those left out. Coordinates count by how much the values change along them (the average
outer product of gradients: Xia et al., "An adaptive estimation of dimension reduction space", 2002;
Trivedi et al., "A consistent estimator of the expected gradient outerproduct", 2014). That finds,
say, that an action depends on the way to the goal and not on where that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .neighbours import NEIGHBOURS, Neighbours

RIDGES = (np.inf, 0.3, 0.03)
"""How much slopes are held back, over the spread of the neighbours; infinity: the mean."""
TURNS = 3
"""How often coordinates are weighed anew."""
LEAST_WEIGHT = 0.01
"""Of a coordinate that does not count, in the mean weight, squared."""
COORDINATES = 24
"""With more of them planes are not tried: too few samples are near."""
LEFT_OUT = 1000
"""At most so many samples are left out to choose."""
GAIN = 0.98
"""An error must be less than so much of a simpler way's."""


@dataclass(frozen=True)
class Way:
    """How samples tell a value.

    Attributes:
        metric: What points are multiplied by before they are compared. (m, m)
        count: Of neighbours.
        ridge: One of `RIDGES`.
    """

    metric: np.ndarray
    count: int = NEIGHBOURS
    ridge: float = np.inf

    @property
    def plain(self) -> bool:
        """Whether points are compared as they are."""
        return bool(np.array_equal(self.metric, np.eye(len(self.metric))))


@dataclass(frozen=True)
class Told:
    """Values at S points.

    Attributes:
        value: (S, d)
        noise: Variance of each that is by chance. (S, d)
        rest: Variance of the samples about the mean or the plane. (S, d)
        slopes: Of the plane; of a mean 0. (S, d, m)
    """

    value: np.ndarray
    noise: np.ndarray
    rest: np.ndarray
    slopes: np.ndarray


def told(offsets: np.ndarray, values: np.ndarray, ridge: float = np.inf) -> Told:
    """From neighbours the value where they are neighbours of.

    Args:
        offsets: From the point to each neighbour. (S, k, m)
        values: Theirs. (S, k, d)
        ridge: One of `RIDGES`.
    """
    points, count, width = offsets.shape
    middle = values.mean(axis=1)
    if not np.isfinite(ridge):
        rest = values.var(axis=1, ddof=1)
        return Told(middle, rest / count, rest, np.zeros((points, values.shape[2], width)))
    centre = offsets.mean(axis=1, keepdims=True)
    away, apart = offsets - centre, values - middle[:, None]
    gram = np.swapaxes(away, 1, 2) @ away
    size = np.einsum("sii->s", gram) / width
    size = np.maximum(size, 1e-9 * np.square(centre[:, 0]).sum(axis=1) + 1e-300)
    held = gram + (ridge * size)[:, None, None] * np.eye(width)
    right = np.concatenate([np.swapaxes(away, 1, 2) @ apart, np.swapaxes(centre, 1, 2), gram], 2)
    found = np.linalg.solve(held, right)
    d = values.shape[2]
    slopes, lever, hat = found[..., :d], found[..., d : d + 1], found[..., d + 1 :]
    value = middle - (centre @ slopes)[:, 0]
    weights = 1.0 / count - (away @ lever)[..., 0]
    free = np.maximum(count - 1.0 - np.einsum("sii->s", hat), 1.0)
    rest = np.square(apart - away @ slopes).sum(axis=1) / free[:, None]
    noise = np.square(weights).sum(axis=1)[:, None] * rest
    return Told(value, noise, rest, np.swapaxes(slopes, 1, 2))


def best_way(
    points: np.ndarray,
    values: np.ndarray,
    episode: np.ndarray | None,
    rng: np.random.Generator,
    ridges: tuple[float, ...] = RIDGES,
) -> Way:
    """The way that errs least on samples that are left out with their episodes.

    Args:
        points: In units. (N, m)
        values: In units. (N, d)
        episode: 0 .. E-1 of each, or None. (N,)
        rng: Chooses them.
        ridges: That are tried.
    """
    total, width = points.shape
    plain = Way(np.eye(width))
    if width > COORDINATES:
        return plain
    some = np.arange(total)
    if total > LEFT_OUT:
        some = np.sort(rng.choice(total, LEFT_OUT, replace=False))
    best, least, metric = plain, np.inf, plain.metric
    for _ in range(TURNS + 1):
        there = points @ metric
        near = Neighbours(there, episode, some)
        count = min(3 * (width + 1), near.most)
        _, rows = near.near(there[some], count)
        offsets, beside = there[rows] - there[some][:, None], values[rows]
        for ridge in ridges:
            k = count if np.isfinite(ridge) else min(NEIGHBOURS, count)
            found = told(offsets[:, :k], beside[:, :k], ridge)
            error = float(np.linalg.norm(found.value - values[some], axis=1).mean())
            if error < GAIN * least:  # the mean in plain coordinates is the first
                best, least = Way(metric, k, ridge), error
        steep = told(offsets, beside, RIDGES[-1]).slopes
        metric = _weighed(steep @ metric.T)
    return best


def _weighed(slopes: np.ndarray) -> np.ndarray:
    """The root of the mean outer product of slopes. (S, d, m) -> (m, m)"""
    width = slopes.shape[2]
    product = np.einsum("sdi,sdj->ij", slopes, slopes)
    mean = np.trace(product) / width
    if not mean > 0.0:
        return np.eye(width)
    product = product / mean + LEAST_WEIGHT * np.eye(width)
    size, along = np.linalg.eigh(product)
    return (along * np.sqrt(np.maximum(size, 0.0))) @ along.T
