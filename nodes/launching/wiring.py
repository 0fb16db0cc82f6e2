"""What a launch file would connect: classes, topics and parameters, with nothing started.

A node class says what it speaks in two class attributes, ``publishes`` and ``subscribes``: dicts of
topic -> message type; ``also_publishes`` and ``also_subscribes`` give those that hang on its
parameters. A third one, ``plugins``, says in which room a parameter's short names are files
(``{"task": "sim.tasks"}``).
Topics without a leading slash, and remaps, follow ROS 2's rules.
"""

import os
import shutil
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .. import messages
from ..node import ANY, PRIVILEGE, Node, is_privileged
from ..parameters import from_dict
from ..plugin import PluginError, load, load_node
from .description import LaunchDescription, NodeDescription
from .key_values import is_topic
from .parameter_check import parameter_findings
from .topics import UNIVERSAL, End, dangling, full, twice_published, type_clashes
from .variables import Origin, as_text
from .yaml_loader import InputError, nearest

AGREED = ("task",)
"""Parameters that must have one value in all nodes that speak to each other."""


@dataclass
class Wiring:
    """Everything a launch would connect.

    Attributes:
        classes: Node class by full name.
        ends: All ends of topics.
        errors: What is certainly wrong.
        warnings: What would be wrong, did the launch not leave room for nodes that it knows
            nothing of.
        gathered: For the full name of a node that gathers topics: topic -> type of what it found.
    """

    classes: dict[str, Any] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    warnings: list[InputError] = field(default_factory=list)
    gathered: dict[str, dict[str, str]] = field(default_factory=dict)

    def told(self, launch: LaunchDescription) -> LaunchDescription:
        """The launch, with nodes that gather topics told of them by their parameter `also`."""
        nodes = []
        for node in launch.nodes:
            found = self.gathered.get(node.full_name, {})
            also = [*node.parameters.get("also", ()), *(f"{t} {kind}" for t, kind in found.items())]
            more = {"also": also} if found else {}
            nodes.append(replace(node, parameters={**node.parameters, **more}))
        return replace(launch, nodes=tuple(nodes))


def wire(launch: LaunchDescription, here: Container[str] | None = None) -> Wiring:
    """Loads every node's class and checks parameters, plugins, remaps and topics against it.

    Args:
        launch: The launch.
        here: Full names of the nodes that start on this host, None for all. The files of the others
            may not be here, so only their topics count, where they are known.
    """
    wiring = Wiring()
    findings = _Findings(wiring.errors)
    whole = True  # whether all topics are known
    for node in launch.nodes:
        away = here is not None and node.full_name not in here
        if node.command and not away:
            path = node.environment.get("PATH", os.environ.get("PATH"))
            if shutil.which(node.command[0], path=path) is None:
                message = f"{node.full_name}: 'cmd': no program '{node.command[0]}' on the PATH"
                findings.add(node.place("cmd"), message)
        if not node.executable:
            continue
        try:
            kind = load_node(node.executable)
            _refuse_no_node(node, kind)
        except PluginError as error:
            whole = False
            if away:
                continue
            message = f"{node.full_name}: 'exec': {error}"
            findings.add(node.place("exec"), message, str(error) if error.in_code else "")
            continue
        wiring.classes[node.full_name] = kind
        for found in () if away else parameter_findings(node, kind):
            findings.add(*found)
            whole = False  # what it would publish hangs on them
        stated = list(_stated(node, kind))
        for error in _statement_errors(node, kind):
            findings.add(node.place("exec"), f"{node.full_name}: {error}", error)
            whole = False
        ends = list(_ends(node, stated))
        wiring.ends += ends
        for place, message in _privilege_errors(node, ends):
            findings.add(place, message)
        for place, message in _remap_errors(node, stated):
            findings.add(place, message)
            whole = False
    _gather(launch, wiring)
    for place, message in _disagreements(launch, wiring):
        findings.add(place, message)
    asked = _asked(launch, wiring)
    for place, message in _other_values(launch, wiring, asked):
        findings.add(place, message)
    _judge_topics(launch, wiring, whole, asked)
    return wiring


class _Findings:
    """Gathers errors, one for each cause however many nodes it reaches."""

    def __init__(self, errors: list[InputError]) -> None:
        self.errors = errors
        self.causes: set[object] = set()

    def add(self, place: Origin, message: str, cause: str = "") -> None:
        """Adds an error at a place, unless the same value or the same `cause` made one before."""
        causes: set[object] = {cause} if cause else set()
        if place.typed:
            causes.add(place.typed)
        elif place.variable:
            causes.add(place)
        if causes and causes & self.causes:
            return
        self.causes |= causes
        self.errors.append(place.error(message))


def _refuse_no_node(node: NodeDescription, kind: Any) -> None:
    if not issubclass(kind, Node):
        text = f"{node.executable!r} is no node: it must derive from covary.nodes.node.Node"
        raise PluginError(text, in_code=True)


def _disagreements(launch: LaunchDescription, wiring: Wiring) -> Iterator[tuple[Origin, str]]:
    """Parameters in which nodes that speak to each other must agree, and do not."""
    for name in AGREED:
        nodes = [
            node
            for node in launch.nodes
            if isinstance(node.parameters.get(name), str) and node.full_name in wiring.classes
        ]
        for group in _talking(nodes, wiring.ends):
            values = {node.full_name: _identity(node, name, wiring) for node in group}
            most = Counter(map(str, values.values())).most_common(1)[0][0]
            first = next(node for node in group if str(values[node.full_name]) == most)
            for node in group:
                if str(values[node.full_name]) != most:
                    there = first.parameter_place(name)
                    yield (
                        node.parameter_place(name),
                        f"{node.full_name}: {name}: '{node.parameters[name]}', but it speaks with "
                        f"{first.full_name}, whose {name} is '{first.parameters[name]}' "
                        f"({there.file}:{there.line})",
                    )


def _identity(node: NodeDescription, name: str, wiring: Wiring) -> Any:
    """The class that a plugin's name stands for, so that its short and its long name are one."""
    value = node.parameters[name]
    room = dict(getattr(wiring.classes[node.full_name], "plugins", {})).get(name)
    try:
        return load(value, room) if room else value
    except PluginError:
        return value


def _talking(nodes: list[NodeDescription], ends: list[End]) -> list[list[NodeDescription]]:
    """Groups of nodes that are joined by topics."""
    groups = {node.full_name: [node] for node in nodes}
    speakers: dict[str, list[str]] = {}
    for end in ends:
        if end.publishes and end.node in groups:
            speakers.setdefault(end.topic, []).append(end.node)
    for end in ends:
        if end.publishes or end.node not in groups:
            continue
        for speaker in speakers.get(end.topic, ()):
            a, b = groups[speaker], groups[end.node]
            if a is not b:
                a += b
                groups.update((node.full_name, a) for node in b)
    order = {node.full_name: i for i, node in enumerate(nodes)}
    unique = {id(group): group for group in groups.values()}
    return [sorted(group, key=lambda n: order[n.full_name]) for group in unique.values()]


# Topics.


def _stated(node: NodeDescription, kind: Any) -> Iterator[tuple[str, str, bool]]:
    """(topic, type or nothing, whether it is published) of what a class says of itself."""
    for attribute, publishes in (("subscribes", False), ("publishes", True)):
        stated = getattr(kind, attribute, {})
        if isinstance(stated, Mapping):
            stated = dict(stated) | dict(_said(node, kind, f"also_{attribute}"))
            for topic, type_name in stated.items():
                if is_topic(topic):
                    yield topic, "" if _type_error(type_name) else type_name, publishes


def _said(node: NodeDescription, kind: Any, method: str) -> Any:
    """What a class says of its topics because of a node's parameters."""
    try:
        made = from_dict(kind.Parameters, node.parameters, node.full_name)
        return getattr(kind, method)(made)
    except Exception:  # wrong parameters have had their line
        return ()


def _gather(launch: LaunchDescription, wiring: Wiring) -> None:
    """Joins nodes that gather topics to what the others publish there, under the name it has."""
    for node in launch.nodes:
        kind = wiring.classes.get(node.full_name)
        beginnings = tuple(_said(node, kind, "gathers")) if kind else ()
        known = {end.topic for end in wiring.ends if end.node == node.full_name}
        found = {
            end.topic: end.type_name
            for end in wiring.ends
            if end.publishes and end.type_name and end.topic not in known
            if end.stated.startswith(beginnings)
        }
        if found:
            place = node.place("exec")
            wiring.gathered[node.full_name] = found
            wiring.ends += [
                End(node.full_name, topic, type_name, False, topic, topic, place)
                for topic, type_name in found.items()
            ]


def _statement_errors(node: NodeDescription, kind: Any) -> Iterator[str]:
    """What is wrong in what a class says of its topics."""
    for attribute in ("subscribes", "publishes"):
        stated = getattr(kind, attribute, {})
        if not isinstance(stated, Mapping):
            yield f"{node.executable!r}: its {attribute} must be a dict of topic -> message type"
            continue
        for topic, type_name in stated.items():
            if not is_topic(topic):
                yield f"{node.executable!r}: its {attribute} names {topic!r}, which is no topic"
            elif error := _type_error(type_name):
                yield f"{node.executable!r}: its {attribute}: {topic}: {error}"


def _type_error(type_name: Any) -> str:
    """Why something is no message type, or nothing."""
    if not isinstance(type_name, str):
        return f"{type_name!r} is no message type, such as std_msgs/msg/String"
    if type_name in messages.TYPES.values():  # no need to load all types there are
        return ""
    try:
        package, _, rest = type_name.partition("/")
        messages.message_class(type_name if "/" in rest else f"{package}/msg/{rest}")
    except messages.MessageError as error:
        return str(error)
    return ""


def _privilege_errors(node: NodeDescription, ends: list[End]) -> Iterator[tuple[Origin, str]]:
    """Where a node would listen to the ground truth without having been told that it may."""
    for end in ends:
        told = node.parameters.get(PRIVILEGE) is True
        if not end.publishes and is_privileged(end.topic) and not told:
            yield (
                end.place,
                f"{node.full_name}: listens to {end.topic}, which is for nodes with the parameter "
                f"{PRIVILEGE}: true",
            )


def _ends(node: NodeDescription, stated: list[tuple[str, str, bool]]) -> Iterator[End]:
    remaps = {full(a, node.namespace): (a, full(b, node.namespace)) for a, b in node.remaps.items()}
    for topic, type_name, publishes in stated:
        meant = full(topic, node.namespace)
        source, name = remaps.get(meant, ("", meant))
        place = node.place(f"to {source}", "exec") if source else node.place("exec")
        yield End(node.full_name, name, type_name, publishes, topic, meant, place)


def _remap_errors(
    node: NodeDescription, stated: list[tuple[str, str, bool]]
) -> Iterator[tuple[Origin, str]]:
    known = {full(topic, node.namespace) for topic, _, _ in stated} | set(UNIVERSAL)
    for source in node.remaps:
        name = full(source, node.namespace)
        if name not in known:
            hint = nearest(name, known) or f"; it has {', '.join(sorted(known))}"
            message = f"{node.full_name}: it has no topic '{name}' to remap{hint}"
            yield node.place(f"remap {source}"), message


def _asked(launch: LaunchDescription, wiring: Wiring) -> dict[tuple[str, str], str]:
    """What to type for a topic that a node asks for: (node, topic) -> words."""
    found: dict[tuple[str, str], str] = {}
    for node in launch.nodes:
        kind = wiring.classes.get(node.full_name)
        for topic, words in dict(_said(node, kind, "asks_for") if kind else ()).items():
            found[node.full_name, full(topic, node.namespace)] = words
    return found


def _other_values(
    launch: LaunchDescription, wiring: Wiring, asked: Mapping[tuple[str, str], str]
) -> Iterator[tuple[Origin, str]]:
    """Arguments that publish a topic otherwise than a node asks for it: another size, say."""
    spoken = {end.topic for end in wiring.ends if end.publishes}
    for (node, topic), words in asked.items():
        name, _, wanted = words.partition(":=")
        if topic in spoken and name in launch.values and wanted and not wanted.endswith(ANY):
            found = as_text(launch.values[name])
            if found != wanted and not isinstance(launch.values[name], dict):
                said = launch.origins.get(name, Origin())
                here = next(n.place("exec") for n in launch.nodes if n.full_name == node)
                place = replace(here, typed=said.typed) if not said.line else said
                yield place, f"{node}: needs {words}; it is {found}"


def _judge_topics(
    launch: LaunchDescription,
    wiring: Wiring,
    whole: bool,
    asked: Mapping[tuple[str, str], str],
) -> None:
    """Adds what the topics' ends say of each other; of one remap at most one thing."""
    blamed: set[tuple[str, str]] = set()
    open_ = _has_room(launch)
    for judge, certain in (
        (type_clashes, True),
        (partial(dangling, asked=asked), not open_),
        (twice_published, not open_),
    ):
        if not whole and judge is not type_clashes:
            continue
        for error, end in judge(wiring.ends):
            if end.remapped and (end.node, end.stated) in blamed:
                continue
            blamed.add((end.node, end.stated))
            (wiring.errors if certain else wiring.warnings).append(error)


def _has_room(launch: LaunchDescription) -> bool:
    """Whether others may publish or listen of which the launch file says nothing."""
    joined = any(
        launch.values.get(name) not in (None, "")
        for name in ("domain", "listen", "connect", "only")
    )
    return joined or any(node.command for node in launch.nodes)
