"""MCAP records taken apart, each length in them held against what is there."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

HEAD = struct.Struct("<BQ")
"""Opcode and length, before every record's body."""
_MESSAGE = struct.Struct("<HIQQ")


class DamageError(ValueError):
    """A record that is not what it says it is; the text is one line."""


class Message(NamedTuple):
    """One message record."""

    channel: int
    sequence: int
    log_time: int
    publish_time: int
    data: bytes


class Schema(NamedTuple):
    """One schema record."""

    id: int
    name: str
    encoding: str
    data: bytes


class Channel(NamedTuple):
    """One channel record."""

    id: int
    schema_id: int
    topic: str
    encoding: str
    metadata: dict[str, str]


class Attachment(NamedTuple):
    """One attachment record."""

    log_time: int
    create_time: int
    name: str
    media_type: str
    data: bytes


class Fields:
    """Takes a record's body apart; what would reach beyond its end is damage."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self._at + count
        if end > len(self._body):
            raise DamageError("a length beyond the record's end")
        taken, self._at = self._body[self._at : end], end
        return taken

    def numbers(self, form: struct.Struct) -> tuple:
        """The next numbers, laid out as `form` says."""
        return form.unpack(self.take(form.size))

    def number(self, size: int) -> int:
        """The next number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        """The next text, with its length before it."""
        try:
            return self.take(self.number(4)).decode()
        except UnicodeDecodeError:
            raise DamageError("a text that is no UTF-8") from None

    def texts(self) -> dict[str, str]:
        """The next map of texts, with its length before it."""
        inner, out = Fields(self.take(self.number(4))), {}
        while inner.left:
            key = inner.text()
            out[key] = inner.text()
        return out

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._body) - self._at


def schema(body: bytes) -> Schema:
    """A schema record's body."""
    fields = Fields(body)
    return Schema(fields.number(2), fields.text(), fields.text(), fields.take(fields.number(4)))


def channel(body: bytes) -> Channel:
    """A channel record's body."""
    fields = Fields(body)
    return Channel(fields.number(2), fields.number(2), fields.text(), fields.text(), fields.texts())


def message(body: bytes) -> Message:
    """A message record's body."""
    if len(body) < _MESSAGE.size:
        raise DamageError("a message without its head")
    channel, sequence, log_time, publish_time = _MESSAGE.unpack_from(body)
    found = Message(channel, sequence, log_time, publish_time, body[_MESSAGE.size :])
    if max(found.log_time, found.publish_time) >> 63:
        raise DamageError("a message of a time after the year 2262")
    return found


def metadata(body: bytes) -> tuple[str, dict[str, str]]:
    """A metadata record's body: its name and what it says."""
    fields = Fields(body)
    return fields.text(), fields.texts()


def attachment(body: bytes) -> Attachment:
    """An attachment record's body, its checksum held."""
    if len(body) < 4 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        raise DamageError("an attachment whose checksum is wrong")
    fields = Fields(body[:-4])
    log_time, create_time = fields.number(8), fields.number(8)
    name, media_type = fields.text(), fields.text()
    return Attachment(log_time, create_time, name, media_type, fields.take(fields.number(8)))
