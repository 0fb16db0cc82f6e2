"""`Judge`: what an episode has cost, and when it is a success or out of time."""

from __future__ import annotations

import numpy as np

from .plant import Plant


class Judge:
    """Judges one episode at the end of each control period.

    Args:
        plant: What it looks at; its task's time limit counts.

    Attributes:
        cost: The running cost so far, summed over the periods.
        running: That of the last period.
        good: Whether the state at its end is within the thresholds.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant, self.task = plant, plant.task
        self.cost = self.running = 0.0
        self.good = False
        self._held = 0

    def period(self, u: np.ndarray, elapsed: float) -> bool | None:
        """Judge the plant at the end of a period in which u (m,) was executed last.

        Args:
            u: The action. (m,)
            elapsed: Since the episode's start, s.

        Returns:
            Whether it is a success; None while the episode goes on.
        """
        self.running = self.plant.cost(u)
        self.cost += self.running
        self.good = self.plant.success()
        self._held = self._held + 1 if self.good else 0
        # Success must hold over a span of time: n periods are spanned by n + 1 good states.
        if self._held * self.task.dt > self.task.hold + 1e-9:
            return True
        over = self.plant.over or elapsed >= self.task.time_limit - 1e-9
        return False if over else None
