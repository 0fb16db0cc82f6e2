"""The wire convention of ROS 2's rmw_zenoh: keys, tokens, attachments, hashes of services."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from functools import cache
from typing import NamedTuple

from .. import messages

_ATTACHMENT = struct.Struct("<qqB16s")
_DEFAULT_DEPTH = 42  # rmw_zenoh's own, not ROS 2's 10
_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


class Attachment(NamedTuple):
    """What travels beside every payload."""

    sequence: int
    """Counts the publisher's messages from 1: a gap is a loss."""
    time_ns: int
    """When it was sent, ns."""
    gid: bytes
    """The publisher, or the client of a service (`gid.gid` of its token). 16 bytes"""

    def pack(self) -> bytes:
        """As 33 little-endian bytes."""
        return _ATTACHMENT.pack(self.sequence, self.time_ns, 16, self.gid)

    @classmethod
    def unpack(cls, raw: bytes) -> Attachment:
        """Of 33 bytes.

        Raises:
            MessageError: They are no attachment.
        """
        if len(raw) != _ATTACHMENT.size or raw[16] != 16:
            raise messages.MessageError(f"{len(raw)} bytes are no attachment")
        sequence, time_ns, _, gid = _ATTACHMENT.unpack(raw)
        return cls(sequence, time_ns, gid)


def checked(name: str) -> str:
    """The name of a topic or service, if it is one; a wildcard in a key would hear everything.

    Raises:
        MessageError: It is none.
    """
    if not _NAME.fullmatch(name):
        raise messages.MessageError(
            f"{name!r} is no name of a topic or service: letters, digits, _, with / between"
        )
    return name


def dds_name(type_name: str) -> str:
    """The type's name on the wire: ``sensor_msgs::msg::dds_::Image_``."""
    package, kind, name = type_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


def key(domain: int, topic: str, type_name: str) -> str:
    """The key of a topic's or a service's data."""
    return f"{domain}/{checked(topic).strip('/')}/{dds_name(type_name)}/{any_hash(type_name)}"


def any_hash(type_name: str) -> str:
    """The RIHS01 hash of a message or a service type."""
    return service_hash(type_name) if "/srv/" in type_name else messages.type_hash(type_name)


def node_token(domain: int, zid: str, namespace: str, name: str) -> str:
    """The liveliness token that says a node is there."""
    return f"@ros2_lv/{domain}/{zid}/0/0/NN/%/{_mangled(namespace) or '%'}/{name}"


def endpoint_token(
    domain: int,
    zid: str,
    entity: int,
    kind: str,
    namespace: str,
    name: str,
    topic: str,
    type_name: str,
    depth: int = 1,
) -> str:
    """The token of a publisher (MP), subscription (MS), service server (SS) or client (SC)."""
    where = f"@ros2_lv/{domain}/{zid}/0/{entity}/{kind}/%/{_mangled(namespace) or '%'}/{name}"
    # Reliable and volatile; keep the last `depth`, or all: what is left empty is the default. The
    # default has to be left empty: others write a token they read anew, and take the gid of that.
    last = "" if depth == _DEFAULT_DEPTH else depth
    qos = f"::,{last}:,:,:,," if depth else "::2,:,:,:,,"
    return f"{where}/{_mangled(topic)}/{dds_name(type_name)}/{any_hash(type_name)}/{qos}"


class Token(NamedTuple):
    """What a liveliness token says."""

    kind: str
    """NN node, MP publisher, MS subscription, SS service server, SC service client."""
    namespace: str
    node: str
    topic: str
    type_name: str


def parse_token(text: str) -> Token | None:
    """What a token says, or None if it is none of this convention."""
    parts = text.split("/")
    if len(parts) < 9 or parts[0] != "@ros2_lv":
        return None
    kind, namespace, node = parts[5], parts[7], parts[8]
    namespace = "" if namespace == "%" else namespace.replace("%", "/")
    if kind == "NN":
        return Token(kind, namespace, node, "", "")
    if len(parts) < 12:
        return None
    type_name = parts[10].replace("::dds_::", "::").replace("::", "/").removesuffix("_")
    return Token(kind, namespace, node, parts[9].replace("%", "/"), type_name)


def _mangled(name: str) -> str:
    return name.replace("/", "%")


@cache
def service_hash(service: str) -> str:
    """The RIHS01 hash of a service type: that of its request, response and event, taken together.

    REP-2016 describes the event as ``service_msgs/msg/ServiceEventInfo`` and at most one request
    and one response.
    """
    as_message = service.replace("/srv/", "/msg/")
    request, response, event = (f"{service}_{s}" for s in ("Request", "Response", "Event"))
    info = "service_msgs/msg/ServiceEventInfo"
    described = _described(f"{as_message}_Request") | _described(f"{as_message}_Response")
    # Only these two are renamed: SetParameters holds messages called SetParametersResult.
    described = {
        name.replace(f"{as_message}_", f"{service}_"): fields for name, fields in described.items()
    }
    described |= _described(info)
    described[event] = [
        _field("info", 1, info),
        _field("request", 97, request, capacity=1),
        _field("response", 97, response, capacity=1),
    ]
    top = [
        _field("request_message", 1, request),
        _field("response_message", 1, response),
        _field("event_message", 1, event),
    ]
    text = json.dumps(
        {
            "type_description": {"type_name": service, "fields": top},
            "referenced_type_descriptions": [
                {"type_name": name, "fields": described[name]} for name in sorted(described)
            ],
        },
        separators=(", ", ": "),
    )
    return "RIHS01_" + hashlib.sha256(text.encode()).hexdigest()


def _field(name: str, type_id: int, nested: str = "", capacity: int = 0) -> dict:
    return {
        "name": name,
        "type": {
            "type_id": type_id,
            "capacity": capacity,
            "string_capacity": 0,
            "nested_type_name": nested,
        },
    }


# REP-2016's numbers of the plain types; +48 an array, +96 a bounded, +144 an unbounded sequence.
_TYPE_IDS = {
    "int8": 2, "uint8": 3, "int16": 4, "uint16": 5, "int32": 6, "uint32": 7, "int64": 8,
    "uint64": 9, "float32": 10, "float64": 11, "bool": 15, "byte": 16, "octet": 16, "char": 3,
    "string": 17,
}  # fmt: skip


def _described(type_name: str) -> dict[str, list[dict]]:
    """The fields of a message type and of all types in it, as REP-2016 describes them."""
    from rosbags.interfaces import Nodetype

    out: dict[str, list[dict]] = {}
    fields = []
    for name, (kind, detail) in messages._store().fielddefs[type_name][1]:
        offset = capacity = 0
        if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            offset = 48 if kind == Nodetype.ARRAY else 96 if detail[1] else 144
            (kind, detail), capacity = detail
        if kind == Nodetype.NAME:
            fields.append(_field(name, 1 + offset, detail, capacity))
            out |= _described(detail)
        else:
            fields.append(_field(name, _TYPE_IDS[detail[0]] + offset, "", capacity))
    out[type_name] = fields
    return out
