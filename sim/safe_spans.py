"""`SafeSpans`: the plant's own record of when it did nothing but the safe action, and why."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

REASONS = ("COMMANDED", "NO_COMMAND", "LATE", "REJECTED", "STOPPED")
"""By status of the guard; COMMANDED: the command itself asked for the safe action."""
MOST_SPANS = 500
"""Spans that are kept; the log has them all."""


class SafeSpans:
    """Notes in plant time when the safe action begins and ends, in the log and as a list.

    It is written where the actuators are, so it tells the truth whatever became of the bus and of
    those who listen to it.

    Args:
        safe_action: The task's safe action. (m,)
        log: Where a person reads of it.

    Attributes:
        spans: The newest `MOST_SPANS`, oldest first: ``episode``, ``why`` (of `REASONS`), ``begin``
            and ``end`` (plant time, s; ``end`` None while it lasts), ``last_command`` and
            ``next_command`` (stamps of the commands before and after it, s; None for none).
    """

    def __init__(self, safe_action: np.ndarray, log: logging.Logger) -> None:
        self.spans: list[dict[str, Any]] = []
        self._safe = tuple(safe_action)
        self._log = log
        self._why: str | None = None

    def note(
        self, time: float, episode: int, action: np.ndarray, status: int, command: float
    ) -> None:
        """Take note of what the plant executes from a time (s) on.

        Args:
            time: Plant time, s.
            episode: The episode's number.
            action: What is executed. (m,)
            status: The guard's reason.
            command: Stamp of the newest command that was taken, s.
        """
        why = REASONS[status] if status or tuple(action) == self._safe else None
        if why == self._why:
            return
        ended = self._why
        self.end(time, command if why is None else None)
        self._why = why
        if why is None:
            if ended not in (None, "NO_COMMAND", "COMMANDED"):
                self._log.info("t=%.3f s: commands are obeyed again (of t=%.3f s)", time, command)
            return
        self.spans.append(
            {
                "episode": episode,
                "why": why,
                "begin": time,
                "end": None,
                "last_command": None if why == "NO_COMMAND" else command,
                "next_command": None,
            }
        )
        del self.spans[:-MOST_SPANS]
        if why not in ("NO_COMMAND", "COMMANDED"):
            self._log.warning(
                "t=%.3f s: %s, so the safe action (newest command is of t=%.3f s)",
                time,
                why,
                command,
            )

    def end(self, time: float, command: float | None = None) -> None:
        """End the span that lasts, if one does, at a time (s)."""
        if self._why is not None:
            self.spans[-1]["end"] = time
            self.spans[-1]["next_command"] = command
            self._why = None
