"""Predictive sampling: the best sample is the plan.

Howell et al., "Predictive Sampling: Real-time Behaviour Synthesis with MuJoCo", 2022, algorithm 1,
with noise of two sizes, as the authors' program MJPC has come to draw it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .loop.memory import Memory
from .loop.noise import Antithetic, Mixture
from .sampling import SamplingPlanner


class PredictiveSampling(SamplingPlanner):
    """Samples about the last plan, that one among them; the one of least cost is the next.

    Since a plan is one sample, it is as rough as the noise: with noise large enough to find the
    way it never comes to rest, as no sample is nearer to rest than the last plan. So some of the
    noise is fine.

    Raises:
        ValueError: Also numbers of fine noise out of their ranges.
    """

    @dataclass(frozen=True)
    class Parameters(SamplingPlanner.Parameters):
        """Parameters of predictive sampling."""

        spline: str = "cubic"
        """How knots are joined: zero, linear, cubic, b_spline or kernel."""
        fine: float = 0.2
        """Deviation of the fine noise, as a fraction of `noise`."""
        fine_share: float = 0.2
        """Share of the samples whose noise is fine; 0: none."""

    room = 1

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        if not 0.0 < p.fine <= 1.0:
            raise ValueError(f"fine: {p.fine} must be above 0 and at most 1")
        if not 0.0 <= p.fine_share < 1.0:
            raise ValueError(f"fine_share: {p.fine_share} must be in [0, 1)")
        if isinstance(self.law, Antithetic):  # pairs stay pairs
            self.law = Antithetic(Mixture(self.law.law, p.fine_share, p.fine))
        else:
            self.law = Mixture(self.law, p.fine_share, p.fine)

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
