"""MPPI: the mean of all samples, weighted by the exponential of their negative cost.

Williams, Aldrich, Theodorou, "Model Predictive Path Integral Control", JGCD 2017, algorithm 2, in
the form without the action-cost term (its importance correction), which costs quality at few
samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .loop.memory import Memory
from .loop.noise_scale import NoiseParameters
from .loop.parameters import SamplingParameters
from .loop.weights import elite, exponential, relative_temperature, temperature_for, tsallis
from .sampling import SamplingPlanner


@dataclass(frozen=True)
class WeightParameters(SamplingParameters):
    """Parameters of weighing samples by their cost, but for the temperature."""

    effective_samples: float = 0.0
    """Choose the temperature anew each time, so that the weights have this effective sample size;
    0: it stays."""
    relative_temperature: float = 0.0
    """The temperature in standard deviations of the samples' costs, each time anew, so that the
    unit of cost does not matter; 0: `temperature` it is."""
    weights: Literal["exponential", "tsallis"] = "exponential"
    """tsallis: weights that end, at temperature / (tsallis_order - 1) above the lowest cost."""
    tsallis_order: float = 1.5
    """r of Tsallis's divergence, above 1: at 2 weights fall linearly, towards 1 they are
    exponentials."""
    best_fraction: float = 1.0
    """Share of the samples, the best, that have a weight at all: elite MPPI below 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.relative_temperature < math.inf:
            said = f"{self.relative_temperature} must be a positive number, or 0"
            raise ValueError(f"relative_temperature: {said}")
        given = self.relative_temperature != type(self).relative_temperature
        if given and self.effective_samples:
            raise ValueError("relative_temperature: effective_samples chooses it; set one of them")


class MPPI(SamplingPlanner):
    """Path integral control: ``mean = sum_k w_k a_k``, ``w_k ~ exp(-cost_k / temperature)``."""

    @dataclass(frozen=True)
    class Parameters(WeightParameters, NoiseParameters):
        """Parameters of MPPI."""

        temperature: float = 0.1
        """Lambda of the paper, in units of cost: small follows the best sample, large averages."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.temperature > 0:
                raise ValueError(f"temperature: {self.temperature} must be positive")

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        if p.effective_samples and not 1 <= p.effective_samples <= p.samples:
            said = f"{p.effective_samples} must be from 1 to samples ({p.samples}), or 0"
            raise ValueError(f"effective_samples: {said}")
        if not p.tsallis_order > 1:
            raise ValueError(f"tsallis_order: {p.tsallis_order} must be above 1")
        if not 0 < p.best_fraction <= 1:
            raise ValueError(f"best_fraction: {p.best_fraction} must be in (0, 1]")

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The weighted mean of the samples' actions."""
        return replace(memory, mean=np.einsum("k,khm->hm", self.weight(costs), actions))

    def weight(self, costs: np.ndarray) -> np.ndarray:
        """How much each sample counts; they sum to 1. (K,)"""
        p = self.parameters
        if p.best_fraction < 1.0:
            best = elite(costs, max(1, round(p.best_fraction * len(costs))))
            costs = np.where(np.isin(np.arange(len(costs)), best), costs, np.inf)
        temperature = self.tempered(costs)
        if p.weights == "tsallis":
            return tsallis(costs, temperature / (p.tsallis_order - 1.0), p.tsallis_order)
        return exponential(costs, temperature)

    def tempered(self, costs: np.ndarray) -> float:
        """The temperature: as it is, by the costs' spread, or such that so many samples count."""
        p = self.parameters
        if p.effective_samples:
            return temperature_for(costs, p.effective_samples)
        if p.relative_temperature:
            return relative_temperature(costs, p.relative_temperature)
        return p.temperature
