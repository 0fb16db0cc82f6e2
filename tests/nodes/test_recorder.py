"""The recorder node: what it keeps, counts, and leaves behind however it ends."""

import errno
import json
import os
import re
import socket
import time
from importlib.util import find_spec

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.bags.reader import Bag
from covary.nodes.bus.local_bus import LocalBus, LocalGraph, Subscription
from covary.nodes.bus.wire import Attachment
from covary.nodes.bus.zenoh_bus import ZenohBus
from covary.nodes.clock import SimClock
from covary.nodes.parameters import ParameterError, from_dict
from covary.nodes.recorder_node import RecorderNode

GID = bytes(16)


def header(t: float) -> messages.Header:
    return messages.Header(stamp=messages.stamp(t), frame_id="world")


def state(t: float, episode: int = 0) -> messages.State:
    return messages.State(header=header(t), episode=episode, name=["x"], value=np.array([t]))


def episode(t: float, index: int, phase: int) -> messages.Episode:
    return messages.Episode(
        header=header(t), index=index, seed=1, options="{}", engine="mujoco", dials="{}",
        task="point_mass", phase=phase, success=phase == 1,
        aborted=False, cost=0.0, duration=0.0, model="", model_sha256="",
    )  # fmt: skip


class QueueBus:
    """A bus as between processes, without them: the test puts messages into the subscriptions."""

    def __init__(self):
        self.ends = {}
        self.last_words = []

    def subscribe(self, type_name, topic, depth=1):
        assert depth == 0
        return self.ends.setdefault(topic, Subscription(type_name, topic, depth))

    def put(self, topic, message, time_ns=0, sequence=1, gid=None):
        attachment = Attachment(sequence, time_ns, gid or topic.encode().ljust(16)[:16])
        payload = message if isinstance(message, bytes) else messages.serialize(message)
        self.ends[topic].push(payload, attachment)

    def wait(self, timeout_s):
        for words in self.last_words:
            self.put(*words)
        self.last_words = []

    def close(self):
        pass


def recorder(bus, folder, **parameters) -> RecorderNode:
    node = RecorderNode(
        "recorder", bus, SimClock(), RecorderNode.Parameters(**parameters), folder, realtime=False
    )
    node.configure()
    node.start()
    return node


def lockstep_run(folder):
    """Two short episodes over a LocalBus, driven as lockstep drives them."""
    folder.mkdir()
    graph = LocalGraph()
    node = recorder(LocalBus(graph, "recorder"), folder)
    sim = LocalBus(graph, "sim")
    ends = {
        topic: sim.publisher(RecorderNode.subscribes[topic], topic)
        for topic in ("/episode", "/clock", "/state")
    }
    for index in range(2):
        for k in range(20):
            t = index + k * 0.02
            graph.time_ns = round(t * 1e9)
            ends["/clock"].put(messages.serialize(messages.Clock(clock=messages.stamp(t))))
            if k == 0:
                ends["/episode"].put(messages.serialize(episode(t, index, 0)))
            ends["/state"].put(messages.serialize(state(t, index)))
            while graph.step():
                pass
        ends["/episode"].put(messages.serialize(episode(index + 0.4, index, 1)))
    while graph.step():
        pass
    node.shutdown()
    return node


def test_lockstep_gives_one_bag_an_episode_and_the_same_bytes_twice(tmp_path):
    first, second = (lockstep_run(tmp_path / name) for name in "ab")
    assert first.stats["messages"] == 2 * (20 + 20 + 2)
    assert first.stats["dropped"] == first.stats["outside"] == 0
    written = json.loads((tmp_path / "a" / "recorder.json").read_text())
    assert written["bags"] == first.stats["bags"]
    for index in range(2):
        name = f"episode_{index:03d}"
        assert first.stats["bags"][index] == str(tmp_path / "a" / "bags" / name)
        files = [tmp_path / run / "bags" / name / f"{name}_0.mcap" for run in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes()
        bag = Bag(files[0].parent)
        assert bag.counts == {"/clock": 20, "/episode": 2, "/state": 20}
        assert bag.metadata["success"] == "true"
        assert all(m.publish_ns <= 1_400_000_000 for m in bag.messages())
    assert second.stats["messages"] == first.stats["messages"]


def test_between_processes_the_order_is_that_of_sending(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0), 10)
    bus.put("/state", state(0.1), 30, 1)
    bus.put("/state", state(0.2), 50, 2)
    bus.put("/clock", messages.Clock(clock=messages.stamp(0.1)), 20, 1)
    bus.put("/clock", messages.Clock(clock=messages.stamp(0.2)), 40, 2)
    node.deliver_waiting()
    node.shutdown()
    raw = list(Bag(node.stats["bags"][0]).messages())
    assert [m.topic for m in raw] == ["/episode", "/clock", "/state", "/clock", "/state"]
    assert [m.publish_ns for m in raw] == [10, 20, 30, 40, 50]
    assert [m.log_ns // 10**6 for m in raw] == [0, 100, 100, 200, 200]


def test_what_was_sent_before_is_never_missing_where_the_recorder_stops(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0), 10)
    topics = [topic for topic in bus.ends if topic in ("/clock", "/state")]
    first, last = (bus.ends[topic] for topic in topics)
    of = {
        "/clock": lambda t: messages.Clock(clock=messages.stamp(t)),
        "/state": state,
    }
    bus.put(topics[1], of[topics[1]](0.1), 20, 1)
    take = last.take

    def sent_meanwhile():
        last.take = take
        bus.put(topics[0], of[topics[0]](0.2), 30, 1)  # when its topic was emptied already
        bus.put(topics[1], of[topics[1]](0.2), 40, 2)
        bus.put(topics[0], of[topics[0]](0.3), 50, 2)
        return take()

    last.take = sent_meanwhile
    node.deliver_waiting()
    # What came on one topic while the other was emptied waits for what was sent before it.
    assert node.stats["messages"] == 2 and first.waiting() + last.waiting() == 0
    bus.put("/episode", episode(0.3, 0, 1), 60, 2)
    node.shutdown()
    raw = list(Bag(node.stats["bags"][0]).messages())
    assert [m.publish_ns for m in raw] == [10, 20, 30, 40, 50, 60]


def test_gaps_are_counted_per_publisher(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0))
    for sequence in (5, 6, 9, 10):  # joined late, which is no loss; then two lost
        bus.put("/state", state(0.1), 0, sequence, b"a" * 16)
    for sequence in (1, 3):  # another publisher, or the same started again
        bus.put("/state", state(0.1), 0, sequence, b"b" * 16)
    node.deliver_waiting()
    assert node.stats["dropped"] == 3
    node.shutdown()


def test_shutdown_within_an_episode_closes_an_aborted_bag_with_all_that_came(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0))
    bus.put("/state", state(0.1))
    node.shutdown()
    bag = Bag(node.stats["bags"][0])
    assert bag.counts == {"/episode": 1, "/state": 1} and bag.metadata["aborted"] == "true"


def test_shutdown_waits_for_the_last_words_of_a_sim_that_stops_too(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0))
    bus.last_words = [("/episode", episode(0.5, 0, 1), 0, 2)]
    start = time.monotonic()
    node.shutdown()
    assert time.monotonic() - start < 0.4
    assert Bag(node.stats["bags"][0]).metadata["success"] == "true"


def test_what_a_sim_that_ends_says_again_is_kept_once_and_fills_what_was_lost(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    said = [
        messages.Applied(
            header=header(0.1 * k), tick=k, action=np.array([float(k)]), status=0,
            command_stamp=messages.stamp(0.1 * k),
        )
        for k in range(3)
    ]  # fmt: skip
    bus.put("/episode", episode(0.0, 0, 0))
    bus.put("/applied", said[0], 1, 1)
    bus.put("/applied", said[1], 2, 2)  # the third is lost
    again = [("/applied", message, 4 + k, 4 + k) for k, message in enumerate(said)]
    bus.last_words = [*again, ("/episode", episode(0.5, 0, 1), 9, 2)]
    node.shutdown()
    bag = Bag(node.stats["bags"][0])
    kept = [bag.decode(m) for m in bag.messages() if m.topic == "/applied"]
    assert [message.tick for message in kept] == [0, 1, 2]


def test_a_recorder_started_again_keeps_what_was_there(tmp_path):
    for _ in range(2):
        bus = QueueBus()
        node = recorder(bus, tmp_path)
        bus.put("/episode", episode(0.0, 0, 0))
        bus.put("/episode", episode(1.0, 0, 1), 0, 2)
        node.shutdown()
    names = [path.rpartition("/")[2] for path in node.stats["bags"]]
    assert names == ["episode_000", "episode_000_1"]


def test_malformed_messages_are_counted_and_harm_nobody(tmp_path):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0))
    bus.put("/episode", b"\x00\x01\x00\x00\x01\x00", 0, 2)
    bus.put("/state", b"", 0, 1)
    bus.put("/state", state(0.1), 0, 2)
    node.shutdown()
    assert node.stats["malformed"] == 2
    assert Bag(node.stats["bags"][0]).counts["/state"] == 1


def test_a_full_disk_is_told_once_and_the_node_lives_on(tmp_path, monkeypatch, caplog):
    bus = QueueBus()
    node = recorder(bus, tmp_path)
    bus.put("/episode", episode(0.0, 0, 0))
    node.deliver_waiting()

    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(BagWriter, "flush", full)
    for k in range(5000):
        bus.put("/state", state(k * 0.01), 0, k + 1)
    node.deliver_waiting()
    node.shutdown()
    assert sum("No space left" in record.message for record in caplog.records) == 1
    assert node.stats["failed"] == "No space left on device" and node.stats["bags"] == []


def test_topics_are_a_parameter(tmp_path):
    bus = QueueBus()
    recorder(bus, tmp_path, topics=("/state", "/chatter std_msgs/msg/String"))
    assert list(bus.ends) == ["/episode", "/state", "/chatter"]
    everything = QueueBus()
    recorder(everything, tmp_path, also=("/chatter std_msgs/msg/String",))
    assert set(everything.ends) == {*RecorderNode.subscribes, "/chatter"}
    with pytest.raises(ParameterError, match="needs its type"):
        recorder(QueueBus(), tmp_path, topics=("/chatter",))
    with pytest.raises(ParameterError, match="did you mean"):
        recorder(QueueBus(), tmp_path, also=("/chatter std_msgs/msg/Strin",))


def test_every_bag_names_versions_revision_and_launch(tmp_path):
    versions = {"git_revision": "abc", "command": ["covary", "launch", "push.yaml"]}
    (tmp_path / "versions.json").write_text(json.dumps(versions))
    bus = QueueBus()
    node = recorder(bus, tmp_path / "left")
    bus.put("/episode", episode(0.0, 0, 0))
    (tmp_path / "left").mkdir(exist_ok=True)
    node.shutdown()
    known = Bag(node.stats["bags"][0]).metadata
    assert known["git_revision"] == "abc" and known["launch"] == "covary launch push.yaml"
    assert known["mujoco_version"]
    assert ("pybullet_version" in known) == (find_spec("pybullet") is not None)


def test_what_a_flooded_bus_drops_is_counted(tmp_path):
    """4000 messages over zenoh as fast as they go: each is in the bag or counted as dropped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{free.getsockname()[1]}"
    sim = ZenohBus("sim", None, 7, listen=endpoint)
    bus = ZenohBus("recorder", endpoint, 7)
    try:
        node = recorder(bus, tmp_path, topics=("/state",))
        ends = {t: sim.publisher(RecorderNode.subscribes[t], t) for t in ("/episode", "/state")}
        bus.announce(), sim.announce()
        deadline = time.monotonic() + 20
        while not sim.sees(["/recorder"]) and time.monotonic() < deadline:
            time.sleep(0.01)
        ends["/episode"].put(messages.serialize(episode(0.0, 0, 0)))
        for k in range(4000):
            ends["/state"].put(messages.serialize(state(k * 0.001)))
            if k % 50 == 0:  # as a loop does: now and then it comes round
                node.deliver_waiting()
                time.sleep(0.001)
        time.sleep(0.2)  # END itself is not to be dropped
        ends["/episode"].put(messages.serialize(episode(4.0, 0, 1)))
        while node.bags.running and time.monotonic() < deadline:
            bus.wait(0.05)
            node.deliver_waiting()
        node.shutdown()
    finally:
        bus.close(), sim.close()
    sequence = [m.sequence for m in Bag(node.stats["bags"][0]).messages() if m.topic == "/state"]
    # How many are dropped hangs on how busy the machine is.
    assert sequence == sorted(set(sequence)) and len(sequence) > 200
    assert sequence[-1] - len(sequence) - (sequence[0] - 1) == node.stats["dropped"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"topics": ["/camera/0/x sensor_msgs/msg/Image"]}, "topics: '/camera/0/x' is no name"),
        ({"topics": ["/stat"]}, "needs its type, '/topic pkg/msg/Type'; did you mean '/state'?"),
        ({"also": ["/x sensor_msgs/msg/Imag"]}, "did you mean sensor_msgs/msg/Image?"),
        ({"compression": "zst"}, "did you mean zstd?"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense(parameters, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        RecorderNode.check(from_dict(RecorderNode.Parameters, parameters, "recorder"))
