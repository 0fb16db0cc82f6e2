"""Mends a bag whose writer was killed: takes what was written whole, and nothing else."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Attachment, Channel, Chunk, Message, Metadata, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC

from .bag import METADATA_NAME, RECORD_HEAD, BagError, BagWriter, bag_file, free_folder, is_whole


@dataclass(frozen=True)
class Recovery:
    """What `recover` did."""

    path: Path
    """The mended bag, or the bag itself where nothing was to mend."""
    counts: dict[str, int]
    """Messages per topic."""
    lost_bytes: int = 0
    """Bytes at the end of the file that belong to no whole record."""
    damaged: int = 0
    """Whole-looking records whose checksum or content was wrong and which were left out."""
    whole: bool = False
    """The bag was whole, so nothing was written."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The mended bag's metadata."""


def recover(path: Path) -> Recovery:
    """Mend a bag whose writer was killed, into a new folder `NAME_recovered` beside it.

    Only records that are complete are taken, and chunks only if their checksum holds, so nothing
    appears that was not written. The original stays as it is.

    Raises:
        BagError: No bag, or not one complete chunk in it.
    """
    path = Path(path)
    source = bag_file(path)
    if is_whole(source) and (path.is_file() or (path / "metadata.yaml").exists()):
        with open(source, "rb") as stream:
            summary = make_reader(stream).get_summary()
        counts: dict[str, int] = {}
        if summary is not None and summary.statistics is not None:
            found = summary.statistics.channel_message_counts
            counts = {channel.topic: found.get(k, 0) for k, channel in summary.channels.items()}
        return Recovery(path, counts, whole=True)
    scan = _Scan(source)
    messages = scan.messages()
    first = next(messages, None)
    if first is None:
        raise BagError(f"{source}: no complete chunk in it, nothing to recover")
    name = re.sub(r"\.open$", "", path.name if path.is_dir() else path.stem)
    writer = BagWriter(free_folder(path.with_name(f"{name}_recovered")), types=scan.types)
    # Attachments and metadata stand before the first chunk in our own files.
    for attachment in scan.attachments:
        writer.attach(
            attachment.name, attachment.media_type, attachment.data, attachment.create_time
        )
    taken = len(scan.attachments)
    counts = {}
    for topic, type_name, message in chain([first], messages):
        writer.write(
            topic, type_name, message.data, message.log_time, message.publish_time, message.sequence
        )
        counts[topic] = counts.get(topic, 0) + 1
    for attachment in scan.attachments[taken:]:
        writer.attach(
            attachment.name, attachment.media_type, attachment.data, attachment.create_time
        )
    metadata = {**scan.metadata, "recovered": "true"}
    folder = writer.close(metadata)
    return Recovery(folder, counts, scan.lost_bytes, scan.damaged, metadata=metadata)


class _Scan:
    """Goes through an MCAP file record by record without its index."""

    def __init__(self, source: Path):
        self.metadata: dict[str, str] = {}
        self.attachments: list[Attachment] = []
        self.lost_bytes = 0
        self.damaged = 0
        self._source = source
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}

    def types(self, type_name: str) -> tuple[str, str]:
        """Definition and hash of a type, from the records met so far."""
        schema = next(s for s in self._schemas.values() if s.name == type_name)
        hashes = [
            channel.metadata.get("topic_type_hash", "")
            for channel in self._channels.values()
            if channel.schema_id == schema.id
        ]
        return schema.data.decode(), hashes[0] if hashes else ""

    def messages(self) -> Iterator[tuple[str, str, Message]]:
        """Every (topic, type name, message) of an intact record, in file order."""
        for opcode, body in self._records():
            try:
                records = self._open(opcode, body)
            except Exception:  # a broken record makes mcap, struct, zstd or utf-8 complain
                self.damaged += 1
                continue
            for record in records:
                if isinstance(record, Schema):
                    self._schemas[record.id] = record
                elif isinstance(record, Channel):
                    self._channels[record.id] = record
                elif isinstance(record, Message):
                    channel = self._channels.get(record.channel_id)
                    if channel is None:  # announced in a damaged chunk
                        self.damaged += 1
                        continue
                    yield channel.topic, self._schemas[channel.schema_id].name, record

    def _open(self, opcode: int, body: bytes) -> list:
        stream = ReadDataStream(BytesIO(body))
        if opcode == Opcode.CHUNK:
            return breakup_chunk(Chunk.read(stream), validate_crc=True)
        if opcode == Opcode.SCHEMA:
            return [Schema.read(stream)]
        if opcode == Opcode.CHANNEL:
            return [Channel.read(stream)]
        if opcode == Opcode.MESSAGE:
            return [Message.read(stream, len(body))]
        if opcode == Opcode.METADATA:
            record = Metadata.read(stream)
            if record.name == METADATA_NAME:
                self.metadata.update(record.metadata)
        if opcode == Opcode.ATTACHMENT:
            if zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
                raise ValueError("checksum")
            self.attachments.append(Attachment.read(stream))
        return []

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Opcode and body of every record that is there to its last byte, up to the data's end."""
        # mcap's own StreamReader hands out short records as if they were whole, so lengths are
        # held against the file here.
        size = self._source.stat().st_size
        with open(self._source, "rb") as stream:
            position = stream.seek(len(MCAP0_MAGIC))
            while position + RECORD_HEAD <= size:
                head = stream.read(RECORD_HEAD)
                length = int.from_bytes(head[1:], "little")
                if position + RECORD_HEAD + length > size:
                    break
                if head[0] == Opcode.DATA_END:
                    return
                yield head[0], stream.read(length)
                position += RECORD_HEAD + length
        self.lost_bytes = size - position
