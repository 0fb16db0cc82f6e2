"""`Repeats`: keeps a line that a node says again and again from burying all others in its log."""

import logging
import time

MOST = 20
"""Lines of one kind in `SPAN_S`; kinds are told apart by logger, level and unformatted text."""
SPAN_S = 10.0
"""Seconds."""


class Repeats(logging.Filter):
    """Lets `MOST` lines of a kind through in a span; the next one after it says how many it held.

    A fault may call for a line at every message, a thousand times a second, and a log that fills
    the disk is one more fault.
    """

    def __init__(self) -> None:
        super().__init__()
        # Since when, lines let through, lines held back.
        self._kinds: dict[tuple[str, int, str], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line may pass; its text says what was held back before it."""
        now = time.monotonic()
        kind = self._kinds.setdefault((record.name, record.levelno, str(record.msg)), [now, 0, 0])
        if now - kind[0] >= SPAN_S:
            if kind[2]:
                record.msg = f"{record.msg} ({kind[2]:.0f} more like this since the last)"
            kind[:] = now, 0, 0
        if kind[1] >= MOST:
            kind[2] += 1
            return False
        kind[1] += 1
        return True
