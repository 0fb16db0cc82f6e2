"""Splines as fixed taps: each time step is a weighted sum of at most four knots."""

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
        weight: With what weights; the weights of a step sum to 1. (H, taps)
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

    def steps(self, knots: int) -> np.ndarray:
        """For each of `knots` knots the step that hangs most on it. (N,) int"""
        weight = np.zeros((len(self.index), knots))
        for tap in range(self.index.shape[1]):
            np.add.at(weight, (np.arange(len(weight)), self.index[:, tap]), self.weight[:, tap])
        return weight.argmax(axis=0)


def spline(kind: str, horizon: int, knots: int) -> Spline:
    """A spline through `knots` values, evenly spaced over `horizon` steps.

    Args:
        kind: ``zero`` (each knot held), ``linear``, or ``cubic`` (Catmull-Rom: continuous slope,
            passes through the knots, may overshoot between them).
        horizon: Number of steps, H.
        knots: Number of knots, N; at most H.

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
    if kind == "zero" or knots == 1:
        index = (np.arange(horizon) * knots) // horizon
        return Spline(index[:, None], np.ones((horizon, 1)))
    # Position of each step on the axis of knots: the first step on knot 0, the last on knot N-1.
    position = np.arange(horizon) * (knots - 1) / max(horizon - 1, 1)
    left = np.minimum(position.astype(int), knots - 2)
    f = position - left
    if kind == "linear":
        return Spline(np.stack([left, left + 1], 1), np.stack([1.0 - f, f], 1))
    weight = np.stack(
        [
            ((-0.5 * f + 1.0) * f - 0.5) * f,
            (1.5 * f - 2.5) * f * f + 1.0,
            ((-1.5 * f + 2.0) * f + 0.5) * f,
            (0.5 * f - 0.5) * f * f,
        ],
        1,
    )
    index = np.clip(np.stack([left - 1, left, left + 1, left + 2], 1), 0, knots - 1)
    return Spline(index, weight)


_KINDS = ("zero", "linear", "cubic")
