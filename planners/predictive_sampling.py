"""Predictive sampling: the best sample is the plan.

Howell et al., "Predictive Sampling: Real-time Behaviour Synthesis with MuJoCo", 2022, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .loop.memory import Memory
from .sampling import SamplingPlanner


class PredictiveSampling(SamplingPlanner):
    """Samples about the last plan, that one among them; the one of least cost is the next."""

    @dataclass(frozen=True)
    class Parameters(SamplingPlanner.Parameters):
        """Parameters of predictive sampling."""

        spline: str = "cubic"
        """How knots are joined: zero, linear, cubic, b_spline or kernel."""

    room = 1

    def kept(self, memory: Memory, iteration: int) -> list[np.ndarray]:
        """The last plan itself, so that the next is never worse in the model's eyes."""
        return [memory.mean]

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The actions of the best sample."""
        return replace(memory, mean=actions[np.argmin(costs)].copy())

    def weight(self, costs: np.ndarray) -> np.ndarray:
        """The best counts alone. (K,)"""
        weight = np.zeros(len(costs))
        weight[np.argmin(costs)] = 1.0
        return weight
