"""Noise on the knots of a plan: independent, coloured, mean-reverting, heavy-tailed or even.

Every law gives draws of variance 1 that treat the coordinates of an action alike, one array of them
for one plan. What it correlates is time alone, so it commutes with every group action.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np

Law = Callable[[np.random.Generator, int], np.ndarray]
"""(random state, how many) -> draws of variance 1. (count, N, m)"""

POOL, LARGEST_POOL = 64, 256 << 20
"""Low-discrepancy sets that are drawn beforehand, fewer if they took more bytes than that; a plan
takes one of them, with signs of its own. Drawing one anew costs more than the rollouts of a small
task."""


def noise_law(
    kind: str,
    knots: int,
    width: int,
    most: int,
    colour: float = 1.0,
    correlation: float = 0.7,
    tail: float = 0.5,
) -> Law:
    """A law of noise.

    Args:
        kind: ``white``; ``coloured`` (power falls as frequency^-colour, Timmer and Koenig 1995, as
            in iCEM); ``ornstein_uhlenbeck`` (each knot a share of the one before); ``log_normal``
            (white, each knot of each sample as much larger as a log-normal factor says: Mohamed et
            al., "Autonomous Navigation of AGVs in Unknown Cluttered Environments", 2022); ``sobol``
            or ``halton`` (low-discrepancy points through the normal quantile).
        knots: N.
        width: Of an action, m.
        most: Largest number of draws that will be asked for.
        colour: Exponent of `coloured`: 0 is white, 1 pink, 2 brown.
        correlation: Of neighbouring knots under `ornstein_uhlenbeck`, in [0, 1).
        tail: Standard deviation of the logarithm of the factor of `log_normal`.

    Raises:
        ValueError: An unknown kind, or numbers out of their ranges.
    """
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1) or list(_KINDS)
        raise ValueError(f"noise_law: {kind!r} is none; did you mean {' or '.join(near)}?")
    if not 0.0 <= correlation < 1.0:
        raise ValueError(f"correlation: {correlation} must be in [0, 1)")
    for name, value, least in (("colour", colour, -_STEEPEST), ("tail", tail, 0.0)):
        if not least <= value <= _STEEPEST:
            raise ValueError(f"{name}: {value} must be from {least:g} to {_STEEPEST:g}")
    if kind in ("sobol", "halton"):
        return _even(kind, knots, width, most)
    if kind == "log_normal":
        return Drawn(knots, width, tail=tail)
    if kind == "white" or knots == 1:
        return Drawn(knots, width)
    mixing = _coloured(knots, colour) if kind == "coloured" else _reverting(knots, correlation)
    return Drawn(knots, width, mixing)


class Drawn:
    """Draws made anew each time: normal numbers, mixed along time, or of heavy tails.

    What they are hangs on one raw word of the random state alone, the key of all `normals` of a
    set of draws: fused kernels draw the same.

    Args:
        knots: N.
        width: Of an action, m.
        mixing: From R numbers along time to those on the knots (N, R); None: they are these.
        tail: Standard deviation of the logarithm of a factor for each knot of each draw.
    """

    def __init__(
        self, knots: int, width: int, mixing: np.ndarray | None = None, tail: float = 0.0
    ) -> None:
        self.knots, self.width, self.mixing, self.tail = knots, width, mixing, tail
        self.sources = (knots if mixing is None else mixing.shape[1]) * width
        """Rows of numbers that become noise, R m; those of the logarithms of factors follow."""
        self.rows = self.sources + (knots if tail else 0)

    def __call__(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """As `Law`."""
        from .normals import normals  # with it comes Numba: only who draws pays for it

        drawn = normals(rng.bit_generator.random_raw(), self.rows, count)
        noise = drawn[: self.sources].reshape(-1, self.width * count)
        noise = noise if self.mixing is None else self.mixing @ noise
        noise = noise.reshape(self.knots, self.width, count)
        if self.tail:  # E[(z e^(s n))^2] = e^(2 s^2)
            noise *= np.exp(self.tail * drawn[self.sources :, None] - self.tail**2)
        return noise.transpose(2, 0, 1)


class Antithetic:
    """The same law in pairs z, -z; the last of an odd number stands alone."""

    def __init__(self, law: Law) -> None:
        self.law = law

    def __call__(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """As `Law`."""
        half = self.law(rng, (count + 1) // 2)
        return np.concatenate([half, -half[: count // 2]])


class Mixture:
    """The same law, but that a share of the draws is smaller; rounded to whole draws."""

    def __init__(self, law: Law, share: float, size: float) -> None:
        self.law, self.share, self.size = law, share, size

    def __call__(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """As `Law`, but for the variance of those."""
        draws = self.law(rng, count)
        draws[: round(self.share * count)] *= self.size
        return draws


class Pool:
    """Sets of draws made beforehand; a plan takes one of them, with signs of its own.

    What is chosen hangs on the raw words of the random state alone: fused kernels choose the same.

    Args:
        sets: (S, most, N, m)
    """

    def __init__(self, sets: np.ndarray) -> None:
        self.sets = sets
        self.words = 1 + -(-sets[0, 0].size // 64)
        """64-bit words that a choice takes: one for the set, one bit for each sign."""

    def __call__(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """As `Law`."""
        words = rng.bit_generator.random_raw(self.words)
        bit = np.arange(self.sets[0, 0].size, dtype=np.uint64)
        signs = 1.0 - 2.0 * (
            words[1 + (bit >> np.uint64(6))] >> (bit & np.uint64(63)) & np.uint64(1)
        )
        return self.sets[words[0] % len(self.sets), :count] * signs.reshape(self.sets.shape[2:])


def _coloured(knots: int, colour: float) -> np.ndarray:
    """From white noise to coloured: a filter around a ring of twice the knots. (N, 2N)

    The constant part has no frequency; it gets the power of the lowest that there is.
    """
    ring = 2 * knots
    frequency = np.fft.rfftfreq(ring)
    frequency[0] = frequency[1]
    gain = frequency ** (-colour / 2.0)
    response = np.fft.irfft(gain, ring)
    response /= np.sqrt(np.sum(response**2))
    return np.stack([np.roll(response, k) for k in range(knots)])


def _reverting(knots: int, correlation: float) -> np.ndarray:
    """From white noise to a stationary Ornstein-Uhlenbeck process, sampled at the knots. (N, N)"""
    ages = np.subtract.outer(np.arange(knots), np.arange(knots))
    mixing = np.where(ages >= 0, correlation ** np.maximum(ages, 0), 0.0)
    mixing[:, 1:] *= np.sqrt(1.0 - correlation**2)
    return mixing


def _even(kind: str, knots: int, width: int, most: int) -> Law:
    """Points that fill the cube evenly, scrambled, through the normal quantile."""
    from scipy import special
    from scipy.stats import qmc

    size = knots * width
    engine = qmc.Sobol if kind == "sobol" else qmc.Halton
    if kind == "sobol" and size > qmc.Sobol.MAXDIM:
        raise ValueError(f"knots: {knots} of {width} coordinates are too many for sobol")
    rows = 1 << max(most - 1, 0).bit_length() if kind == "sobol" else most
    sets = max(1, min(POOL, LARGEST_POOL // (8 * most * size)))
    pool = np.empty((sets, most, knots, width))
    for k in range(sets):
        points = engine(size, scramble=True, rng=np.random.default_rng(k)).random(rows)[:most]
        pool[k] = special.ndtri(np.clip(points, 1e-9, 1.0 - 1e-9)).reshape(most, knots, width)

    return Pool(pool)


_STEEPEST = 20.0
"""Exponent of coloured noise: beyond, the lowest frequency is all that a double holds."""

_KINDS = ("white", "coloured", "ornstein_uhlenbeck", "log_normal", "sobol", "halton")
