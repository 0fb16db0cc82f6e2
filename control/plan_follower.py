"""Following a plan between replans, and refusing plans that are old, odd or of another episode."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..sim.task import Task


class PlanFollower:
    """Gives the newest usable plan's action at any time, and the task's safe action without one.

    Args:
        task: Whose limits and safe action hold.
        timeout: A plan made from a state older than this (s) is refused.
        delay: A plan takes effect this long (s) after its state: a simulated planning time.
    """

    def __init__(self, task: Task, timeout: float, delay: float = 0.0) -> None:
        self.task = task
        self.timeout = timeout
        self.delay = delay
        self.refused = 0
        self._since = -np.inf
        self._plans: deque[tuple[float, float, np.ndarray]] = deque()

    def reset(self, time: float) -> None:
        """Forget all plans; from now on refuse those made from states before `time` (s)."""
        self._plans.clear()
        self._since = time

    def offer(self, time: float, dt: float, actions: np.ndarray) -> bool:
        """Take a plan made from the state at `time` (s), with actions (H, m) held `dt` (s) each.

        Returns:
            False, and counts it as refused, if it is of an earlier episode, not finite, or not
            newer than the newest plan.
        """
        newest = self._plans[-1][0] if self._plans else -np.inf
        if time < self._since or time <= newest or not np.isfinite(actions).all():
            self.refused += 1
            return False
        self._plans.append((time, dt, actions))
        return True

    def action(self, time: float) -> tuple[np.ndarray, bool]:
        """The action for `time` (s), within limits, and whether a plan stands behind it. (m,)"""
        ready = time - self.delay + 1e-9
        while len(self._plans) > 1 and self._plans[1][0] <= ready:
            self._plans.popleft()
        if self._plans:
            start, dt, actions = self._plans[0]
            age = time - start
            step = int(np.floor(age / dt + 1e-6))
            if start <= ready and age <= self.timeout + self.delay + 1e-9 and step < len(actions):
                return self.task.limits.project(actions[max(step, 0)]), True
        return self.task.safe_action(), False
