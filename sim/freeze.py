"""`Freeze`: a loop in real time notices that it stood still, and waits until others can hear it."""

from __future__ import annotations

import time

THAW_S = 1.5
"""After a freeze, how long others have to find the process again before it speaks, s."""


class Freeze:
    """Watches the wall time between the turns of a loop.

    Args:
        limit_s: A turn that took longer is a freeze, s.

    Attributes:
        reason: What is to be said of a freeze; empty while there is none.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.begin()

    def begin(self) -> None:
        """From now on turns count."""
        self.reason = ""
        self.turned = time.monotonic()

    def noticed(self) -> bool:
        """A turn: whether the one before it was a freeze."""
        before, self.turned = self.turned, time.monotonic()
        still = self.turned - before
        if still > self.limit_s:
            self.reason = f"the node stood still for {still:.1f} s"
        return bool(self.reason)

    def thawed(self) -> bool:
        """Whether there was a freeze, long enough ago."""
        return bool(self.reason) and time.monotonic() >= self.turned + THAW_S
