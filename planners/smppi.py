"""SMPPI: MPPI whose noise is on the actions' rate, and whose plans are charged for being rough.

Kim, Jang, Yoo, Kim and Kim, "Smooth Model Predictive Path Integral Control without Smoothing"
(RA-L 2022): lifted control, u' being the derivative of u, and the cost Omega on its differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .loop.memory import Memory
from .mppi import MPPI


class SMPPI(MPPI):
    """Noise on the rate adds up to smooth actions; ``roughness |a_t - a_(t-1)|^2`` is a cost.

    That cost is in units of the temperature, actions in units of the largest, so that it weighs
    alike whatever the task's unit of cost: it is a prior that changes are small, whose deviation is
    ``1 / sqrt(2 roughness)``.
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of SMPPI."""

        rate: bool = True
        """Noise on the actions' rate: it adds up along the horizon, to `noise` on the mean."""
        roughness: float = 3.0
        """Cost of a change from one action to the next of the largest action's size, in
        temperatures."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        if not self.parameters.roughness >= 0:
            raise ValueError(f"roughness: {self.parameters.roughness} must not be negative")

    def beside(self, memory: Memory, actions: np.ndarray) -> np.ndarray:
        """The roughness of each sample, the step from the action before the plan included. (K,)"""
        before = np.broadcast_to(memory.sent[-1], (len(actions), 1, actions.shape[2]))
        unit = np.diff(actions, axis=1, prepend=before) / self.largest
        change = np.sum(np.square(unit), axis=(1, 2))
        return self.parameters.roughness * self.tempered(self._last[1]) * change
