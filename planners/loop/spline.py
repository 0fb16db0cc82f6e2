"""Splines as fixed taps: each time step is a weighted sum of knots."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Spline:
    """How `knots` values become `horizon` steps: ``y[t] = sum_j weight[t, j] * knot[index[t, j]]``.

    It is linear in the knots and acts along time only, so it commutes with every group action.

    Attributes:
        index: Which knots a step is made of. (H, taps) int
        weight: With what weights; those of a step sum to 1, but for ``kernel``. (H, taps)
    """

    index: np.ndarray
    weight: np.ndarray

    def expand(self, knots: np.ndarray, out: np.ndarray, scratch: np.ndarray) -> None:
        """Write the steps of each row of knots into `out`. (K, N, m) -> out, scratch (K, H, m)"""
        np.take(knots, self.index[:, 0], axis=1, out=out, mode="clip")
        out *= self.weight[:, 0, None]
        for tap in range(1, self.index.shape[1]):
            np.take(knots, self.index[:, tap], axis=1, out=scratch, mode="clip")
            scratch *= self.weight[:, tap, None]
            out += scratch

    def integrated(self, knots: int) -> Spline:
        """The sum of all steps so far.

        Its size is such that independent knots of variance 1 add up to 1 on the mean over the steps
        (mean square): as much noise as without.
        """
        weight = np.cumsum(self.matrix(knots), axis=0)
        weight /= np.sqrt(np.mean(np.sum(weight**2, axis=1)))
        return Spline(np.tile(np.arange(knots), (len(weight), 1)), weight)

    def steps(self, knots: int) -> np.ndarray:
        """For each of `knots` knots the step that hangs most on it. (N,) int"""
        return self.matrix(knots).argmax(axis=0)

    def matrix(self, knots: int) -> np.ndarray:
        """The same as one matrix, of which each column is a knot's. (H, N)"""
        weight = np.zeros((len(self.index), knots))
        for tap in range(self.index.shape[1]):
            np.add.at(weight, (np.arange(len(weight)), self.index[:, tap]), self.weight[:, tap])
        return weight


def spline(kind: str, horizon: int, knots: int, kernel_width: float = 2.0) -> Spline:
    """A spline through `knots` values, evenly spaced over `horizon` steps.

    Args:
        kind: ``zero`` (each knot held), ``linear``, ``cubic`` (Catmull-Rom: continuous slope,
            passes through the knots, may overshoot between them), ``b_spline`` (uniform cubic
            B-spline: continuous curvature, does not pass through the knots, never overshoots), or
            ``kernel`` (interpolation by Gaussian kernels, as in KMPPI: passes through the knots,
            and where those are far apart falls to zero between them).
        horizon: Number of steps, H.
        knots: Number of knots, N; at most H.
        kernel_width: Of the Gaussian kernels, in steps.

    Raises:
        ValueError: Unknown kind, or numbers of knots and steps that do not fit.
    """
    if not 1 <= knots <= horizon:
        raise ValueError(
            f"knots: {knots} does not fit a horizon of {horizon} steps (1 .. {horizon})"
        )
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1) or list(_KINDS)
        raise ValueError(f"spline: {kind!r} is none; did you mean {' or '.join(near)}?")
    if not (np.isfinite(kernel_width) and kernel_width > 0.0):
        raise ValueError(f"kernel_width: {kernel_width} must be a positive number of steps")
    if kind == "zero" or knots == 1:
        index = (np.arange(horizon) * knots) // horizon
        return Spline(index[:, None], np.ones((horizon, 1)))
    # Position of each step on the axis of knots: the first step on knot 0, the last on knot N-1.
    position = np.arange(horizon) * (knots - 1) / max(horizon - 1, 1)
    left = np.minimum(position.astype(int), knots - 2)
    f = position - left
    if kind == "linear":
        return Spline(np.stack([left, left + 1], 1), np.stack([1.0 - f, f], 1))
    if kind == "kernel":
        weight = kernel_weights(np.arange(horizon), horizon, knots, kernel_width)
        return Spline(np.tile(np.arange(knots), (horizon, 1)), weight)
    index = np.clip(np.stack([left - 1, left, left + 1, left + 2], 1), 0, knots - 1)
    if kind == "b_spline":
        rest = 1.0 - f
        weight = np.stack(
            [
                rest**3,
                (3.0 * f - 6.0) * f * f + 4.0,
                (3.0 * rest - 6.0) * rest * rest + 4.0,
                f**3,
            ],
            1,
        )
        return Spline(index, weight / 6.0)
    weight = np.stack(
        [
            ((-0.5 * f + 1.0) * f - 0.5) * f,
            (1.5 * f - 2.5) * f * f + 1.0,
            ((-1.5 * f + 2.0) * f + 0.5) * f,
            (0.5 * f - 0.5) * f * f,
        ],
        1,
    )
    return Spline(index, weight)


def kernel_weights(times: np.ndarray, horizon: int, knots: int, width: float) -> np.ndarray:
    """Weights with which Gaussian kernels interpolate knots at times. (T,) -> (T, N)

    As in KMPPI: k(t, t_j) K^-1, the knots t_j evenly over the horizon.

    Args:
        times: In steps from the start of the plan; what lies beyond the horizon falls to zero.
        horizon: Steps, H.
        knots: N.
        width: Of a kernel, in steps.
    """
    centres = np.linspace(0.0, horizon - 1.0, knots)

    def kernel(t: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * ((t[:, None] - centres) / width) ** 2)

    # Wide kernels are nearly alike: the ridge keeps the inverse finite.
    return np.linalg.solve(kernel(centres) + 1e-9 * np.eye(knots), kernel(np.asarray(times)).T).T


_KINDS = ("zero", "linear", "cubic", "b_spline", "kernel")
