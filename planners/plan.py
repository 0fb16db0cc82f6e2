"""`Plan`: what a planner hands over, a sequence of actions with the time it starts at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..nodes.parameters import ParameterError
from ..sim.task import Task


@dataclass(frozen=True, eq=False)
class Plan:
    """Actions to be held one after the other.

    Attributes:
        time: Time of the state it was planned from, s; ``actions[0]`` starts there.
        dt: How long each action is held, s.
        actions: The actions, within the limits. (H, m)
        cost: The lowest cost that the planner saw for a sample of its last iteration.
    """

    time: float
    dt: float
    actions: np.ndarray
    cost: float

    def action(self, time: float) -> np.ndarray:
        """The action held at a time (s); before the plan the first, after it the last. (m,)"""
        step = int(np.floor((time - self.time) / self.dt + 1e-6))
        return self.actions[min(max(step, 0), len(self.actions) - 1)]


def check_state(task: Task, state: np.ndarray) -> None:
    """Refuse a state that cannot be planned from.

    Raises:
        ValueError: It has another shape (n,), or holds NaN or infinities.
    """
    names = task.state_names
    if state.shape != (len(names),):
        raise ValueError(f"{task.name} has {len(names)} state coordinates; got {state.shape}")
    if not np.isfinite(state).all():
        worst = names[int(np.argmin(np.isfinite(state)))]
        raise ValueError(f"the state is not finite in {worst}")


def check_states(planner: Any, task: Task, **asked: bool) -> None:
    """Hold a planner in latents of images to what needs no state of the task.

    Args:
        planner: The planner; its own task is another one where it plans in latents.
        task: The task.
        **asked: Parameters that need states, and whether they are asked for.

    Raises:
        ParameterError: One is.
    """
    for name in [name for name, wanted in asked.items() if wanted]:
        if planner.task.state_names != task.state_names:
            said = "it needs states of the task, and a model of images tells latents"
            raise ParameterError(f"{name}: {said}", name)


class Planner(Protocol):
    """Anything that plans. All it remembers is in `memory`, on which the group acts."""

    def initial_memory(self, seed: int) -> Any:
        """What it knows before the first plan."""
        ...

    def plan(self, state: np.ndarray, time: float, memory: Any) -> tuple[Plan, Any]:
        """A plan from a state (n,) at a time (s), and the memory for the next call."""
        ...


def late_actions(task: Task, plan, late_s: float, policy: str) -> np.ndarray:
    """What is published of a plan that came `late_s` (s) after its state. (H, m)"""
    if policy == "hold":
        return np.tile(plan.action(plan.time + late_s), (len(plan.actions), 1))
    if policy == "brake":
        return np.tile(task.safe_action(), (len(plan.actions), 1))
    return plan.actions
