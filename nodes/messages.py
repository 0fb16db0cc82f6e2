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
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

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
    "Cost": f"{OWN}/msg/Cost",
    "LifecycleState": "lifecycle_msgs/msg/State",
    "LifecycleTransition": "lifecycle_msgs/msg/Transition",
    "Parameter": "rcl_interfaces/msg/Parameter",
    "ParameterValue": "rcl_interfaces/msg/ParameterValue",
    "ParameterDescriptor": "rcl_interfaces/msg/ParameterDescriptor",
    "ListParametersResult": "rcl_interfaces/msg/ListParametersResult",
    "SetParametersResult": "rcl_interfaces/msg/SetParametersResult",
}
SERVICES = {
    "Trigger": (
        "std_srvs/srv/Trigger",
        "",
        "bool success\nstring message",
    ),
    "SetBool": (
        "std_srvs/srv/SetBool",
        "bool data",
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
    "ListParameters": (
        "rcl_interfaces/srv/ListParameters",
        "string[] prefixes\nuint64 depth",
        "rcl_interfaces/ListParametersResult result",
    ),
    "GetParameters": (
        "rcl_interfaces/srv/GetParameters",
        "string[] names",
        "rcl_interfaces/ParameterValue[] values",
    ),
    "GetParameterTypes": (
        "rcl_interfaces/srv/GetParameterTypes",
        "string[] names",
        "uint8[] types",
    ),
    "DescribeParameters": (
        "rcl_interfaces/srv/DescribeParameters",
        "string[] names",
        "rcl_interfaces/ParameterDescriptor[] descriptors",
    ),
    "SetParameters": (
        "rcl_interfaces/srv/SetParameters",
        "rcl_interfaces/Parameter[] parameters",
        "rcl_interfaces/SetParametersResult[] results",
    ),
    "SetParametersAtomically": (
        "rcl_interfaces/srv/SetParametersAtomically",
        "rcl_interfaces/Parameter[] parameters",
        "rcl_interfaces/SetParametersResult result",
    ),
}


LARGEST_LISTS = 2**20
"""Most bytes of a message that holds lists of texts or messages, whose every element is an object
of Python's: decoding so much takes a quarter of a second. Arrays of numbers are as large as they
are, since they are taken over as they lie."""


class MessageError(ValueError):
    """Bytes that are no message of the type asked for, or a type that is not known."""


@cache
def _store() -> Any:
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


def prepare(type_name: str) -> None:
    """Make the code that reads and writes a type now, which its first message would else wait for.

    Raises:
        MessageError: Unknown type.
    """
    message_class(type_name)
    _store().get_msgdef(type_name)
    _arrays_of(type_name)


def serialize(message: Any) -> bytes:
    """The CDR bytes of a message (little endian, with the 4-byte header).

    Arrays are made what their fields say, in place, where that loses nothing: lists, integers for
    floats, images of shape (H, W, 3). Their bytes would otherwise go out as if they were.

    Raises:
        MessageError: A value that its field cannot hold.
    """
    try:
        type_name = message.__msgtype__
        _conform(message, _arrays_of(type_name))
        return bytes(_store().serialize_cdr(message, type_name))
    except MessageError:
        raise
    except Exception as error:  # rosbags raises whatever its writers do on unfit values
        kind = getattr(message, "__msgtype__", type(message).__name__)
        raise MessageError(f"cannot write {kind}: {_reason(error)}") from None


class _Field(NamedTuple):
    """A field that holds arrays, or messages in which some do."""

    name: str
    dtype: np.dtype | None
    inner: tuple[_Field, ...]
    many: bool


@cache
def _arrays_of(type_name: str) -> tuple[_Field, ...]:
    """The fields of a type whose values `serialize` has to look at."""
    import numpy as np
    from rosbags.interfaces import Nodetype

    message_class(type_name)
    out = []
    for name, (kind, detail) in _store().fielddefs[type_name][1]:
        many = kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)
        if many:
            kind, detail = detail[0]
        inner = _arrays_of(detail) if kind == Nodetype.NAME else ()
        plain = many and kind == Nodetype.BASE and detail[0] != "string"
        dtype = np.dtype(_OCTETS.get(detail[0], detail[0])) if plain else None
        if inner or many:
            out.append(_Field(name, dtype, inner, many))
    return tuple(out)


_OCTETS = {"octet": "uint8", "byte": "uint8", "char": "uint8"}


def _conform(message: Any, fields: tuple[_Field, ...]) -> None:
    for name, dtype, inner, many in fields:
        value = getattr(message, name)
        if dtype is not None:
            fits = getattr(value, "dtype", None) is dtype and value.ndim == 1
            if not (fits and value.flags.c_contiguous):
                setattr(message, name, _as_array(value, dtype, f"{message.__msgtype__}.{name}"))
        elif many:
            if isinstance(value, str):
                raise MessageError(f"{message.__msgtype__}.{name} is a list, not one text")
            if inner:
                for item in value:
                    _conform(item, inner)
        else:
            _conform(value, inner)


def _as_array(value: Any, dtype: np.dtype, where: str) -> np.ndarray:
    import numpy as np

    found = np.asarray(value)
    # An empty list is an array of floats to NumPy, and small whole numbers are wide ones.
    whole = found.dtype.kind in "iu" and dtype.kind in "iu" and found.size
    fits = found.size == 0 or np.can_cast(found.dtype, dtype, "same_kind")
    if whole:
        limits = np.iinfo(dtype)
        fits = limits.min <= found.min() and found.max() <= limits.max
    if not fits:
        raise MessageError(f"{where} holds {dtype}, not {found.dtype}")
    return np.ascontiguousarray(found, dtype).reshape(-1)


def deserialize(payload: bytes, type_name: str) -> Any:
    """The message in CDR bytes. Its arrays are its own.

    Raises:
        MessageError: Unknown type, or bytes that are no such message, or too many.
    """
    if len(payload) > LARGEST_LISTS and _holds_lists(type_name):
        raise MessageError(
            f"{len(payload)} bytes of {type_name}; with lists in it {LARGEST_LISTS} at most"
        )
    message_class(type_name)
    try:
        return _store().deserialize_cdr(payload, type_name)
    except Exception as error:  # rosbags raises whatever its parsers do on malformed bytes
        raise MessageError(f"{len(payload)} bytes are no {type_name}: {_reason(error)}") from None


@cache
def _holds_lists(type_name: str) -> bool:
    """Whether a type has sequences of texts or of messages in it."""
    from rosbags.interfaces import Nodetype

    message_class(type_name)
    for _, (kind, detail) in _store().fielddefs[type_name][1]:
        inner = detail[0] if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE) else (kind, detail)
        text = inner[0] == Nodetype.BASE and inner[1][0] == "string"
        if kind == Nodetype.SEQUENCE and (text or inner[0] == Nodetype.NAME):
            return True
        if inner[0] == Nodetype.NAME and _holds_lists(inner[1]):
            return True
    return False


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
    """A time (s) as a ROS time, to the nearest nanosecond.

    Raises:
        MessageError: Not finite, or not within 68 years of the epoch.
    """
    if not -(2**31) <= seconds < 2**31:
        raise MessageError(f"{seconds} s is no time that a ROS stamp can hold")
    # Whole seconds apart: their product with 1e9 would be rounded for times of day.
    whole, fraction = divmod(seconds, 1.0)
    sec, nanosec = divmod(int(whole) * 10**9 + round(fraction * 1e9), 10**9)
    return __getattr__("Time")(sec=sec, nanosec=nanosec)


def seconds(time: Any) -> float:
    """A ROS time as seconds: the float nearest to its whole nanoseconds."""
    return nanoseconds(time) / 10**9


def nanoseconds(time: Any) -> int:
    """A ROS time as whole nanoseconds."""
    return int(time.sec) * 10**9 + int(time.nanosec)
