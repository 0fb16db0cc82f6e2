"""An MCAP file that nobody vouches for, gone through record by record, within limits.

The file is gone through once, from front to back. No index in it is used, so none can lie or turn
in circles; what a record says of its size is held against the file, and what a chunk says against
what it unpacks to. Time and memory are linear in the size of the file.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import lz4.frame
import zstandard
from mcap.opcode import Opcode
from mcap.writer import MCAP0_MAGIC

from . import mcap_records
from .mcap_records import HEAD, Channel, DamageError, Fields, Message, Schema

LARGEST_RECORD = 128 * 2**20
"""Most bytes of one record, and of what one chunk unpacks to; ours are 256 KB, others' some MB."""
LARGEST_TEXT = 2**20
"""Most bytes of one schema, channel or metadata record."""
MOST_TEXT = 64 * 2**20
"""Most bytes of all schemas, channels and metadata that a file declares."""
UNPACKED_RATIO, UNPACKED_FLOOR = 1000, 16 * 2**20
"""All chunks of a file unpack to at most so many times its size, plus so many bytes."""

_FOOTER = struct.Struct("<BQQQI")
_CHUNK = struct.Struct("<QQQII")
_STATISTICS = struct.Struct("<QHIIIIQQI")
_BLOCK = 2**23


class Summary(NamedTuple):
    """What a closed file says of itself at its end."""

    schemas: dict[int, Schema]
    channels: dict[int, Channel]
    messages: int
    start_time: int
    end_time: int
    counts: dict[int, int]
    """Channel to number of messages."""


class Records:
    """The records of an MCAP file's data section, in order.

    Iterating gives `(opcode, position of the body, its length)` of every record that is there to
    its last byte, and ends at the data's end; `lost_bytes` then says how many bytes behind the last
    whole record belong to none.

    Args:
        stream: The file, opened for reading and seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.size = os.fstat(stream.fileno()).st_size
        self.lost_bytes = 0
        self._unpacked = 0

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        position = self._stream.seek(len(MCAP0_MAGIC))
        while position + HEAD.size <= self.size:
            head = self._stream.read(HEAD.size)
            if len(head) < HEAD.size:  # the file has shrunk since
                break
            opcode, length = HEAD.unpack(head)
            if opcode == Opcode.DATA_END:
                return
            begin = position + HEAD.size
            # No record has opcode 0: that is what a disk gives where nothing was written.
            if not opcode or begin + length > self.size:
                break
            yield opcode, begin, length
            position = self._stream.seek(begin + length)
        self.lost_bytes = self.size - position

    def body(self, begin: int, length: int, most: int = LARGEST_RECORD) -> bytes:
        """The body of one record.

        Raises:
            DamageError: It is larger than `most`.
        """
        if length > most:
            raise DamageError(f"a record of {length} bytes; {most} are read at most")
        self._stream.seek(begin)
        data = self._stream.read(length)
        if len(data) < length:
            raise DamageError("a record that ends before its length")
        return data

    def attachment_name(self, begin: int, length: int) -> str:
        """The name of an attachment, without the rest of it."""
        fields = Fields(self.body(begin, min(length, LARGEST_TEXT)))
        fields.take(16)
        return fields.text()

    def unpacked(self, begin: int, length: int) -> bytes:
        """The records in a chunk, its checksum and every length in it held.

        Raises:
            DamageError: Anything about it is wrong.
        """
        fields = Fields(self.body(begin, length))
        _, _, size, checksum, name_length = fields.numbers(_CHUNK)
        compression = fields.take(name_length)
        packed = fields.take(fields.number(8))
        if size > LARGEST_RECORD:
            raise DamageError(f"a chunk of {size} bytes; {LARGEST_RECORD} are unpacked at most")
        self._unpacked += size
        if self._unpacked > UNPACKED_FLOOR + UNPACKED_RATIO * self.size:
            raise DamageError(
                f"chunks that unpack to more than {UNPACKED_RATIO} times the file's size"
            )
        data = _unpack(packed, compression, size)
        if len(data) != size:
            raise DamageError(f"a chunk of {len(data)} bytes that says {size}")
        if checksum and zlib.crc32(data) != checksum:
            raise DamageError("a chunk whose checksum is wrong")
        at = 0
        while at < size:
            at = _beyond(data, at)
        return data


def _inside(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and body of every record of an unpacked chunk."""
    at = 0
    while at < len(data):
        end = _beyond(data, at)
        yield data[at], data[at + HEAD.size : end]
        at = end


def _beyond(data: bytes, at: int) -> int:
    """Where the record at `at` ends."""
    if at + HEAD.size > len(data):
        raise DamageError("a chunk that ends within a record")
    end = at + HEAD.size + HEAD.unpack_from(data, at)[1]
    if end > len(data):
        raise DamageError("a chunk that ends within a record")
    return end


def _unpack(packed: bytes, compression: bytes, size: int) -> bytes:
    """What a chunk's bytes unpack to, one byte beyond `size` at most."""
    if not compression:
        return packed
    if compression not in (b"lz4", b"zstd"):
        raise DamageError(f"a chunk packed by {compression[:20]!r}; lz4, zstd or none are read")
    # Block by block, as both make room for all they are asked for before they look.
    blocks, left = [], size + 1
    try:
        for block in _blocks(packed, compression):
            blocks.append(block[:left])
            left -= len(blocks[-1])
            if not left:
                break
    except (RuntimeError, zstandard.ZstdError) as error:
        raise DamageError(f"a chunk that cannot be unpacked ({error})") from None
    return b"".join(blocks)


def _blocks(packed: bytes, compression: bytes) -> Iterator[bytes]:
    if compression == b"zstd":
        reader = zstandard.ZstdDecompressor().stream_reader(packed)
        while block := reader.read(_BLOCK):
            yield block
        return
    reader = lz4.frame.LZ4FrameDecompressor()
    block = reader.decompress(packed, _BLOCK)
    while block:
        yield block
        block = b"" if reader.eof or reader.needs_input else reader.decompress(b"", _BLOCK)


class Facts(NamedTuple):
    """What stands beside the messages of a file."""

    metadata: dict[str, dict[str, str]]
    """Name to entries; of several records of one name the later wins, key by key."""
    attachments: list[tuple[int, int]]
    """Position and length of each attachment, for `Records.body`."""


def facts_of(records: Records, damaged: Callable[[DamageError], None]) -> Facts:
    """The metadata and attachments of a file.

    Args:
        records: The file.
        damaged: Called with what is broken; where it returns, the record is left out.
    """
    facts, size = Facts({}, []), 0
    for opcode, begin, length in records:
        try:
            # A longer one is not ours: rosbag2 puts its whole metadata.yaml into one.
            if opcode == Opcode.METADATA and length <= LARGEST_TEXT:
                name, said = mcap_records.metadata(records.body(begin, length))
                size += length
                if size > MOST_TEXT:
                    raise DamageError(f"more than {MOST_TEXT} bytes of metadata")
                facts.metadata.setdefault(name, {}).update(said)
            elif opcode == Opcode.ATTACHMENT:
                facts.attachments.append((begin, length))
        except DamageError as error:
            damaged(error)
    return facts


def messages_of(
    records: Records, damaged: Callable[[DamageError], None]
) -> Iterator[tuple[Channel, Schema | None, Message]]:
    """Every message of a file with its channel and schema, in file order.

    Args:
        records: The file.
        damaged: Called with what is broken; where it returns, that record (of a chunk that is wrong
            in itself: all of it) is left out.
    """
    declared, chunked = Declared(), False
    for opcode, begin, length in records:
        try:
            if opcode == Opcode.CHUNK:
                chunked = True
                pieces = _inside(records.unpacked(begin, length))
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                pieces = iter([(opcode, records.body(begin, length, LARGEST_TEXT))])
            elif opcode == Opcode.MESSAGE:
                # It has no checksum of its own: in a file of chunks it is another record whose
                # first byte has changed.
                if chunked:
                    raise DamageError("a message outside the chunks")
                pieces = iter([(opcode, records.body(begin, length))])
            else:
                continue
        except DamageError as error:
            damaged(error)
            continue
        for kind, body in pieces:
            try:
                if kind in (Opcode.SCHEMA, Opcode.CHANNEL):
                    declared.add(kind, body)
                elif kind == Opcode.MESSAGE:
                    found = mcap_records.message(body)
                    channel, schema = declared.of(found.channel)
                    yield channel, schema, found
            except DamageError as error:
                damaged(error)


class Declared:
    """The schemas and channels that a file has declared so far."""

    def __init__(self) -> None:
        self.schemas: dict[int, Schema] = {}
        self.channels: dict[int, Channel] = {}
        self._sizes: dict[tuple[int, int], int] = {}
        self._bytes = 0

    def add(self, opcode: int, body: bytes) -> None:
        """Take one record; of two with the same id the later one counts.

        Raises:
            DamageError: It is broken, or all of them are too much.
        """
        if len(body) > LARGEST_TEXT:
            raise DamageError(
                f"a declaration of {len(body)} bytes; {LARGEST_TEXT} are read at most"
            )
        record = (
            mcap_records.schema(body) if opcode == Opcode.SCHEMA else mcap_records.channel(body)
        )
        key = (opcode, record.id)
        self._bytes += len(body) - self._sizes.get(key, 0)
        if self._bytes > MOST_TEXT:
            raise DamageError(f"more than {MOST_TEXT} bytes of schemas and channels")
        self._sizes[key] = len(body)
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        else:
            self.channels[record.id] = record

    def of(self, channel_id: int) -> tuple[Channel, Schema | None]:
        """A message's channel, and its schema where it has one.

        Raises:
            DamageError: One of them was never declared.
        """
        found = self.channels.get(channel_id)
        if found is None:
            raise DamageError(f"a message of channel {channel_id}, which was never declared")
        if not found.schema_id:
            return found, None
        if found.schema_id not in self.schemas:
            raise DamageError(f"a message of schema {found.schema_id}, which was never declared")
        return found, self.schemas[found.schema_id]


def is_closed(stream: BinaryIO) -> bool:
    """Whether a file was closed: its end mark, footer and summary are there and agree."""
    return _summary_start(stream) is not None


def _summary_start(stream: BinaryIO) -> int | None:
    """Where the summary of a closed file begins."""
    size = os.fstat(stream.fileno()).st_size
    end = size - len(MCAP0_MAGIC) - _FOOTER.size
    if end < len(MCAP0_MAGIC):
        return None
    stream.seek(end)
    tail = stream.read(_FOOTER.size + len(MCAP0_MAGIC))
    if len(tail) < _FOOTER.size + len(MCAP0_MAGIC) or not tail.endswith(MCAP0_MAGIC):
        return None
    opcode, length, start, _, checksum = _FOOTER.unpack_from(tail)
    if (opcode, length) != (Opcode.FOOTER, _FOOTER.size - HEAD.size) or not HEAD.size < start < end:
        return None
    if checksum:
        stream.seek(start)
        found, left = 0, end + _FOOTER.size - 4 - start
        while left and (block := stream.read(min(left, _BLOCK))):
            found, left = zlib.crc32(block, found), left - len(block)
        if found != checksum:
            return None
    return start


def summary_of(stream: BinaryIO) -> Summary | None:
    """What a closed file says of itself, None where it has no summary or no statistics.

    Raises:
        DamageError: A record in it is.
    """
    start = _summary_start(stream)
    if start is None:
        return None
    records = Records(stream)
    position, declared, counted = start, Declared(), None
    while position + HEAD.size <= records.size:
        stream.seek(position)
        opcode, length = HEAD.unpack(stream.read(HEAD.size))
        begin = position + HEAD.size
        position = begin + length
        if opcode == Opcode.FOOTER:
            break
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            declared.add(opcode, records.body(begin, length, LARGEST_TEXT))
        elif opcode == Opcode.STATISTICS:
            fields = Fields(records.body(begin, length, LARGEST_TEXT))
            messages, _, _, _, _, _, first, last, size = fields.numbers(_STATISTICS)
            inner, counts = Fields(fields.take(size)), {}
            while inner.left:
                key = inner.number(2)
                counts[key] = inner.number(8)
            counted = messages, first, last, counts
    if counted is None:
        return None
    return Summary(declared.schemas, declared.channels, *counted)
