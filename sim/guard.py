"""`PlantGuard`: the last check before the actuators; it counts plant ticks, not wall time."""

from __future__ import annotations

from collections import deque

import numpy as np

from .limits import Limits
from .task import Task

# The values of covary_msgs/msg/Applied.status.
OK, NO_COMMAND, LATE, REJECTED, STOPPED = range(5)


class PlantGuard:
    """Lets through the newest valid command; gives the task's safe action when there is none.

    A command is valid if it is finite, newer than the one before, and not from the future. One
    beyond the limits is projected onto them, and one that changes too fast changes as fast as it
    may. One older than the deadline has run out. The safe action is never slowed down.

    Args:
        task: Whose limits and safe action hold.
        deadline_ticks: Physics ticks from the stamp of a command to its end.
        rates: How fast the action may change, per second; None: as fast as it likes.
        delay_ticks: Physics ticks from a command's coming to its execution. What the guard itself
            decides is never delayed, and the deadline is that of the newest command that came.

    Attributes:
        stopped: Whether a stop is latched.
        rejected: How many commands were refused.
        limited: How many were changed by limits or rates.
    """

    def __init__(
        self,
        task: Task,
        deadline_ticks: int,
        rates: Limits | None = None,
        delay_ticks: int = 0,
    ) -> None:
        if deadline_ticks < 1:
            raise ValueError("the command deadline must be at least one physics tick")
        self.task = task
        self.deadline_ticks = deadline_ticks
        self.rates = rates
        self.delay_ticks = delay_ticks
        self.stopped = False
        self.rejected = 0
        self.limited = 0
        self.reset()

    def reset(self) -> None:
        """Forget all commands (a new episode). A stop stays."""
        self._action: np.ndarray | None = None
        self._waiting: deque[tuple[int, np.ndarray]] = deque()
        self._stamp = -1
        self._status = NO_COMMAND
        self.command_time = 0.0

    def offer(self, action: np.ndarray, stamp_tick: int, tick: int, time: float = 0.0) -> bool:
        """Take a command stamped at a tick of this episode.

        Args:
            action: (m,)
            stamp_tick: Tick of the sensor data that the command answers.
            tick: The plant's tick now.
            time: The stamp in seconds, for the record.

        Returns:
            Whether it was taken. One that is not finite is refused and ends the one before: a
            controller that sends NaN is not to be trusted with its last word either.
        """
        if not np.isfinite(action).all():
            self.rejected += 1
            self._action, self._status = None, REJECTED
            self._waiting.clear()
            return False
        if stamp_tick <= self._stamp or stamp_tick > tick:
            self.rejected += 1
            return False
        within = self._slowed(self.task.limits.project(action), stamp_tick, tick)
        self.limited += bool(np.abs(within - action).max() > 1e-9)
        self._action, self._stamp, self._status = within, stamp_tick, OK
        self.command_time = time
        if self.delay_ticks:
            self._waiting.append((tick + self.delay_ticks, within))
        return True

    def action(self, tick: int) -> tuple[np.ndarray, int]:
        """What the actuators do in a tick (m,), and why: OK, NO_COMMAND, LATE, ..."""
        if self.stopped:
            return self.task.safe_action(), STOPPED
        if self._action is None:
            return self.task.safe_action(), self._status
        if tick - self._stamp >= self.deadline_ticks:
            self._waiting.clear()
            return self.task.safe_action(), LATE
        if self.delay_ticks:
            return self._delayed(tick)
        return self._action, OK

    def stop(self) -> None:
        """Latch the safe action, whatever is commanded."""
        self.stopped = True

    def clear_stop(self) -> None:
        """Obey commands again: those that come from now on."""
        if self.stopped:
            self.stopped = False
            self._action, self._status = None, NO_COMMAND
            self._waiting.clear()

    def _delayed(self, tick: int) -> tuple[np.ndarray, int]:
        """The newest command whose time has come."""
        while len(self._waiting) > 1 and self._waiting[1][0] <= tick:
            self._waiting.popleft()
        if not self._waiting or self._waiting[0][0] > tick:
            return self.task.safe_action(), NO_COMMAND
        return self._waiting[0][1], OK

    def _slowed(self, action: np.ndarray, stamp_tick: int, tick: int) -> np.ndarray:
        """The action, as far towards it as the rates allow from what is being done now. (m,)"""
        if self.rates is None:
            return action
        # After a gap no more than in a control period: the plant has been doing something since.
        period = self.task.dt / self.task.physics_dt
        ticks = min(stamp_tick - self._stamp, period) if self._stamp >= 0 else period
        seconds = ticks * self.task.physics_dt
        now, _ = self.action(tick) if not self._waiting else (self._waiting[-1][1], OK)
        # A part of a straight way between two actions within convex limits stays within them.
        return now + seconds * self.rates.project((action - now) / seconds)
