"""Reads a launch file's root and holds all of it to the grammar, branches not taken included."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .key_values import READERS, Reader, flag, name, read, topic, type_name, variable_name, word
from .launch_grammar import (
    CONDITIONS,
    RECORDS,
    entity_items,
    entity_of,
    items_of,
    parameter_entry,
    record,
)
from .substitution import SubstitutionError, parse
from .variables import Scope
from .yaml_loader import Element, InputError, MistakesError, load_file, nearest

_RECORD_READERS: dict[tuple[str, str], Reader] = {
    ("remap", "from"): topic,
    ("remap", "to"): topic,
    ("env", "name"): variable_name,
    ("arg", "name"): name,
}
_PARAMETER_READERS: dict[str, Reader] = {
    **{"name": word, "from": word, "type": type_name, "allow_substs": flag}
}
_PLAIN = ("description", "choice")  # no substitution is made in them
_MOST_MISTAKES = 100
_NO_SCOPE = Scope(Path("/"), {}, {})


def read_root(path: Path) -> Element:
    """The list under `launch:` of a launch file.

    Raises:
        InputError: The file is not a launch file; of several mistakes all.
    """
    root = load_file(path)
    if root is None or not isinstance(root.value, dict) or "launch" not in root.value:
        hint = ""
        if root is not None and isinstance(root.value, dict):
            hint = next(filter(None, (nearest(key, ["launch"]) for key in root.value)), "")
        line = root.line if root else 1
        raise InputError(f"a launch file is one key 'launch:' with a list{hint}", str(path), line)
    for key in root.value:
        if key != "launch":
            raise root.error(f"unknown key '{key}' beside 'launch'", key)
    entries = root.items["launch"]
    if errors := list(islice(_errors(entries), _MOST_MISTAKES)):
        raise MistakesError.of(errors)
    return entries


def _errors(element: Element) -> Iterator[InputError]:
    """What is wrong in a list of entities whatever the arguments are."""
    try:
        items = entity_items(element)
    except InputError as error:
        yield error
        return
    arguments: dict[str, int] = {}
    for item in items:
        entity, errors = entity_of(item)
        yield from errors
        if entity is None:
            continue
        if entity.kind == "arg" and not any(key in entity.items for key in CONDITIONS):
            called = getattr(entity.items.get("name"), "text", None) or ""
            first = arguments.setdefault(called, entity.element.line)
            if first != entity.element.line:
                message = f"argument '{called}' is declared twice (first in line {first})"
                yield entity.element.error(message)
        known = READERS[entity.kind]
        for key, value in entity.items.items():
            if key == "children":
                yield from _errors(value)
            elif key in RECORDS:
                yield from _record_errors(key, value)
            elif key == "param":
                yield from _parameter_errors(value)
            elif key not in _PLAIN:
                yield from _value_errors(key, value, flag if key in CONDITIONS else known.get(key))


def _value_errors(key: str, element: Element, reader: Reader | None) -> Iterator[InputError]:
    """A substitution that is none, or a value without substitutions that its key cannot have."""
    broken = list(_substitution_errors(element))
    yield from broken
    if not broken and reader is not None and "$" not in (element.text or ""):
        try:
            read(reader, key, element, _NO_SCOPE)
        except InputError as error:
            yield error


def _substitution_errors(element: Element) -> Iterator[InputError]:
    if isinstance(element.value, dict):
        for inner in element.items.values():
            yield from _substitution_errors(inner)
    elif isinstance(element.value, list):
        for inner in element.value:
            yield from _substitution_errors(inner)
    elif "$" in (element.text or ""):
        try:
            parse(element.text or "")
        except SubstitutionError as error:
            yield element.error(str(error))


def _record_errors(key: str, element: Element) -> Iterator[InputError]:
    for item in _list(element, key):
        if isinstance(item, InputError):
            yield item
            continue
        try:
            found = record(item, key)
        except InputError as error:
            yield error
            continue
        for inner, value in found.items() if key not in _PLAIN else ():
            yield from _value_errors(inner, value, _RECORD_READERS.get((key, inner)))


def _parameter_errors(element: Element) -> Iterator[InputError]:
    for item in _list(element, "param"):
        if isinstance(item, InputError):
            yield item
            continue
        try:
            found = parameter_entry(item)
        except InputError as error:
            yield error
            continue
        for key, value in found.items():
            if key == "param":
                yield from _parameter_errors(value)
            else:
                yield from _value_errors(key, value, _PARAMETER_READERS.get(key))


def _list(element: Element, key: str) -> Iterator[Element | InputError]:
    try:
        yield from items_of(element, key)
    except InputError as error:
        yield error
