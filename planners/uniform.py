"""Uniform random actions: what any other planner has to beat, on any task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..sim.task import Task
from .loop.parameters import check_counts
from .plan import Plan, Planner


@dataclass(frozen=True, eq=False)
class Draws:
    """What it carries from one plan to the next: the key of all draws, and how many there were."""

    seed: int
    draws: int = 0


class Uniform(Planner):
    """Draws each action uniformly from the smallest box around the limits, and projects it.

    It knows no model and looks at no state. Its plans have the task's symmetry in distribution
    only: no plan is another one's image.

    Args:
        task: Whose limits hold.
        symmetry: Of no use here.
        **parameters: Fields of `Parameters`.

    Raises:
        ValueError: A horizon below 1, or far beyond all use.
    """

    needs_model: ClassVar[bool] = False

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the uniform planner."""

        horizon: int = 10
        """Actions in a plan; with a new plan every control period only the first one counts."""

    def __init__(self, task: Task, symmetry: str = "full", **parameters) -> None:
        self.task = task
        self.parameters = self.Parameters(**parameters)
        check_counts(self.parameters)

    def initial_memory(self, seed: int) -> Draws:
        """Nothing but the key of all draws."""
        return Draws(int(seed))

    def plan(self, state: np.ndarray, time: float, memory: Draws) -> tuple[Plan, Draws]:
        """Actions that owe nothing to the state (n,)."""
        rng = np.random.Generator(np.random.Philox(key=[memory.seed, memory.draws]))
        low, high = self.task.limits.bound()
        actions = rng.uniform(low, high, (self.parameters.horizon, len(low)))
        plan = Plan(float(time), self.task.dt, self.task.limits.project(actions), np.nan)
        return plan, replace(memory, draws=memory.draws + 1)
