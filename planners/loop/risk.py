"""One cost out of those in several models: the mean, or how much worse it may be."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np

Risk = Callable[[np.ndarray], np.ndarray]
"""Costs in each model (M, K) -> cost of each sample (K,)."""


def risk_measure(kind: str, level: float, aversion: float) -> Risk:
    """A measure of risk over the models.

    All of them treat models alike, and each sample for itself: none breaks a symmetry.

    Args:
        kind: ``mean``; ``worst``; ``value_at_risk`` (the `level` quantile); ``cvar`` (the mean of
            what lies above it: Rockafellar and Uryasev, "Optimization of Conditional
            Value-at-Risk", 2000); ``entropic`` (log E exp(aversion cost) / aversion); ``variance``
            (mean + aversion x variance).
        level: Share of the models below, in [0, 1).
        aversion: Per unit of cost; above 0.

    Raises:
        ValueError: An unknown kind, or numbers out of their ranges.
    """
    if kind not in _KINDS:
        near = difflib.get_close_matches(str(kind), _KINDS, n=1) or list(_KINDS)
        raise ValueError(f"risk: {kind!r} is none; did you mean {' or '.join(near)}?")
    if not 0.0 <= level < 1.0:
        raise ValueError(f"risk_level: {level} must be in [0, 1)")
    if not (np.isfinite(aversion) and aversion > 0.0):
        raise ValueError(f"risk_aversion: {aversion} must be a positive number")

    def measure(costs: np.ndarray) -> np.ndarray:
        if len(costs) == 1:
            return costs[0].copy()
        bad = ~np.isfinite(costs)
        lost = bad.any(axis=0)
        if lost.any():  # a rollout that blew up in one model is lost in all, whatever the measure
            costs = np.where(bad, 0.0, costs)
        found = _KINDS[kind](costs, level, aversion)
        return np.where(lost, np.inf, found)

    return measure


def _cvar(costs: np.ndarray, level: float, aversion: float) -> np.ndarray:
    """The mean of the worst 1 - level; the model on the border counts by the share of it above."""
    models = len(costs)
    ordered = np.sort(costs, axis=0)
    # How much of model i, in the order of costs, lies above the level.
    above = np.clip(np.arange(1, models + 1) - level * models, 0.0, 1.0)
    return above @ ordered / above.sum()


def _entropic(costs: np.ndarray, level: float, aversion: float) -> np.ndarray:
    most = costs.max(axis=0)
    return most + np.log(np.mean(np.exp(aversion * (costs - most)), axis=0)) / aversion


_KINDS: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "mean": lambda costs, level, aversion: costs.mean(axis=0),
    "worst": lambda costs, level, aversion: costs.max(axis=0),
    "value_at_risk": lambda costs, level, aversion: np.quantile(costs, level, axis=0),
    "cvar": _cvar,
    "entropic": _entropic,
    "variance": lambda costs, level, aversion: costs.mean(axis=0) + aversion * costs.var(axis=0),
}
