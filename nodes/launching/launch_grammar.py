"""The grammar of launch files: which entities there are, and which keys each one may have."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .description import Argument
from .variables import as_text
from .yaml_loader import Element, InputError, nearest

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

PARAMETER_KEYS = ("name", "value", "param", "from", "allow_substs", "type")
"""Keys of the items of a `param` list."""
RECORDS: Mapping[str, tuple[str, ...]] = {
    "choice": ("value",),
    "remap": ("from", "to"),
    "env": ("name", "value"),
    "arg": ("name", "value"),
}
"""Keys that hold a list of mappings, and the keys of each item."""

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
    for item in entity_items(element):
        entity, errors = entity_of(item)
        if entity is None or errors:
            raise errors[0]
        yield entity


def entity_items(element: Element) -> list[Element]:
    """The items of a list of entities.

    Raises:
        InputError: It is no list.
    """
    if not isinstance(element.value, list):
        raise element.error(f"expected a list of entities, not {element.kind}")
    return element.value


def entity_of(item: Element) -> tuple[Entity | None, list[InputError]]:
    """The entity that an item of a list is, if it is one, and what is wrong with its keys."""
    if not isinstance(item.value, dict) or not item.value:
        return None, [item.error(f"expected an entity such as 'node:', not {item.kind}")]
    kind = next(iter(item.value))
    if kind not in KEYS:
        return None, [item.error(unknown(kind, "entity", KEYS), kind)]
    errors = []
    for key in list(item.value)[1:]:
        hint = f"; indent it to be a key of '{kind}'" if key in KEYS[kind] else ""
        errors.append(item.error(f"'{key}' beside '{kind}': one entity a list item{hint}", key))
    body = item.items[kind]
    if errors:
        return None, errors
    if kind == "group" and isinstance(body.value, list):
        return Entity(kind, item, {"children": body}), []
    if not isinstance(body.value, dict):
        message = f"'{kind}' wants keys ({', '.join(KEYS[kind])}), not {body.kind}"
        return None, [item.error(message, kind)]
    return Entity(kind, body, body.value), list(_key_errors(kind, item, body))


def _key_errors(kind: str, item: Element, body: Element) -> Iterator[InputError]:
    known = (*KEYS[kind], *CONDITIONS)
    strange = [key for key in body.items if key not in known]
    for key in strange:
        yield body.error(f"{unknown(key, 'key', known)} (in '{kind}')", key)
    if not strange:  # else it may be the one that is missing
        for key in _NEEDED[kind]:
            if key not in body.items:
                yield item.error(f"'{kind}' lacks its '{key}'", kind)
    if all(key in body.items for key in CONDITIONS):
        yield body.error("'if' and 'unless' in one entity", "unless")


def unknown(word: str, what: str, known: Iterable[str]) -> str:
    """What to say of a word that the grammar does not have."""
    if word in _NOT_SUPPORTED:
        return f"{what} '{word}' of ROS 2 is not part of the subset"
    return f"unknown {what} '{word}'{nearest(word, known)}"


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
    for item in records(element, "choice") if element else ():
        yield item["value"].text or ""


def records(element: Element, key: str) -> list[dict[str, Element]]:
    """The items of a list of mappings that all have exactly the keys that `RECORDS` says.

    Args:
        element: The list.
        key: The key that holds it.

    Raises:
        InputError: Another form, or an unknown or a missing key.
    """
    return [record(item, key) for item in items_of(element, key)]


def items_of(element: Element, key: str) -> list[Element]:
    """The mappings in a list.

    Raises:
        InputError: It is no list, or holds something else.
    """
    form = "{name, value}" if key == "param" else f"{{{', '.join(RECORDS[key])}}}"
    if not isinstance(element.value, list):
        raise element.error(f"'{key}': expected a list of {form}, not {element.kind}")
    for item in element.value:
        if not isinstance(item.value, dict):
            raise item.error(f"'{key}': expected {form}, not {item.kind}")
    return element.value


def record(item: Element, key: str) -> dict[str, Element]:
    """One item of `records`."""
    keys = RECORDS[key]
    for word in item.items:
        if word not in keys:
            raise item.error(f"{unknown(word, 'key', keys)} (in '{key}')", word)
    for word in keys:
        if word not in item.items:
            raise item.error(f"'{word}' is missing (in '{key}')")
        if item.items[word].text is None:
            raise item.items[word].error(f"'{word}' must be one word or text (in '{key}')")
    return item.items


def parameter_entry(item: Element) -> dict[str, Element]:
    """The keys of one item of a ``param`` list.

    Raises:
        InputError: Anything but ``{name, value}``, ``{name, param: [...]}`` and ``{from: file}``.
    """
    for key in item.items:
        if key not in PARAMETER_KEYS:
            raise item.error(f"{unknown(key, 'key', PARAMETER_KEYS)} (in 'param')", key)
    forms = [key for key in ("value", "param", "from") if key in item.items]
    if len(forms) != 1:
        what = f"both '{forms[0]}' and '{forms[1]}'" if forms else "no 'value'"
        raise item.error(f"a parameter with {what} (in 'param')")
    if "name" in item.items and forms == ["from"]:
        raise item.error("a parameter with both 'name' and 'from'", "name")
    if "name" not in item.items and forms != ["from"]:
        raise item.error("a parameter with no 'name' (in 'param')")
    for key, form in (("allow_substs", "from"), ("type", "value")):
        if key in item.items and forms != [form]:
            raise item.error(f"'{key}' goes with '{form}' only", key)
    return item.items
