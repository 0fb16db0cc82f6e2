"""CEM: mean and spread of the samples are fitted to the best few of them, again and again.

Rubinstein, "The Cross-Entropy Method for Combinatorial and Continuous Optimization", 1999; as a
planner: Chua et al., "Deep Reinforcement Learning in a Handful of Trials", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .loop.memory import Memory
from .loop.weights import elite
from .sampling import SamplingPlanner


class CEM(SamplingPlanner):
    """The cross-entropy method; one spread for each block of coordinates that the group mixes.

    A spread of each coordinate for itself would not be equivariant; with no symmetry the blocks are
    the single coordinates, and this is the ordinary method.
    """

    @dataclass(frozen=True)
    class Parameters(SamplingPlanner.Parameters):
        """Parameters of CEM."""

        iterations: int = 4
        """Rounds of sampling and updating in each plan."""
        elite_fraction: float = 0.1
        """Share of the samples that the fit keeps."""
        smallest_noise: float = 0.02
        """Least standard deviation, as a fraction of the largest action."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        if not 0 < self.parameters.elite_fraction <= 1:
            raise ValueError(f"elite_fraction: {self.parameters.elite_fraction} must be in (0, 1]")
        if not self.parameters.smallest_noise >= 0:
            raise ValueError(
                f"smallest_noise: {self.parameters.smallest_noise} must not be negative"
            )
        self.elites = max(1, round(self.parameters.elite_fraction * self.parameters.samples))
        self.smallest_std = self.parameters.smallest_noise * self.largest  # (m,)

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """Mean of the elites' actions, and the spread of their noise about its own mean."""
        best = elite(costs, self.elites)
        variance = noise[best].var(axis=0)  # (N, m)
        for block in self.blocks:
            variance[:, block] = variance[:, block].mean(axis=1, keepdims=True)
        return replace(
            memory,
            mean=actions[best].mean(axis=0),
            std=np.maximum(np.sqrt(variance), self.smallest_std),
        )

    def weight(self, costs: np.ndarray) -> np.ndarray:
        """The elites count alike, the others not at all. (K,)"""
        best = elite(costs, self.elites)
        weight = np.zeros(len(costs))
        weight[best] = 1.0 / len(best)
        return weight
