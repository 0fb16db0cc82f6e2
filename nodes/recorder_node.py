"""The recorder node: listens to everything and hands it to the bag of its episode."""

from __future__ import annotations

import json
import struct
import time
from collections import deque
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Literal

from . import messages
from .bags.episode_bags import EpisodeBags
from .bus.local_bus import REPEATED, LocalBus
from .bus.wire import checked
from .launching.yaml_loader import nearest
from .node import Node
from .parameters import ParameterError

FLUSH_S = 0.5
"""The open chunk goes to the operating system at least this often, wall clock, s."""
APPLIED = "covary_msgs/msg/Applied"
"""Of what a sim that is told to end says again in case that it was lost."""
REMEMBERED = 64
"""Messages of that type by which what is said again is known; more than are said again."""
LAST_WORDS_S = 0.5
"""At shutdown, how long to wait for the END of a running episode, s."""


class RecorderNode(Node):
    """Records one bag an episode; keeps every message, and counts those that never came.

    What is sent again, behind the tick barrier or by a sim that ends, is kept once.

    In the bags `log_time` is simulated time (see `EpisodeBags.add`) and `publish_time` the sender's
    time from the attachment: the wall clock's between processes, simulated in lockstep.
    """

    subscribes: ClassVar[dict[str, str]] = {
        "/episode": "covary_msgs/msg/Episode",
        "/clock": "rosgraph_msgs/msg/Clock",
        "/physics": "covary_msgs/msg/PhysicsState",
        "/state": "covary_msgs/msg/State",
        "/joint_states": "sensor_msgs/msg/JointState",
        "/tf": "tf2_msgs/msg/TFMessage",
        "/plan": "trajectory_msgs/msg/JointTrajectory",
        "/command": "sensor_msgs/msg/JointState",
        "/applied": "covary_msgs/msg/Applied",
        "/cost": "covary_msgs/msg/Cost",
        "/goal": "geometry_msgs/msg/PoseStamped",
        "/camera/top/image_raw": "sensor_msgs/msg/Image",
        "/camera/top/camera_info": "sensor_msgs/msg/CameraInfo",
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the recorder node."""

        folder: str = ""
        """Where the bags go; empty: `bags` in the run folder."""
        digits: int = 3
        """Digits, at least, of the episode's number in a bag's name, `episode_017`."""
        topics: tuple[str, ...] = ()
        """Topics to record, `/topic` or `/topic package/msg/Type`; empty: all of the contract."""
        also: tuple[str, ...] = ()
        """Topics beside those, `/topic package/msg/Type`; a launch adds the images it publishes."""
        ground_truth: bool = False
        """Record /ground_truth too, where the poses of all objects stand."""
        compression: Literal["none", "lz4", "zstd"] = "none"
        """Of the chunks: none, lz4 or zstd."""
        chunk_kb: int = 256
        """A chunk is closed before it grows past this; a kill loses at most the open one."""
        chunk_s: float = 0.5
        """A chunk is closed when it spans this much simulated time, s."""
        grace_s: float = 0.3
        """How long after its END a bag waits for messages on their way, s; in lockstep none are."""

    @staticmethod
    def also_subscribes(parameters: Parameters) -> dict[str, str]:
        """What only a recorder that is told to records."""
        return {"/ground_truth": "covary_msgs/msg/State"} if parameters.ground_truth else {}

    @staticmethod
    def gathers(parameters: Parameters) -> tuple[str, ...]:
        """All images and estimates of the launch, unless it says what to record."""
        return () if parameters.topics else ("/camera/", "/estimate")

    @staticmethod
    def check(parameters: Parameters) -> dict[str, str]:
        """Topic to type, as the parameters say; `/episode` first: it says where all others go.

        Raises:
            ParameterError: A topic that is no name, or a type that is not known.
        """
        p = parameters
        ours = RecorderNode.subscribes
        wanted = {} if p.topics else dict(ours)
        if p.ground_truth:
            wanted |= RecorderNode.also_subscribes(p)
        for name, entries in (("topics", p.topics), ("also", p.also)):
            for entry in entries:
                topic, _, type_name = entry.partition(" ")
                type_name = type_name.strip() or ours.get(topic, "")
                try:
                    checked(topic)
                    if not type_name:
                        hint = nearest(topic, ours)
                        raise ParameterError(f"{topic} needs its type, '/topic pkg/msg/Type'{hint}")
                    messages.message_class(type_name)
                except ValueError as error:
                    raise ParameterError(f"{name}: {error}") from None
                wanted[topic] = type_name
        # Without it there is no bag at all.
        return {"/episode": ours["/episode"]} | wanted

    def configure(self) -> None:
        """Open the topics."""
        p = self.parameters
        wanted = self.check(p)
        folder = Path(p.folder) if p.folder else (self.run_folder or Path.cwd()) / "bags"
        lockstep = isinstance(self.bus, LocalBus)
        self.bags = EpisodeBags(
            folder,
            provenance(self.run_folder),
            decode=messages.deserialize,
            log=self.log.error,
            grace_s=None if lockstep else p.grace_s,
            digits=p.digits,
            chunk_bytes=p.chunk_kb * 1024,
            chunk_s=p.chunk_s,
            compression=p.compression,
        )
        # A recorder that was started again adds to what its forerunner closed.
        self.earlier = sorted(str(f.parent) for f in folder.glob("*/metadata.yaml"))
        self.reported = -1
        self.sequences: dict[bytes, int] = {}
        self.newest: dict[bytes, bytes] = {}  # of each publisher, where it may be sent again
        self.known: dict[bytes, deque[bytes]] = {}  # the newest of `APPLIED`, of each publisher
        self.gathered: list[tuple] | None = None
        self.early: list[tuple] = []  # came in, and is recorded with what came in with it
        self.stats.update(bags=self.earlier, messages=0, dropped=0, outside=0, failed="")
        for topic, type_name in wanted.items():
            self.listen(topic, type_name)
        if not lockstep:
            self.create_timer(min(0.1, p.grace_s), self.on_grace, wall=True)
            self.create_timer(FLUSH_S, self.bags.flush, wall=True)

    def listen(self, topic: str, type_name: str) -> None:
        """Record a topic, under its name on the bus."""

        def receive(payload: bytes, attachment: Any) -> None:
            item = (subscription.topic, type_name, payload, attachment)
            if self.gathered is None:
                self.record(*item)
            else:
                self.gathered.append(item)

        subscription = self.create_raw_subscription(type_name, topic, receive, depth=0)

    def deliver_waiting(self) -> None:
        """Record what has come in, in the order in which it was sent, whatever the topic.

        Topics are emptied one after another, so while a later one is, what was sent before may
        still come in on an earlier one: they are gone through twice, and what the second time finds
        that was sent after all else waits for the next time. Recorded is what was sent up to some
        moment, with nothing missing before it, wherever the recorder is stopped.
        """
        self.gathered, self.early = self.early, []
        super().deliver_waiting()
        newest = max((sent_ns(item) for item in self.gathered), default=0)
        super().deliver_waiting()
        items, self.gathered = self.gathered, None
        for item in sorted(items, key=sent_ns):
            if sent_ns(item) <= newest:
                self.record(*item)
            else:
                self.early.append(item)

    def record(self, topic: str, type_name: str, payload: bytes, attachment: Any) -> None:
        """Hand one message to the bags, and count what is missing before it."""
        last = self.sequences.get(attachment.gid)
        if last is not None and attachment.sequence > last + 1:
            self.stats["dropped"] += attachment.sequence - last - 1
        self.sequences[attachment.gid] = max(attachment.sequence, last or 0)
        if type_name in REPEATED and not self.realtime:
            if self.newest.get(attachment.gid) == payload:
                return
            self.newest[attachment.gid] = payload
        if type_name == APPLIED:
            known = self.known.setdefault(attachment.gid, deque(maxlen=REMEMBERED))
            if payload in known:
                return
            known.append(payload)
        try:
            self.bags.add(topic, type_name, payload, attachment.time_ns, attachment.sequence)
        except (messages.MessageError, struct.error, IndexError) as error:
            self.log.warning("%s: %s", topic, error)
            self.stats["malformed"] = self.stats.get("malformed", 0) + 1
        self.report()

    def on_grace(self) -> None:
        """Close the bags whose stragglers have had their time."""
        self.bags.tick()
        self.report()

    def report(self, force: bool = False) -> None:
        """Bring the statistics up to date; write them when a bag was closed."""
        bags = self.bags
        self.stats.update(messages=bags.messages, outside=bags.outside, failed=bags.failed)
        if len(bags.bags) != self.reported or force:
            self.reported = len(bags.bags)
            self.stats["bags"] = self.earlier + [str(path) for path in bags.bags]
            self.write_stats()

    def shutdown(self) -> None:
        """Record what still waits, and close all bags; an episode without END is an aborted one."""
        if not hasattr(self, "bags"):
            return
        self.deliver_waiting()
        # A sim that was told to stop at the same moment still says how its episode ended.
        deadline = time.monotonic() + LAST_WORDS_S
        while self.active and self.bags.running and not isinstance(self.bus, LocalBus):
            if time.monotonic() > deadline:
                break
            self.bus.wait(0.05)
            self.deliver_waiting()
        self.deliver_waiting()  # what was early
        self.bags.close()
        self.report(force=True)


def sent_ns(item: tuple) -> int:
    """When a message that was gathered was sent, ns."""
    return item[3].time_ns


def provenance(run_folder: Path | None) -> dict[str, str]:
    """What every bag says of its origin: versions, revision and the command that launched it."""
    known = {}
    for name in ("covary", "mujoco", "pybullet"):
        try:
            known[f"{name}_version"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    # A namespaced node has a folder of its own within the run's.
    for folder in () if run_folder is None else (run_folder, *run_folder.parents[:3]):
        try:
            versions = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        known["git_revision"] = versions.get("git_revision") or ""
        known["launch"] = " ".join(versions.get("command") or ())
        break
    return known
