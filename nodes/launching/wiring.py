"""What a launch file would connect: classes, topics and parameters, with nothing started.

A node class says what it speaks in two class attributes, ``publishes`` and ``subscribes``: dicts of
topic -> message type. A third one, ``plugins``, says in which room a parameter's short names are
files (``{"task": "sim.tasks"}``). Topics without a leading slash, and remaps, follow ROS 2's rules.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..parameters import ParameterError, from_dict
from ..plugin import PluginError, load, load_node
from .description import LaunchDescription, NodeDescription
from .yaml_loader import InputError, nearest

UNIVERSAL = {"/diagnostics": "diagnostic_msgs/msg/DiagnosticArray"}
"""Topics that every node may publish without saying so."""
FROM_OUTSIDE = ("/goal",)
"""Topics that people and other programs publish; nobody in the launch has to."""


@dataclass(frozen=True)
class End:
    """One node's end of one topic, after namespaces and remaps."""

    node: str
    topic: str
    type_name: str
    publishes: bool


@dataclass
class Wiring:
    """Everything a launch would connect.

    Attributes:
        classes: Node class by full name.
        ends: All ends of topics.
        errors: What is certainly wrong, one line each.
        warnings: What may be wrong.
    """

    classes: dict[str, Any] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def wire(launch: LaunchDescription) -> Wiring:
    """Loads every node's class and checks parameters, plugins, remaps and topics against it."""
    wiring = Wiring()
    for node in launch.nodes:
        if not node.executable:
            continue
        try:
            kind = load_node(node.executable)
        except PluginError as error:
            wiring.errors.append(str(node.error(str(error))))
            continue
        wiring.classes[node.full_name] = kind
        wiring.errors += map(str, _parameter_errors(node, kind))
        ends = list(_ends(node, kind))
        wiring.ends += ends
        wiring.errors += map(str, _remap_errors(node, kind))
    wiring.errors += _clashes(wiring.ends)
    if not wiring.errors:
        wiring.warnings += _dangling(wiring)
    return wiring


def _parameter_errors(node: NodeDescription, kind: Any) -> Iterator[InputError]:
    parameters = getattr(kind, "Parameters", None)
    if not dataclasses.is_dataclass(parameters):
        if node.parameters:
            yield node.error(f"{node.full_name}: {kind.__name__} has no parameters")
        return
    try:
        made = from_dict(parameters, node.parameters, node.full_name)  # type: ignore[arg-type]
    except (ParameterError, ValueError) as error:
        yield node.error(str(error))
        return
    rooms = dict(getattr(kind, "plugins", {}))
    own = kind.__module__.split(".")[-2] if kind.__module__.count(".") > 1 else "nodes"
    found: list[InputError] = []
    for name, value in node.parameters.items():
        if isinstance(value, Mapping) and "plugin" in value:
            found += _plugin_errors(node, name, dict(value), rooms.get(name, own))
        elif name in rooms and isinstance(value, str):
            found += _plugin_errors(node, name, {"plugin": value}, rooms[name])
    if found:
        yield from found
        return
    # A node may know more about its parameters than their types.
    check = getattr(kind, "check", None)
    if callable(check):
        try:
            check(made)
        except ValueError as error:
            yield node.error(f"{node.full_name}: {error}")


def _plugin_errors(
    node: NodeDescription, name: str, block: dict[str, Any], room: str
) -> Iterator[InputError]:
    """A ``{plugin: ..., key: value}`` block: the class, and the keys its `Parameters` has."""
    spec = block.pop("plugin")
    try:
        kind = load(str(spec), room)
        parameters = getattr(kind, "Parameters", None)
        if block and dataclasses.is_dataclass(parameters):
            from_dict(parameters, block, f"{node.full_name}: {name} ({spec})")  # type: ignore[arg-type]
    except (PluginError, ParameterError, ValueError) as error:
        text = str(error)
        yield node.error(text if node.full_name in text else f"{node.full_name}: {name}: {text}")


def _stated(kind: Any) -> Iterator[tuple[str, str, bool]]:
    for attribute, publishes in (("subscribes", False), ("publishes", True)):
        stated = inspect.getattr_static(kind, attribute, {})
        if isinstance(stated, Mapping):
            for topic, type_name in stated.items():
                yield topic, type_name, publishes


def _ends(node: NodeDescription, kind: Any) -> Iterator[End]:
    remaps = {full(a, node.namespace): full(b, node.namespace) for a, b in node.remaps.items()}
    for topic, type_name, publishes in _stated(kind):
        name = full(topic, node.namespace)
        yield End(node.full_name, remaps.get(name, name), type_name, publishes)


def full(topic: str, namespace: str) -> str:
    """A topic's full name: one that starts with a slash is full already."""
    return topic if topic.startswith("/") else f"{namespace}/{topic}"


def _remap_errors(node: NodeDescription, kind: Any) -> Iterator[InputError]:
    stated = {full(topic, node.namespace) for topic, _, _ in _stated(kind)} | set(UNIVERSAL)
    for source in node.remaps:
        name = full(source, node.namespace)
        if name not in stated:
            hint = nearest(name, stated) or f"; it has {', '.join(sorted(stated))}"
            yield node.error(f"{node.full_name} has no topic '{name}' to remap{hint}")


def _clashes(ends: list[End]) -> Iterator[str]:
    """Topics whose ends disagree about the type."""
    for topic in sorted({end.topic for end in ends}):
        by_type: dict[str, list[str]] = {}
        for end in ends:
            if end.topic == topic:
                by_type.setdefault(_short(end.type_name), []).append(end.node)
        if len(by_type) > 1:
            said = "; ".join(f"{t} for {', '.join(sorted(set(n)))}" for t, n in by_type.items())
            yield f"{topic} has several types: {said}"


def _short(type_name: str) -> str:
    """A type's name with or without ROS's ``/msg/``."""
    return type_name.replace("/msg/", "/")


def _dangling(wiring: Wiring) -> Iterator[str]:
    published = {end.topic for end in wiring.ends if end.publishes} | set(UNIVERSAL)
    # Who says nothing itself (a recorder, a viewer) may listen to more than there is.
    speakers = {end.node for end in wiring.ends if end.publishes}
    for end in wiring.ends:
        if end.publishes or end.node not in speakers:
            continue
        if end.topic not in published and end.topic not in FROM_OUTSIDE:
            hint = nearest(end.topic, published)
            yield f"{end.node} listens to {end.topic}, which nobody publishes{hint}"
    for topic in sorted({end.topic for end in wiring.ends}):
        who = sorted({e.node for e in wiring.ends if e.topic == topic and e.publishes})
        if len(who) > 1 and topic not in UNIVERSAL:
            yield f"{topic} is published by several nodes: {', '.join(who)}"


def mermaid(wiring: Wiring, launch: LaunchDescription) -> str:
    """The wiring as a mermaid flowchart: nodes are boxes, topics are rounded."""
    lines = ["flowchart LR"]
    names = [node.full_name for node in launch.nodes]
    keys = {name: f"n{i}" for i, name in enumerate(names)}
    lines += [f'    {keys[name]}["{name}"]' for name in names]
    topics = sorted({end.topic for end in wiring.ends})
    round_ = {topic: f"t{i}" for i, topic in enumerate(topics)}
    lines += [f'    {round_[topic]}(["{topic}"])' for topic in topics]
    for end in wiring.ends:
        a, b = keys[end.node], round_[end.topic]
        lines.append(f"    {a} --> {b}" if end.publishes else f"    {b} --> {a}")
    return "\n".join(lines)
