"""`Node`: a thin shell around a plain object; it knows topics, timers and its own life."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from . import messages
from .bus.local_bus import Bus, Subscription
from .clock import Clock, SimClock, WallClock

ANY = ", or another size"
"""End of the words of `Node.asks_for` that are one example."""
PRIVILEGE = "ground_truth"
"""Name of the topics that hold what no sensor tells, and of the parameter that opens them."""


def is_privileged(topic: str) -> bool:
    """Whether only nodes that are told to may listen to a topic (its name on the bus)."""
    return topic.rpartition("/")[2] == PRIVILEGE


@dataclass(frozen=True)
class NoParameters:
    """Parameters of a node that has none."""


@dataclass
class _Timer:
    period: float
    callback: Callable[[], None]
    wall: bool
    due: float


class Publisher:
    """Sends messages of one type on one topic."""

    def __init__(self, bus: Bus, message_class: Any, topic: str, depth: int) -> None:
        self.topic = topic
        self._type = message_class.__msgtype__
        messages.prepare(self._type)
        self._publisher = bus.publisher(self._type, topic, depth)
        self._last = b""

    def publish(self, message: Any) -> None:
        """Send a message; it is copied into bytes at once."""
        if message.__msgtype__ != self._type:
            raise TypeError(f"{self.topic} carries {self._type}, not {message.__msgtype__}")
        self._last = messages.serialize(message)
        self._publisher.put(self._last)

    def repeat(self) -> None:
        """Send the last message again, byte for byte, if there is one."""
        if self._last:
            self._publisher.put(self._last)


@dataclass(frozen=True)
class Naming:
    """How a node's own names become names on the bus."""

    namespace: str = ""
    remaps: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        """Full name of a topic or service: namespaced unless it starts with /, then remapped."""
        full = self._full(name)
        remaps = {self._full(old): self._full(new) for old, new in self.remaps.items()}
        return remaps.get(full, full)

    def _full(self, name: str) -> str:
        return name if name.startswith("/") else f"{self.namespace}/{name}"


class Node:
    """What all nodes share. Subclasses say what they do in `configure` and in callbacks.

    Everything happens in one thread, one callback after the other. A subscription keeps the newest
    message only, unless it asks for more.

    Args:
        name: Its name in the graph.
        bus: Its place on the bus.
        clock: Wall clock in real time, else simulated.
        parameters: An instance of the class's `Parameters`.
        run_folder: Where it may write; None writes nothing.
        realtime: Whether the wall clock drives; else simulated time waits for every node.
        naming: Namespace and remaps.

    Attributes:
        stats: What it counts; written to ``<run_folder>/<name>.json``.
        finished: Set when the node wants to end by itself.
        failed: Set when that end is a failure.
        unwritten: Why its statistics could not be written last, empty if they were.
    """

    publishes: ClassVar[dict[str, str]] = {}
    subscribes: ClassVar[dict[str, str]] = {}
    Parameters: ClassVar[type] = NoParameters

    def __init__(
        self,
        name: str,
        bus: Bus,
        clock: Clock | None = None,
        parameters: Any = None,
        run_folder: Path | None = None,
        realtime: bool = True,
        naming: Naming | None = None,
    ) -> None:
        self.name = name
        self.bus = bus
        self.clock: Clock = clock or (WallClock() if realtime else SimClock())
        self.parameters = parameters if parameters is not None else self.Parameters()
        self.run_folder = run_folder
        self.realtime = realtime
        self.naming = naming or Naming()
        self.log = logging.getLogger(f"covary.{name}")
        self.stats: dict[str, Any] = {}
        self.finished: str | None = None
        self.failed = False
        self.active = False
        self.unwritten = ""
        self._handlers: list[tuple[Subscription, Callable[[], None]]] = []
        self._timers: list[_Timer] = []
        self._follows_clock = False
        self._counts_dropped = False

    @staticmethod
    def also_publishes(parameters: Any) -> dict[str, str]:
        """What it publishes under these parameters beside `publishes`: topic -> message type."""
        return {}

    @staticmethod
    def also_subscribes(parameters: Any) -> dict[str, str]:
        """What it listens to under these parameters beside `subscribes`: topic -> message type."""
        return {}

    @staticmethod
    def asks_for(parameters: Any) -> dict[str, str]:
        """Of topics that it listens to and that are not always there: topic -> what to type.

        Such as ``heightmap:=64``; ``covary check`` says it where nobody publishes the topic, and
        where it is published otherwise, but for words that go on with ``ANY``.
        """
        return {}

    @staticmethod
    def gathers(parameters: Any) -> tuple[str, ...]:
        """Beginnings of topics: it listens to whatever its launch publishes there.

        Its parameter `also` is told of them when the launch starts, as ``"/topic pkg/msg/Type"``.
        """
        return ()

    # What a node is built from.

    def create_publisher(self, message_class: Any, topic: str, depth: int = 1) -> Publisher:
        """A publisher of messages of a class on a topic."""
        return Publisher(self.bus, message_class, self.naming.resolve(topic), depth)

    def create_subscription(
        self, message_class: Any, topic: str, callback: Callable[[Any], None], depth: int = 1
    ) -> Subscription:
        """Call back with each message of a topic, of which the newest `depth` are kept (0: all)."""
        type_name = message_class.__msgtype__
        messages.prepare(type_name)

        def handle(payload: bytes, attachment: Any) -> None:
            try:
                message = messages.deserialize(payload, type_name)
            except messages.MessageError as error:
                self.log.warning("%s: %s", topic, error)
                self.stats["malformed"] = self.stats.get("malformed", 0) + 1
                return
            callback(message)

        return self.create_raw_subscription(type_name, topic, handle, depth)

    def create_raw_subscription(
        self, type_name: str, topic: str, callback: Callable[[bytes, Any], None], depth: int = 1
    ) -> Subscription:
        """As `create_subscription`, but with a message's bytes and attachment as they came."""
        name = self.naming.resolve(topic)
        if is_privileged(name) and getattr(self.parameters, PRIVILEGE, False) is not True:
            raise PermissionError(f"{name} is for nodes with the parameter {PRIVILEGE}: true")
        subscription = self.bus.subscribe(type_name, name, depth)

        def deliver() -> None:
            taken = subscription.take()
            if taken is None or not self.active or self.finished:
                return
            try:
                callback(*taken)
            except Exception as error:
                error.add_note(f"in node {self.name}, on a message of {subscription.topic}")
                raise

        subscription.deliver = deliver
        self._handlers.append((subscription, deliver))
        return subscription

    def create_service(self, service: Any, name: str, callback: Callable[[Any], Any]) -> None:
        """Answer requests of a service such as ``messages.Trigger`` by what `callback` returns."""
        request_type = service.Request.__msgtype__

        def answer(raw: bytes) -> bytes:
            return messages.serialize(callback(messages.deserialize(raw, request_type)))

        self.bus.service(service.__srvtype__, self.naming.resolve(name), answer)

    def create_timer(
        self, period_s: float, callback: Callable[[], None], wall: bool = False
    ) -> None:
        """Call back every `period_s` seconds of the node's clock.

        Periods that were missed are not made up for; those of the wall clock count in
        ``stats["overruns"]``.

        Args:
            period_s: Period, s.
            callback: What to call.
            wall: Go by the wall clock even in simulated time (for watching over other nodes). In
                lockstep such timers never run.
        """
        if not 0 < period_s < math.inf:
            raise ValueError(f"a timer needs a positive period, not {period_s}")
        wall = wall or self.realtime
        now = time.monotonic() if wall else self.clock.now()
        self._timers.append(_Timer(period_s, callback, wall, now + period_s))
        if not wall and not self._follows_clock:
            self._follows_clock = True
            self.create_subscription(messages.Clock, "/clock", self._on_clock)

    # A node's life.

    def configure(self) -> None:
        """Do all slow work and open all topics. Nothing is received before `activate`."""

    def activate(self) -> None:
        """Begin."""

    def shutdown(self) -> None:
        """Let go of what was opened. Called once, whatever happened."""

    def finish(self, reason: str, failed: bool = False) -> None:
        """End the node after the present callback."""
        self.finished = reason
        self.failed = failed
        self.log.info("finished: %s", reason)

    def start(self) -> None:
        """Make the node active and call `activate`."""
        self.active = True
        now = time.monotonic()
        for timer in self._timers:
            timer.due = (now if timer.wall else self.clock.now()) + timer.period
        self.activate()

    def write_stats(self) -> None:
        """Write `stats` to the run folder, whole or not at all.

        A full disk must not end the one who stops the robot: it is told once, and kept in mind.
        """
        if self.run_folder is None:
            return
        for package in ("torch", "escnn"):
            self.stats[f"imported_{package}"] = package in sys.modules
        self._counts_dropped |= "dropped" not in self.stats  # else it counts in its own way
        if self._counts_dropped:
            self.stats["dropped"] = {s.topic: s.dropped for s, _ in self._handlers if s.dropped}
        path = self.run_folder / f"{self.name}.json"
        half = path.with_name(f".{self.name}.json.{os.getpid()}")
        text = json.dumps(self.stats, indent=1, default=_plain)
        try:
            half.write_text(text, encoding="utf-8")
            os.replace(half, path)
        except OSError as error:
            half.unlink(missing_ok=True)
            if not self.unwritten:
                self.log.error("its statistics cannot be written: %s", error)
            self.unwritten = str(error)
        else:
            self.unwritten = ""

    # Its loop.

    def run_due_timers(self, wall: bool) -> None:
        """Run each timer that is due, once, counting the periods that were missed."""
        for timer in self._timers:
            if timer.wall != wall:
                continue
            now = time.monotonic() if wall else self.clock.now()
            if now < timer.due:
                continue
            missed = int((now - timer.due) / timer.period)
            if missed and wall:
                self.stats["overruns"] = self.stats.get("overruns", 0) + missed
            timer.due += (missed + 1) * timer.period
            timer.callback()
            if self.finished:
                return

    def deliver_waiting(self) -> None:
        """Hand every message that waits to its callback.

        Only those that wait now: a sender that is faster than the node must not keep the loop from
        its timers and its heartbeat.
        """
        for subscription, deliver in list(self._handlers):
            for _ in range(subscription.waiting()):
                if self.finished:
                    return
                deliver()

    def next_due(self) -> float | None:
        """When the next wall timer is due (`time.monotonic`), or None."""
        return min((t.due for t in self._timers if t.wall), default=None)

    def _on_clock(self, message: Any) -> None:
        if isinstance(self.clock, SimClock):
            self.clock.set(messages.seconds(message.clock))
        self.run_due_timers(wall=False)


def _plain(value: Any) -> Any:
    """What JSON makes of NumPy's scalars and arrays, and of paths."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
