"""`ZenohBus` and `LocalBus` against raw zenoh in its fastest known setting, as JSON.

Two processes on this machine send an array back and forth. Every variant counts the same work on
both sides: NumPy array -> bytes -> wire -> bytes -> read-only NumPy view.

- `bus`: `ZenohBus` as a node uses it: `publisher().put`, `subscribe` (latest only), `wait`, `take`.
- `raw`: zenoh alone on the very same session: the same QoS (DROP, REAL_TIME, express), explicit
  shared memory from 64 KB, a callback that hands the sample to the main thread; no attachment, no
  sequence numbers, one topic. This is the floor that ratios are taken against.
- `channel`: as `raw`, but received by `recv()` of zenoh's own channel, with no Python in between.
  It can wait for one topic only, so no node can use it; it says what the callback costs.
- `node`: a `Node`: message objects, CDR on both sides, checks, `deliver_waiting` (for 64 B a
  JointState of 7 joints, else an Image). What a user pays; it does more than the floor does.

The variants take turns within one run of the same two processes, in blocks; a ratio is that of two
medians of the same round, and what is printed is the median and the quartiles of these ratios.
`one_way` sends as fast as it can and counts what comes out at the other end (what does not fit is
dropped). `local_bus` is one message through a `LocalGraph`, against a bare deque. Times in us;
`load` is the machine's load average at the end.

`--quick`: a few messages only.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import zenoh
import zenoh.shm

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.bus.session import free_endpoint
from covary.nodes.bus.zenoh_bus import SHARED_FROM, ZenohBus
from covary.nodes.node import Node
from covary.nodes.run import keep_freed_memory

QUICK = "--quick" in sys.argv
SIZES = {"64 B": 64, "150 KB": 150 * 1024, "1 MB": 1024 * 1024}
ROUNDS, PER_BLOCK = (2, 5) if QUICK else (30, 60)
ONE_WAY = dict.fromkeys(SIZES, 20) if QUICK else {"64 B": 20000, "150 KB": 2000, "1 MB": 1000}
LOCAL = 20 if QUICK else 3000
DOMAIN = 77
BYTES = "sensor_msgs/msg/Image"  # the bus does not look into the bytes
LOST_AFTER_S = 2.0
PAYLOADS = 8
"""Payloads in the floor's pool: 3, 8 and 64 MB were tried, and all are within 10 %."""


def array_of(size: int) -> np.ndarray:
    """Some bytes. (size,)"""
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


class Bus:
    """One end of a topic each way, through `ZenohBus`."""

    def __init__(self, bus: ZenohBus, me: str, other: str, depth: int = 1) -> None:
        self.bus = bus
        self.subscription = bus.subscribe(BYTES, f"/bus/{me}", depth)
        self.publisher = bus.publisher(BYTES, f"/bus/{other}")

    def send(self, array: np.ndarray) -> None:
        """Send an array as bytes."""
        self.publisher.put(array.tobytes())

    def receive(self, timeout_s: float = LOST_AFTER_S) -> np.ndarray | None:
        """What comes next, or None."""
        deadline = time.monotonic() + timeout_s
        while (taken := self.subscription.take()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.bus.wait(left)
        return np.frombuffer(taken[0], np.uint8)


class _RawSender:
    """The sending half of the floor."""

    def __init__(self, session: zenoh.Session, key: str) -> None:
        self.publisher = session.declare_publisher(
            key,
            congestion_control=zenoh.CongestionControl.DROP,
            priority=zenoh.Priority.REAL_TIME,
            express=True,
        )
        self.pools: dict[int, Any] = {}  # one a size: small ones stay in the cache
        self.policy = zenoh.shm.Defragment(zenoh.shm.GarbageCollect())

    def send(self, array: np.ndarray) -> None:
        """Send an array as bytes."""
        raw: Any = array.tobytes()
        if len(raw) >= SHARED_FROM:
            if len(raw) not in self.pools:
                pool = zenoh.shm.ShmProvider.default_backend(PAYLOADS * len(raw))
                self.pools[len(raw)] = pool
            try:
                buffer = self.pools[len(raw)].alloc(len(raw), self.policy)
            except zenoh.ZError:  # the receiver holds them all
                pass
            else:
                buffer[:] = raw
                raw = buffer
        self.publisher.put(raw)


class Raw(_RawSender):
    """The floor: a callback hands the sample over to the main thread."""

    def __init__(self, session: zenoh.Session, me: str, other: str) -> None:
        super().__init__(session, f"raw/{other}")
        self.samples: deque[zenoh.Sample] = deque()
        self.lock = threading.Lock()
        self.lock.acquire()
        self.subscriber = session.declare_subscriber(f"raw/{me}", self.on_sample)

    def on_sample(self, sample: zenoh.Sample) -> None:
        """Hand over, in zenoh's thread."""
        self.samples.append(sample)
        try:
            self.lock.release()
        except RuntimeError:
            pass

    def receive(self, timeout_s: float = LOST_AFTER_S) -> np.ndarray | None:
        """What comes next, or None."""
        while not self.samples:
            if not self.lock.acquire(timeout=timeout_s):
                return None
        return np.frombuffer(self.samples.popleft().payload.to_bytes(), np.uint8)


class Channel(_RawSender):
    """As the floor, received by zenoh's own channel."""

    def __init__(self, session: zenoh.Session, me: str, other: str) -> None:
        super().__init__(session, f"channel/{other}")
        handler = zenoh.handlers.FifoChannel(8)
        self.subscriber = session.declare_subscriber(f"channel/{me}", handler)

    def receive(self, timeout_s: float = LOST_AFTER_S) -> np.ndarray | None:
        """What comes next, or None."""
        return np.frombuffer(self.subscriber.recv().payload.to_bytes(), np.uint8)


class NodeEnd:
    """A node that publishes and hears messages of one type."""

    def __init__(self, bus: ZenohBus, me: str, other: str) -> None:
        self.bus = bus
        self.node = Node(me, bus)
        self.node.active = True
        self.ends = {}
        for kind in (messages.JointState, messages.Image):
            name = kind.__msgtype__.rpartition("/")[2].lower()
            self.node.create_subscription(kind, f"/node_{name}/{me}", self.on_message)
            self.ends[name] = self.node.create_publisher(kind, f"/node_{name}/{other}")
        self.got: Any = None

    def on_message(self, message: Any) -> None:
        """Keep what the message carries."""
        self.got = message.data if hasattr(message, "data") else message.position

    def send(self, array: np.ndarray) -> None:
        """Send an array as bytes."""
        header = messages.Header(stamp=messages.stamp(1.0), frame_id="world")
        if array.nbytes <= 64:
            names, empty = [f"joint_{i}" for i in range(7)], np.zeros(0)
            position = np.zeros(7)
            self.ends["jointstate"].publish(
                messages.JointState(
                    header=header, name=names, position=position, velocity=empty, effort=empty
                )
            )
            return
        self.ends["image"].publish(
            messages.Image(
                header=header,
                height=1,
                width=array.size,
                encoding="mono8",
                is_bigendian=0,
                step=array.size,
                data=array,
            )
        )

    def receive(self, timeout_s: float = LOST_AFTER_S) -> np.ndarray | None:
        """What comes next, or None."""
        self.got = None
        deadline = time.monotonic() + timeout_s
        while self.got is None:
            self.node.deliver_waiting()
            left = deadline - time.monotonic()
            if self.got is None:
                if left <= 0:
                    return None
                self.bus.wait(left)
        return self.got


def ends_of(bus: ZenohBus, me: str, other: str) -> dict[str, Any]:
    """Every variant's end in this process."""
    return {
        "bus": Bus(bus, me, other),
        "raw": Raw(bus.session, me, other),
        "channel": Channel(bus.session, me, other),
        "node": NodeEnd(bus, me, other),
    }


def echo(endpoint: str) -> None:
    """The other process: told on stdin what to do, and says on stdout that it is about to."""
    bus = ZenohBus("echo", endpoint, DOMAIN)
    try:
        ends = ends_of(bus, "b", "a")
        flood = Bus(bus, "flood", "none", depth=0)
        bus.announce()
        print("ready", flush=True)
        for line in sys.stdin:
            what, name, count = line.split()
            print("go", flush=True)
            if what == "echo":
                for _ in range(int(count)):
                    array = ends[name].receive()
                    if array is not None:
                        ends[name].send(array)
            else:
                end = flood if name == "bus" else ends[name]
                print(json.dumps(drain(end, int(count))), flush=True)
    finally:
        bus.close()


def drain(end: Any, count: int) -> dict[str, float]:
    """How many of `count` messages come, and the time from the first to the last, s."""
    got, first, last = 0, 0.0, 0.0
    while got < count and end.receive(1.0 if got else LOST_AFTER_S) is not None:
        last = time.perf_counter()
        first = first or last
        got += 1
    return {"received": got, "seconds": last - first}


class Echo:
    """The other process, from here."""

    def __init__(self, endpoint: str) -> None:
        command = [sys.executable, "-P", __file__, "--echo", endpoint]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.line()

    def line(self) -> str:
        """What it says next."""
        return self.process.stdout.readline()

    def tell(self, *words: object) -> None:
        """Tell it what to do, and wait until it is about to."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        self.line()

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait(10)


def round_trips(echo: Echo, name: str, end: Any, array: np.ndarray) -> list[float]:
    """Times of a block, us; messages that were lost are left out."""
    times = []
    echo.tell("echo", name, PER_BLOCK)
    for _ in range(PER_BLOCK):
        start = time.perf_counter()
        end.send(array)
        if end.receive() is not None:
            times.append((time.perf_counter() - start) * 1e6)
    return times


def compare(echo: Echo, ends: dict[str, Any]) -> list[dict]:
    """A row for each size and variant."""
    rows = []
    for label, size in SIZES.items():
        array = array_of(size)
        times: dict[str, list[list[float]]] = {name: [] for name in ends}
        for number in range(ROUNDS + 1):
            order = list(ends) if number % 2 else list(ends)[::-1]
            for name in order:
                block = round_trips(echo, name, ends[name], array)
                if number:  # the first round warms up
                    times[name].append(block)
        floor = [statistics.median(block) for block in times["raw"]]
        for name, blocks in times.items():
            medians = [statistics.median(block) for block in blocks]
            every = [t for block in blocks for t in block]
            p50, p99 = np.percentile(every, [50, 99])
            row = {"size": label, "variant": name, "p50_us": round(p50, 1)}
            row |= {"p99_us": round(p99, 1), "messages": len(every)}
            row["lost"] = ROUNDS * PER_BLOCK - len(every)
            if name != "raw":
                row |= spread([a / b for a, b in zip(medians, floor, strict=True)])
            rows.append(row)
    return rows


def spread(ratios: list[float]) -> dict[str, Any]:
    """Median and quartiles of ratios."""
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return {"ratio_to_raw": round(middle, 2), "quartiles": [round(low, 2), round(high, 2)]}


def one_way(echo: Echo, bus: ZenohBus, ends: dict[str, Any]) -> list[dict]:
    """As many messages as can be sent, and how many of them come out."""
    rows = []
    flood = Bus(bus, "unheard", "flood")
    for label, size in SIZES.items():
        array = array_of(size)
        for name in ("bus", "raw"):
            end, count = flood if name == "bus" else ends[name], ONE_WAY[label]
            echo.tell("drain", name, count)
            start = time.perf_counter()
            for _ in range(count):
                end.send(array)
            sent_in = time.perf_counter() - start
            found = json.loads(echo.line())
            rate = found["received"] / found["seconds"] if found["seconds"] else 0.0
            row = {"size": label, "variant": name, "sent": count, "received": found["received"]}
            row |= {"sent_per_s": round(count / sent_in), "received_per_s": round(rate)}
            row["received_mb_per_s"] = round(rate * size / 1e6, 1)
            rows.append(row)
    return rows


def local_bus() -> list[dict]:
    """One message through a `LocalGraph` and out of it, against a bare deque."""
    rows = []
    for label, size in SIZES.items():
        graph = LocalGraph()
        publisher = LocalBus(graph, "a").publisher(BYTES, "/topic")
        subscription = LocalBus(graph, "b").subscribe(BYTES, "/topic")
        out: list[np.ndarray] = []

        def deliver(subscription=subscription, out=out) -> None:
            out[:] = [np.frombuffer(subscription.take()[0], np.uint8)]

        subscription.deliver = deliver
        array, bare = array_of(size), deque()
        ours, floor = [], []
        for _ in range(LOCAL):
            start = time.perf_counter()
            publisher.put(array.tobytes())
            graph.step()
            middle = time.perf_counter()
            bare.append(array.tobytes())
            out[:] = [np.frombuffer(bare.popleft(), np.uint8)]
            end = time.perf_counter()
            ours.append((middle - start) * 1e6)
            floor.append((end - middle) * 1e6)
        mine, deques = statistics.median(ours), statistics.median(floor)
        row = {"size": label, "p50_us": round(mine, 2), "deque_p50_us": round(deques, 2)}
        rows.append(row | {"ratio": round(mine / deques, 2)})
    return rows


def main() -> None:
    """Print one JSON object."""
    endpoint = free_endpoint()
    bus = ZenohBus("ping", None, DOMAIN, listen=endpoint)
    try:
        ends = ends_of(bus, "a", "b")
        other = Echo(endpoint)
        while not bus.sees(["/echo"]):
            bus.wait(1.0)
        rows = compare(other, ends)
        flood = one_way(other, bus, ends)
        other.close()
    finally:
        bus.close()
    figures = {"benchmark": "bus_round_trip", "rounds": ROUNDS, "per_block": PER_BLOCK}
    figures["load"] = round(os.getloadavg()[0], 1)
    figures |= {"round_trip": rows, "one_way": flood, "local_bus": local_bus()}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    keep_freed_memory()  # as in every node's process; the floor profits as well
    if "--echo" in sys.argv:
        echo(sys.argv[-1])
    else:
        main()
