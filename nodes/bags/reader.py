"""Reads a recording back as arrays: every topic's fields, and each tick's state and action."""

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from .bag import METADATA_NAME, BagError, bag_file
from .definitions import TIMES, DefinitionError, Definitions
from .mcap_file import Records, facts_of, is_closed, messages_of, summary_of
from .mcap_records import DamageError, attachment

MOST_ROWS = 1_000_000
"""Most messages that `read` takes into memory; each is an object or two of some hundred bytes."""


class RawMessage(NamedTuple):
    """One message as it lies in the bag."""

    topic: str
    type_name: str
    log_ns: int
    """Simulated time at which it was recorded, nanoseconds."""
    publish_ns: int
    """The publisher's time, nanoseconds."""
    sequence: int
    """The publisher's count."""
    payload: bytes
    """CDR."""


@dataclass(frozen=True)
class TopicArrays:
    """All messages of one topic, T of them, in the order they were recorded."""

    type_name: str
    """For example `sensor_msgs/msg/JointState`."""
    log_ns: np.ndarray
    """(T,) int64, simulated time of recording, nanoseconds."""
    publish_ns: np.ndarray
    """(T,) int64, the publisher's time, nanoseconds."""
    sequence: np.ndarray
    """(T,) int64, the publisher's count."""
    fields: dict[str, np.ndarray]
    """Dotted name to array with T first: numbers (T,), number lists (T, n), lists of messages
    (T, L, ...) under their members' names; times and durations are int64 nanoseconds; texts, and
    lists whose length changes, are object arrays."""

    def __len__(self) -> int:
        return len(self.log_ns)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.fields[name]


@dataclass(frozen=True)
class Recording:
    """One episode as arrays; T counts the ticks that have both a state and a command."""

    path: Path
    """The bag."""
    metadata: dict[str, str]
    """task, seed, episode, success, aborted, model_sha256, ... as text."""
    model: str | None
    """MJCF text that was simulated."""
    topics: dict[str, TopicArrays]
    """Topic name to its messages."""
    time: np.ndarray
    """(T,) float64, simulated time of each tick, seconds."""
    state: np.ndarray
    """(T, n) float64, `/state`."""
    action: np.ndarray
    """(T, m) float64, the `/command` given for that very state (stamps are equal)."""
    state_names: tuple[str, ...]
    """(n) names of the coordinates."""
    action_names: tuple[str, ...]
    """(m) names of the joints."""


class Bag:
    """An opened bag: its topics, metadata and raw messages.

    Args:
        path: Bag folder or `.mcap` file.

    Raises:
        BagError: Not a bag, one that was never closed, or one that is damaged.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._source = bag_file(self.path)
        with open(self._source, "rb") as stream:
            try:
                if not is_closed(stream):
                    if (self.path / "metadata.yaml").exists():  # the last thing that a close writes
                        raise DamageError("its end is not as it was when it was closed")
                    raise BagError(
                        f"{self.path}: was never closed; `covary recover {self.path}` mends it"
                    )
                self._open(stream)
            except DamageError as error:
                raise self._damaged(error) from None

    def _open(self, stream: BinaryIO) -> None:
        summary = summary_of(stream)
        if summary is None:
            raise BagError(f"{self.path}: an MCAP file without statistics, which is no recording")
        schemas = summary.schemas
        self._definitions = Definitions(
            {schema.name: (schema.encoding, schema.data) for schema in schemas.values()}
        )
        self._total = summary.messages
        self.types: dict[str, str] = {}
        """Topic to type name."""
        self.counts: dict[str, int] = {}
        """Topic to number of messages."""
        for key, channel in summary.channels.items():
            if channel.schema_id in schemas:
                self.types[channel.topic] = schemas[channel.schema_id].name
            before = self.counts.get(channel.topic, 0)
            self.counts[channel.topic] = before + summary.counts.get(key, 0)
        self.start_ns = summary.start_time
        self.end_ns = summary.end_time
        records = Records(stream)
        facts = facts_of(records, _refuse)
        self.metadata = facts.metadata.get(METADATA_NAME, {})
        """What the recorder wrote about the episode."""
        named = {records.attachment_name(*where): where for where in facts.attachments}
        self._model = named.get("model.xml")

    def _damaged(self, error: Exception) -> BagError:
        return BagError(
            f"{self.path}: damaged ({error}); `covary recover {self.path}` saves the rest"
        )

    @property
    def model(self) -> str | None:
        """The MJCF text, where the bag has one.

        Raises:
            BagError: It is damaged.
        """
        if self._model is None:
            return None
        with open(self._source, "rb") as stream:
            try:
                return attachment(Records(stream).body(*self._model)).data.decode()
            except (DamageError, UnicodeDecodeError) as error:
                raise self._damaged(error) from None

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages in the order they were recorded, across topics.

        Raises:
            BagError: A chunk is damaged, or there are more or fewer messages than the bag states.
        """
        count = 0
        with open(self._source, "rb") as stream:
            try:
                for channel, schema, message in messages_of(Records(stream), _refuse):
                    count += 1
                    if schema is None:  # a channel of plain bytes, which no recorder here writes
                        continue
                    if topics is None or channel.topic in topics:
                        yield RawMessage(
                            channel.topic,
                            schema.name,
                            message.log_time,
                            message.publish_time,
                            message.sequence,
                            message.data,
                        )
                if count != self._total:
                    raise DamageError(f"{count} messages, where its summary says {self._total}")
            except DamageError as error:
                raise self._damaged(error) from None

    def decode(self, message: RawMessage):
        """The message object, by the definition that lies in the bag itself.

        Raises:
            BagError: There is no usable definition, or the message is no such thing.
        """
        try:
            return self._definitions.decode(message.payload, message.type_name)
        except DefinitionError as error:
            raise BagError(f"{self.path}: {message.topic!r}: {error}") from None


def _refuse(error: DamageError) -> None:
    raise error


def read(path: Path, topics: Collection[str] | None = None) -> Recording:
    """Read a bag as arrays.

    Args:
        path: Bag folder or `.mcap` file.
        topics: Only these (`/state` and `/command` are needed for `state` and `action`).

    Raises:
        BagError: Not a bag, never closed, or damaged.
    """
    return read_bag(Bag(path), topics)


def read_bag(bag: Bag, topics: Collection[str] | None = None) -> Recording:
    """As `read`, of a bag that is open already.

    Raises:
        BagError: It is damaged.
    """
    path = bag.path
    raw: dict[str, list[RawMessage]] = {}
    for count, message in enumerate(bag.messages(topics)):
        if count == MOST_ROWS:
            raise BagError(f"{path}: more than {MOST_ROWS} messages of these topics; name fewer")
        raw.setdefault(message.topic, []).append(message)
    arrays, decoded = {}, {}
    for topic, items in raw.items():
        decoded[topic] = [bag.decode(item) for item in items]
        if len({item.type_name for item in items}) > 1:
            raise BagError(f"{path}: {topic!r} carries more than one type")
        arrays[topic] = TopicArrays(
            items[0].type_name,
            np.array([item.log_ns for item in items], dtype=np.int64),
            np.array([item.publish_ns for item in items], dtype=np.int64),
            np.array([item.sequence for item in items], dtype=np.int64),
            columns(decoded[topic]),
        )
    try:
        time, state, action = _pair(arrays.get("/state"), arrays.get("/command"))
        states, commands = decoded.get("/state"), decoded.get("/command")
        names = [tuple(map(str, items[0].name)) if items else () for items in (states, commands)]
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        # A bag brings its own definitions, so /state may be anything.
        raise BagError(f"{path}: its /state or /command is none: {error}") from None
    return Recording(
        path=Path(path),
        metadata=bag.metadata,
        model=bag.model,
        topics=arrays,
        time=time,
        state=state,
        action=action,
        state_names=names[0],
        action_names=names[1],
    )


def _pair(
    states: TopicArrays | None, commands: TopicArrays | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of `/state` and `/command` that carry the same stamp: time (T,), (T, n), (T, m)."""
    if states is None or commands is None:
        return np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0))
    stamps, first = np.unique(states["header.stamp"], return_index=True)
    common, state_rows, command_rows = np.intersect1d(
        stamps, commands["header.stamp"], return_indices=True
    )
    # The interface puts the action into `velocity` or `effort`, whichever the task drives.
    name = "velocity" if commands["velocity"].shape[1:] != (0,) else "effort"
    values = states["value"][first[state_rows]], commands[name][command_rows]
    if any(value.dtype == object for value in values):
        raise BagError("the state or the command changes its size within the recording")
    return common * 1e-9, *values


def columns(messages: list) -> dict[str, np.ndarray]:
    """Message objects of one type as arrays: dotted field name to (len(messages), ...)."""
    out: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(messages[0]):
        if field.name == "__msgtype__":
            continue
        values = [getattr(message, field.name) for message in messages]
        out.update(_column(field.name, values))
    return out


def _column(name: str, values: list) -> dict[str, np.ndarray]:
    first = values[0]
    if dataclasses.is_dataclass(first):
        if getattr(first, "__msgtype__", "") in TIMES:
            stamps = [value.sec * 1_000_000_000 + value.nanosec for value in values]
            return {name: np.array(stamps, dtype=np.int64)}
        return {f"{name}.{key}": array for key, array in columns(values).items()}
    if isinstance(first, str):
        return {name: _objects(values)}
    if not isinstance(first, np.ndarray | list):
        return {name: np.array(values)}
    lengths = {len(value) for value in values}
    if len(lengths) > 1:
        return {name: _objects(values)}
    (length,) = lengths
    if isinstance(first, np.ndarray):
        return {name: np.stack(values)}
    flat = [item for value in values for item in value]
    if not flat:
        return {name: np.zeros((len(values), 0), dtype=object)}
    return {
        key: array.reshape(len(values), length, *array.shape[1:])
        for key, array in _column(name, flat).items()
    }


def _objects(values: list) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        out[row] = value
    return out
