"""A fused plan with action sequences tried beside its noise: the kernel's mean, and theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kmppi import KMPPI
from ..loop.memory import Memory
from ..loop.proposal import charge
from ..plan import Plan
from .fused_plan import FusedPlan


class FusedTried(FusedPlan):
    """Plans of one planner by one kernel and, in each iteration, a rollout of what is tried.

    The update is a weighted mean, so the mean over all samples is that of the noise, which the
    kernel makes, and that of the rest, each by its sum of weights.

    Args:
        planner: As of `FusedPlan`.
        count: How many sequences are tried; the last plan is tried too.
    """

    def __init__(self, planner: Any, count: int) -> None:
        super().__init__(planner, count + 1)
        self._rows = np.empty((count + 1, *planner.initial_memory(0).mean.shape))
        self._found = np.empty((1, count + 1))

    def plan_trying(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray]
    ) -> tuple[Plan, Memory] | None:
        """As `plan`, with these within the limits. Each (H, m)"""
        self._rows[:-1] = tried
        found = self.plan(state, time, memory)
        if found is not None:
            iterations, costs = self.planner._last
            self.planner._last = iterations, np.concatenate([costs, self._found[0]])
        return found

    def _round(self, state: np.ndarray, done: int, out: np.ndarray, known: tuple) -> float:
        """An iteration: the mean before it is tried too."""
        planner, rows, costs = self.planner, self._rows, self._found
        if done == 0:
            self._call(state, 0, 0, out, *known, *self._packs)  # the warm start alone
        mean = out[: len(rows[0])]
        rows[-1] = mean
        lowest = super()._round(state, done, out, known)
        if lowest != lowest:
            return lowest
        planner.dynamics.rollout(state, rows, costs)
        costs[~np.isfinite(costs)] = np.inf
        lowest = min(lowest, float(costs.min()))
        if lowest == np.inf:
            return lowest
        scale = planner.parameters.temperature
        costs[0, -1] += charge(scale)
        weight = np.exp((lowest - costs[0]) / scale)
        noise = float(np.exp((lowest - np.asarray(self._costs, float)) / scale).sum())
        moved = rows
        if isinstance(planner, KMPPI):  # the noise on knots is averaged, not the actions
            moved = rows[-1] + planner.matrix @ (rows - rows[-1])[:, planner._knot_steps]
        total = noise * mean + np.einsum("k,khm->hm", weight, moved)
        mean[:] = total / (noise + weight.sum())
        out[len(mean) : 2 * len(mean)] = planner.task.limits.project(mean)
        return lowest
