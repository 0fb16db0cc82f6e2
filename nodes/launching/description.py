"""What a launch file resolves to: plain descriptions of arguments and processes, and their text."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .variables import Origin, as_text
from .yaml_loader import InputError, dump

RESERVED_NAMES = ("bags", "endpoint", "launcher", "spec", "summary", "versions")
"""Names of the run folder's own files, which no node may take."""
RESOLVED = "# Resolved from "
"""How the text of `to_yaml` begins."""


@dataclass(frozen=True)
class Argument:
    """One declared argument of a launch file.

    Attributes:
        name: Its name.
        default: Its default as text, None when it must be given.
        description: What it is, for people.
        choices: The only values it may have, empty for any.
        line: Line of its declaration.
    """

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class NodeDescription:
    """One process to start, every substitution done.

    Attributes:
        name: Node name, without its namespace.
        executable: ``sim_node`` (a file of ours), ``my_package.my_file:MyNode``, or empty.
        command: Words of an ``executable`` entry; empty for a node.
        namespace: ``""`` or ``/left/arm``.
        parameters: Its parameters, nested as plain dicts.
        remaps: Topic -> topic.
        environment: What is set beside the launcher's own environment.
        respawn: Whether to start it again after it died.
        respawn_delay: Wait before the first respawn, s; it doubles from one to the next.
        respawn_max_retries: Respawns at most; -1 for any number.
        shutdown_on_exit: Whether its end ends the launch.
        sigterm_timeout: From SIGINT to SIGTERM at shutdown, s.
        sigkill_timeout: From SIGTERM to SIGKILL, s.
        delay: Start this long after the others (``timer``), s.
        required: Whether its failure is the launch's failure.
        heartbeat_timeout: Silence after which it counts as stuck and is killed, s; 0 for never.
        start_timeout: Time it may take to configure, s.
        file: Launch file that holds it.
        line: Line of its entry.
        places: Where its keys and values were written: ``exec``, ``param <dotted name>`` (the
            value), ``name <dotted name>`` (the parameter's name), ``remap <from>``, ``to <from>``.
    """

    name: str
    executable: str = ""
    command: tuple[str, ...] = ()
    namespace: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    remaps: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    respawn: bool = False
    respawn_delay: float = 0.5
    respawn_max_retries: int = -1
    shutdown_on_exit: bool = False
    sigterm_timeout: float = 5.0
    sigkill_timeout: float = 5.0
    delay: float = 0.0
    required: bool = True
    heartbeat_timeout: float = 4.0
    start_timeout: float = 300.0
    file: str = ""
    line: int = 0
    places: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)

    @property
    def full_name(self) -> str:
        """Namespace and name, ``/left/sim``."""
        return f"{self.namespace}/{self.name}"

    def place(self, *keys: str) -> Origin:
        """The first of these keys that has a place, else this node's entry in its launch file."""
        found = (self.places[key] for key in keys if key in self.places)
        return next(found, Origin(self.file, self.line))

    def parameter_place(self, name: str, unknown: bool = False) -> Origin:
        """Where a parameter's value was written, or that of the block around it.

        Args:
            name: Its dotted name.
            unknown: It is the name that is meant, not the value.
        """
        keys = []
        while name:
            keys += [f"name {name}"] if unknown else [f"param {name}"]
            unknown = False
            name = name.rpartition(".")[0]
        return self.place(*keys)

    def error(self, message: str) -> InputError:
        """An error at this node's entry in its launch file."""
        return self.place().error(message)


@dataclass(frozen=True)
class LaunchDescription:
    """A launch file with its arguments' values put in.

    Attributes:
        file: The launch file.
        arguments: What it declares, in order.
        values: The declared arguments' values.
        nodes: What to start, in order.
        logs: (level, text) of its ``log`` entries.
        origins: Where the values of the arguments were written.
    """

    file: Path
    arguments: tuple[Argument, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    nodes: tuple[NodeDescription, ...] = ()
    logs: tuple[tuple[str, str], ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)

    def refuse(self, name: str, wanted: str, part: str | None = None) -> InputError:
        """An error about an argument's value, or a part of it, where that was written."""
        message = f"{name}:={as_text(self.values[name]) if part is None else part}: {wanted}"
        origin = self.origins.get(name, Origin())
        return InputError(message, "command line") if origin.typed else origin.error(message)

    @property
    def realtime(self) -> bool:
        """Whether the clock runs (the launch argument ``realtime``; true without one)."""
        value = self.values.get("realtime", True)
        if not isinstance(value, bool):
            raise self.refuse("realtime", "must be true or false")
        return value

    @property
    def domain(self) -> int | None:
        """The domain to join on purpose (the launch argument ``domain``), or None to draw one."""
        value = self.values.get("domain")
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refuse("domain", "must be a whole number >= 0")
        return value


_DEFAULTS = NodeDescription(name="")
_PROCESS_KEYS = {
    "respawn": "respawn",
    "respawn_delay": "respawn_delay",
    "respawn_max_retries": "respawn_max_retries",
    "sigterm_timeout": "sigterm_timeout",
    "sigkill_timeout": "sigkill_timeout",
    "x-required": "required",
    "x-heartbeat_timeout": "heartbeat_timeout",
    "x-start_timeout": "start_timeout",
}


def to_yaml(launch: LaunchDescription, beside: Mapping[str, str] | None = None) -> str:
    """A launch file with nothing left to resolve: launching it does the same again.

    Args:
        launch: What is launched.
        beside: Paths in parameters -> names of the copies that lie beside it.
    """
    entries: list[dict] = [
        {"arg": {"name": name, "default": _escape(value)}} for name, value in launch.values.items()
    ]
    entries += [_entry(node, beside or {}) for node in launch.nodes]
    return RESOLVED + str(launch.file) + "\n" + dump({"launch": entries})


def _entry(node: NodeDescription, beside: Mapping[str, str]) -> dict:
    body: dict[str, Any] = {}
    if node.executable:
        body |= {"pkg": "covary"} if ":" not in node.executable else {}
        body["exec"] = node.executable
    else:
        body["cmd"] = _escape(" ".join(map(shlex.quote, node.command)))
    body["name"] = node.name
    if node.namespace and node.executable:
        body["namespace"] = node.namespace
    if node.parameters:
        body["param"] = [
            {"name": k, "value": _beside(v, beside) or _escape(v)}
            for k, v in node.parameters.items()
        ]
    if node.remaps:
        body["remap"] = [{"from": a, "to": b} for a, b in node.remaps.items()]
    if node.environment:
        body["env"] = [{"name": k, "value": _escape(v)} for k, v in node.environment.items()]
    for key, attribute in _PROCESS_KEYS.items():
        if getattr(node, attribute) != getattr(_DEFAULTS, attribute):
            body[key] = getattr(node, attribute)
    if node.shutdown_on_exit:
        body["on_exit"] = "shutdown"
    entry = {"node" if node.executable else "executable": body}
    if node.namespace and node.command:  # it has no such key
        entry = {"group": [{"push_ros_namespace": {"namespace": node.namespace}}, entry]}
    return {"timer": {"period": node.delay, "children": [entry]}} if node.delay else entry


def _beside(value: Any, beside: Mapping[str, str]) -> str:
    """Where the copy of a file lies, as the launch file says it; empty: there is none."""
    found = beside.get(value, "") if isinstance(value, str) else ""
    return found and f"$(dirname)/{found}"


def _escape(value: Any) -> Any:
    """A value whose dollars mean dollars when it is read again."""
    if isinstance(value, str):
        return re.sub(r"\$(?=\()", r"\\$", value)
    if isinstance(value, dict):
        return {key: _escape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escape(item) for item in value]
    return value


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two nested dicts as one; where both have a value the one above wins."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def leaves(parameters: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every parameter, as ROS 2 names nested ones."""
    for key, value in parameters.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
