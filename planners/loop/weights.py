"""How much each sample counts by its cost: exponentials, Tsallis's, elites, and temperatures."""

from __future__ import annotations

import numpy as np


def exponential(costs: np.ndarray, temperature: float) -> np.ndarray:
    """``exp(-(cost - lowest) / temperature)``, summing to 1; 0 where a cost is infinite. (K,)"""
    weight = np.exp((costs.min() - costs) / temperature)
    return weight / weight.sum()


def tsallis(costs: np.ndarray, reach: float, order: float) -> np.ndarray:
    """Weights that end: ``max(0, 1 - (cost - lowest) / reach)^(1 / (order - 1))``. (K,)

    Wang et al., "Variational Inference MPC using Tsallis Divergence" (RSS 2021), for r > 1. Towards
    order 1 they are exponentials with temperature reach x (order - 1).

    Args:
        costs: At least one finite. (K,)
        reach: The cost above the lowest from which on a sample does not count.
        order: r, above 1; at 2 the weight falls linearly.
    """
    weight = np.maximum(1.0 - (costs - costs.min()) / reach, 0.0) ** (1.0 / (order - 1.0))
    return weight / weight.sum()


def effective(weight: np.ndarray) -> float:
    """Effective sample size of weights that sum to 1: from 1 to as many as there are."""
    return float(1.0 / np.sum(weight**2))


def temperature_for(costs: np.ndarray, target: float) -> float:
    """The temperature at which exponential weights have an effective sample size.

    Args:
        costs: At least one finite. (K,)
        target: Effective sample size, from 1 to as many finite costs as there are; beyond what the
            costs allow (equal lowest ones count alike at any temperature) the nearest is taken.

    Returns:
        It, within a millionth; continuous in costs and target.
    """
    finite = costs[np.isfinite(costs)]
    spread = float(finite.max() - finite.min())
    if spread <= 0.0:
        return 1.0
    low, high = np.log(1e-9 * spread), np.log(1e6 * spread)

    def shown(at: float) -> float:
        return effective(exponential(finite, float(np.exp(at))))

    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if shown(middle) < target:
            low = middle
        else:
            high = middle
    return float(np.exp(np.interp(target, [shown(low), shown(high)], [low, high])))


def relative_temperature(costs: np.ndarray, deviations: float) -> float:
    """A temperature of so many standard deviations of the costs, those that are finite.

    Args:
        costs: At least one finite; if all are alike, any temperature will do. (K,)
        deviations: As in DIAL (Xue et al. 2024), which weighs standardised costs.
    """
    finite = costs[np.isfinite(costs)]
    return deviations * float(finite.std()) or 1.0


def elite(costs: np.ndarray, count: int) -> np.ndarray:
    """Rows of the best, and of all that tie with the last of them: a choice would hang on order."""
    ordered = np.sort(costs[np.isfinite(costs)])
    last = ordered[min(count, len(ordered)) - 1]
    return np.flatnonzero(costs <= last + 1e-12 * (1.0 + abs(last)))
