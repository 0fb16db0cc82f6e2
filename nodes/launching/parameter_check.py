"""Holds the parameters of a launch's nodes to their classes: names, types, plugins, and more."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from ..parameters import errors_of, from_dict
from ..plugin import PluginError, load
from .description import NodeDescription
from .variables import Origin, as_text
from .yaml_loader import in_a_line, nearest

Finding = tuple[Origin, str, str]
"""Place, message, and the cause where that lies in somebody's code."""


def parameter_findings(node: NodeDescription, kind: Any) -> Iterator[Finding]:
    """What is wrong with a node's parameters: names, types, plugins, what its `check` refuses."""
    where = node.full_name
    parameters = getattr(kind, "Parameters", None)
    plugins = getattr(kind, "plugins", {})
    if not (isinstance(parameters, type) and dataclasses.is_dataclass(parameters)):
        text = f"{node.executable!r}: its Parameters must be a dataclass"
        yield node.place("exec"), f"{where}: {text}", text
        return
    if not isinstance(plugins, Mapping):
        text = f"{node.executable!r}: its plugins must be a dict of parameter -> room"
        yield node.place("exec"), f"{where}: {text}", text
        return
    try:
        errors = errors_of(parameters, node.parameters, where)
    except Exception as error:  # an outsider's class may fail in any way
        text = f"{node.executable!r}: its Parameters fail ({_named(error)})"
        yield node.place("exec"), f"{where}: {text}", text
        return
    for error in errors:
        yield node.parameter_place(error.key, error.unknown), str(error), ""
    refused = {error.key.partition(".")[0] for error in errors}
    found = [
        finding
        for name, value in node.parameters.items()
        if name not in refused
        for finding in _plugin_findings(node, kind, name, value)
    ]
    yield from found
    # A node may know more about its parameters than their types.
    if (
        not errors
        and not found
        and isinstance(inspect.getattr_static(kind, "check", None), staticmethod)
    ):
        yield from _check_findings(node, kind, from_dict(parameters, node.parameters, where))


def _plugin_findings(node: NodeDescription, kind: Any, name: str, value: Any) -> Iterator[Finding]:
    """A plugin's name, or a ``{plugin: ..., key: value}`` block: class and keys."""
    rooms = dict(getattr(kind, "plugins", {}))
    own = kind.__module__.split(".")[-2] if kind.__module__.count(".") > 1 else "nodes"
    room = str(rooms.get(name, own))
    block = dict(value) if isinstance(value, Mapping) else {"plugin": value}
    if name not in rooms and not (isinstance(value, Mapping) and "plugin" in value):
        return
    spec = block.pop("plugin", None)
    key = f"{name}.plugin" if isinstance(value, Mapping) else name
    where = f"{node.full_name}: {key}"
    if spec is None and (near := next((k for k in block if nearest(str(k), ["plugin"])), None)):
        text = f"{node.full_name}: {name}: unknown parameter {near!r}; did you mean plugin?"
        yield node.parameter_place(f"{name}.{near}", unknown=True), text, ""
        return
    if not isinstance(spec, str):
        if spec is not None or key != name:  # else it may do without
            said = f"{as_text(spec) or 'null'} is no plugin; write the name of a file in"
            text = f"{where}: {said} {room.replace('.', '/')}/, or my_file:MyClass"
            yield node.parameter_place(key), text, ""
        return
    try:
        found = load(spec, room)
        parameters = getattr(found, "Parameters", None)
        if not (block and dataclasses.is_dataclass(parameters)):
            return
        errors = errors_of(parameters, block, f"{node.full_name}: {name} ({spec})")  # type: ignore[arg-type]
        if len(block) > 1 and sum(error.unknown for error in errors) == len(block):
            text = f"{where}: {spec!r} has none of the parameters {', '.join(map(str, block))}"
            yield node.parameter_place(key), f"{text}; is it meant?", ""
            return
        for error in errors:
            error.within(name)
            yield node.parameter_place(error.key, error.unknown), str(error), ""
    except PluginError as error:
        cause = str(error) if error.in_code else ""
        yield node.parameter_place(key), f"{where}: {error}", cause
    except Exception as error:
        text = f"{spec!r}: its Parameters fail ({_named(error)})"
        yield node.parameter_place(key), f"{where}: {text}", text


def _check_findings(node: NodeDescription, kind: Any, made: Any) -> Iterator[Finding]:
    try:
        kind.check(made)
    except ValueError as error:
        text = " ".join(str(error).split())
        key = getattr(error, "key", "") or text.partition(":")[0]
        place = node.parameter_place(key, getattr(error, "unknown", False))
        cause = text if isinstance(error, PluginError) else ""
        yield place, f"{node.full_name}: {text}", cause
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        text = f"{node.executable!r}: its check of the parameters fails ({_named(error)})"
        yield node.place("exec"), f"{node.full_name}: {text}", text


def _named(error: BaseException) -> str:
    return in_a_line(f"{type(error).__name__}: {error}")
