"""The `node` and `executable` entries of a launch file, as descriptions of processes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..plugin import node_names
from .description import RESERVED_NAMES, NodeDescription
from .key_values import (
    PROCESS,
    command,
    executable,
    is_name,
    namespace,
    read,
    seconds,
    text,
    topic,
    variable_name,
    word,
)
from .launch_grammar import Entity, records
from .parameter_entries import parameters_of
from .substitution import origin_of
from .variables import Origin, Scope
from .yaml_loader import nearest

_ATTRIBUTES = {"x-required": "required", "on_exit": "shutdown_on_exit"}


@dataclass
class Place:
    """Where the resolver stands: what is visible, and what a node here is wrapped in.

    Attributes:
        scope: Variables and environment.
        original: The environment before any `set_env`.
        namespace: What `push_ros_namespace` made it.
        delay: What the timers around add up to, s.
        top: Whether this is the launch file that was asked for, not one it includes.
    """

    scope: Scope
    original: Mapping[str, str]
    namespace: str = ""
    delay: float = 0.0
    top: bool = False

    def inner(self, **changes: Any) -> "Place":
        """A copy whose changes stay inside."""
        return replace(self, **{"scope": self.scope.inner(), **changes})


def joined(entity: Entity, place: Place) -> str:
    """The namespace that an entity's `namespace` leads to from here."""
    found = read(namespace, "namespace", entity.items["namespace"], place.scope)
    if found in ("", "/"):
        return place.namespace if not found else ""
    return found if found.startswith("/") else f"{place.namespace}/{found}"


def described_node(entity: Entity, place: Place) -> NodeDescription:
    """A `node` entry with everything put in.

    Raises:
        InputError: A value that its key cannot have.
    """
    scope, items = place.scope, entity.items
    called = read(executable, "exec", items["exec"], scope)
    package = read(word, "pkg", items["pkg"], scope) if "pkg" in items else "covary"
    if package != "covary" and called.split(".")[0].split(":")[0] != package:
        hint = nearest(package, ["covary"]) if called in node_names() else ""
        raise origin_of(items["pkg"], scope).error(
            f"'pkg': nodes of '{package}' are written exec: {package}.my_file:MyNode{hint}"
        )
    name = called.split(":")[-1]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    here = joined(entity, place) if "namespace" in items else place.namespace
    described = _process(entity, place, name)
    for key in ("heartbeat_timeout", "start_timeout"):
        if f"x-{key}" in items:
            described[key] = read(seconds, f"x-{key}", items[f"x-{key}"], scope)
    places: dict[str, Origin] = described["places"]
    places["exec"] = origin_of(items["exec"], scope)
    remaps: dict[str, str] = {}
    for item in records(items["remap"], "remap") if "remap" in items else ():
        source = read(topic, "from", item["from"], scope)
        if source in remaps:
            raise item["from"].error(f"'{source}' is remapped twice")
        remaps[source] = read(topic, "to", item["to"], scope)
        places[f"remap {source}"] = origin_of(item["from"], scope)
        places[f"to {source}"] = origin_of(item["to"], scope)
    parameters: dict[str, Any] = {}
    if "param" in items:
        full_name = f"{here}/{described['name']}"
        parameters, found = parameters_of(items["param"], full_name, scope)
        places |= found
    return NodeDescription(
        executable=called, namespace=here, parameters=parameters, remaps=remaps, **described
    )


def described_executable(entity: Entity, place: Place) -> NodeDescription:
    """An `executable` entry with everything put in.

    Raises:
        InputError: A value that its key cannot have.
    """
    words = read(command, "cmd", entity.items["cmd"], place.scope)
    name = re.sub(r"\W", "_", Path(words[0]).name, flags=re.ASCII)
    described = _process(entity, place, name)
    described["places"]["cmd"] = origin_of(entity.items["cmd"], place.scope)
    return NodeDescription(command=words, namespace=place.namespace, **described)


def _process(entity: Entity, place: Place, name: str) -> dict[str, Any]:
    """What nodes and executables share; `name` is the name of one that says none."""
    scope, items = place.scope, entity.items
    if "name" not in items and (name in RESERVED_NAMES or not is_name(name)):
        raise entity.element.error(f"'{name}' cannot be its name; give it a 'name'")
    original = place.original
    changed = {k: value for k, value in scope.environment.items() if original.get(k) != value}
    for item in records(items["env"], "env") if "env" in items else ():
        key = read(variable_name, "name", item["name"], scope)
        changed[key] = read(text, "value", item["value"], scope)
    described: dict[str, Any] = {
        "name": name,
        "environment": changed,
        "delay": place.delay,
        "file": entity.element.file,
        "line": entity.element.line,
        "places": {},
    }
    for key, reader in PROCESS.items():
        if key in items:
            described[_ATTRIBUTES.get(key, key)] = read(reader, key, items[key], scope)
    if "name" in items:
        described["places"]["name"] = origin_of(items["name"], scope)
    return described
