"""A ROS 2 client over zenoh, written from rmw_zenoh's convention alone: it knows nothing of covary.

Hashes are REP-2016's RIHS01 of descriptions written by hand, bytes are CDR by hand, keys, tokens
and attachments are what rmw_zenoh_cpp 0.2 (Jazzy) writes. Messages are dicts of plain values.
"""

import hashlib
import json
import queue
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zenoh

STRUCTURES = {
    "builtin_interfaces/msg/Time": "int32 sec, uint32 nanosec",
    "std_msgs/msg/Header": "builtin_interfaces/msg/Time stamp, string frame_id",
    "std_msgs/msg/String": "string data",
    "rosgraph_msgs/msg/Clock": "builtin_interfaces/msg/Time clock",
    "sensor_msgs/msg/JointState": "std_msgs/msg/Header header, string[] name, float64[] position, "
    "float64[] velocity, float64[] effort",
    "sensor_msgs/msg/Image": "std_msgs/msg/Header header, uint32 height, uint32 width, "
    "string encoding, uint8 is_bigendian, uint32 step, uint8[] data",
    "geometry_msgs/msg/Point": "float64 x, float64 y, float64 z",
    "geometry_msgs/msg/Quaternion": "float64 x, float64 y, float64 z, float64 w",
    "geometry_msgs/msg/Pose": "geometry_msgs/msg/Point position, "
    "geometry_msgs/msg/Quaternion orientation",
    "geometry_msgs/msg/PoseStamped": "std_msgs/msg/Header header, geometry_msgs/msg/Pose pose",
    "lifecycle_msgs/msg/State": "uint8 id, string label",
    "service_msgs/msg/ServiceEventInfo": "uint8 event_type, builtin_interfaces/msg/Time stamp, "
    "uint8[16] client_gid, int64 sequence_number",
    # The launch's own, as its documentation states them.
    "covary_msgs/msg/State": "std_msgs/msg/Header header, uint32 episode, string[] name, "
    "float64[] value",
    "covary_msgs/msg/Applied": "std_msgs/msg/Header header, uint64 tick, float64[] action, "
    "uint8 status, builtin_interfaces/msg/Time command_stamp",
    # Requests and responses; an empty structure has one octet.
    "std_srvs/srv/Trigger_Request": "uint8 structure_needs_at_least_one_member",
    "std_srvs/srv/Trigger_Response": "bool success, string message",
    "lifecycle_msgs/srv/GetState_Request": "uint8 structure_needs_at_least_one_member",
    "lifecycle_msgs/srv/GetState_Response": "lifecycle_msgs/msg/State current_state",
}
"""Fields in order; ``[]`` is an unbounded sequence, ``[16]`` an array."""

PLAIN = {
    "uint8": (3, "B"), "int32": (6, "i"), "uint32": (7, "I"), "int64": (8, "q"),
    "uint64": (9, "Q"), "float64": (11, "d"), "bool": (15, "?"), "string": (17, ""),
}  # fmt: skip
"""REP-2016's number of a type, and `struct`'s letter."""

QOS_DEFAULTS = {"reliability": 1, "durability": 2, "history": 1, "depth": 42}
"""Reliable, volatile, keep the last 42: what rmw_zenoh leaves out of a token."""


def fields(type_name: str) -> list[tuple[str, str, int | None]]:
    """(name, type, length) of every field; length 0 is a sequence, None a single value."""
    found = []
    for entry in STRUCTURES[type_name].split(", "):
        kind, name = entry.split(" ")
        kind, bracket, length = kind.partition("[")
        found.append((name, kind, int(length.rstrip("]") or 0) if bracket else None))
    return found


# REP-2016: the hash of a type.


def _described(name: str, type_id: int, nested: str = "", capacity: int = 0) -> dict:
    kind = {"type_id": type_id, "capacity": capacity, "string_capacity": 0}
    return {"name": name, "type": {**kind, "nested_type_name": nested}}


def _description(type_name: str) -> list[dict]:
    rows = []
    for name, kind, length in fields(type_name):
        offset = 0 if length is None else 48 if length else 144
        nested = "" if kind in PLAIN else kind
        rows.append(_described(name, PLAIN.get(kind, (1,))[0] + offset, nested, length or 0))
    return rows


def rihs01(type_name: str) -> str:
    """The hash of a message or service type, ``RIHS01_`` and 64 digits."""
    known = {}
    if "/srv/" in type_name:
        request, response, event = (f"{type_name}_{s}" for s in ("Request", "Response", "Event"))
        info = "service_msgs/msg/ServiceEventInfo"
        top = [
            _described("request_message", 1, request),
            _described("response_message", 1, response),
            _described("event_message", 1, event),
        ]
        known[event] = [
            _described("info", 1, info),
            _described("request", 97, request, 1),  # a sequence of at most one
            _described("response", 97, response, 1),
        ]
        to_describe = [request, response, info]
    else:
        top = _description(type_name)
        to_describe = [f["type"]["nested_type_name"] for f in top if f["type"]["nested_type_name"]]
    while to_describe:
        name = to_describe.pop()
        known[name] = _description(name)
        to_describe += [kind for _, kind, _ in fields(name) if kind not in PLAIN]
    described = {
        "type_description": {"type_name": type_name, "fields": top},
        "referenced_type_descriptions": [
            {"type_name": name, "fields": known[name]} for name in sorted(known)
        ],
    }
    return "RIHS01_" + hashlib.sha256(json.dumps(described).encode()).hexdigest()


# CDR: little endian, each value at a multiple of its size counted from after the header.


def encode(type_name: str, message: dict) -> bytes:
    """A message as CDR bytes; arrays of numbers may be NumPy's."""
    out = bytearray()
    _write(out, type_name, message)
    return b"\x00\x01\x00\x00" + bytes(out)


def _align(out: bytearray, size: int) -> None:
    out.extend(bytes(-len(out) % size))


def _write(out: bytearray, kind: str, value: Any) -> None:
    if kind == "string":
        raw = value.encode() + b"\0"
        _write(out, "uint32", len(raw))
        out += raw
    elif kind in PLAIN:
        raw = struct.pack("<" + PLAIN[kind][1], value)
        _align(out, len(raw))
        out += raw
    else:
        for name, inner, length in fields(kind):
            if length is None:
                _write(out, inner, value[name])
                continue
            if length == 0:
                _write(out, "uint32", len(value[name]))
            if isinstance(value[name], np.ndarray) and len(value[name]):
                _align(out, struct.calcsize(PLAIN[inner][1]))
                out += value[name].astype("<" + np.dtype(inner).str[1:]).tobytes()
            else:
                for item in value[name]:
                    _write(out, inner, item)


def decode(type_name: str, payload: bytes) -> dict:
    """A message of CDR bytes."""
    if payload[:2] != b"\x00\x01":
        raise ValueError(f"{payload[:4].hex()} is no header of little-endian CDR")
    message, end = _read(payload[4:], 0, type_name)
    if end + 4 != len(payload):
        raise ValueError(f"{type_name} ends at {end + 4} of {len(payload)} bytes")
    return message


def _read(data: bytes, at: int, kind: str) -> tuple[Any, int]:
    if kind == "string":
        size, at = _read(data, at, "uint32")
        return data[at : at + size - 1].decode(), at + size
    if kind in PLAIN:
        size = struct.calcsize(PLAIN[kind][1])
        at += -at % size
        return struct.unpack_from("<" + PLAIN[kind][1], data, at)[0], at + size
    message = {}
    for name, inner, length in fields(kind):
        if length is None:
            message[name], at = _read(data, at, inner)
            continue
        if length == 0:
            length, at = _read(data, at, "uint32")
        if inner == "string" or inner not in PLAIN:
            items = []
            for _ in range(length):
                item, at = _read(data, at, inner)
                items.append(item)
            message[name] = items
        else:
            at += -at % struct.calcsize(PLAIN[inner][1]) if length else 0
            message[name] = np.frombuffer(data, np.dtype(inner), length, at)
            at += message[name].nbytes
    return message, at


# Names on the wire.


def wire_name(type_name: str) -> str:
    """``sensor_msgs/msg/Image`` -> ``sensor_msgs::msg::dds_::Image_``."""
    package, kind, name = type_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


class End(NamedTuple):
    """A node (``NN``), or its end of a topic (``MP``, ``MS``) or service (``SS``, ``SC``)."""

    kind: str
    node: str
    """Full name, ``/left/sim``."""
    topic: str
    type_name: str
    type_hash: str
    qos: dict[str, int]
    ids: tuple[str, str, str]
    """Session, node and entity: no two ends have the same."""
    token: str


def parse(token: str) -> End:
    """What a liveliness token says.

    Raises:
        ValueError: It is none of the convention.
    """
    parts = token.split("/")
    if parts[0] != "@ros2_lv" or len(parts) not in (9, 13) or not all(parts):
        raise ValueError(f"{token} is no token")
    zid, nid, eid, kind, enclave, namespace, node = parts[2:9]
    if (kind == "NN") != (len(parts) == 9) or enclave != "%" or namespace[0] != "%":
        raise ValueError(f"{token} is no token")
    full = f"{namespace.replace('%', '/').rstrip('/')}/{node}"
    if kind == "NN":
        return End(kind, full, "", "", "", {}, (zid, nid, eid), token)
    topic, wire, type_hash, qos = parts[9:]
    package, room, name = wire.removesuffix("_").replace("::dds_", "").split("::")
    return End(
        kind,
        full,
        topic.replace("%", "/"),
        f"{package}/{room}/{name}",
        type_hash,
        _parse_qos(qos),
        (zid, nid, eid),
        token,
    )


def _parse_qos(text: str) -> dict[str, int]:
    reliability, durability, history, deadline, lifespan, liveliness = text.split(":")
    if (deadline, lifespan, liveliness) != (",", ",", ",,"):
        raise ValueError(f"{text} has deadlines")
    found = dict(zip(QOS_DEFAULTS, (reliability, durability, *history.split(",")), strict=True))
    return {name: int(value or QOS_DEFAULTS[name]) for name, value in found.items()}


class Received(NamedTuple):
    """A message with what travelled beside it."""

    sequence: int
    time_ns: int
    gid: bytes
    payload: bytes
    message: dict


def _attachment(sequence: int, gid: bytes) -> bytes:
    return struct.pack("<qqB16s", sequence, time.time_ns(), len(gid), gid)


def _received(sample: zenoh.Sample, type_name: str) -> Received:
    payload = sample.payload.to_bytes()
    sequence, time_ns, size, gid = struct.unpack("<qqB16s", sample.attachment.to_bytes())
    assert size == 16
    return Received(sequence, time_ns, gid, payload, decode(type_name, payload))


# The client.


class Client:
    """One node of one session.

    Args:
        name: Its name.
        run: A run's folder, or its ``endpoint.json``.
        mode: ``peer``, as rmw_zenoh's sessions are.
        zid: Session id in hexadecimal, to choose which side connects to which.
    """

    def __init__(self, name: str, run: Path, mode: str = "peer", zid: str = "") -> None:
        where = json.loads((run / "endpoint.json" if run.is_dir() else run).read_text())
        self.name, self.domain = name, where["domain"]
        config = zenoh.Config()
        for path, value in {  # of rmw_zenoh's DEFAULT_RMW_ZENOH_SESSION_CONFIG
            "mode": mode,
            "connect/endpoints": [where["endpoint"]],
            "connect/timeout_ms": 5000,
            "listen/endpoints": ["tcp/127.0.0.1:0"],
            "scouting/multicast/enabled": False,
            "scouting/gossip/enabled": True,
            "scouting/gossip/target": {"router": ["router", "peer"], "peer": ["router"]},
            "scouting/gossip/autoconnect_strategy": {
                "peer": {"to_router": "always", "to_peer": "greater-zid"}
            },
            "timestamping/enabled": True,
            **({"id": zid} if zid else {}),
        }.items():
            config.insert_json5(path, json.dumps(value))
        self.session = zenoh.open(config)
        self.zid = str(self.session.zid())
        self._kept: list[Any] = []
        self._entities = 0
        self._tokens: dict[str, End] = {}
        where = f"@ros2_lv/{self.domain}/**"
        live = self.session.liveliness()
        self._kept.append(live.declare_subscriber(where, self._on_token, history=True))
        self._declare(f"@ros2_lv/{self.domain}/{self.zid}/0/0/NN/%/%/{name}")

    def _on_token(self, sample: zenoh.Sample) -> None:
        token = str(sample.key_expr)
        if sample.kind == zenoh.SampleKind.PUT:
            self._tokens[token] = parse(token)
        else:
            self._tokens.pop(token, None)

    def graph(self) -> list[End]:
        """Every node and end there is, as told by the tokens seen so far."""
        return [self._tokens[token] for token in sorted(list(self._tokens))]

    def _declare(self, token: str) -> None:
        self._kept.append(self.session.liveliness().declare_token(token))

    def _key(self, topic: str, type_name: str) -> str:
        return f"{self.domain}{topic}/{wire_name(type_name)}/{rihs01(type_name)}"

    def _end(self, kind: str, topic: str, type_name: str, qos: str) -> bytes:
        """Announces an end, and gives it a gid (any will do: nobody can compute ours)."""
        self._entities += 1
        place = f"@ros2_lv/{self.domain}/{self.zid}/0/{self._entities}/{kind}/%/%/{self.name}"
        kind_of = f"{wire_name(type_name)}/{rihs01(type_name)}"
        self._declare(f"{place}/{topic.replace('/', '%')}/{kind_of}/{qos}")
        return hashlib.sha256(f"{self.zid} {self._entities}".encode()).digest()[:16]

    def subscribe(self, topic: str, type_name: str) -> "queue.SimpleQueue[Received]":
        """All messages of a topic from now on."""
        found: queue.SimpleQueue[Received] = queue.SimpleQueue()
        declare = self.session.declare_subscriber
        self._kept.append(
            declare(self._key(topic, type_name), lambda s: found.put(_received(s, type_name)))
        )
        self._end("MS", topic, type_name, "::,10:,:,:,,")
        return found

    def publisher(self, topic: str, type_name: str, depth: int = 10) -> Callable[[dict], None]:
        """What publishes a message on a topic, as reliable and volatile."""
        publisher = self.session.declare_publisher(self._key(topic, type_name))
        self._kept.append(publisher)
        gid = self._end("MP", topic, type_name, f"::,{depth}:,:,:,,")
        sequence = 0

        def publish(message: dict) -> None:
            nonlocal sequence
            sequence += 1
            publisher.put(encode(type_name, message), attachment=_attachment(sequence, gid))

        return publish

    def client(self, name: str, type_name: str) -> Callable[..., Received]:
        """What calls a service; its attachments tell the calls apart."""
        gid = self._end("SC", name, type_name, "::,10:,:,:,,")
        sequence = 0

        def call(request: dict | None = None, timeout_s: float = 5.0) -> Received:
            nonlocal sequence
            sequence += 1
            asked = request or {"structure_needs_at_least_one_member": 0}
            replies = self.session.get(
                self._key(name, type_name),
                payload=encode(f"{type_name}_Request", asked),
                attachment=_attachment(sequence, gid),
                target=zenoh.QueryTarget.ALL_COMPLETE,
                consolidation=zenoh.ConsolidationMode.NONE,
                timeout=timeout_s,
            )
            for reply in replies:
                if reply.ok is None:
                    raise RuntimeError(f"{name}: {reply.err.payload.to_string()}")
                answer = _received(reply.ok, f"{type_name}_Response")
                assert (answer.sequence, answer.gid) == (sequence, gid), "another call's answer"
                return answer
            raise TimeoutError(f"{name}: no answer")

        return call

    def serve(self, name: str, type_name: str, answer: Callable[[dict], dict]) -> None:
        """Answers a service, in zenoh's thread; what brings no attachment is refused."""
        key = self._key(name, type_name)

        def on_query(query: zenoh.Query) -> None:
            with query:
                sequence, _, _, gid = struct.unpack("<qqB16s", query.attachment.to_bytes())
                request = decode(f"{type_name}_Request", query.payload.to_bytes())
                reply = encode(f"{type_name}_Response", answer(request))
                query.reply(key, reply, attachment=_attachment(sequence, gid))

        self._kept.append(self.session.declare_queryable(key, on_query, complete=True))
        self._end("SS", name, type_name, "::,10:,:,:,,")

    def close(self) -> None:
        """Leave."""
        self._kept.clear()
        self.session.close()
