"""Statistics of features as LeRobot keeps them: per episode, and merged over episodes.

Per value: min, max, mean, std, the quantiles 0.01, 0.1, 0.5, 0.9, 0.99, and how many rows. Images
have theirs per channel, shape (C, 1, 1), colours scaled to [0, 1]. A dataset's quantiles are the
means of its episodes', weighted by their rows: so does LeRobot, and so merging datasets agrees.
"""

from __future__ import annotations

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Stats = dict[str, np.ndarray]


def stats_of(values: np.ndarray) -> Stats:
    """Statistics of rows. (T, n) or (T,) -> (n,) each, `count` (1,)"""
    rows = values.reshape(len(values), -1)
    whole = values.dtype.kind in "iu"
    wide = rows.astype(np.float64)
    return {
        "min": rows.min(axis=0) if whole else wide.min(axis=0),
        "max": rows.max(axis=0) if whole else wide.max(axis=0),
        "mean": wide.mean(axis=0),
        "std": wide.std(axis=0),
        **{name: np.quantile(wide, q, axis=0) for name, q in QUANTILES.items()},
        "count": np.array([len(rows)]),
    }


def stats_of_images(images: np.ndarray) -> Stats:
    """Statistics of images, per channel. (T, H, W, C) -> (C, 1, 1) each, `count` (1,)"""
    if images.dtype == np.uint8:
        stats = _of_bytes(images)
    else:
        stats = stats_of(images.reshape(-1, images.shape[-1]))
    shaped = {name: value.reshape(-1, 1, 1) for name, value in stats.items()}
    return {**shaped, "count": np.array([len(images)])}


def _of_bytes(images: np.ndarray) -> Stats:
    """The same of bytes, exactly, by counting them: 256 counts instead of millions of floats."""
    levels = np.arange(256) / 255.0
    found: dict[str, list[float]] = {}
    for channel in range(images.shape[-1]):
        counts = np.bincount(images[..., channel].reshape(-1), minlength=256)
        total = counts.sum()
        seen = np.flatnonzero(counts)
        mean = float(counts @ levels / total)
        values = {
            "min": levels[seen[0]],
            "max": levels[seen[-1]],
            "mean": mean,
            "std": np.sqrt(counts @ (levels - mean) ** 2 / total),
            **{name: _quantile(counts, levels, q) for name, q in QUANTILES.items()},
        }
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return {name: np.array(value) for name, value in found.items()}


def _quantile(counts: np.ndarray, levels: np.ndarray, q: float) -> float:
    """As `numpy.quantile`: linear between the two nearest of the sorted values."""
    place = q * (counts.sum() - 1)
    below = int(np.floor(place))
    ranks = np.cumsum(counts)
    low, high = (levels[np.searchsorted(ranks, k, side="right")]
                 for k in (below, min(below + 1, int(ranks[-1]) - 1)))  # fmt: skip
    return low + (high - low) * (place - below)


class MergedStats:
    """Statistics of all episodes so far, without any of their values."""

    def __init__(self) -> None:
        self._so_far: dict[str, Stats] = {}

    def add(self, episode: dict[str, Stats]) -> None:
        """Take in one episode's: feature -> statistics."""
        for feature, new in episode.items():
            old = self._so_far.get(feature)
            self._so_far[feature] = new if old is None else _merged(old, new)

    def result(self) -> dict[str, dict[str, list]]:
        """Feature -> statistic -> nested lists, as they go into JSON."""
        return {
            feature: {name: value.tolist() for name, value in stats.items()}
            for feature, stats in self._so_far.items()
        }


def _merged(a: Stats, b: Stats) -> Stats:
    """Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm", 1979."""
    count = a["count"] + b["count"]
    share = b["count"][0] / count[0]
    apart = b["mean"] - a["mean"]
    variance = (1 - share) * a["std"] ** 2 + share * b["std"] ** 2 + share * (1 - share) * apart**2
    return {
        "min": np.minimum(a["min"], b["min"]),
        "max": np.maximum(a["max"], b["max"]),
        "mean": a["mean"] + share * apart,
        "std": np.sqrt(variance),
        **{name: a[name] + share * (b[name] - a[name]) for name in QUANTILES},
        "count": count,
    }
