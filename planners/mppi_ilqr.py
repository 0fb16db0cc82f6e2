"""MPPI whose plan iLQR polishes: samples find the way, derivatives go it to its end.

The two papers of `mppi` and `ilqr`, one after the other, as iLQS in Howell et al., "Predictive
Sampling: Real-time Behaviour Synthesis with MuJoCo" (2022) does it with predictive sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .bounds.delay import ahead, check_told
from .ilqr import Descent, with_slopes
from .loop.batch import driven
from .loop.memory import Memory
from .loop.parameters import MOST
from .mppi import MPPI
from .plan import Plan


class MPPIiLQR(MPPI):
    """A few steps of iLQR from MPPI's mean; each is taken only if it lowers the cost in the model.

    The next plan starts from what is polished. With several models the first one's slopes are
    followed; its cost alone is what a step must lower.

    Constraints on the state are kept by the multipliers of `Lagrangian`: the price is the same for
    samples and steps, and what is learned is learned from the polished plan.

    Raises:
        ValueError: Also where the task tells no cost of a state or limits how fast actions change,
            or with constraints that a barrier is to keep: iLQR needs the first, and knows nothing
            of the others.
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of MPPI with iLQR."""

        polish: int = 2
        """Steps of iLQR in each plan, at most; 0: none, which is MPPI."""
        tolerance: float = 1e-5
        """Decrease of the cost in a step, as a fraction of it, below which no more are made."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        check_told(dynamics, "slopes")
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        if not 0 <= p.polish <= MOST["iterations"]:
            raise ValueError(f"polish: {p.polish} must be from 0 to {MOST['iterations']}")
        if not (np.isfinite(p.tolerance) and p.tolerance >= 0):
            raise ValueError(f"tolerance: {p.tolerance} must not be negative")
        self.learning = with_slopes(self.constraints)
        self.descent = Descent(dynamics, self.symmetry, p.tolerance, self.learning)

    def keep_within(self, seconds: float) -> None:
        """Bound the time of each plan, half of it for each of the two; see `Budget`."""
        super().keep_within(0.5 * seconds)
        self.descent.budget.seconds = 0.5 * seconds

    def plan(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray] = ()
    ) -> tuple[Plan, Memory]:
        """MPPI's plan, polished; see `SamplingPlanner.plan`."""
        multipliers = self._shifted(memory, time).multipliers
        plan, memory = super().plan(state, time, memory, tried)
        sent, actions = plan.actions[: self.delay], plan.actions[self.delay :]
        start = ahead(self.dynamics, np.asarray(state, float), sent)
        steps = self.parameters.polish
        actions, costs = self.descent.improved(start, actions, steps, multipliers)
        if len(costs) == 1:
            return plan, memory
        if self.learning:
            settling = self.learning.settled(start, actions, actions, multipliers)
            _, multipliers = driven(self.dynamics, settling)
        whole = np.concatenate([sent, actions])
        memory = replace(memory, mean=actions, planned=actions, multipliers=multipliers)
        return replace(plan, actions=whole, cost=min(plan.cost, costs[-1])), memory
