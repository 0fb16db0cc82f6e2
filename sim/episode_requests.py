"""Episodes that a person begins and ends: what /episode/begin and /episode/end answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..nodes import messages

if TYPE_CHECKING:
    from .sim_node import SimNode

DISCARDED = "discarded"
"""Why such an episode is aborted."""


class EpisodeRequests:
    """Serves the two requests of a sim node.

    Where its parameter `on_request` is false they are refused: episodes follow each other.

    Args:
        node: The sim node.

    Attributes:
        discarded: Episodes that were thrown away; they are not among those that were asked for.
    """

    def __init__(self, node: SimNode) -> None:
        self.node, self.discarded = node, 0
        self.wanted = node.parameters.on_request
        node.create_service(messages.Trigger, "/episode/begin", self.on_begin)
        node.create_service(messages.SetBool, "/episode/end", self.on_end)

    def on_begin(self, request: Any) -> Any:
        """Begin the next episode, if none runs."""
        node = self.node
        if why := self._unasked():
            return messages.Trigger.Response(success=False, message=why)
        if node.running or node.freeze.reason:
            return messages.Trigger.Response(success=False, message="an episode is running")
        node.begin_episode()
        return messages.Trigger.Response(success=True, message=f"episode {node.index} has begun")

    def on_end(self, request: Any) -> Any:
        """End the running episode: true keeps it, with the task's own verdict; false discards."""
        node = self.node
        why = self._unasked() or ("" if node.running else "no episode is running")
        if why:
            return messages.SetBool.Response(success=False, message=why)
        index, good = node.index, node.judge.good
        if request.data:
            node.end_episode(good)
            verdict = "a success" if good else "within the task's thresholds it is no success"
            said = f"episode {index} is kept: {verdict}"
        else:
            self.discarded += 1
            node.close_episode(success=False, aborted=DISCARDED)
            node.go_on()
            said = f"episode {index} is discarded: its recording says aborted"
        return messages.SetBool.Response(success=True, message=said)

    def _unasked(self) -> str:
        """Why nothing can be asked for here, or nothing."""
        if not self.node.active:
            return "the node is not active yet"
        return "" if self.wanted else "episodes follow each other: the node's on_request is false"
