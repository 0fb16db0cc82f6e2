"""Figures of a plan: what it was chosen from, and how exact it is under the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .weights import effective


@dataclass(frozen=True)
class Figures:
    """Of the last iteration of a planner's last plan; NaN where nothing is known.

    Attributes:
        iterations: Rounds of sampling that the plan took.
        samples: Rollouts of the last one.
        best_cost: Lowest cost of a sample, all that is charged beside the task's cost included.
        mean_cost: Mean cost of those that did not blow up.
        effective_samples: How many of them count, by the weights that the algorithm gives them.
        temperature: Of those weights, in units of cost.
    """

    iterations: int
    samples: int
    best_cost: float
    mean_cost: float
    effective_samples: float
    temperature: float


def figures_of(
    iterations: int, costs: np.ndarray, weight: np.ndarray | None, temperature: float
) -> Figures:
    """Figures of an iteration.

    Args:
        iterations: How many there were.
        costs: Of its samples. (K,)
        weight: What each counts, summing to 1 (K,); None: not known.
        temperature: Of the weights, in units of cost; NaN: they have none.
    """
    finite = costs[np.isfinite(costs)]
    return Figures(
        iterations,
        len(costs),
        float(finite.min()) if len(finite) else np.nan,
        float(finite.mean()) if len(finite) else np.nan,
        np.nan if weight is None else effective(weight),
        temperature,
    )


def equivariance_error(planner: Any, state: np.ndarray, time: float, memory: Any, g: int) -> float:
    """How far the plan for (gx, g memory) is from g times the plan for (x, memory).

    Where elements fix the state, from the nearest of g s times that plan, s among them: on a mirror
    a plan must pick a side.

    Args:
        planner: With a `symmetry`, whose memory has `act`. It plans twice.
        state: x (n,).
        time: Of the plan, s.
        memory: Before the plan.
        g: The element.

    Returns:
        The largest difference of an action, in units of the largest action.
    """
    s = planner.symmetry
    here, _ = planner.plan(state, time, memory)
    there, _ = planner.plan(s.act(g, state=state), time, memory.act(s, g))
    low, high = planner.task.limits.bound()
    images = (s.act(fixing, action=here.actions) for fixing in s.stabiliser(state=state))
    apart = (np.abs(there.actions - s.act(g, action=image)).max() for image in images)
    return float(min(apart) / np.maximum(np.abs(low), np.abs(high)).max())
