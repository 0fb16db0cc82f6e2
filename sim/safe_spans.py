"""`SafeSpans`: the plant's own record of when it did nothing but the safe action, and why."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

REASONS = ("COMMANDED", "NO_COMMAND", "LATE", "REJECTED", "STOPPED")
"""By status of the guard; COMMANDED: the command itself asked for the safe action."""
EXPECTED = ("COMMANDED", "NO_COMMAND")
"""Reasons that are no intervention of the guard's: every episode begins with no command."""
_MOST_WAITING = 10_000  # spans kept in memory while the disk refuses


class SafeSpans:
    """Notes in plant time when the safe action begins and ends: in the log, and a line a span.

    It is written where the actuators are, so it tells the truth whatever became of the bus and of
    those who listen to it. A line is a JSON object: ``episode``, ``why`` (of `REASONS`), ``begin``
    and ``end`` (plant time, s), ``last_command`` and ``next_command`` (stamps of the commands
    before and after it, s; null for none).

    Args:
        safe_action: The task's safe action. (m,)
        log: Where a person reads of it.
        path: The file; None for none. A full disk costs nothing but the lines.

    Attributes:
        interventions: How many spans were the guard's doing.
        seconds: How long these were together, s.
    """

    def __init__(self, safe_action: np.ndarray, log: logging.Logger, path: Path | None) -> None:
        self.interventions = 0
        self.seconds = 0.0
        self._safe = tuple(safe_action)
        self._log = log
        self._path = path
        self._span: dict[str, Any] | None = None
        self._lines: list[str] = []

    def note(
        self, time: float, episode: int, action: np.ndarray, status: int, command: float
    ) -> None:
        """Take note of what the plant executes from a time on.

        Args:
            time: Plant time, s.
            episode: The episode's number.
            action: What is executed. (m,)
            status: The guard's reason.
            command: Stamp of the newest command that was taken, s.
        """
        why = REASONS[status] if status or tuple(action) == self._safe else None
        before = self._span["why"] if self._span else None
        if why == before:
            return
        self.end(time, command if why is None else None)
        if why is not None:
            last = None if why == "NO_COMMAND" else command
            self._span = {"episode": episode, "why": why, "begin": time, "last_command": last}
        if why not in (None, *EXPECTED):
            self._log.warning(
                "t=%.3f s: %s, so the safe action (newest command: t=%.3f s)", time, why, command
            )
        elif before not in (None, *EXPECTED):
            self._log.info("t=%.3f s: commands are obeyed again (t=%.3f s)", time, command)

    def end(self, time: float, command: float | None = None) -> None:
        """End the span that lasts, if one does, at a time (s), and write it down."""
        span, self._span = self._span, None
        if span is None:
            return
        if span["why"] not in EXPECTED:
            self.interventions += 1
            self.seconds += time - span["begin"]
        if self._path is None:
            return
        self._lines.append(json.dumps({**span, "end": time, "next_command": command}) + "\n")
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(self._lines))
            self._lines.clear()
        except OSError:  # they wait for room on the disk
            del self._lines[:-_MOST_WAITING]
