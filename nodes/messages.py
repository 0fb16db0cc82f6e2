"""ROS 2 messages as dataclasses, and their bytes: CDR through rosbags, with a few types of our own.

``messages.JointState`` and the others of `TYPES` are classes made on first use, since a node pays
only for the types it uses. Each has ``__msgtype__``; those of a service are ``Trigger.Request`` and
``Trigger.Response``.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

OWN = "covary_msgs"
TYPES = {
    "Header": "std_msgs/msg/Header",
    "String": "std_msgs/msg/String",
    "Time": "builtin_interfaces/msg/Time",
    "Duration": "builtin_interfaces/msg/Duration",
    "Clock": "rosgraph_msgs/msg/Clock",
    "JointState": "sensor_msgs/msg/JointState",
    "Image": "sensor_msgs/msg/Image",
    "CameraInfo": "sensor_msgs/msg/CameraInfo",
    "RegionOfInterest": "sensor_msgs/msg/RegionOfInterest",
    "JointTrajectory": "trajectory_msgs/msg/JointTrajectory",
    "JointTrajectoryPoint": "trajectory_msgs/msg/JointTrajectoryPoint",
    "Point": "geometry_msgs/msg/Point",
    "Pose": "geometry_msgs/msg/Pose",
    "PoseStamped": "geometry_msgs/msg/PoseStamped",
    "Quaternion": "geometry_msgs/msg/Quaternion",
    "Transform": "geometry_msgs/msg/Transform",
    "TransformStamped": "geometry_msgs/msg/TransformStamped",
    "Vector3": "geometry_msgs/msg/Vector3",
    "TFMessage": "tf2_msgs/msg/TFMessage",
    "DiagnosticArray": "diagnostic_msgs/msg/DiagnosticArray",
    "DiagnosticStatus": "diagnostic_msgs/msg/DiagnosticStatus",
    "KeyValue": "diagnostic_msgs/msg/KeyValue",
    "State": f"{OWN}/msg/State",
    "Applied": f"{OWN}/msg/Applied",
    "PhysicsState": f"{OWN}/msg/PhysicsState",
    "Episode": f"{OWN}/msg/Episode",
    "LifecycleState": "lifecycle_msgs/msg/State",
    "LifecycleTransition": "lifecycle_msgs/msg/Transition",
}
SERVICES = {
    "Trigger": (
        "std_srvs/srv/Trigger",
        "",
        "bool success\nstring message",
    ),
    "GetState": (
        "lifecycle_msgs/srv/GetState",
        "",
        "lifecycle_msgs/State current_state",
    ),
    "ChangeState": (
        "lifecycle_msgs/srv/ChangeState",
        "lifecycle_msgs/Transition transition",
        "bool success",
    ),
}


class MessageError(ValueError):
    """Bytes that are no message of the type asked for, or a type that is not known."""


@cache
def _store():
    """The ROS 2 Jazzy types and ours."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for path in sorted((Path(__file__).parent / "msg").glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(), f"{OWN}/msg/{path.stem}"))
    for name, request, response in SERVICES.values():
        # An empty message has one octet in IDL, and so on the wire.
        for suffix, text in (("Request", request), ("Response", response)):
            body = text or "uint8 structure_needs_at_least_one_member"
            store.register(get_types_from_msg(body, f"{_as_message(name)}_{suffix}"))
    return store


def _as_message(service: str) -> str:
    return service.replace("/srv/", "/msg/")


def __getattr__(name: str) -> Any:
    """A message class, or a service with its Request and Response, by short name."""
    if name in TYPES:
        found = message_class(TYPES[name])
    elif name in SERVICES:
        service = SERVICES[name][0]
        found = SimpleNamespace(
            __srvtype__=service,
            Request=message_class(f"{_as_message(service)}_Request"),
            Response=message_class(f"{_as_message(service)}_Response"),
        )
    else:
        raise AttributeError(f"no message is called {name}")
    globals()[name] = found
    return found


def message_class(type_name: str) -> Any:
    """The dataclass of a type such as ``sensor_msgs/msg/JointState``.

    Raises:
        MessageError: Unknown type; the message names the nearest.
    """
    types = _store().types
    if type_name not in types:
        near = difflib.get_close_matches(type_name, types, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise MessageError(f"unknown message type {type_name!r}{hint}")
    return types[type_name]


def serialize(message: Any) -> bytes:
    """The CDR bytes of a message (little endian, with the 4-byte header)."""
    return bytes(_store().serialize_cdr(message, message.__msgtype__))


def deserialize(payload: bytes, type_name: str) -> Any:
    """The message in CDR bytes. Its arrays are its own.

    Raises:
        MessageError: Unknown type, or bytes that are no such message.
    """
    message_class(type_name)
    try:
        return _store().deserialize_cdr(payload, type_name)
    except Exception as error:  # rosbags raises whatever its parsers do on malformed bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MessageError(f"{len(payload)} bytes are no {type_name}: {reason}") from None


@cache
def type_hash(type_name: str) -> str:
    """The RIHS01 hash of a message type, as ROS 2 computes it."""
    message_class(type_name)
    return _store().hash_rihs01(type_name)


@cache
def definition(type_name: str) -> str:
    """The .msg text of a type and of all types in it, as MCAP's ``ros2msg`` schemas want it."""
    message_class(type_name)
    return _store().generate_msgdef(type_name, ros_version=2)[0]


def stamp(seconds: float) -> Any:
    """A time (s) as a ROS time, to the nearest nanosecond."""
    nanoseconds = round(seconds * 1e9)
    return __getattr__("Time")(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def seconds(time: Any) -> float:
    """A ROS time as seconds; ``seconds(stamp(t)) == t`` for t of whole nanoseconds up to 1e6 s."""
    return nanoseconds(time) / 1e9


def nanoseconds(time: Any) -> int:
    """A ROS time as whole nanoseconds."""
    return int(time.sec) * 10**9 + int(time.nanosec)
