"""Recorders killed at random moments: what is mended is what was written, but for one chunk.

A real launch in real time with cameras and two recorders. One is SIGKILLed again and again and
started again by the launch; the other is the witness, which ends in order.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import time
import zlib
from pathlib import Path

import pytest
from launches import processes_in, start, wait_for
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from covary.nodes.bags.bag import BagError
from covary.nodes.bags.reader import Bag
from covary.nodes.bags.recovery import recover
from covary.nodes.recorder_node import FLUSH_S

SLOW = pytest.mark.slow
CHUNK = 256 * 1024
CHUNK_NS = 500_000_000
HEAD = 31  # bytes of a message record beside the payload
ALSO = ["/camera/small sensor_msgs/msg/Image", "/camera/large sensor_msgs/msg/Image",
        "/word std_msgs/msg/String"]  # fmt: skip
FIRE = """
launch:
- include: {{file: $(find-pkg-share covary)/launch/point_mass.yaml,
            arg: [{{name: samples, value: 32}}, {{name: iterations, value: 1}}]}}
- node: {{exec: fire_nodes:Cameras, name: cameras}}
- node:
    exec: fire_nodes:LedgerRecorder
    name: killed
    respawn: true
    respawn_delay: 0
    param: [{{name: folder, value: {killed}}}, {{name: also, value: {also}}}]
- node:
    exec: fire_nodes:LedgerRecorder
    name: witness
    param: [{{name: folder, value: {witness}}}, {{name: also, value: {also}}}]
"""


def ledger(folder, name):
    """What the writer of a bag was given: (topic, sequence, log, publish, size, crc), times."""
    lines = Path(f"{folder}.ledgers", name).read_bytes().split(b"\n")
    entries = [json.loads(line) for line in lines if line.endswith(b"]")]
    return [tuple(entry[:6]) for entry in entries], [entry[6] for entry in entries]


def entries_of(path):
    """The messages of a bag in the ledger's form."""
    return [
        (m.topic, m.sequence, m.log_ns, m.publish_ns, len(m.payload), zlib.crc32(m.payload))
        for m in Bag(path).messages()
    ]


def digest(folder):
    """Every file of a folder and what is in it."""
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def opens_everywhere(path):
    """How many messages two other readers decode from a bag; both the same."""
    with AnyReader([path]) as reader:
        first = sum(1 for c, _, raw in reader.messages() if reader.deserialize(raw, c.msgtype))
    with open(next(path.glob("*.mcap")), "rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()], validate_crcs=True)
        second = sum(1 for _ in reader.iter_decoded_messages())
    assert first == second
    return first


def assert_mended(bag, given, times):
    """A killed bag gives what its writer was given up to the open chunk; its path, or None."""
    before = digest(bag)
    try:
        result = recover(bag)
    except BagError as error:
        assert "nothing to recover" in str(error) or "empty file" in str(error), error
        saved, path = [], None
    else:
        path = result.path
        saved = entries_of(path)
        assert opens_everywhere(path) == len(saved) == sum(result.counts.values())
        assert result.damaged == 0
        ours = Bag(path)
        assert all(ours.decode(message) for message in ours.messages())
    assert digest(bag) == before
    # Of all topics together, and so of each: a prefix without a gap, and nothing else.
    assert saved == given[: len(saved)]
    # The last one may have been on its way into the chunk; all before it fitted into one.
    lost = given[len(saved) : -1]
    size = sum(HEAD + entry[4] for entry in lost)
    waited = times[-1] - times[len(saved)] if lost else 0.0
    print(f"{bag.name}: {len(saved)} of {len(given)} saved, {size} bytes of {waited:.2f} s lost")
    assert size <= CHUNK or len(lost) == 1, (size, len(lost))
    if lost:
        logs = [entry[2] for entry in lost]
        assert max(logs) - min(logs) < CHUNK_NS
        # On the wall clock the recorder's timer closes a chunk, as soon as the machine lets it.
        assert waited < FLUSH_S + 3.0
    return path


def pid_of(place, name):
    """The process of a node."""
    found = [pid for pid, line in processes_in(place).items() if f"/{name}.json" in line]
    return found[0] if len(found) == 1 else None


@pytest.fixture
def fire(tmp_path):
    """A launch under way, the folders of both recorders, and its end whatever becomes of it."""
    here = Path(__file__).with_name("fire_nodes.py")
    shutil.copy(here, tmp_path)
    folders = {name: tmp_path / name for name in ("killed", "witness")}
    (tmp_path / "fire.yaml").write_text(FIRE.format(**folders, also=json.dumps(ALSO)))
    launcher = start(tmp_path, "fire.yaml", "realtime:=true", "episodes:=1000", "record:=false")
    yield launcher, folders
    if launcher.poll() is None:
        launcher.kill()
        launcher.communicate()
    wait_for(lambda: not processes_in(tmp_path), 10)


@SLOW  # by default nodes/bags/test_killed_writer.py looks at what a kill leaves
@pytest.mark.parametrize("kills", [1, 20])
def test_a_killed_recorder_lacks_less_than_a_chunk(fire, tmp_path, kills):
    launcher, folders = fire
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    victims = {}

    def fresh():
        """A bag that is being written, with something in it."""
        found = set(folders["killed"].glob("*.open/*.mcap")) - set(victims)
        return next((file for file in found if file.stat().st_size > 1000), None)

    for _ in range(kills):
        wait_for(fresh, 60, launcher)
        moment = time.monotonic() + rng.uniform(0.0, 2.5)  # perhaps between two episodes
        wait_for(lambda moment=moment: time.monotonic() > moment, 10, launcher)
        pid = pid_of(tmp_path, "killed")
        if rng.random() < 0.25:  # frozen first
            os.kill(pid, signal.SIGSTOP)
            moment = time.monotonic() + 0.3
            wait_for(lambda moment=moment: time.monotonic() > moment, 10, launcher)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: pid_of(tmp_path, "killed") not in (pid, None), 30, launcher)
        for file in folders["killed"].glob("*.open/*.mcap"):
            victims.setdefault(file, digest(file.parent))
    wait_for(fresh, 60, launcher)
    launcher.send_signal(signal.SIGINT)
    screen, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, screen

    bags = {path.name: path for path in folders["killed"].iterdir()}
    seen = {name: path for name, path in bags.items() if not name.endswith(".open")}
    for file, before in victims.items():
        if not file.exists():  # it was being closed, and has been
            continue
        # Those that were started after it have left its bag alone.
        assert digest(file.parent) == before
        name = file.parent.name.removesuffix(".open")
        if path := assert_mended(file.parent, *ledger(folders["killed"], name)):
            seen[path.name] = path
    assert len(victims) >= kills / 2
    print(f"{len(victims)} bags killed, {len(seen)} bags compared with the witness")
    witnessed = {}
    for path in folders["witness"].iterdir():
        assert not path.name.endswith(".open"), "the witness closes its bags"
        for entry in entries_of(path):
            witnessed[entry[0], entry[3], entry[1]] = entry[4:]
    stats = json.loads(next(tmp_path.glob("runs/*/witness.json")).read_text())
    dropped, outside = stats["dropped"], stats["outside"]
    # The two do not end in the same moment: what came after the witness's last is beyond it.
    last = {}
    for topic, publish, _ in witnessed:
        last[topic] = max(publish, last.get(topic, 0))
    unknown = 0
    for name, path in seen.items():
        entries = entries_of(path)
        if not name.endswith("_recovered"):
            assert entries == ledger(folders["killed"], name)[0]
        for entry in entries:
            other = witnessed.get((entry[0], entry[3], entry[1]))
            unknown += other is None and entry[3] < last.get(entry[0], 0)
            # What both heard is the same to the last byte.
            assert other in (None, entry[4:])
    print(f"{len(witnessed)} messages witnessed, {dropped} dropped, {unknown} unknown to it")
    # The witness may have missed some, and says how many; nobody else sent anything.
    assert unknown <= dropped + outside
