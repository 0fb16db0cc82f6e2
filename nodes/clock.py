"""Clocks: the wall's, and the simulated one that only /clock moves."""

from __future__ import annotations

import time


class WallClock:
    """Seconds since the clock was made; in real time."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> float:
        """Time, s."""
        return time.monotonic() - self._start


class SimClock:
    """Simulated time: behind the tick barrier and in lockstep it stands still until it is set."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Time, s."""
        return self._now

    def set(self, time: float) -> None:
        """Move on to a time (s); a time that lies behind is ignored."""
        self._now = max(self._now, time)


Clock = WallClock | SimClock
