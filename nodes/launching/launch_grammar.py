"""The grammar of launch files: which entities there are, and which keys each one may have."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .description import Argument
from .substitution import as_text
from .yaml_loader import Element, InputError, load_file, nearest

CONDITIONS = ("if", "unless")
"""Keys that every entity may have, one of them at most."""
_PROCESS = (
    "name",
    "env",
    "respawn",
    "respawn_delay",
    "respawn_max_retries",
    "on_exit",
    "sigterm_timeout",
    "sigkill_timeout",
    "x-required",
)
KEYS: Mapping[str, tuple[str, ...]] = {
    "arg": ("name", "default", "description", "choice"),
    "let": ("name", "value"),
    "node": (
        *("pkg", "exec", "namespace", "param", "remap"),
        *("x-heartbeat_timeout", "x-start_timeout"),
        *_PROCESS,
    ),
    "executable": ("cmd", *_PROCESS),
    "include": ("file", "arg"),
    "group": ("scoped", "children"),
    "push_ros_namespace": ("namespace",),
    "set_env": ("name", "value"),
    "timer": ("period", "children"),
    "log": ("message", "level"),
}
"""Entities of a launch file and the keys of each, beside ``if`` and ``unless``."""

_NEEDED = {
    "arg": ("name",),
    "let": ("name", "value"),
    "node": ("exec",),
    "executable": ("cmd",),
    "include": ("file",),
    "group": ("children",),
    "push_ros_namespace": ("namespace",),
    "set_env": ("name", "value"),
    "timer": ("period", "children"),
    "log": ("message",),
}
_NOT_SUPPORTED = {
    *("args", "ros_args", "exec_name", "output", "cwd", "launch-prefix", "emulate_tty", "shell"),
    *("set_remap", "set_parameter", "unset_env", "append_env", "shutdown", "forwarding", "keep"),
    *("set_parameters_from_file", "load_composable_node", "node_container"),
}
LEVELS = ("debug", "info", "warning", "error")
"""Levels of a `log` entry."""


def read_root(path: Path) -> Element:
    """The list under `launch:` of a launch file.

    Raises:
        InputError: The file is not a launch file.
    """
    root = load_file(path)
    if root is None or not isinstance(root.value, dict) or "launch" not in root.value:
        hint = ""
        if root is not None and isinstance(root.value, dict):
            hint = next((nearest(key, ["launch"]) for key in root.value), "")
        line = root.line if root else 1
        raise InputError(f"a launch file is one key 'launch:' with a list{hint}", str(path), line)
    for key in root.value:
        if key != "launch":
            raise root.error(f"unknown key '{key}' beside 'launch'", key)
    return root.value["launch"]


@dataclass(frozen=True)
class Entity:
    """One ``- kind: {...}`` of a launch file, its keys checked."""

    kind: str
    element: Element
    items: Mapping[str, Element]

    @property
    def children(self) -> Element:
        """The list of entities inside it."""
        return self.items["children"]


def entities(element: Element) -> Iterator[Entity]:
    """The entities of a list, each one's keys held to `KEYS`.

    Raises:
        InputError: An unknown or missing key or entity, with the nearest known word.
    """
    if not isinstance(element.value, list):
        raise element.error(f"expected a list of entities, not {element.kind}")
    for item in element.value:
        if not isinstance(item.value, dict) or not item.value:
            raise item.error(f"expected an entity such as 'node:', not {item.kind}")
        kind = next(iter(item.value))
        if kind not in KEYS:
            raise item.error(f"{_unknown(kind, 'entity', KEYS)}", kind)
        for key in list(item.value)[1:]:
            hint = f"; indent it to be a key of '{kind}'" if key in KEYS[kind] else ""
            raise item.error(f"'{key}' beside '{kind}': one entity a list item{hint}", key)
        yield _entity(kind, item)


def _unknown(word: str, what: str, known: Iterable[str]) -> str:
    if word in _NOT_SUPPORTED:
        return f"{what} '{word}' of ROS 2 is not part of the subset"
    return f"unknown {what} '{word}'{nearest(word, known)}"


def _entity(kind: str, item: Element) -> Entity:
    body = item.items[kind]
    if kind == "group" and isinstance(body.value, list):
        return Entity(kind, item, {"children": body})
    if not isinstance(body.value, dict):
        raise item.error(f"'{kind}' wants keys ({', '.join(KEYS[kind])}), not {body.kind}", kind)
    for key in body.value:
        if key not in (*KEYS[kind], *CONDITIONS):
            message = _unknown(key, "key", (*KEYS[kind], *CONDITIONS))
            raise body.error(f"{message} (in '{kind}')", key)
    for key in _NEEDED[kind]:
        if key not in body.value:
            raise item.error(f"'{kind}' lacks its '{key}'", kind)
    if all(key in body.value for key in CONDITIONS):
        raise body.error("'if' and 'unless' in one entity", "unless")
    return Entity(kind, body, body.value)


def declared(root: Element) -> Iterator[Argument]:
    """The arguments that a list of entities declares, those in its groups included."""
    for entity in entities(root):
        if "children" in entity.items:
            yield from declared(entity.children)
        if entity.kind != "arg":
            continue
        default = entity.items.get("default")
        yield Argument(
            _plain(entity, "name"),
            None if default is None else as_text(default.python()),
            _plain(entity, "description") if "description" in entity.items else "",
            tuple(choices(entity)),
            entity.element.line,
        )


def _plain(entity: Entity, key: str) -> str:
    """A scalar's text as it stands, where no substitution makes sense."""
    element = entity.items[key]
    if element.text is None:
        raise element.error(f"'{key}' must be text, not {element.kind}")
    return element.text


def choices(entity: Entity) -> Iterator[str]:
    """The values an `arg` allows, none for any."""
    element = entity.items.get("choice")
    for item in records(element, ("value",)) if element else ():
        yield item["value"].text or ""


def records(element: Element, keys: tuple[str, ...]) -> Iterator[dict[str, Element]]:
    """The items of a list of mappings that all have exactly these keys, scalars all.

    Raises:
        InputError: Another form, or an unknown or a missing key.
    """
    if not isinstance(element.value, list):
        raise element.error(f"expected a list of {{{', '.join(keys)}}}, not {element.kind}")
    for item in element.value:
        if not isinstance(item.value, dict):
            raise item.error(f"expected {{{', '.join(keys)}}}, not {item.kind}")
        for key in item.value:
            if key not in keys:
                raise item.error(_unknown(key, "key", keys), key)
        for key in keys:
            if key not in item.value:
                raise item.error(f"'{key}' is missing")
            if item.value[key].text is None:
                raise item.value[key].error(f"'{key}' must be one word or text")
        yield item.value
