"""A bag's writer killed at any byte and at any step: what stands on disk, and what is mended."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from mcap.opcode import Opcode

from covary.nodes import messages
from covary.nodes.bags.bag import BagError, BagWriter, is_whole
from covary.nodes.bags.mcap_file import Records, messages_of
from covary.nodes.bags.reader import Bag
from covary.nodes.bags.recovery import recover

KIND = "covary_msgs/msg/PhysicsState"


def payload(k: int) -> bytes:
    header = messages.Header(stamp=messages.stamp(k * 0.01), frame_id="")
    return messages.serialize(messages.PhysicsState(header=header, tick=k, state=np.ones(3) * k))


def open_file(tmp_path, count=60):
    """What stands on disk of a bag that is being written; its chunks' ends and their messages."""
    writer = BagWriter(tmp_path / "bag", {"task": "push"}, chunk_bytes=400)
    for k in range(count):
        writer.write("/physics", KIND, payload(k), k * 10_000_000, k, k)
    writer.flush()
    data = (tmp_path / "bag.open" / "bag_0.mcap").read_bytes()
    writer.abandon()
    ends, saved = [], 0
    with open(tmp_path / "bag.open" / "bag_0.mcap", "rb") as stream:
        records = Records(stream)
        for opcode, begin, length in records:
            if opcode == Opcode.CHUNK:
                body = records.unpacked(begin, length)
                saved += body.count(bytes([Opcode.MESSAGE]) + bytes([22 + len(payload(0))]))
                ends.append((begin + length, saved))
    shutil.rmtree(tmp_path / "bag.open")
    assert ends[-1][1] == count and len(ends) > 8
    return data, ends


def test_cut_at_every_byte_it_gives_exactly_the_complete_chunks(tmp_path):
    data, ends = open_file(tmp_path)
    path = tmp_path / "cut_0.mcap"
    for cut in range(ends[-3][0] + 1, len(data) + 1):
        path.write_bytes(data[:cut])
        expected = max(saved for end, saved in ends if end <= cut)
        broken = []
        with open(path, "rb") as stream:
            found = [m.sequence for _, _, m in messages_of(Records(stream), broken.append)]
        assert found == list(range(expected)) and not broken, cut


def test_recover_cut_around_the_ends_of_chunks(tmp_path):
    """The whole of `recover`, a byte before and after each end that matters."""
    data, ends = open_file(tmp_path)
    for end, _ in ends[-3:]:
        for cut in (end - 1, end, end + 1, end + 9, end + 10):
            folder = tmp_path / "it.open"
            folder.mkdir()
            (folder / "it_0.mcap").write_bytes(data[:cut])
            result = recover(folder)
            assert [m.sequence for m in Bag(result.path).messages()] == list(
                range(max(saved for at, saved in ends if at <= cut))
            )
            assert (folder / "it_0.mcap").read_bytes() == data[:cut]
            shutil.rmtree(folder), shutil.rmtree(result.path)


CHILD = """
import os, pathlib, signal, sys
from mcap.writer import Writer
from covary.nodes.bags.bag import BagWriter

payload, place, when = bytes.fromhex(sys.argv[2]), sys.argv[3], sys.argv[4]
owner = {"Writer": Writer, "os": os, "Path": pathlib.Path}[place.split(".")[0]]
name = place.split(".")[1]
original = getattr(owner, name)

def dies(*args, **kwargs):
    if when == "after":
        original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

writer = BagWriter(pathlib.Path(sys.argv[1]), {"task": "push"}, types=lambda name: ("uint8 x", ""))
writer.write("/a", "a/msg/A", payload, 0, 0, 0)
writer.flush()
writer.write("/a", "a/msg/A", payload, 1, 1, 1)
setattr(owner, name, dies)
if name == "add_attachment":
    writer.attach("model.xml", "text/xml", b"x" * 300_000)
elif name == "add_metadata":
    writer.annotate({"success": "true"})
elif name == "add_message":
    writer.write("/a", "a/msg/A", payload, 2, 2, 2)
else:
    writer.close({"success": "true"})
"""
SAVED = {"add_message": 1, "add_metadata": 1, "add_attachment": 1}
"""Messages on disk when the kill comes there; elsewhere both."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "place",
    ["Writer.add_message", "Writer.add_metadata", "Writer.add_attachment", "Writer.finish",
     "Path.write_text", "os.replace", "os.rename"],
)  # fmt: skip
def test_killed_at_any_step_of_writing_and_closing(tmp_path, place, when):
    """A folder without `.open` is whole, and one with it gives what was flushed."""
    words = [str(tmp_path / "bag"), b"\0\1\0\0\7".hex(), place, when]
    child = subprocess.run([sys.executable, "-P", "-c", CHILD, *words], timeout=60)
    assert child.returncode == -signal.SIGKILL
    if (tmp_path / "bag").exists():
        assert (place, when) == ("os.rename", "after") and not (tmp_path / "bag.open").exists()
        assert Bag(tmp_path / "bag").counts == {"/a": 2}
        return
    folder = tmp_path / "bag.open"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = recover(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    saved = SAVED.get(place.partition(".")[2], 2)
    assert result.counts == {"/a": saved}
    assert [m.sequence for m in Bag(result.path).messages()] == list(range(saved))
    # Only with its metadata.yaml is it as good as closed; that is there whole or not at all.
    assert result.whole == ("metadata.yaml" in before)
    assert result.whole == ((place, when) in {("os.replace", "after"), ("os.rename", "before")})
    assert is_whole(result.path)


def test_killed_before_the_first_chunk_there_is_nothing_and_it_says_so(tmp_path):
    writer = BagWriter(tmp_path / "bag", {"task": "push"})
    writer.write("/physics", KIND, payload(0), 0, 0)
    writer.abandon()
    with pytest.raises(BagError, match="no complete chunk in it, nothing to recover"):
        recover(tmp_path / "bag.open")
    assert [path.name for path in tmp_path.iterdir()] == ["bag.open"]


def test_a_message_larger_than_a_chunk_is_a_chunk(tmp_path):
    """It waits for the next message or flush, and nothing waits with it."""
    writer = BagWriter(tmp_path / "bag", types=lambda name: ("uint8 x", ""))
    file = tmp_path / "bag.open" / "bag_0.mcap"
    writer.write("/a", "a/msg/A", bytes(1000), 0, 0)
    writer.write("/a", "a/msg/A", bytes(900_000), 1, 1)
    assert 1000 < file.stat().st_size < 10_000
    writer.write("/a", "a/msg/A", bytes(1000), 2, 2)
    assert 900_000 < file.stat().st_size < 910_000
    writer.abandon()
    assert recover(tmp_path / "bag.open").counts == {"/a": 2}


def test_what_cannot_be_finished_leaves_nothing_behind(tmp_path, monkeypatch):
    """A full disk while a bag is mended: no half of a new bag, and the original as it was."""
    data, _ = open_file(tmp_path)
    folder = tmp_path / "it.open"
    folder.mkdir()
    (folder / "it_0.mcap").write_bytes(data)

    def full(self, metadata=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BagWriter, "close", full)
    with pytest.raises(OSError, match="No space"):
        recover(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["it.open"]
    assert (folder / "it_0.mcap").read_bytes() == data
