"""`Barrier`: time waits behind it for the answer to the newest state; who is silent, how long."""

from __future__ import annotations

import time as wall
from collections.abc import Mapping

ANSWERS = {"/estimate": "State", "/plan": "JointTrajectory", "/command": "JointState"}
"""Message types of the topics by which nodes answer a tick."""

REPEAT_S = 1.0
"""What is not answered is sent again this often, wall clock, s; a short timeout has four turns."""


class Barrier:
    """Watches the wall time that the answer takes: a lost message costs a moment, not the run.

    Args:
        path: The nodes from sensor to command, with the topic each answers by.
        timeout_s: After this long without the command the wait is over, s.

    Attributes:
        repeat_s: After this long, and every so long, the state is to be sent again, s.
    """

    def __init__(self, path: Mapping[str, str], timeout_s: float) -> None:
        self.path, self.timeout_s = path, timeout_s
        self.repeat_s = min(timeout_s / 4, REPEAT_S)
        self._answered: dict[str, float] = {}
        self.begin(0.0)

    def begin(self, time: float) -> None:
        """The state of a simulated time (s) has just been sent."""
        self.time = time
        self._sent = self._repeated = wall.monotonic()

    def note(self, topic: str, time: float) -> None:
        """A node has answered the state of a simulated time (s)."""
        self._answered[topic] = time

    def is_over(self) -> bool:
        """Whether the answer has not come within the timeout."""
        return wall.monotonic() - self._sent >= self.timeout_s

    def repeats(self) -> bool:
        """Whether the state is to be sent again now; the next time counts from here."""
        now = wall.monotonic()
        due = now - self._repeated >= self.repeat_s
        if due:
            self._repeated = now
        return due

    def silent(self) -> str:
        """Name the first node of the path that has not answered the newest state."""
        for node, topic in self.path.items():
            if topic == "/command" or self._answered.get(topic) != self.time:
                return f"node {node} ({topic})"
        return "no node"
