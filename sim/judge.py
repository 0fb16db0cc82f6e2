"""`Judge`: what an episode has cost, and when it is a success or out of time."""

from __future__ import annotations

import numpy as np

from .dials import first_moved
from .plant import Plant
from .task import Task


class Judge:
    """Judges one episode at the end of each control period.

    Args:
        plant: What it looks at, at the episode's start; its task's time limit counts.
        flips: Whether the result is told inverted, if the episode starts on that side (see the dial
            `label_flip`).

    Attributes:
        cost: The running cost so far, summed over the periods.
        running: That of the last period.
        good: Whether the state at its end is within the thresholds.
    """

    def __init__(self, plant: Plant, flips: bool = False) -> None:
        self.plant, self.task = plant, plant.task
        self.cost = self.running = 0.0
        self.good = False
        self._held = 0
        self._inverts = flips and bool(inverted(plant.task, plant.state()))

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
            return not self._inverts
        over = self.plant.over or elapsed >= self.task.time_limit - 1e-9
        return self._inverts if over else None


def inverted(task: Task, start: np.ndarray) -> np.ndarray:
    """Whether an episode starts on the side where labels may be flipped. (..., n) -> (...) bool"""
    return start[..., first_moved(task.symmetry, "state")] > 0.0
