"""MPPI: the mean of all samples, weighted by the exponential of their negative cost.

Williams, Aldrich, Theodorou, "Model Predictive Path Integral Control", JGCD 2017, algorithm 2, in
the form without the action-cost term (its importance correction), which costs quality at few
samples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .sampling import Memory, SamplingPlanner


class MPPI(SamplingPlanner):
    """Path integral control: ``mean = sum_k w_k a_k``, ``w_k ~ exp(-cost_k / temperature)``."""

    @dataclass(frozen=True)
    class Parameters(SamplingPlanner.Parameters):
        """Parameters of MPPI."""

        temperature: float = 0.1
        """Lambda of the paper, in units of cost: small follows the best sample, large averages."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        if not self.parameters.temperature > 0:
            raise ValueError(f"temperature: {self.parameters.temperature} must be positive")

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The weighted mean of the samples' actions; the spread stays."""
        weight = np.exp((costs.min() - costs) / self.parameters.temperature)  # (K,)
        weight /= weight.sum()
        return replace(memory, mean=np.einsum("k,khm->hm", weight, actions))
