"""Reads a recording back as arrays: every topic's fields, and each tick's state and action."""

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mcap.reader import McapReader, make_reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from .bag import METADATA_NAME, BagError, bag_file, is_whole

_TIME = ("builtin_interfaces/msg/Time", "builtin_interfaces/msg/Duration")


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
        BagError: Not a bag, or one that was never closed.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        source = bag_file(self.path)
        if not is_whole(source):
            raise BagError(f"{path}: was never closed; `covary recover {path}` mends it")
        self._source = source
        with open(source, "rb") as stream:
            reader = make_reader(stream)
            summary = reader.get_summary()
            if summary is None or summary.statistics is None:
                raise BagError(f"{path}: an MCAP file without statistics, which is no recording")
            self.types = {
                channel.topic: summary.schemas[channel.schema_id].name
                for channel in summary.channels.values()
                if channel.schema_id in summary.schemas
            }
            """Topic to type name."""
            self.counts = {
                channel.topic: summary.statistics.channel_message_counts.get(key, 0)
                for key, channel in summary.channels.items()
            }
            """Topic to number of messages."""
            self.definitions = {
                schema.name: schema.data.decode() for schema in summary.schemas.values()
            }
            """Type name to definition text."""
            self.start_ns = summary.statistics.message_start_time
            self.end_ns = summary.statistics.message_end_time
            self.metadata: dict[str, str] = {}
            """What the recorder wrote about the episode."""
            for record in reader.iter_metadata():
                if record.name == METADATA_NAME:
                    self.metadata.update(record.metadata)
            self.attachments = {item.name: item.data for item in reader.iter_attachments()}
            """File name to content."""
        self._store = None

    @property
    def model(self) -> str | None:
        """The MJCF text, where the bag has one."""
        data = self.attachments.get("model.xml")
        return None if data is None else data.decode()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages in the order they were recorded, across topics.

        Raises:
            BagError: A chunk is damaged.
        """
        with open(self._source, "rb") as stream:
            reader: McapReader = make_reader(stream, validate_crcs=True)
            try:
                for schema, channel, message in reader.iter_messages(topics, log_time_order=False):
                    if schema is None:  # a channel of plain bytes, which no recorder here writes
                        continue
                    yield RawMessage(
                        channel.topic,
                        schema.name,
                        message.log_time,
                        message.publish_time,
                        message.sequence,
                        message.data,
                    )
            except ValueError as error:  # CRCValidationError is one
                raise BagError(
                    f"{self.path}: damaged ({error}); `covary recover {self.path}` saves the rest"
                ) from error

    def decode(self, message: RawMessage):
        """The message object, by the definition that lies in the bag itself."""
        if self._store is None:
            self._store = get_typestore(Stores.EMPTY)
            types = {}
            for name, text in self.definitions.items():
                types.update(get_types_from_msg(text, name))
            self._store.register(types)
        return self._store.deserialize_cdr(message.payload, message.type_name)


def read(path: Path, topics: Collection[str] | None = None) -> Recording:
    """Read a bag as arrays.

    Args:
        path: Bag folder or `.mcap` file.
        topics: Only these (`/state` and `/command` are needed for `state` and `action`).

    Raises:
        BagError: Not a bag, never closed, or damaged.
    """
    bag = Bag(path)
    raw: dict[str, list[RawMessage]] = {}
    for message in bag.messages(topics):
        raw.setdefault(message.topic, []).append(message)
    arrays, decoded = {}, {}
    for topic, items in raw.items():
        decoded[topic] = [bag.decode(item) for item in items]
        arrays[topic] = TopicArrays(
            items[0].type_name,
            np.array([item.log_ns for item in items], dtype=np.int64),
            np.array([item.publish_ns for item in items], dtype=np.int64),
            np.array([item.sequence for item in items], dtype=np.int64),
            columns(decoded[topic]),
        )
    time, state, action = _pair(arrays.get("/state"), arrays.get("/command"))
    states, commands = decoded.get("/state"), decoded.get("/command")
    return Recording(
        path=Path(path),
        metadata=bag.metadata,
        model=bag.model,
        topics=arrays,
        time=time,
        state=state,
        action=action,
        state_names=tuple(states[0].name) if states else (),
        action_names=tuple(commands[0].name) if commands else (),
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
        if getattr(first, "__msgtype__", "") in _TIME:
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
