"""Nodes for recording under fire: cameras, and a recorder that keeps a ledger of what it was given.

Copied beside a launch file. A ledger's line reaches the operating system before its message reaches
the bag's writer, so after a SIGKILL it says exactly what the bag may lack.
"""

import json
import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covary.nodes import messages
from covary.nodes.bags import episode_bags
from covary.nodes.bags.bag import BagWriter
from covary.nodes.node import Node
from covary.nodes.recorder_node import RecorderNode


class LedgerWriter(BagWriter):
    """Notes each message before it writes it."""

    def __init__(self, folder, metadata=None, **options):
        super().__init__(folder, metadata, **options)
        folder = Path(f"{self.path.parent}.ledgers")
        folder.mkdir(exist_ok=True)
        self.ledger = os.open(folder / self.path.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)

    def write(self, topic, type_name, payload, log_ns, publish_ns, sequence=0):
        """One line: topic, sequence, log time, size, checksum, when."""
        entry = (topic, sequence, log_ns, publish_ns, len(payload), zlib.crc32(payload))
        os.write(self.ledger, json.dumps([*entry, time.monotonic()]).encode() + b"\n")
        super().write(topic, type_name, payload, log_ns, publish_ns, sequence)


class LedgerRecorder(RecorderNode):
    """The recorder node with a ledger beside its folder of bags."""

    Parameters = RecorderNode.Parameters

    def configure(self):
        """Writes through the ledger."""
        episode_bags.BagWriter = LedgerWriter
        super().configure()


class Cameras(Node):
    """Images that fill a chunk in part, more than once over, and a topic that falls silent."""

    publishes = {
        "/camera/small": "sensor_msgs/msg/Image",
        "/camera/large": "sensor_msgs/msg/Image",
        "/word": "std_msgs/msg/String",
    }
    subscribes = {"/clock": "rosgraph_msgs/msg/Clock"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters."""

        small_hz: float = 15.0
        """Images of 150 KB a second."""
        large_hz: float = 4.0
        """Images of 900 KB a second."""

    def configure(self):
        """Opens its topics."""
        self.time = messages.stamp(0.0)
        self.rng = np.random.default_rng(0)
        self.small = self.create_publisher(messages.Image, "/camera/small")
        self.large = self.create_publisher(messages.Image, "/camera/large")
        self.words = self.create_publisher(messages.String, "/word")
        self.create_subscription(messages.Clock, "/clock", self.on_time)
        self.count = 0

    def activate(self):
        """Both cameras on the wall clock."""
        p = self.parameters
        self.create_timer(1 / p.small_hz, lambda: self.take(self.small, 224), wall=True)
        self.create_timer(1 / p.large_hz, lambda: self.take(self.large, 548), wall=True)

    def on_time(self, message):
        """Images carry simulated time."""
        self.time = message.clock

    def take(self, publisher, side):
        """One image; for two seconds of every four a word with it."""
        data = np.full(side * side * 3, self.count % 256, np.uint8)
        data[: 8 * 16].view(np.uint64)[:] = self.rng.integers(2**63, size=16)
        publisher.publish(
            messages.Image(
                header=messages.Header(stamp=self.time, frame_id="world"),
                height=side,
                width=side,
                encoding="rgb8",
                is_bigendian=0,
                step=3 * side,
                data=data,
            )
        )
        self.count += 1
        if int(self.time.sec) % 4 < 2:
            self.words.publish(messages.String(data=str(self.count)))
