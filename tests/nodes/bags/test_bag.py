"""Bags: what other tools read of them, when chunks reach the disk, and what a kill leaves."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bag_messages import JOINT_STATE, MODEL, episode, header, joint_state, stamps, state
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from covary.nodes import messages
from covary.nodes.bags.bag import BagError, BagWriter, free_folder, is_whole
from covary.nodes.bags.reader import Bag
from covary.nodes.bags.recovery import recover


def write_bag(folder: Path, count: int = 100, **options) -> Path:
    """A bag with two topics, one message of each every 10 ms."""
    writer = BagWriter(folder, {"task": "point_mass"}, **options)
    writer.attach("model.xml", "application/xml", MODEL.encode())
    for k in range(count):
        ns = k * 10_000_000
        writer.write("/state", "covary_msgs/msg/State", state(k * 0.01), ns, ns, k)
        writer.write("/joint_states", JOINT_STATE, joint_state(k * 0.01), ns, ns, k)
    return writer.close({"success": "true"})


def decoded_elsewhere(path: Path) -> dict[str, list]:
    """Every message of a bag by topic, decoded by mcap-ros2-support."""
    seen = {}
    with open(next(path.glob("*.mcap")), "rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, _, message in reader.iter_decoded_messages():
            seen.setdefault(channel.topic, []).append(message)
    return seen


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_other_tools_open_a_bag_and_decode_every_topic(tmp_path, compression):
    path = write_bag(tmp_path / "episode_000", compression=compression)
    assert sorted(p.name for p in path.iterdir()) == ["episode_000_0.mcap", "metadata.yaml"]
    seen = decoded_elsewhere(path)
    assert [m.value[0] for m in seen["/state"]] == [k * 0.01 for k in range(100)]
    assert seen["/joint_states"][7].header.frame_id == "world"
    with AnyReader([path]) as reader:
        assert reader.message_count == 200
        assert {c.topic: c.msgcount for c in reader.connections} == {
            "/state": 100,
            "/joint_states": 100,
        }
        for connection, _, raw in reader.messages():
            reader.deserialize(raw, connection.msgtype)
    with open(path / "episode_000_0.mcap", "rb") as stream:
        mcap = make_reader(stream, validate_crcs=True)
        assert mcap.get_header().profile == "ros2"
        for channel in mcap.get_summary().channels.values():
            assert "reliability: reliable" in channel.metadata["offered_qos_profiles"]
            assert channel.metadata["topic_type_hash"].startswith("RIHS01_")
        assert [a.data.decode() for a in mcap.iter_attachments()] == [MODEL]
    assert Bag(path).metadata == {"task": "point_mass", "success": "true"}


def test_custom_data_stands_in_metadata_yaml(tmp_path):
    from rosbags.rosbag2 import Reader

    with Reader(write_bag(tmp_path / "episode_000")) as reader:
        assert reader.storage.metadata.custom == {"task": "point_mass", "success": "true"}
        assert reader.duration == 990_000_001


def test_all_our_message_types_decode_elsewhere(tmp_path):
    writer = BagWriter(tmp_path / "bag")
    now = header(1.0)
    everything = {
        "/applied": messages.Applied(
            header=now, tick=3, action=np.ones(2), status=2, command_stamp=messages.stamp(0.5)
        ),
        "/physics": messages.PhysicsState(header=now, tick=3, state=np.arange(4.0)),
        "/plan": messages.JointTrajectory(header=now, joint_names=["a"], points=[]),
    }
    for topic, message in everything.items():
        writer.write(topic, message.__msgtype__, messages.serialize(message), 1, 1)
    writer.write("/episode", "covary_msgs/msg/Episode", episode(1.0, 0, 0), 1, 1)
    path = writer.close()
    decoded = decoded_elsewhere(path)
    assert decoded["/applied"][0].command_stamp.nanosec == 500_000_000
    assert decoded["/physics"][0].state == [0, 1, 2, 3]
    assert decoded["/episode"][0].model == MODEL
    with AnyReader([path]) as reader:
        assert len([reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()]) == 4


def test_chunks_are_small_short_and_on_disk_before_the_close(tmp_path):
    writer = BagWriter(tmp_path / "bag", chunk_bytes=4096, chunk_s=0.5)
    file = tmp_path / "bag.open" / "bag_0.mcap"
    for k in range(500):
        writer.write("/joint_states", JOINT_STATE, joint_state(k * 0.001), k * 1_000_000, 0, k)
    size = file.stat().st_size
    assert size > 400 * 100
    writer.write("/joint_states", JOINT_STATE, joint_state(9.0), 9_000_000_000, 0)
    assert file.stat().st_size > size
    with open(writer.close() / "bag_0.mcap", "rb") as stream:
        chunks = make_reader(stream).get_summary().chunk_indexes
    assert all(c.message_end_time - c.message_start_time < 500_000_000 for c in chunks)
    # The first chunk also announces the topic.
    assert all(c.uncompressed_size <= 4096 + (i == 0) * 4096 for i, c in enumerate(chunks))


def test_the_same_messages_give_the_same_file(tmp_path):
    first, second = (write_bag(tmp_path / d / "bag") / "bag_0.mcap" for d in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_an_existing_bag_is_never_written_over(tmp_path):
    path = write_bag(tmp_path / "bag", 1)
    with pytest.raises(FileExistsError):
        BagWriter(path)
    assert free_folder(path).name == "bag_1"


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "not a bag"),
        (lambda p: p.write_bytes(b""), "empty file"),
        (lambda p: p.write_bytes(b"hello, this is text"), "not a bag"),
        (lambda p: p.write_bytes(b"\x89MCAP0\r\n\x01"), "no complete chunk"),
    ],
)
def test_bad_input_gives_one_clear_line(tmp_path, make, words):
    path = tmp_path / "thing.mcap"
    make(path)
    with pytest.raises(BagError, match=words) as error:
        recover(path)
    assert "\n" not in str(error.value)
    with pytest.raises(BagError):
        Bag(path)


@pytest.mark.parametrize("named", [".", "bags"])
def test_a_folder_of_bags_names_one_of_them(tmp_path, named):
    bag = write_bag(tmp_path / "bags" / "episode_000", 1)
    with pytest.raises(BagError, match="name one of them, such as .*episode_000") as error:
        Bag(tmp_path / named)
    assert str(error.value).endswith(str(bag))


def test_recover_keeps_the_original_and_takes_only_whole_chunks(tmp_path):
    data = (write_bag(tmp_path / "bag", 1000, chunk_bytes=8192) / "bag_0.mcap").read_bytes()
    sequence = [(m.topic, m.payload) for m in Bag(tmp_path / "bag").messages()]
    rng = random.Random(1)
    for cut in [
        len(data) - 1,
        len(data) - 500,
        *(rng.randrange(9000, len(data)) for _ in range(12)),
    ]:
        broken = tmp_path / "cut.open"
        broken.mkdir()
        (broken / "cut_0.mcap").write_bytes(data[:cut])
        result = recover(broken)
        assert (broken / "cut_0.mcap").read_bytes() == data[:cut]
        assert result.path == tmp_path / "cut_recovered" and is_whole(result.path)
        saved = Bag(result.path)
        assert [(m.topic, m.payload) for m in saved.messages()] == sequence[
            : sum(result.counts.values())
        ]
        assert saved.counts == result.counts
        assert saved.metadata["recovered"] == "true" and saved.model == MODEL
        assert result.lost_bytes < 8192 + 2048
        shutil.rmtree(broken), shutil.rmtree(result.path)


def test_recover_leaves_out_a_chunk_whose_checksum_is_wrong(tmp_path):
    path = write_bag(tmp_path / "bag", 1000, chunk_bytes=8192) / "bag_0.mcap"
    data = bytearray(path.read_bytes())
    at = data.index(joint_state(5.0)) + 60
    data[at] ^= 1
    path.write_bytes(data[:-20])
    result = recover(path)
    assert result.damaged == 1
    assert 1800 < sum(result.counts.values()) < 2000
    assert 5.0 not in stamps(result.path)


def test_recover_of_a_closed_bag_that_was_damaged_since(tmp_path):
    """What the reader refuses is not called whole."""
    folder = write_bag(tmp_path / "bag", 1000, chunk_bytes=8192)
    path = folder / "bag_0.mcap"
    data = bytearray(path.read_bytes())
    data[data.index(joint_state(5.0)) + 60] ^= 1
    path.write_bytes(data)
    with pytest.raises(BagError, match="damaged"):
        list(Bag(folder).messages())
    result = recover(folder)
    assert not result.whole and result.damaged == 1 and result.path.name == "bag_recovered"
    assert 1800 < sum(result.counts.values()) < 2000 and 5.0 not in stamps(result.path)
    assert path.read_bytes() == data


def test_recover_of_a_whole_bag_writes_nothing(tmp_path):
    path = write_bag(tmp_path / "bag", 10)
    result = recover(path)
    assert result.whole and result.path == path and result.counts["/state"] == 10
    assert [p.name for p in tmp_path.iterdir()] == ["bag"]


CHILD = """
import sys
from pathlib import Path
from covary.nodes.bags.bag import BagWriter
payload = bytes.fromhex(sys.argv[2])
types = lambda name: (sys.argv[3], "")
writer = BagWriter(Path(sys.argv[1]), {"task": "push"}, chunk_bytes=65536, types=types)
k = 0
while True:
    writer.write("/joint_states", "sensor_msgs/msg/JointState", payload, k * 100_000, k, k)
    k += 1
    if k % 100 == 0:
        print(k, flush=True)
"""


@pytest.mark.parametrize("trial", range(4))
def test_a_killed_writer_loses_less_than_one_chunk(tmp_path, trial):
    payload = joint_state(1.0, size=40)
    with open(tmp_path / "count", "wb") as out:
        arguments = [str(tmp_path / "bag"), payload.hex(), messages.definition(JOINT_STATE)]
        child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=out)
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "count").stat().st_size:
                assert child.poll() is None and time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(0.03 + 0.1 * random.random())
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    written = int((tmp_path / "count").read_text().split("\n")[-2])
    assert not (tmp_path / "bag").exists()
    with pytest.raises(BagError, match="never closed"):
        Bag(tmp_path / "bag.open")
    result = recover(tmp_path / "bag.open")
    sequence = [m.sequence for m in Bag(result.path).messages()]
    assert sequence == list(range(len(sequence)))
    per_chunk = 65536 // (len(payload) + 31) + 1
    # What was reported as written, less than one chunk; up to 100 more may have been written since.
    assert len(sequence) > written - per_chunk
    assert all(m.payload == payload for m in Bag(result.path).messages())


def test_a_device_that_is_really_full(tmp_path):
    """/dev/full refuses every byte; the writer's buffer must not raise a second time at exit."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    writer = BagWriter(tmp_path / "bag")
    os.dup2(os.open("/dev/full", os.O_WRONLY), writer._stream.fileno())
    writer.write("/joint_states", JOINT_STATE, joint_state(0.0), 0, 0)
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    writer.abandon()
    del writer
