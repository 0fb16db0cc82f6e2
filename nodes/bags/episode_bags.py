"""Sorts recorded messages into one bag per episode, by the simulated time they carry."""

import hashlib
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..messages import MessageError
from .bag import BagWriter, describe, free_folder

EPISODE = "covary_msgs/msg/Episode"
STATE = "covary_msgs/msg/State"
CLOCK = "rosgraph_msgs/msg/Clock"
_AHEAD = 10_000_000_000  # ns; a message may be this far ahead of the newest /clock
_START_LOST = 1_000_000_000  # ns of an episode's states without its START: that was lost
_HELD_BYTES = 64 * 1024 * 1024  # most that may wait for a START that never comes
_LATEST = 2**63 - 1  # ns; rosbag2 and NumPy count in int64


def stamp_reader(type_name: str, definition: str) -> Callable[[bytes], int | None]:
    """How to read the time a CDR message carries, in nanoseconds, without decoding all of it.

    Types that begin with a `std_msgs/Header` or a `builtin_interfaces/Time` (as /clock does) carry
    it in their first eight bytes; a `tf2_msgs/TFMessage` in its first transform. All others, and
    empty TF messages, give None.
    """
    if type_name == "tf2_msgs/msg/TFMessage":
        return lambda payload: _time(payload, 8) if len(payload) >= 16 else None
    for line in definition.splitlines():
        words = line.split("#")[0].split()
        if not words or "=" in line:  # empty, or a constant
            continue
        if words[0].replace("/msg/", "/") in ("std_msgs/Header", "builtin_interfaces/Time"):
            return lambda payload: _time(payload, 4)
        break
    return lambda payload: None


def _time(payload: bytes, offset: int) -> int:
    seconds, nanoseconds = _read("iI", payload, offset)
    return seconds * 1_000_000_000 + nanoseconds


def _read(form: str, payload: bytes, offset: int) -> tuple:
    """Numbers of a CDR message.

    Raises:
        MessageError: It is none, or ends before them.
    """
    # The first two bytes say: plain CDR, of this byte order.
    if payload[:2] not in (b"\0\0", b"\0\1") or offset + struct.calcsize(form) > len(payload):
        raise MessageError(f"{len(payload)} bytes are no such message")
    return struct.unpack_from(f"{'<' if payload[1] else '>'}{form}", payload, offset)


@dataclass
class _Bag:
    """An episode's bag and the span of simulated time that belongs to it, in nanoseconds."""

    index: int
    start: int
    writer: BagWriter
    end: int | None = None
    deadline: float = 0.0
    """When the grace after END is over, on the monotonic clock, seconds."""
    closed: bool = False


class EpisodeBags:
    """Gives every message to the bag of its episode.

    `/episode` and `/state` carry an episode index; every other message belongs by its stamp: at or
    after START's stamp to the new episode, before it to the one before. So a bag stays open for a
    while after END for messages still on their way: `grace_s` on the wall clock, or, where
    `grace_s` is None (lockstep: nothing is on its way), until the next START or `close`. What comes
    between an END and the next START and is stamped later than the END waits for that START. A
    START that was lost (its bag would have been whole otherwise) is made up for after a second of
    its episode's states, from the START before; the bag's metadata says `start_lost: true`.

    The first OSError (a full disk) ends recording: one line in the log, `failed` says why, all
    later calls return at once, and the open bags stay on disk for `recover`.

    Args:
        folder: Where the bags go, one folder `episode_NNN` each.
        metadata: What stands in every bag's metadata beside the episode's own facts.
        log: Called with one line when something has to be told.
        grace_s: Seconds a bag stays open after END.
        digits: Of the episode's number in a bag's name, at least.
        types: Type name to (definition text, RIHS01 hash).
        decode: `(payload, type name) -> message`, needed for `/episode` only.
        now: Monotonic clock, seconds.
        **options: For `BagWriter`: `chunk_bytes`, `chunk_s`, `compression`.
    """

    def __init__(
        self,
        folder: Path,
        metadata: Mapping[str, str],
        *,
        decode: Callable[[bytes, str], Any],
        log: Callable[[str], None] = print,
        grace_s: float | None = None,
        digits: int = 3,
        types: Callable[[str], tuple[str, str]] = describe,
        now: Callable[[], float] = time.monotonic,
        **options,
    ):
        self.bags: list[Path] = []
        """Closed bags, in order."""
        self.messages = 0
        """Messages written."""
        self.outside = 0
        """Messages that belong to no episode (before the first START, or far too late)."""
        self.failed = ""
        """Why recording ended, empty while it goes on."""
        self._folder, self._fixed, self._options = Path(folder), dict(metadata), options
        self._decode, self._log, self._grace, self._now = decode, log, grace_s, now
        self._types, self._digits = types, digits
        self._stamp: dict[str, Callable[[bytes], int | None]] = {}
        self._current: _Bag | None = None
        self._previous: _Bag | None = None
        self._held: deque[tuple] = deque()
        self._held_bytes = 0
        self._start: Any = None  # the newest START
        self._newer: tuple[int, int] | None = None  # index and first stamp of states without START
        self._time: int | None = None  # newest /clock, ns

    def add(
        self, topic: str, type_name: str, payload: bytes, publish_ns: int, sequence: int = 0
    ) -> None:
        """Record one message.

        Its log time is the simulated time at which it came: the newest `/clock` seen, or its own
        stamp where that is later (a message can overtake its tick's /clock). Before any `/clock` it
        is the stamp, and for a message with neither the publisher's time. A stamp that cannot be
        simulated time (zero, older than the bags at hand, 10 s ahead of the clock: somebody's
        /goal with a wall clock's stamp) counts as none.
        """
        if self.failed:
            self.outside += 1
            return
        if type_name not in self._stamp:
            self._stamp[type_name] = stamp_reader(type_name, self._types(type_name)[0])
        stamp = self._stamp[type_name](payload)
        if type_name == CLOCK:
            self._time = stamp
        elif type_name != EPISODE and not self._plausible(stamp):
            stamp = None
        known = [t for t in (self._time, stamp) if t is not None]
        log_ns = max(known) if known else publish_ns
        # Times are unsigned on disk; a negative stamp is a bug elsewhere and must not end the bag.
        log_ns, publish_ns = (min(max(0, t), _LATEST) for t in (log_ns, publish_ns))
        item = (topic, type_name, payload, log_ns, publish_ns, sequence)
        try:
            if type_name == EPISODE and stamp is not None:
                self._episode(item, stamp)
            else:
                self._place(item, log_ns if stamp is None else stamp)
        except OSError as error:
            self._fail(error)

    def _plausible(self, stamp: int | None) -> bool:
        if stamp is None or self._time is None:
            return stamp is not None
        oldest = self._previous or self._current
        start = oldest.start if oldest else 0
        return stamp != 0 and start <= stamp <= self._time + _AHEAD

    def _place(self, item: tuple, stamp: int) -> None:
        bag = self._current
        if item[1] == STATE and bag is not None:
            index = _state_episode(item[2])
            if index > bag.index:
                self._hold(item, stamp)
                self._miss_start(index, stamp, item[3])
                return
        newer = self._newer is not None and stamp >= self._newer[1]
        if bag is None or newer or (bag.end is not None and stamp > bag.end):
            self._hold(item, stamp)
            return
        if item[1] == STATE:
            if index != bag.index:
                bag = self._previous
        elif stamp < bag.start:
            bag = self._previous
        self._write(bag, item)

    def _write(self, bag: _Bag | None, item: tuple) -> None:
        if bag is None or bag.closed:
            self.outside += 1
            return
        bag.writer.write(*item)
        self.messages += 1

    def _miss_start(self, index: int, stamp: int, log_ns: int) -> None:
        """Begin an episode whose states have come for a while, and its START has not."""
        if self._newer is None or self._newer[0] != index:
            self._newer = index, stamp
        if self._start is None or stamp - self._newer[1] < _START_LOST:
            return
        self._log(f"episode {index}: its START was lost; it is recorded from its first state on")
        message = replace(self._start, index=index)
        self._begin(message, self._newer[1], log_ns, {"start_lost": "true"})
        self._release()

    def _release(self) -> None:
        """Place what waited for a START."""
        waiting, self._held, self._held_bytes = self._held, deque(), 0
        for held, held_stamp in waiting:
            # What came before any clock could not be judged until now.
            if self._time is not None and held_stamp > self._time + _AHEAD:
                self.outside += 1
            else:
                self._place(held, held_stamp)

    def _hold(self, item: tuple, stamp: int) -> None:
        if item[1] == STATE:
            _state_episode(item[2])  # a malformed one is told now: later it would take others along
        self._held.append((item, stamp))
        self._held_bytes += len(item[2])
        while self._held_bytes > _HELD_BYTES:
            old, _ = self._held.popleft()
            self._held_bytes -= len(old[2])
            self.outside += 1

    def _episode(self, item: tuple, stamp: int) -> None:
        message = self._decode(item[2], EPISODE)
        if message.phase == 0:
            self._time = stamp if self._time is None else self._time
            self._start = message
            self._begin(message, stamp, item[3])
            self._write(self._current, item)
            self._release()
            return
        bag = next(
            (b for b in (self._current, self._previous) if b and b.index == message.index), None
        )
        self._write(bag, item)
        if bag is None or bag.closed:
            return
        bag.end = stamp
        bag.deadline = self._now() + (self._grace or 0.0)
        # Written at once, so that a kill before the close keeps the result.
        bag.writer.annotate(
            {
                "success": _word(message.success),
                "aborted": _word(message.aborted),
                "cost": repr(float(message.cost)),
                "duration": repr(float(message.duration)),
            }
        )

    def _begin(
        self, message: Any, stamp: int, log_ns: int, more: Mapping[str, str] | None = None
    ) -> None:
        self._newer = None
        self._close(self._previous)
        old = self._current
        if old is not None and old.end is None:
            self._log(f"episode {old.index}: its END never came; its bag says aborted")
        if old is not None and (old.end is None or self._grace is None):
            self._close(old)  # no END came: its bag keeps `aborted: true`
        self._previous = old
        writer = BagWriter(
            free_folder(self._folder / f"episode_{message.index:0{self._digits}d}"),
            {
                **self._fixed,
                "task": message.task,
                "task_options": message.options or "{}",
                "engine": message.engine or "mujoco",
                "dials": message.dials or "{}",
                "seed": str(message.seed),
                "episode": str(message.index),
                "model_sha256": message.model_sha256,
                # Pessimistic until END: a bag without its end is an aborted one.
                "success": "false",
                "aborted": "true",
                **(more or {}),
            },
            types=self._types,
            **self._options,
        )
        self._current = _Bag(message.index, stamp, writer)
        if message.model:
            model = message.model.encode()
            if hashlib.sha256(model).hexdigest() != message.model_sha256:
                self._log(f"episode {message.index}: the model text does not have its stated hash")
            writer.attach("model.xml", "application/xml", model, log_ns)

    @property
    def running(self) -> bool:
        """Whether an episode has begun whose END has not come."""
        return self._current is not None and self._current.end is None and not self.failed

    def tick(self) -> None:
        """Close what has had its grace; call it every now and then where `grace_s` is set."""
        if self.failed or self._grace is None:
            return
        try:
            for bag in (self._previous, self._current):
                if bag and bag.end is not None and self._now() >= bag.deadline:
                    self._close(bag)
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Hand the open chunks to the operating system."""
        try:
            for bag in (self._previous, self._current):
                if bag and not bag.closed and not self.failed:
                    bag.writer.flush()
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close every bag; one whose END never came says `aborted: true`."""
        try:
            for bag in (self._previous, self._current):
                if not self.failed:
                    self._close(bag)
        except OSError as error:
            self._fail(error)
        self.outside += len(self._held)
        self._held.clear()

    def _close(self, bag: _Bag | None) -> None:
        if bag is not None and not bag.closed:
            bag.closed = True
            self.bags.append(bag.writer.close())

    def _fail(self, error: OSError) -> None:
        self.failed = error.strerror or str(error)
        unfinished = []
        for bag in (self._previous, self._current):
            if bag and (not bag.closed or not bag.writer.path.exists()):
                bag.closed = True
                bag.writer.abandon()
                unfinished.append(str(bag.writer.open_path))
        names = ", ".join(unfinished)
        self._log(
            f"recording stopped: {self.failed}"
            + (f"; `covary recover {names}` gives what was written" if unfinished else "")
        )
        self._held.clear()


def _word(flag: bool) -> str:
    return "true" if flag else "false"


def _state_episode(payload: bytes) -> int:
    """`episode` of a CDR covary_msgs/State: it follows stamp and frame_id, on a multiple of 4."""
    (length,) = _read("I", payload, 12)
    offset = 16 + length
    # CDR aligns to the body, which begins after the 4-byte encapsulation header.
    offset += -(offset - 4) % 4
    return _read("I", payload, offset)[0]
