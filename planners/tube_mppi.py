"""Tube-MPPI: MPPI plans for a state without disturbances, and feedback holds the real one to it.

Williams, Goldfain, Drews, Saigol, Rehg and Theodorou, "Robust Sampling Based Model Predictive
Control with Sparse Objective Information" (RSS 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from .bounds.delay import check_told
from .loop.batch import driven
from .loop.memory import Memory
from .mppi import MPPI
from .plan import Plan
from .trajectory.derivatives import Derivatives
from .trajectory.feedback import tracking


@dataclass(frozen=True, eq=False)
class NominalMemory(Memory):
    """A memory with the state that would be, had nothing disturbed it.

    Attributes:
        nominal: Where it was at the time of the last plan; NaN before the first. (n,)
    """

    nominal: np.ndarray

    def act(self, symmetry: Symmetry, g: int) -> NominalMemory:
        """Where element g sends this memory."""
        return replace(super().act(symmetry, g), nominal=symmetry.act(g, state=self.nominal))


class TubeMPPI(MPPI):
    """The plan is MPPI's from the nominal state, with a linear feedback on how far the real one is.

    The gains are those of a linear quadratic regulator about the nominal trajectory. The nominal
    state is let go, and begins anew from the real one, where that costs no more (the paper's rule),
    and where the feedback would not bring the real one back by a quarter within the plan: what was
    moved is then part of the problem, as the box that was pushed less far than the model said.
    It is let go too where the real state lies on no mirror line that the nominal one lies on.

    Constraints on the state are kept in the nominal plan, and in what the feedback makes of it: a
    barrier's filter works on that one, between the corrected plan and the corrected best sample,
    and multipliers are learned from the one of the two that breaks more, so that a nominal plan
    that the feedback cannot follow without breaking something keeps farther away.

    Raises:
        ValueError: Also with a delay, of which it knows nothing.
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of Tube-MPPI."""

        tracking: float = 30.0
        """Price of a squared deviation of the state, in its units, over that of the largest
        action's: the feedback's gains grow with it."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        check_told(dynamics, "the nominal state")
        super().__init__(dynamics, symmetry, **parameters)
        if not self.parameters.tracking > 0:
            raise ValueError(f"tracking: {self.parameters.tracking} must be positive")
        if self.delay:
            raise ValueError("delay_ms: the nominal state is one of now; leave it at 0")
        self.derivatives = Derivatives(dynamics, self.symmetry, self.largest)
        self.tracked = np.zeros(self.symmetry.width("state"))
        self.tracked[self.derivatives.moving] = self.parameters.tracking
        self.price = 1.0 / self.largest**2

    def initial_memory(self, seed: int = 0) -> NominalMemory:
        """A memory of doing nothing, with no nominal state."""
        nowhere = np.full(self.symmetry.width("state"), np.nan)
        return NominalMemory(**vars(super().initial_memory(seed)), nominal=nowhere)

    def plan(
        self,
        state: np.ndarray,
        time: float,
        memory: NominalMemory,
        tried: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, NominalMemory]:
        """MPPI's plan from the nominal state, corrected; see `SamplingPlanner.plan`."""
        state = np.asarray(state, float)
        nominal = self.nominal(state, time, memory)
        multipliers = self._shifted(memory, time).multipliers
        plan, memory = super().plan(nominal, time, memory, tried)
        memory = replace(memory, nominal=nominal)
        if np.array_equal(nominal, state):
            return plan, memory
        actions, _ = self.corrected(state, nominal, plan.actions)
        actions = self._within(actions[None], memory)[0]
        if self.constraints:
            best, _ = self.corrected(state, nominal, self._best(memory, plan.actions))
            settling = self.constraints.settled(state, actions, best, multipliers)
            actions, learned = driven(self.dynamics, settling)
            memory = replace(memory, multipliers=np.maximum(memory.multipliers, learned))
        return replace(plan, actions=actions), replace(memory, planned=actions)

    def nominal(self, state: np.ndarray, time: float, memory: NominalMemory) -> np.ndarray:
        """The state to plan from: the nominal one, or the real one where that was let go. (n,)"""
        steps = (time - memory.time) / self.task.dt
        if not (np.isfinite(memory.nominal).all() and 0.0 <= steps < self.parameters.horizon):
            return state
        if state.shape != memory.nominal.shape or not np.isfinite(state).all():
            return state  # refused there, with the reason
        there = memory.nominal
        for action in memory.mean[: round(steps)]:
            there = self.dynamics.next_state(there, action)
        goal = getattr(self.task, "goal_slice", slice(0, 0))
        there[goal] = state[goal]  # no disturbance: it is what was asked for
        lost = set(self.symmetry.stabiliser(state=there)) - set(
            self.symmetry.stabiliser(state=state)
        )
        if lost or not np.isfinite(there).all():
            return state
        actions = self.moved_on(memory.mean, steps)
        corrected, apart = self.corrected(state, there, actions)
        multipliers = memory.multipliers_after(steps)
        here, nominal = (
            self.priced(start, way, multipliers)
            for start, way in ((state, corrected), (there, actions))
        )
        brought_back = apart[-1] <= 0.75 * apart[0]
        return there if here > nominal and brought_back else state

    def priced(self, start: np.ndarray, actions: np.ndarray, multipliers: np.ndarray) -> float:
        """The cost of actions (H, m) from a state (n,), the price of constraints included."""
        costs = np.empty((getattr(self.dynamics, "models", 1), 1))
        states = self.constraints.states(1) if self.constraints else None
        self.dynamics.rollout(start, np.ascontiguousarray(actions[None]), costs, states)
        if self.constraints and states is not None:
            costs += self.constraints.price(start, states, multipliers)
        return float(self.risk(costs)[0])

    def corrected(
        self, state: np.ndarray, nominal: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Actions that hold a state to the trajectory of another one.

        Args:
            state: (n,)
            nominal: (n,)
            actions: Those of the other one. (H, m)

        Returns:
            Actions within the limits (H, m), and how far the states are apart, weighted (H + 1,).
        """
        about = [nominal]
        for action in actions:
            about.append(self.dynamics.next_state(about[-1], action))
        a, b = self.derivatives.linear(np.stack(about[:-1]), actions)
        gain = tracking(a, b, self.tracked, self.price)
        x, out, apart = state, np.empty_like(actions), np.empty(len(about))
        for t in range(len(actions)):
            away = self.symmetry.difference("state", x, about[t])
            apart[t] = np.sqrt(self.tracked @ away**2)
            out[t] = self.task.limits.project(actions[t] + gain[t] @ away)
            x = self.dynamics.next_state(x, out[t])
        away = self.symmetry.difference("state", x, about[-1])
        apart[-1] = np.sqrt(self.tracked @ away**2)
        return out, apart
