"""The bus: one interface within a process (`LocalBus`) and between processes (`ZenohBus`)."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .wire import Attachment, checked

CLOCK = "rosgraph_msgs/msg/Clock"
_CLOCK = struct.Struct("<4xiI")  # a Clock's bytes: header of the CDR, seconds, nanoseconds

REPEATED = (
    "covary_msgs/msg/State",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CameraInfo",
    "trajectory_msgs/msg/JointTrajectory",
    "sensor_msgs/msg/JointState",
)
"""Types of what is sent again, byte for byte, where time waits for an answer."""

MOST_BYTES = 256 * 1024 * 1024
"""What may wait on one topic for a node that keeps all: one that stands still fills no memory."""


class BusError(RuntimeError):
    """A service nobody serves, or a bus that cannot be joined."""


class Publisher(Protocol):
    """One end of a topic."""

    def put(self, payload: bytes) -> None:
        """Send CDR bytes. Never blocks: what cannot be sent is dropped."""
        ...


class Subscription:
    """The other end: keeps the newest messages until they are taken.

    Args:
        type_name: Type of the messages.
        topic: The topic.
        depth: How many of the newest to keep; 0 keeps all that `MOST_BYTES` hold.

    Attributes:
        dropped: Messages that made room for newer ones before they were taken; a repetition of the
            message before it is no loss.
        deliver: Called by the one who drives a local graph when a message waits.
    """

    def __init__(self, type_name: str, topic: str, depth: int) -> None:
        self.type_name = type_name
        self.topic = topic
        self.dropped = 0
        self.deliver: Callable[[], None] | None = None
        self._waiting: deque[tuple[bytes, Attachment]] = deque(maxlen=depth or None)
        # Each is written by one thread only: who pushes, and who takes.
        self._bytes_in = self._bytes_out = 0
        self._newest = b""
        self._spare = False  # what waits is a repetition of what was taken

    def push(self, payload: bytes, attachment: Attachment) -> None:
        """Put a message in; the bus does."""
        if self._waiting.maxlen is None:
            self._bytes_in += len(payload)
            while self._bytes_in - self._bytes_out > MOST_BYTES:
                try:
                    old, _ = self._waiting.popleft()
                except IndexError:  # all has just been taken
                    break
                self._bytes_in -= len(old)
                self.dropped += 1
        else:
            full = len(self._waiting) == self._waiting.maxlen
            again = payload == self._newest and self.type_name in REPEATED
            self.dropped += full and not (again or self._spare)
            self._spare = again and (self._spare or not full)
            self._newest = payload
        self._waiting.append((payload, attachment))

    def take(self) -> tuple[bytes, Attachment] | None:
        """The oldest message that is kept, or None."""
        try:
            taken = self._waiting.popleft()
        except IndexError:
            return None
        self._bytes_out += len(taken[0])
        return taken

    def waiting(self) -> int:
        """How many messages are there."""
        return len(self._waiting)


class Bus(Protocol):
    """What a node needs to talk to others. Topics and services are full names, ``/state``."""

    def publisher(self, type_name: str, topic: str, depth: int = 1) -> Publisher:
        """Open a topic for sending."""
        ...

    def subscribe(self, type_name: str, topic: str, depth: int = 1) -> Subscription:
        """Open a topic for receiving."""
        ...

    def service(self, type_name: str, name: str, answer: Callable[[bytes], bytes]) -> None:
        """Serve requests; `answer` is called in the thread that calls `serve`: the node's."""
        ...

    def call(self, type_name: str, name: str, request: bytes, timeout_s: float = 1.0) -> bytes:
        """Ask a service.

        Raises:
            BusError: Nobody serves it, or no answer came in time.
        """
        ...

    def announce(self) -> None:
        """Say that the node is there, with all its ends open."""
        ...

    def sees(self, nodes: list[str]) -> bool:
        """Whether all these nodes have announced themselves, and their ends can be reached."""
        ...

    def wait(self, timeout_s: float | None) -> None:
        """Block until something has come in, or `wake` was called, or the time is up."""
        ...

    def wake(self) -> None:
        """End a `wait`, from a signal handler or another thread."""
        ...

    def serve(self) -> None:
        """Answer the requests that have come in."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class LocalGraph:
    """Topics and services of one process; messages are delivered first in, first out.

    Order and attachments follow from what the nodes do, never from hashes or the wall clock, so the
    same run is the same bit for bit. Time is what was last published on a topic of type Clock.
    """

    def __init__(self) -> None:
        self.subscriptions: dict[str, list[Subscription]] = {}
        self.services: dict[str, Callable[[bytes], bytes]] = {}
        self._time_ns = 0
        self._pending: deque[Subscription] = deque()

    @property
    def time_ns(self) -> int:
        """Simulated time, ns; it never goes back."""
        return self._time_ns

    @time_ns.setter
    def time_ns(self, value: int) -> None:
        self._time_ns = max(self._time_ns, value)

    def send(self, topic: str, payload: bytes, attachment: Attachment) -> None:
        """Queue a message for everyone who listens, in the order in which they began to."""
        for subscription in self.subscriptions.get(topic, ()):
            subscription.push(payload, attachment)
            self._pending.append(subscription)

    def step(self) -> bool:
        """Deliver the oldest waiting message; False if there is none."""
        if not self._pending:
            return False
        subscription = self._pending.popleft()
        if subscription.deliver is not None and subscription.waiting():
            subscription.deliver()
        return True


class _LocalPublisher:
    def __init__(self, graph: LocalGraph, topic: str, gid: bytes, clock: bool) -> None:
        self._graph, self._topic, self._gid, self._sequence = graph, topic, gid, 0
        self._clock = clock

    def put(self, payload: bytes) -> None:
        self._sequence += 1
        if self._clock:
            sec, nanosec = _CLOCK.unpack_from(payload)
            self._graph.time_ns = sec * 10**9 + nanosec
        attachment = Attachment(self._sequence, self._graph.time_ns, self._gid)
        self._graph.send(self._topic, payload, attachment)


class LocalBus:
    """A node's place in a `LocalGraph`; its messages are CDR bytes, so recordings are the same."""

    def __init__(self, graph: LocalGraph, node_name: str) -> None:
        self.graph = graph
        self.node_name = node_name

    def publisher(self, type_name: str, topic: str, depth: int = 1) -> Publisher:
        """Open a topic for sending; its gid follows from the names of node and topic."""
        gid = hashlib.sha256(f"{self.node_name} {topic}".encode()).digest()[:16]
        return _LocalPublisher(self.graph, checked(topic), gid, type_name == CLOCK)

    def subscribe(self, type_name: str, topic: str, depth: int = 1) -> Subscription:
        """Open a topic for receiving."""
        subscription = Subscription(type_name, checked(topic), depth)
        self.graph.subscriptions.setdefault(topic, []).append(subscription)
        return subscription

    def service(self, type_name: str, name: str, answer: Callable[[bytes], bytes]) -> None:
        """Serve requests, each within the call that makes it."""
        self.graph.services[name] = answer

    def call(self, type_name: str, name: str, request: bytes, timeout_s: float = 1.0) -> bytes:
        """Ask a service of this process."""
        if name not in self.graph.services:
            raise BusError(f"nobody serves {name}")
        return self.graph.services[name](request)

    def announce(self) -> None:
        """Nothing to do: all ends are open at once."""

    def sees(self, nodes: list[str]) -> bool:
        """Always."""
        return True

    def wait(self, timeout_s: float | None) -> None:
        """Return at once: whoever drives the graph delivers."""

    def wake(self) -> None:
        """Nothing to wake."""

    def serve(self) -> None:
        """Nothing to do: calls are answered as they are made."""

    def close(self) -> None:
        """Nothing to close."""
