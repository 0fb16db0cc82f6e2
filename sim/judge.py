"""`Judge`: what an episode has cost, and when it is a success or out of time."""

from __future__ import annotations

import numpy as np

from .task import Task


class Judge:
    """Judges one episode at the end of each control period.

    Args:
        task: Whose cost, success and time limit count.

    Attributes:
        cost: The running cost so far, summed over the periods.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.cost = 0.0
        self._held = 0

    def period(self, x: np.ndarray, u: np.ndarray, elapsed: float) -> bool | None:
        """Judge the state x (n,) at the end of a period in which u (m,) was executed last.

        Args:
            x: The state. (n,)
            u: The action. (m,)
            elapsed: Since the episode's start, s.

        Returns:
            Whether it is a success; None while the episode goes on.
        """
        self.cost += float(self.task.running_cost(x, u))
        self._held = self._held + 1 if bool(self.task.success(x)) else 0
        # Success must hold over a span of time: n periods are spanned by n + 1 good states.
        if self._held * self.task.dt > self.task.hold + 1e-9:
            return True
        return False if elapsed >= self.task.time_limit - 1e-9 else None
