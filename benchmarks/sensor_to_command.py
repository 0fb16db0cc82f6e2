"""From what the sensors see to the command, through four processes of a real launch, as JSON.

`covary launch push.yaml realtime:=true` runs sim, planner, control and recorder. What is counted is
the sim's own statistics: from `sense` (before it publishes /clock, /joint_states, /tf and /state)
to the moment at which it has taken the command for that state, for every state.

The floor: four plain processes on raw zenoh, with the same session configuration and QoS, that
compute nothing. The first sends messages of the same sizes on four topics at the same rate; one
answers each `state` with a `command` of the same size; one answers it with a `plan`; one listens to
everything. The sizes are those of the bag of the launch. A callback hands each sample to the main
thread. The ratio holds all that covary adds: CDR, checks, planning beside it, the sim's physics.

Launches and floors in turns. `--quick`: one of each, two seconds long.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import zenoh
from mcap.reader import make_reader

from covary.nodes.bus.session import free_endpoint, session_config

QUICK = "--quick" in sys.argv
RUNS, EPISODES = (1, 1) if QUICK else (3, 3)
STATES = 40 if QUICK else 400
PERIOD_S = 0.05
SENSED = ("/clock", "/joint_states", "/tf", "/state")
SIZES = {"/clock": 12, "/joint_states": 120, "/tf": 200, "/state": 250, "/plan": 4000}
SIZES["/command"] = 100  # of a first guess; a run replaces all of them
NUMBER = 8  # bytes of a message that say which state it answers
LIMIT_S = 180.0


def launched(folder: Path) -> tuple[dict, dict[str, int]]:
    """One launch: the sim's statistics and the median sizes of messages."""
    folder.mkdir()
    command = [sys.executable, "-P", "-m", "covary.commands.main", "launch", "push.yaml"]
    command += ["realtime:=true", f"episodes:={EPISODES}", "record:=true"]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        deadline = time.monotonic() + LIMIT_S
        while QUICK and not list(folder.glob("runs/*/bags/*")):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise SystemExit(f"no launch:\n{(folder / 'output').read_text()}")
            time.sleep(0.05)
        try:
            process.wait(2.0 if QUICK else LIMIT_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    (run,) = folder.glob("runs/*")
    stats = json.loads((run / "sim.json").read_text())
    sizes: dict[str, list[int]] = {topic: [] for topic in SIZES}
    bag = next(run.glob("bags/*/*.mcap"))
    with bag.open("rb") as stream:
        for _, channel, message in make_reader(stream).iter_messages(list(sizes)):
            sizes[channel.topic].append(len(message.data))
    medians = {topic: round(statistics.median(found)) for topic, found in sizes.items() if found}
    return stats, medians


class Plain:
    """A process of the floor: raw zenoh, one queue, one bell."""

    def __init__(self, connect: list[str], listen: str) -> None:
        self.session = zenoh.open(session_config(connect, [listen]))
        self.samples: deque[zenoh.Sample] = deque()
        self.lock = threading.Lock()
        self.lock.acquire()
        self.publishers: dict[str, zenoh.Publisher] = {}

    def hear(self, *topics: str) -> None:
        """Open topics for receiving."""
        for topic in topics:
            self.session.declare_subscriber(f"floor{topic}", self.on_sample)

    def send(self, topic: str, payload: bytes) -> None:
        """Send on a topic, as nodes do."""
        if topic not in self.publishers:
            self.publishers[topic] = self.session.declare_publisher(
                f"floor{topic}",
                congestion_control=zenoh.CongestionControl.DROP,
                priority=zenoh.Priority.REAL_TIME,
                express=True,
            )
        self.publishers[topic].put(payload)

    def on_sample(self, sample: zenoh.Sample) -> None:
        """Hand over, in zenoh's thread."""
        self.samples.append(sample)
        try:
            self.lock.release()
        except RuntimeError:
            pass

    def next(self, timeout_s: float) -> tuple[str, bytes] | None:
        """The next sample's topic and bytes, or None."""
        deadline = time.perf_counter() + timeout_s
        while not self.samples:
            left = deadline - time.perf_counter()
            if left <= 0 or not self.lock.acquire(timeout=left):
                return None
        sample = self.samples.popleft()
        return str(sample.key_expr).removeprefix("floor"), sample.payload.to_bytes()


def answerer(endpoint: str, heard: str, answer: str, size: str) -> None:
    """Answers each message of a topic on another one; listens only if the answer is empty."""
    plain = Plain([endpoint], "tcp/127.0.0.1:0")
    try:
        plain.hear(*heard.split(","))
        payload = bytes(max(int(size) - NUMBER, 0))
        if answer:
            plain.send(answer, b"")  # declared before the first is due
        print("ready", flush=True)
        while (found := plain.next(LIMIT_S)) is not None:
            topic, asked = found
            if topic == "/end":
                break
            if answer and topic == "/state":
                plain.send(answer, asked[:NUMBER] + payload)
    finally:
        plain.session.close()


def floor(sizes: dict[str, int]) -> list[float]:
    """Times from the first of the sensors' messages to the answer, ms."""
    endpoint = free_endpoint()
    sensed = [(topic, bytes(sizes[topic])) for topic in SENSED]
    everything = ",".join((*SIZES, "/end"))
    roles = [
        ("/state,/end", "/plan", sizes["/plan"]),
        ("/state,/plan,/clock,/end", "/command", sizes["/command"]),
        (everything, "", 0),
    ]
    times = []
    plain = Plain([], endpoint)
    try:
        plain.hear("/command")
        for topic in (*SENSED, "/end"):
            if topic != "/end":
                plain.send(topic, b"")
        words = [sys.executable, "-P", __file__, "--answer", endpoint]
        processes = [
            subprocess.Popen([*words, *map(str, role)], stdout=subprocess.PIPE, text=True)
            for role in roles
        ]
        for process in processes:
            process.stdout.readline()
        # Gossip connects them within a second; until an answer comes nothing counts.
        deadline = time.monotonic() + 20.0
        while True:
            plain.send("/state", b"0" * sizes["/state"])
            if plain.next(0.2) is not None or time.monotonic() > deadline:
                break
        while plain.next(0.5) is not None:
            pass
        due = time.perf_counter()
        for number in range(1, STATES + 1):
            numbered = number.to_bytes(NUMBER, "little")
            due += PERIOD_S
            time.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            for topic, payload in sensed:
                plain.send(topic, numbered + payload[NUMBER:])
            while (found := plain.next(start + PERIOD_S - time.perf_counter())) is not None:
                if found[1][:NUMBER] == numbered:  # and not a late one for an earlier state
                    times.append((time.perf_counter() - start) * 1e3)
                    break
        plain.send("/end", b"")
        for process in processes:
            process.wait(10)
    finally:
        plain.session.close()
    return times


def main() -> None:
    """Print one JSON object."""
    sizes, rows = dict(SIZES), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            stats, found = launched(Path(folder) / str(number))
            sizes |= found
            p50, p99 = np.percentile(floor(sizes), [50, 99])
            ours = stats["sensor_to_command_ms"]
            row = {"launch_p50_ms": round(ours["p50"], 3), "launch_p99_ms": round(ours["p99"], 3)}
            row |= {"late_ticks": stats["late_ticks"], "floor_p50_ms": round(p50, 3)}
            row |= {"floor_p99_ms": round(p99, 3), "ratio": round(ours["p50"] / p50, 2)}
            rows.append(row)
    figures: dict = {"benchmark": "sensor_to_command", "period_ms": 1e3 * PERIOD_S}
    figures |= {"message_bytes": sizes, "load": round(os.getloadavg()[0], 1)}
    for key in ("launch_p50_ms", "launch_p99_ms", "floor_p50_ms", "floor_p99_ms", "ratio"):
        figures[key] = round(statistics.median(row[key] for row in rows), 3)
    print(json.dumps(figures | {"runs": rows}, indent=1))


if __name__ == "__main__":
    if "--answer" in sys.argv:
        answerer(*sys.argv[sys.argv.index("--answer") + 1 :])
    else:
        main()
