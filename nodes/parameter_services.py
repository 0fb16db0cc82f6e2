"""ROS 2's parameter services: a running node's numbers are read and set from outside.

`ParameterServices` is a node's end, with the six services that ROS 2's own clients look for;
`ParameterClient` is the other one. Names, types and answers are `rcl_interfaces`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import messages
from .bus.local_bus import Bus, BusError
from .node import Node

UNSET, BOOL, INTEGER, DOUBLE, STRING = range(5)
"""rcl_interfaces/ParameterType, as far as it is spoken here."""

_KINDS: dict[type, int] = {bool: BOOL, int: INTEGER, float: DOUBLE, str: STRING}
_FIELDS = {BOOL: "bool_value", INTEGER: "integer_value", DOUBLE: "double_value",
           STRING: "string_value"}  # fmt: skip
_LARGEST = 2**63 - 1  # what an integer of ROS holds
LONGEST_NAMES = 1000
"""Parameters that one request may name."""

Value = bool | int | float | str


class ParameterServices:
    """Offers some of a node's values for reading and setting. Create it while configuring.

    The services are answered in the node's own thread, between two of its callbacks.

    Args:
        node: Whose they are.
        read: The present values; only true or false, numbers and texts are offered.
        write: Takes new values, all together or none.

            Raises ValueError, in one line, for what it does not take.
        about: What each one is, in a sentence.
    """

    def __init__(
        self,
        node: Node,
        read: Callable[[], Mapping[str, Any]],
        write: Callable[[dict[str, Value]], None],
        about: Mapping[str, str] | None = None,
    ) -> None:
        self._read, self._write, self._about = read, write, dict(about or {})
        for service, name, answer in (
            (messages.ListParameters, "list_parameters", self._list),
            (messages.GetParameters, "get_parameters", self._get),
            (messages.GetParameterTypes, "get_parameter_types", self._types),
            (messages.DescribeParameters, "describe_parameters", self._describe),
            (messages.SetParameters, "set_parameters", self._set),
            (messages.SetParametersAtomically, "set_parameters_atomically", self._set_together),
        ):
            node.create_service(service, f"{node.name}/{name}", answer)

    def values(self) -> dict[str, Value]:
        """What is offered, and its values."""
        return {name: value for name, value in self._read().items() if type(value) in _KINDS}

    def _list(self, request: Any) -> Any:
        wanted = list(request.prefixes)
        names = [
            name
            for name in self.values()
            if not wanted or any(name == p or name.startswith(f"{p}.") for p in wanted)
        ]
        result = messages.ListParametersResult(names=names, prefixes=[])
        return messages.ListParameters.Response(result=result)

    def _get(self, request: Any) -> Any:
        values = self.values()
        found = [value_message(values.get(name)) for name in request.names[:LONGEST_NAMES]]
        return messages.GetParameters.Response(values=found)

    def _types(self, request: Any) -> Any:
        values = self.values()
        kinds = [_KINDS.get(type(values.get(name)), UNSET) for name in request.names]
        return messages.GetParameterTypes.Response(types=kinds)

    def _describe(self, request: Any) -> Any:
        values = self.values()
        found = [
            messages.ParameterDescriptor(
                name=name,
                type=_KINDS.get(type(values.get(name)), UNSET),
                description=self._about.get(name, ""),
                additional_constraints="",
                read_only=False,
                dynamic_typing=False,
                floating_point_range=[],
                integer_range=[],
            )
            for name in request.names[:LONGEST_NAMES]
        ]
        return messages.DescribeParameters.Response(descriptors=found)

    def _set(self, request: Any) -> Any:
        results = [self._put([parameter]) for parameter in request.parameters[:LONGEST_NAMES]]
        return messages.SetParameters.Response(results=results)

    def _set_together(self, request: Any) -> Any:
        return messages.SetParametersAtomically.Response(result=self._put(request.parameters))

    def _put(self, parameters: list[Any]) -> Any:
        """Set some parameters, or say why not."""
        known = self.values()
        changes: dict[str, Value] = {}
        reason = ""
        for parameter in parameters:
            value = value_of(parameter.value)
            if parameter.name not in known:
                reason = f"no parameter {parameter.name!r}; there are {', '.join(known) or 'none'}"
            elif value is None:
                kind = type(known[parameter.name]).__name__
                reason = f"{parameter.name}: a value of type {kind} is needed"
            else:
                changes[parameter.name] = value
        if not reason:
            try:
                self._write(changes)
            except ValueError as error:
                reason = " ".join(str(error).split())
        return messages.SetParametersResult(successful=not reason, reason=reason)


@dataclass(frozen=True)
class Described:
    """A parameter of another node: its name, its value, and what it is."""

    name: str
    value: Value
    about: str


class ParameterClient:
    """Reads and sets the parameters of another node.

    Args:
        bus: Over which it is reached.
        node: Its full name, such as ``/planner``.
        timeout_s: How long an answer may take, s.
    """

    def __init__(self, bus: Bus, node: str, timeout_s: float = 1.0) -> None:
        self._bus, self._node, self._timeout = bus, f"/{node.strip('/')}", timeout_s

    def read(self) -> list[Described]:
        """All that the node offers.

        Raises:
            BusError: It offers none, or does not answer.
            MessageError: Its answer is none.
        """
        listed = self._ask("ListParameters", "list_parameters", prefixes=[], depth=0)
        names = list(listed.result.names)
        values = self._ask("GetParameters", "get_parameters", names=names).values
        about = self._ask("DescribeParameters", "describe_parameters", names=names).descriptors
        return [
            Described(name, value, text.description)
            for name, given, text in zip(names, values, about, strict=False)
            if (value := value_of(given)) is not None
        ]

    def set(self, name: str, value: Value) -> str:
        """Set one parameter; empty if that was done, else why not.

        Raises:
            BusError: The node offers none, or does not answer.
            MessageError: Its answer is none, or the value cannot be sent.
        """
        parameter = messages.Parameter(name=name, value=value_message(value))
        answer = self._ask("SetParameters", "set_parameters", parameters=[parameter])
        if len(answer.results) != 1:
            return f"{self._node} gave no result"
        (result,) = answer.results
        return "" if result.successful else result.reason or "refused"

    def _ask(self, service: str, name: str, **request: Any) -> Any:
        kind = getattr(messages, service)
        where = f"{self._node}/{name}"
        payload = messages.serialize(kind.Request(**request))
        try:
            raw = self._bus.call(kind.__srvtype__, where, payload, self._timeout)
        except BusError as error:
            raise BusError(f"{self._node} answers no {name}: {error}") from None
        return messages.deserialize(raw, kind.Response.__msgtype__)


def value_message(value: Value | None) -> Any:
    """A value as rcl_interfaces/ParameterValue; None is one that is not set.

    Raises:
        MessageError: A whole number that no integer of ROS holds.
    """
    kind = _KINDS.get(type(value), UNSET)
    if kind == INTEGER and not -_LARGEST <= int(value or 0) <= _LARGEST:
        raise messages.MessageError(f"{value} is more than an integer of ROS holds")
    plain = {"bool_value": False, "integer_value": 0, "double_value": 0.0, "string_value": ""}
    if kind != UNSET:
        plain[_FIELDS[kind]] = value
    arrays = ("byte", "bool", "integer", "double", "string")
    return messages.ParameterValue(
        type=kind, **plain, **{f"{name}_array_value": [] for name in arrays}
    )


def value_of(message: Any) -> Value | None:
    """The value in a rcl_interfaces/ParameterValue; None for one not set, and for arrays."""
    field = _FIELDS.get(int(message.type))
    return None if field is None else getattr(message, field)
