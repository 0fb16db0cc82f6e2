"""A recording on disk: a rosbag2 folder with an MCAP file, written by chunks, mended after a kill.

While it is written the folder is called `NAME.open`; a clean close writes `metadata.yaml` and
renames it to `NAME`, so a folder without the suffix is always whole. The MCAP follows the `ros2`
profile (schemas `ros2msg`, payloads CDR), so `mcap`, `rosbags`, `ros2 bag` and Foxglove open it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from io import BufferedWriter, FileIO
from pathlib import Path

import yaml
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from ..launching.yaml_loader import in_a_line
from .mcap_file import is_closed
from .mcap_records import HEAD

METADATA_NAME = "covary"
"""Name of our MCAP metadata records; of several in one file the later one wins, key by key."""

_FOREVER = {"sec": 9223372036, "nsec": 854775807}
QOS = [
    {
        "history": "keep_last",
        "depth": 10,
        "reliability": "reliable",
        "durability": "volatile",
        "deadline": _FOREVER.copy(),
        "lifespan": _FOREVER.copy(),
        "liveliness": "automatic",
        "liveliness_lease_duration": _FOREVER.copy(),
        "avoid_ros_namespace_conventions": False,
    }
]
"""ROS 2's default profile, in the form of metadata version 9 (what `ros2 bag play` offers)."""

_MESSAGE_HEAD = HEAD.size + 22  # channel, sequence, log time, publish time
_COMPRESSION = {
    "none": CompressionType.NONE,
    "lz4": CompressionType.LZ4,
    "zstd": CompressionType.ZSTD,
}


class BagError(Exception):
    """A bag cannot be opened, read or mended; the text is one line made for people."""

    def __init__(self, text: str):
        super().__init__(in_a_line(text))


def describe(type_name: str) -> tuple[str, str]:
    """Definition text of a known message type, nested types included, and its RIHS01 hash."""
    from .. import messages

    return messages.definition(type_name), messages.type_hash(type_name)


@dataclass
class _Topic:
    """What the writer keeps about one topic."""

    channel: int
    type_name: str
    type_hash: str
    count: int = 0


class BagWriter:
    """Writes one bag; every finished chunk is handed to the operating system at once.

    A kill loses at most the open chunk, which is closed when the next message would take it past
    `chunk_bytes` or when its log times span `chunk_s`. Both limits follow the messages, not a wall
    clock, so two lockstep runs write the same file byte for byte; a recorder that runs in real time
    also calls `flush` on its timer.

    Args:
        folder: Where the closed bag will stand; `folder.open` is what exists until then.
        metadata: Text to text, in the file's first record so that a kill keeps it.
        types: Type name to (definition text, RIHS01 hash).
        chunk_bytes: Limit of a chunk; only a single larger message goes past it.
        chunk_s: Longest log time a chunk may span, seconds.
        compression: `none`, `lz4` or `zstd`, per chunk.

    Raises:
        FileExistsError: The bag exists, open or closed.
        OSError: The disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        metadata: Mapping[str, str] | None = None,
        *,
        types: Callable[[str], tuple[str, str]] = describe,
        chunk_bytes: int = 256 * 1024,
        chunk_s: float = 0.5,
        compression: str = "none",
    ):
        self.path = Path(folder)
        self.open_path = self.path.with_name(self.path.name + ".open")
        if self.path.exists():
            raise FileExistsError(f"{self.path} exists already")
        self.open_path.mkdir(parents=True)
        self.metadata: dict[str, str] = {}
        self.messages = 0
        self._types = types
        self._chunk_bytes = int(chunk_bytes)
        self._chunk_ns = round(chunk_s * 1e9)
        self._topics: dict[str, _Topic] = {}
        self._schemas: dict[str, int] = {}
        self._pending = 0  # bytes in the open chunk
        self._chunk_start = 0
        self._start, self._end = 2**63 - 1, 0
        self._stream = BufferedWriter(
            FileIO(self.open_path / f"{self.path.name}_0.mcap", "xb"), 1 << 16
        )
        # Chunks are closed here, before a message that would overfill one, so mcap's own
        # limit (checked after the message) is set out of reach.
        self._writer = Writer(
            self._stream, chunk_size=1 << 40, compression=_COMPRESSION[compression]
        )
        self._writer.start("ros2", "covary")
        self.annotate(metadata or {})

    def annotate(self, metadata: Mapping[str, str]) -> None:
        """Add or replace metadata; it is on disk when this returns, and again at the close."""
        self.metadata.update(metadata)
        self._writer.add_metadata(METADATA_NAME, dict(self.metadata))
        self.flush()

    def attach(self, name: str, media_type: str, data: bytes, time_ns: int = 0) -> None:
        """Put a file inside the file, e.g. the model that was simulated."""
        self._writer.add_attachment(time_ns, time_ns, name, media_type, data)
        self.flush()

    def write(
        self,
        topic: str,
        type_name: str,
        payload: bytes,
        log_ns: int,
        publish_ns: int,
        sequence: int = 0,
    ) -> None:
        """Append one CDR message.

        Raises:
            BagError: The topic already carries another type.
            OSError: The disk refuses.
        """
        size = _MESSAGE_HEAD + len(payload)
        if self._pending and (
            self._pending + size > self._chunk_bytes
            or abs(log_ns - self._chunk_start) >= self._chunk_ns
        ):
            self.flush()
        known = self._topics.get(topic) or self._add_topic(topic, type_name)
        if known.type_name != type_name:
            raise BagError(f"{topic} carries {known.type_name}, a message of {type_name} came")
        if not self._pending:
            self._chunk_start = log_ns
        self._writer.add_message(known.channel, log_ns, payload, publish_ns, sequence & 0xFFFFFFFF)
        self._pending += size
        known.count += 1
        self.messages += 1
        self._start, self._end = min(self._start, log_ns), max(self._end, log_ns)

    def _add_topic(self, topic: str, type_name: str) -> _Topic:
        definition, type_hash = self._types(type_name)
        if type_name not in self._schemas:
            self._schemas[type_name] = self._writer.register_schema(
                type_name, "ros2msg", definition.encode()
            )
        channel = self._writer.register_channel(
            topic,
            "cdr",
            self._schemas[type_name],
            {"offered_qos_profiles": _qos_text(), "topic_type_hash": type_hash},
        )
        return self._topics.setdefault(topic, _Topic(channel, type_name, type_hash))

    def flush(self) -> None:
        """Close the open chunk and give all that was written to the operating system."""
        self._writer.flush()
        self._pending = 0

    def close(self, metadata: Mapping[str, str] | None = None) -> Path:
        """Write index and `metadata.yaml`, rename the folder, and return its final path."""
        self.flush()
        self.annotate(metadata or {})
        information = self._information()
        text = yaml.dump(information, sort_keys=False, Dumper=_PlainDumper)
        self._writer.add_metadata("rosbag2", {"serialized_metadata": text})
        self._writer.finish()
        self._stream.close()
        text = yaml.dump(
            {"rosbag2_bagfile_information": information}, sort_keys=False, Dumper=_PlainDumper
        )
        # Whole or not there at all, whenever a kill comes.
        half = self.open_path / ".metadata.yaml"
        half.write_text(text, encoding="utf-8")
        os.replace(half, self.open_path / "metadata.yaml")
        os.rename(self.open_path, self.path)
        return self.path

    def abandon(self) -> None:
        """Let go of the file after the disk refused; what stands there is for `recover`."""
        # The buffer still holds what could not be written, so an ordinary close would fail again.
        self._stream.raw.close()

    def _information(self) -> dict:
        start = self._start if self.messages else 0
        span = {"nanoseconds": max(0, self._end - start)}
        file_name = f"{self.path.name}_0.mcap"
        return {
            "version": 9,
            "storage_identifier": "mcap",
            "duration": span,
            "starting_time": {"nanoseconds_since_epoch": start},
            "message_count": self.messages,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": name,
                        "type": topic.type_name,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": QOS,
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": topic.count,
                }
                for name, topic in self._topics.items()
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file_name],
            "files": [
                {
                    "path": file_name,
                    "starting_time": {"nanoseconds_since_epoch": start},
                    "duration": span,
                    "message_count": self.messages,
                }
            ],
            "custom_data": self.metadata,
            "ros_distro": "covary",
        }


class _PlainDumper(yaml.SafeDumper):
    """Block YAML without anchors: rosbag2's reader needs no `&id001`."""

    def ignore_aliases(self, data):
        return True


@cache
def _qos_text() -> str:
    return yaml.dump(QOS, sort_keys=False, Dumper=_PlainDumper)


def free_folder(folder: Path) -> Path:
    """`folder`, or `folder_1`, `folder_2`, ... whichever neither a closed nor an open bag has."""
    number, candidate = 0, folder
    while candidate.exists() or candidate.with_name(candidate.name + ".open").exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}_{number}")
    return candidate


def bag_file(path: Path) -> Path:
    """The MCAP file of a bag given as folder or file.

    Raises:
        BagError: There is no such file, or several, or it is empty or no MCAP.
    """
    path = Path(path)
    if not path.exists():
        raise BagError(f"{path}: no such file or folder")
    if path.is_dir():
        files = sorted(path.glob("*.mcap"))
        if len(files) != 1:
            inside = sorted([*path.glob("bags/*/*.mcap"), *path.glob("*/*.mcap")])
            if inside and not files:
                one = inside[0].parent
                raise BagError(f"{path}: a folder of bags; name one of them, such as {one}")
            raise BagError(f"{path}: not a bag ({len(files)} .mcap files in it, one is needed)")
        path = files[0]
    if not path.is_file():  # a pipe would keep whoever opens it waiting
        raise BagError(f"{path}: not a file")
    with open(path, "rb") as stream:
        magic = stream.read(len(MCAP0_MAGIC))
    if not magic:
        raise BagError(f"{path}: empty file, nothing was ever written to it")
    if magic != MCAP0_MAGIC:
        raise BagError(f"{path}: not a bag (it does not begin as an MCAP file)")
    return path


def is_whole(path: Path) -> bool:
    """Whether the bag's MCAP was closed: summary, footer and end mark are there and agree."""
    with open(bag_file(path), "rb") as stream:
        return is_closed(stream)
