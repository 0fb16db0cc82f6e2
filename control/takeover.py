"""`Takeover`: somebody else acts while a policy is unsure, or where it has been seen to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .success_map import SuccessMap

EASE = 0.8
"""The policy goes on when its uncertainty is below this share of the limit at which it ended."""


class Fallback(Protocol):
    """Anything that plans, a sampling planner say; all it remembers is in `memory`."""

    def initial_memory(self, seed: int) -> Any:
        """What it knows before the first plan."""
        ...

    def plan(self, state: np.ndarray, time: float, memory: Any) -> tuple[Any, Any]:
        """A plan from a state (n,) at a time (s), with its `actions` (H, m), and the memory."""
        ...


@dataclass(frozen=True)
class TakeoverLimits:
    """When somebody else takes over."""

    uncertainty: float = 0.0
    """Above this uncertainty of the policy, or where it says none; 0: whatever it says."""
    success: float = 0.0
    """Where the policy's map has a success rate below this, or none; 0: wherever."""
    settle_s: float = 0.5
    """The policy goes on when nothing has been wrong for so long, s of plant time."""


class Takeover:
    """Who acts: the policy, or the fallback. It takes over at once, and gives back later.

    Args:
        fallback: Who takes over.
        limits: When.
        success_map: The policy's, if it is to be looked at.
        state_names: The coordinates of the states that `choose` is given.
    """

    def __init__(
        self,
        fallback: Fallback,
        limits: TakeoverLimits,
        success_map: SuccessMap | None,
        state_names: tuple[str, ...],
    ) -> None:
        self.fallback, self.limits, self.map = fallback, limits, success_map
        self.state_names = state_names
        self.acts = False
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode: the policy acts; `seed` is the key of the fallback's draws."""
        self.acts, self._seed, self._times = False, seed, 0
        self._wrong_at = -np.inf

    def choose(self, time: float, state: np.ndarray, uncertainty: float, missed: str) -> str:
        """Decide who acts at a time (s), in a state (n,).

        Args:
            time: s.
            state: (n,)
            uncertainty: The policy's; NaN if it does not say.
            missed: Why the policy has no answer; empty: it has one.

        Returns:
            What there is to say of a change, in a line; empty: it is as before.
        """
        wrong = missed or self._wrong(state, uncertainty)
        if wrong:
            self._wrong_at = time
        if wrong and not self.acts:
            self.acts = True
            self._times += 1
            self._memory = self.fallback.initial_memory(self._seed + self._times)
            return f"the fallback takes over: {wrong}"
        if self.acts and time - self._wrong_at >= self.limits.settle_s - 1e-9:
            self.acts = False
            return "the policy goes on"
        return ""

    def plan(self, state: np.ndarray, time: float) -> np.ndarray:
        """The fallback's actions. (H, m)

        Raises:
            ValueError: It has no plan for this state.
        """
        plan, self._memory = self.fallback.plan(state, time, self._memory)
        return np.asarray(plan.actions, float)

    def _wrong(self, state: np.ndarray, uncertainty: float) -> str:
        """What speaks against the policy here; while it does not act it must be better."""
        if self.limits.uncertainty:
            most = self.limits.uncertainty * (EASE if self.acts else 1.0)
            if not uncertainty <= most:  # one that is no number is no reason to trust it
                return f"uncertainty {uncertainty:.3g} is above {most:.3g}"
        if self.limits.success and self.map is not None:
            rate = self.map.at_state(state, self.state_names)
            if not rate >= self.limits.success:
                said = "no start there was tried" if np.isnan(rate) else f"success {rate:.2f}"
                where = " and ".join(self.map.names)
                return f"its map over {where} says: {said}"
        return ""
