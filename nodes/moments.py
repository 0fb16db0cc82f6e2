"""`Moments`: messages of several topics, brought together by their stamps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Moments:
    """Keeps the newest message of each topic and says when all are of one moment.

    Args:
        topics: All that a moment consists of; the first is the one that says that it has begun.

    Attributes:
        incomplete: Moments of which a part never came, since a newer one began.
        lost: Stamp of the newest of these (ns), and the topics of which nothing came.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = tuple(topics)
        self.incomplete = 0
        self.lost: tuple[int, list[str]] = 0, []
        self._newest: dict[str, tuple[int, Any]] = {}
        self._whole = True  # the moment that the first topic has begun

    def offer(self, topic: str, stamp: int, message: Any) -> dict[str, Any] | None:
        """Take a message stamped at a time (ns).

        Returns:
            The messages of its moment by topic, if it is the last one to come, or comes again.
        """
        if topic == self.topics[0]:
            begun = self._newest[topic][0] if topic in self._newest else None
            if begun is not None and begun != stamp and not self._whole:
                self.incomplete += 1
                self.lost = begun, self.lacking(begun)
            if begun != stamp:
                self._whole = False
        self._newest[topic] = (stamp, message)
        if self.lacking(stamp):
            return None
        self._whole = True
        return {name: kept for name, (_, kept) in self._newest.items()}

    def lacking(self, stamp: int) -> list[str]:
        """The topics of which the newest message is not of a moment (ns)."""
        return [t for t in self.topics if self._newest.get(t, (None, None))[0] != stamp]
