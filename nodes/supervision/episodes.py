"""What a launch's episodes come to, as whoever runs it hears of them on /episode."""

from typing import Any

from .progress import RunProgress
from .run_folder import Outcome


class Episodes:
    """Follows the episodes from START to END; one that never ends was aborted.

    Args:
        outcome: Where the task, the aborted episodes and the failures are kept.
        progress: Who tells the person.
        on_request: Whether a person begins and ends them: then an abort is no failure.
    """

    def __init__(self, outcome: Outcome, progress: RunProgress, on_request: bool = False) -> None:
        self._outcome = outcome
        self._progress = progress
        self._on_request = on_request
        self._open: dict[str, int] = {}

    def note(self, topic: str, message: Any, interrupted: bool) -> None:
        """Take a covary_msgs/Episode.

        Args:
            topic: Where it came from; each topic has one episode at a time.
            message: The message.
            interrupted: Whether a person has ended the launch: then an abort is no failure.
        """
        self._outcome.task = message.task or self._outcome.task
        index = int(message.index)
        if int(message.phase) == 0:
            self._never_ended(topic, interrupted)
            self._open[topic] = index
            self._progress.episode_began(index, int(message.seed))
            return
        self._open.pop(topic, None)
        aborted = bool(message.aborted)
        result = (bool(message.success), aborted, float(message.cost), float(message.duration))
        self._progress.episode_ended(index, *result)
        words = ("success", "aborted", "cost", "duration")
        self._outcome.episodes.append({"index": index, **dict(zip(words, result, strict=True))})
        if aborted:
            self._abort(f"episode {index} was aborted", interrupted or self._on_request)

    def close(self, interrupted: bool) -> None:
        """The launch is over: what is open now stays without its end."""
        for topic in list(self._open):
            self._never_ended(topic, interrupted)

    def _never_ended(self, topic: str, interrupted: bool) -> None:
        index = self._open.pop(topic, None)
        if index is not None:
            self._progress.say(f"  episode {index:>3}  aborted: its end never came", "red")
            self._outcome.unended.append(index)
            known = bool(self._outcome.failures)  # that a node failed says why already
            self._abort(f"episode {index} was aborted: its end never came", interrupted or known)

    def _abort(self, line: str, interrupted: bool) -> None:
        if not interrupted:
            self._outcome.failures.append(line)
