"""Mends a bag whose writer was killed: takes what was written whole, and nothing else."""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .bag import METADATA_NAME, BagError, BagWriter, bag_file, free_folder
from .mcap_file import Records, facts_of, messages_of, summary_of
from .mcap_records import Channel, DamageError, Schema, attachment


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
    """Mend a bag whose writer was killed, or which was damaged since, into `NAME_recovered`.

    That is a new folder beside it. Only records that are complete are taken, and chunks only if
    their checksum holds, so nothing appears that was not written. (A chunk of another writer's that
    carries no checksum is taken if every length in it is right.) The original stays as it is, and
    where the new bag cannot be finished nothing of it stays.

    Raises:
        BagError: No bag, or not one complete chunk in it.
        OSError: The disk refuses.
    """
    path = Path(path)
    source = bag_file(path)
    with open(source, "rb") as stream:
        if path.is_file() or (path / "metadata.yaml").exists():
            counts = _counts_of_whole(stream)
            if counts is not None:
                return Recovery(path, counts, whole=True)
        name = re.sub(r"\.open$", "", path.name if path.is_dir() else path.stem)
        return _Mending(source, stream).into(path.with_name(f"{name}_recovered"))


def _counts_of_whole(stream: BinaryIO) -> dict[str, int] | None:
    """Messages per topic of a file that was closed and has all that it states; None of others."""

    def refuse(error: DamageError) -> None:
        raise error

    try:
        summary = summary_of(stream)
        if summary is None:
            return None
        counts = {channel.topic: 0 for channel in summary.channels.values()}
        for channel, _, _ in messages_of(Records(stream), refuse):
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
    except DamageError:
        return None
    return counts if sum(counts.values()) == summary.messages else None


class _Mending:
    """Takes one file's intact records into a new bag."""

    def __init__(self, source: Path, stream: BinaryIO):
        self._source = source
        self._records = Records(stream)
        self._damaged = 0
        self._counts: dict[str, int] = {}
        self._types: dict[str, tuple[str, str]] = {}
        self._topics: dict[str, tuple[str, bytes]] = {}

    def into(self, folder: Path) -> Recovery:
        """Write the bag; see `recover`."""
        facts = facts_of(self._records, self._count)
        writer = None
        try:
            for channel, schema, message in messages_of(self._records, self._count):
                if not self._takes(channel, schema):
                    self._damaged += 1
                    continue
                if writer is None:
                    writer = BagWriter(free_folder(folder), types=self._types.__getitem__)
                    self._attach(writer, facts.attachments)
                writer.write(
                    channel.topic,
                    self._topics[channel.topic][0],
                    message.data,
                    message.log_time,
                    message.publish_time,
                    message.sequence,
                )
                self._counts[channel.topic] = self._counts.get(channel.topic, 0) + 1
            if writer is None:
                raise BagError(f"{self._source}: no complete chunk in it, nothing to recover")
            metadata = {**facts.metadata.get(METADATA_NAME, {}), "recovered": "true"}
            closed = writer.close(metadata)
        except BaseException:
            if writer is not None:
                writer.abandon()
                shutil.rmtree(writer.open_path, ignore_errors=True)
            raise
        lost = self._records.lost_bytes
        return Recovery(closed, self._counts, lost, self._damaged, metadata=metadata)

    def _count(self, error: DamageError) -> None:
        self._damaged += 1

    def _takes(self, channel: Channel, schema: Schema | None) -> bool:
        """Whether a message is a ROS 2 message of the type that its topic has had so far."""
        known = self._topics.get(channel.topic)
        if schema is None or channel.encoding != "cdr" or schema.encoding != "ros2msg":
            return False
        try:
            definition = schema.data.decode(), channel.metadata.get("topic_type_hash", "")
        except UnicodeDecodeError:
            return False
        if known is None:
            if self._types.setdefault(schema.name, definition)[0] != definition[0]:
                return False
            self._topics[channel.topic] = schema.name, schema.data
            return True
        return known == (schema.name, schema.data)

    def _attach(self, writer: BagWriter, found: list[tuple[int, int]]) -> None:
        for where in found:
            try:
                item = attachment(self._records.body(*where))
            except DamageError as error:
                self._count(error)
                continue
            writer.attach(item.name, item.media_type, item.data, item.create_time)
