"""Hostile MCAP files: mutations of whole bags, and files built of hostile records."""

import struct
import zlib
from pathlib import Path

import lz4.frame
import numpy as np
import zstandard
from hypothesis import strategies as st

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.bags.reader import Bag

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, INDEX = 1, 2, 3, 4, 5, 6, 7
ATTACHMENT, STATISTICS, METADATA, DATA_END = 9, 11, 12, 15
EXTREMES = (0, 1, 7, 8, 9, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


def small_bag(folder: Path, compression: str) -> Path:
    """A bag of some chunks with states, commands, plans and a model."""
    writer = BagWriter(
        folder,
        {"task": "point_mass", "seed": "1", "success": "true"},
        chunk_bytes=1500,
        compression=compression,
    )
    writer.attach("model.xml", "application/xml", b"<mujoco/>")
    empty = np.zeros(0)
    for k in range(12):
        header = messages.Header(stamp=messages.stamp(k * 0.02), frame_id="world")
        ns = k * 20_000_000
        point = messages.JointTrajectoryPoint(
            positions=empty,
            velocities=np.ones(2),
            accelerations=empty,
            effort=empty,
            time_from_start=messages.Duration(sec=0, nanosec=k),
        )
        for topic, message in {
            "/state": messages.State(header=header, episode=0, name=["x", "y"], value=np.ones(2)),
            "/command": messages.JointState(
                header=header, name=["x"], position=empty, velocity=np.ones(1) * k, effort=empty
            ),
            "/plan": messages.JointTrajectory(header=header, joint_names=["x"], points=[point] * 2),
        }.items():
            writer.write(topic, message.__msgtype__, messages.serialize(message), ns, ns + 1, k)
    return writer.close({"duration": "0.24"})


def everything(path: Path) -> list[tuple]:
    """All messages of a bag, in order."""
    return [tuple(message) for message in Bag(path).messages()]


def record(opcode: int, body: bytes, length: int | None = None) -> bytes:
    """One record; `length` says something else than is so."""
    return struct.pack("<BQ", opcode, len(body) if length is None else length) + body


def text(words: str | bytes, length: int | None = None) -> bytes:
    """A text with its length before it."""
    raw = words.encode() if isinstance(words, str) else words
    return struct.pack("<I", len(raw) if length is None else length) + raw


def texts(entries: dict) -> bytes:
    """A map of texts."""
    return text(b"".join(text(k) + text(v) for k, v in entries.items()))


def schema(key: int, name: str, definition: str | bytes, encoding: str = "ros2msg") -> bytes:
    """A schema record."""
    return record(SCHEMA, struct.pack("<H", key) + text(name) + text(encoding) + text(definition))


def channel(key: int, schema_key: int, topic: str, encoding: str = "cdr") -> bytes:
    """A channel record."""
    return record(
        CHANNEL, struct.pack("<HH", key, schema_key) + text(topic) + text(encoding) + texts({})
    )


def message(key: int, payload: bytes, log_time: int = 0, publish_time: int = 0) -> bytes:
    """A message record."""
    return record(MESSAGE, struct.pack("<HIQQ", key, 0, log_time, publish_time) + payload)


def chunk(
    inner: bytes,
    compression: str = "",
    *,
    size: int | None = None,
    checksum: int | None = None,
    packed: bytes | None = None,
) -> bytes:
    """A chunk record, right unless told otherwise."""
    if packed is None:
        pack = {"lz4": lz4.frame.compress, "zstd": zstandard.compress}.get(compression, bytes)
        packed = pack(inner)
    head = struct.pack(
        "<QQQI",
        0,
        0,
        len(inner) if size is None else size,
        zlib.crc32(inner) if checksum is None else checksum,
    )
    return record(CHUNK, head + text(compression) + struct.pack("<Q", len(packed)) + packed)


def attachment(name: str, data: bytes) -> bytes:
    """An attachment record."""
    body = bytes(16) + text(name) + text("") + struct.pack("<Q", len(data)) + data
    return record(ATTACHMENT, body + struct.pack("<I", zlib.crc32(body)))


def metadata(name: str, entries: dict) -> bytes:
    """A metadata record."""
    return record(METADATA, text(name) + texts(entries))


def file(data: bytes, summary: bytes = b"", count: int | None = None) -> bytes:
    """A closed file around a data section; `count` messages are in its statistics."""
    begin = MAGIC + record(HEADER, text("ros2") + text("other")) + data
    begin += record(DATA_END, bytes(4))
    if count is not None:
        body = struct.pack("<QHIIIIQQI", count, 1, 1, 0, 0, 1, 0, 0, 0)
        summary += record(STATISTICS, body)
    foot = struct.pack("<BQQQ", FOOTER, 20, len(begin) if summary else 0, 0)
    return begin + summary + foot + struct.pack("<I", zlib.crc32(summary + foot)) + MAGIC


def places(data: bytes) -> list[int]:
    """Where the records of a file begin, those of its summary too."""
    found, at = [], len(MAGIC)
    while at + 9 <= len(data) - len(MAGIC):
        found.append(at)
        at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")
    return found


@st.composite
def mutated(draw, files: list[bytes]) -> bytes:
    """A bag with a few things changed in it; checksums stay as they were."""
    data = bytearray(draw(st.sampled_from(files)))
    starts = places(bytes(data))
    for _ in range(draw(st.integers(1, 3))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1) | st.sampled_from(starts)) % len(data)
        kind = draw(st.sampled_from(["flip", "byte", "length", "cut", "drop", "double", "word"]))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "byte":
            data[at] = draw(st.integers(0, 255))
        elif kind == "length":
            at = draw(st.sampled_from(starts)) + 1
            data[at : at + 8] = struct.pack("<Q", draw(st.sampled_from(EXTREMES)))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + draw(st.integers(1, 600))]
        elif kind == "double":
            piece = data[at : at + draw(st.integers(1, 600))]
            data[at:at] = piece * draw(st.integers(1, 3))
        else:
            data[at : at + 4] = struct.pack("<I", draw(st.sampled_from(EXTREMES)) & 0xFFFFFFFF)
    return bytes(data)


NAMES = st.sampled_from(
    ["", "/a", "/state", "/b", "a\nb", "\x1b[31m", "../../x", "\0", "\ud7ff", "/" * 300]
) | st.text(max_size=12)
TYPES = st.sampled_from(
    ["a/msg/A", "covary_msgs/msg/State", "std_msgs/msg/String", "A", "a/b/c", "1/msg/2", "", "é"]
)
LINES = st.sampled_from(
    [
        "uint8 x", "string s", "string[] s", "A a", "A[] a", "a/A[3] a", "b/B b", "float64[] v",
        "uint8[0] z", "uint8[-1] z", "string[1000000000] s", "b/B[99999] b", "int8 X=1",
        "float32 F=1e999", "string T='''", "int64 x", "Time t", "builtin_interfaces/Time stamp",
        "@key", "#", "", "uint8[1000000000] big", "time t", "std_msgs/Header header", "wstring w",
        "=" * 80 + "\nMSG: b/B", "=" * 80 + "\nMSG: builtin_interfaces/Time", "string<=3 b",
        "int32 sec", "uint32 nanosec", "uint8 class", "uint8 __init__", "uint8[<=3] few",
    ]
)  # fmt: skip
DEFINITIONS = st.lists(LINES, max_size=8).map("\n".join) | st.text(max_size=40)
PAYLOADS = st.binary(max_size=60).map(lambda tail: b"\0\1\0\0" + tail) | st.binary(max_size=40)
U64 = st.sampled_from(EXTREMES) | st.integers(0, 2**64 - 1)


@st.composite
def inner(draw) -> bytes:
    """Records as they stand in a chunk."""
    pieces = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.integers(0, 5))
        key = draw(st.integers(0, 3))
        if kind == 0:
            encoding = draw(st.sampled_from(["ros2msg"] * 5 + ["", "protobuf"]))
            pieces.append(schema(key, draw(TYPES), draw(DEFINITIONS), encoding))
        elif kind == 1:
            encoding = draw(st.sampled_from(["cdr"] * 5 + ["json"]))
            pieces.append(channel(key, draw(st.integers(0, 3)), draw(NAMES), encoding))
        elif kind < 5:
            pieces.append(message(key, draw(PAYLOADS), draw(U64), draw(U64)))
        else:
            length = draw(st.none() | U64)
            pieces.append(record(draw(st.integers(0, 255)), draw(st.binary(max_size=30)), length))
    return b"".join(pieces)


@st.composite
def built(draw) -> bytes:
    """A file of hostile records whose checksums and lengths are mostly right."""
    pieces = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.integers(0, 6))
        if kind < 4:
            size = draw(st.none() | U64)
            checksum = draw(st.sampled_from([None, None, 0, 1]))
            name = draw(st.sampled_from(["", "lz4", "zstd", "\0", "bz2"]))
            pieces.append(chunk(draw(inner()), name, size=size, checksum=checksum))
        elif kind == 4:
            entries = draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
            pieces.append(metadata(draw(st.sampled_from(["covary", "rosbag2", ""])), entries))
        elif kind == 5:
            pieces.append(attachment(draw(NAMES | st.just("model.xml")), draw(st.binary())))
        else:
            pieces.append(draw(inner()))
    count = draw(st.sampled_from([None, 0, 1, 2, 2**64 - 1]))
    return file(b"".join(pieces), draw(inner()), count)
