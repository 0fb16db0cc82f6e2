"""DIAL: MPPI with noise that shrinks from iteration to iteration, and is least near the present.

Xue, Pan, Yi, Qu and Shi, "Full-Order Sampling-Based MPC for Torque-Level Locomotion Control via
Diffusion-Style Annealing" (ICRA 2025): each iteration is a step of denoising.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .loop.memory import Memory
from .mppi import MPPI, WeightParameters


class DIAL(MPPI):
    """Noise ``exp(-i / (b1 I) - (N - 1 - k) / (b2 N))`` in iteration i of I and at knot k of N.

    Costs are standardised before they are weighed, so that the temperature has no unit.
    """

    @dataclass(frozen=True)
    class Parameters(WeightParameters):
        """Parameters of DIAL."""

        iterations: int = 4
        """Rounds of sampling and updating in each plan."""
        spline: str = "cubic"
        """How knots are joined: zero, linear, cubic, b_spline or kernel."""
        relative_temperature: float = 0.1
        """The paper's temperature: in standard deviations of the samples' costs."""
        iteration_annealing: float = 0.5
        """b1: the noise falls by exp(-1 / b1) over all iterations."""
        horizon_annealing: float = 2.0
        """b2: it is exp(-1 / b2) of the last knot's at the first; the authors' program has 0.9 from
        knot to knot, which is 2 with five of them."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        for name in ("relative_temperature", "iteration_annealing", "horizon_annealing"):
            if not getattr(p, name) > 0:
                raise ValueError(f"{name}: {getattr(p, name)} must be positive")
        before = (p.knots - 1 - np.arange(p.knots)) / p.knots
        self.initial_std = self.initial_std * np.exp(-before / p.horizon_annealing)[:, None]
        self.fall = float(np.exp(-1.0 / (p.iteration_annealing * p.iterations)))

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The weighted mean, and less noise."""
        return replace(super().update(memory, noise, actions, costs), std=memory.std * self.fall)
