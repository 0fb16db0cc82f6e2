"""KMPPI: MPPI over few knots that Gaussian kernels join, and that are kept from plan to plan.

Zhong, `pytorch_mppi` (KMPPI); the kernels smooth the actions without a filter afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .loop.memory import Memory
from .loop.spline import kernel_weights
from .mppi import MPPI


class KMPPI(MPPI):
    """The mean is a curve about the safe action, ``rest + W theta``, and stays one.

    So the noise of the samples is averaged, not their actions (which the limits cut), and the warm
    start is the curve itself, read at later times, from which the knots are taken again.
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of KMPPI."""

        spline: str = "kernel"
        """How knots are joined: kernel."""
        knots: int = 4
        """Kernels, evenly over the horizon."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        if p.spline != "kernel" or p.rate:
            name, value = ("rate", "true") if p.rate else ("spline", p.spline)
            raise ValueError(f"{name}: {value} is not KMPPI's; it joins knots by kernels")
        self.matrix = self.spline.matrix(p.knots)  # (H, N)
        self.inverse = np.linalg.pinv(self.matrix)  # (N, H)

    def update(
        self, memory: Memory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> Memory:
        """The knots moved by the weighted mean of their noise."""
        moved = np.einsum("k,knm->nm", self.weight(costs), noise)
        return replace(memory, mean=memory.mean + self.matrix @ moved)

    def later(self, steps: float) -> np.ndarray:
        """From a curve about nothing to its knots `steps` control periods later. (N, H)"""
        p = self.parameters
        centres = np.linspace(0.0, p.horizon - 1.0, p.knots) + steps
        return kernel_weights(centres, p.horizon, p.knots, p.kernel_width) @ self.inverse

    def moved_on(self, mean: np.ndarray, steps: float) -> np.ndarray:
        """The curve read `steps` control periods later. (H, m)"""
        return self.rest + self.matrix @ (self.later(steps) @ (mean - self.rest))
