r"""Substitutions of ROS 2 launch files, ``$(var name)`` and the like; none of them runs code.

``$(var NAME)``, ``$(env NAME [default])``, ``$(dirname)``, ``$(find-pkg-share PACKAGE)``,
``$(not A)``, ``$(and A B)``, ``$(or A B)``, ``$(equals A B)``. They nest, arguments may be quoted,
``\$`` is a dollar.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from .variables import Origin, Scope, Variable
from .yaml_loader import Element, nearest, parse_value, scalar

_DEEPEST = 50
LONGEST = 20_000
"""Characters of one text after substitution: each of forty lines can double the one before."""
MOST_TEXT = 1_000_000
"""Characters of one list or mapping after substitution, for the same reason."""


class SubstitutionError(ValueError):
    """A substitution is malformed or has no value; whoever holds the line number says where."""


@dataclass(frozen=True)
class _Call:
    """One ``$(name argument ...)``; an argument is a sequence of texts and calls."""

    name: str
    arguments: tuple[tuple["str | _Call", ...], ...]


def substitute(text: str, scope: Scope) -> str:
    r"""Text with every substitution replaced and ``\$`` made a dollar.

    Raises:
        SubstitutionError: Unknown substitution, unset variable, unbalanced bracket.
    """
    if "$" not in text:
        return text
    return _text(parse(text), scope)


def evaluate(element: Element, scope: Scope) -> Any:
    """The value of an element after substitution, typed by the core schema.

    A quoted string without substitutions stays a string; text that is one ``$(var ...)`` and
    nothing else keeps that variable's type.

    Raises:
        InputError: With the element's place.
    """
    if isinstance(element.value, dict | list):
        if isinstance(element.value, dict):
            value: Any = {key: evaluate(item, scope) for key, item in element.value.items()}
        else:
            value = [evaluate(item, scope) for item in element.value]
        if _left(value, MOST_TEXT) < 0:
            raise element.error(f"it would be longer than {MOST_TEXT} characters")
        return value
    text = element.text or ""
    if "$" not in text:
        return element.value
    try:
        parts = parse(text)
        if len(parts) == 1 and isinstance(parts[0], _Call) and parts[0].name == "var":
            return _variable(parts[0], scope).value
        if not any(isinstance(part, _Call) for part in parts):
            return "".join(map(str, parts))
        replaced = _text(parts, scope)
    except SubstitutionError as error:
        raise element.error(str(error)) from None
    return parse_value(replaced, element.file, element.line)


def _left(value: Any, most: int) -> int:
    """What a value's characters leave of `most`; below 0 they are not counted to the end."""
    if not isinstance(value, dict | list):
        return most - 1 - (len(value) if isinstance(value, str) else 0)
    for key in value:
        item = key
        if isinstance(value, dict):
            most, item = most - len(key), value[key]
        most = _left(item, most)
        if most < 0:
            break
    return most


def evaluate_text(element: Element, scope: Scope) -> str:
    """The text of a scalar element after substitution.

    Raises:
        InputError: With the element's place.
    """
    if isinstance(element.value, dict | list):
        raise element.error(f"expected one word or text, not {element.kind}")
    try:
        return substitute(element.text or "", scope)
    except SubstitutionError as error:
        raise element.error(str(error)) from None


def variable_of(element: Element, scope: Scope, name: str) -> Variable:
    """The variable `name` that an element gives a value.

    Raises:
        InputError: With the element's place.
    """
    value = evaluate(element, scope)
    origin = origin_of(element, scope)
    origin = origin if origin.variable else replace(origin, variable=name)
    if element.text is not None and "$" not in element.text:
        return Variable(element.text, value, origin)
    return Variable.of(value, origin)


def origin_of(element: Element, scope: Scope) -> Origin:
    """Where the value of an element, which can be evaluated, was written: there, or further back.

    Text that is one ``$(var ...)`` and nothing else was written where that variable was.
    """
    here = Origin(element.file, element.line)
    if "$" not in (element.text or ""):
        return here
    parts = parse(element.text or "")
    names = list(_variables(parts, scope))
    for name in names:
        if typed := scope.variables[name].origin.typed:
            return replace(here, variable=name, typed=typed)
    if len(parts) == 1 and isinstance(parts[0], _Call) and parts[0].name == "var":
        return scope.variables[names[0]].origin
    return here


def _variables(parts: tuple, scope: Scope) -> Iterator[str]:
    """Names of the variables that text uses, the outermost first."""
    for call in parts:
        if isinstance(call, _Call):
            if call.name == "var":
                yield _text(call.arguments[0], scope)
            for argument in call.arguments:
                yield from _variables(argument, scope)


def boolean(text: str) -> bool:
    """True or false as ROS 2 launch reads conditions: ``true``, ``1``, ``false``, ``0``, any case.

    Raises:
        SubstitutionError: Anything else, empty text included.
    """
    word = text.strip().lower()
    if word not in ("true", "1", "false", "0"):
        raise SubstitutionError(f"'{text}' is neither true nor false (true, 1, false or 0)")
    return word in ("true", "1")


def parse(text: str) -> tuple["str | _Call", ...]:
    """Splits text into plain text and substitutions.

    Raises:
        SubstitutionError: Unbalanced bracket or quote, or an unknown name.
    """
    parts, position = _parse_until(text, 0, "", 0)
    assert position == len(text)
    return parts


def _parse_until(text: str, position: int, stop: str, depth: int) -> tuple[tuple, int]:
    """Text and calls from `position` to the first of the characters in `stop`, or to the end."""
    parts: list[str | _Call] = []
    plain: list[str] = []
    while position < len(text) and text[position] not in stop:
        escaped = text[position : position + 2]
        if escaped == "$(":
            if plain:
                parts.append("".join(plain))
                plain = []
            call, position = _parse_call(text, position, depth + 1)
            parts.append(call)
        elif escaped == "\\$" or (stop and escaped in ("\\\\", "\\'", '\\"', "\\)")):
            plain.append(escaped[1])
            position += 2
        else:
            plain.append(text[position])
            position += 1
    if plain:
        parts.append("".join(plain))
    return tuple(parts), position


def _parse_call(text: str, start: int, depth: int) -> tuple[_Call, int]:
    shown = text[start : start + 40]
    if depth > _DEEPEST:
        raise SubstitutionError(f"substitutions nest more than {_DEEPEST} deep")
    position = start + 2
    arguments: list[tuple] = []
    while True:
        while text[position : position + 1].isspace():
            position += 1
        here = text[position : position + 1]
        if not here:
            raise SubstitutionError(f"'{shown}' lacks its ')'")
        if here == ")":
            break
        if here in "'\"":
            argument, position = _parse_until(text, position + 1, here, depth)
            if position >= len(text):
                raise SubstitutionError(f"'{shown}' lacks its closing quote")
            position += 1
        else:
            argument, position = _parse_until(text, position, " \t\n)", depth)
        arguments.append(argument)
    if not arguments or len(arguments[0]) != 1 or not isinstance(arguments[0][0], str):
        raise SubstitutionError(f"'{shown}' names no substitution")
    name = arguments[0][0]
    given = len(arguments) - 1
    if name in ("eval", "command"):
        raise SubstitutionError(f"$({name}) is not supported: a launch file runs no code")
    if name not in SUBSTITUTIONS:
        raise SubstitutionError(f"unknown substitution '$({name})'{nearest(name, SUBSTITUTIONS)}")
    least, most, usage, _ = SUBSTITUTIONS[name]
    if not least <= given <= most:
        raise SubstitutionError(f"$({name}) takes {usage}, not {given} arguments")
    return _Call(name, tuple(arguments[1:])), position + 1


def _text(parts: tuple, scope: Scope) -> str:
    texts, size = [], 0
    for part in parts:
        texts.append(part if isinstance(part, str) else _run(part, scope))
        size += len(texts[-1])
        if size > LONGEST:
            raise SubstitutionError(f"it would be longer than {LONGEST} characters")
    return "".join(texts)


def _run(call: _Call, scope: Scope) -> str:
    return SUBSTITUTIONS[call.name][3](call, scope)


def _arguments(call: _Call, scope: Scope) -> list[str]:
    return [_text(argument, scope) for argument in call.arguments]


def _variable(call: _Call, scope: Scope) -> Variable:
    (name,) = _arguments(call, scope)
    if name not in scope.variables:
        hint = nearest(name, scope.variables) or "; declare it with an 'arg' or a 'let' above"
        raise SubstitutionError(f"no variable '{name}' here{hint}")
    return scope.variables[name]


def _env(call: _Call, scope: Scope) -> str:
    name, *default = _arguments(call, scope)
    if name in scope.environment:
        return scope.environment[name]
    if not default:
        raise SubstitutionError(f"environment variable {name} is not set and has no default")
    return default[0]


def find_package(name: str) -> Path:
    """Folder of an importable package, found without importing it.

    Raises:
        SubstitutionError: There is none of that name.
    """
    if name == __name__.split(".")[0]:
        return Path(__file__).resolve().parents[2]
    if not name.isidentifier():
        raise SubstitutionError(f"'{name}' is not the name of a Python package")
    found = PathFinder.find_spec(name, [*sys.path, os.getcwd()])
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise SubstitutionError(f"no package '{name}'{nearest(name, ['covary'])}")
    return Path(folders[0]).resolve()


def _equals(call: _Call, scope: Scope) -> str:
    a, b = _arguments(call, scope)
    if a == b:
        return "true"
    try:
        x, y = scalar(a.strip()), scalar(b.strip())
    except ValueError:
        return "false"
    numbers = isinstance(x, int | float) and isinstance(y, int | float)
    return _word(numbers and isinstance(x, bool) == isinstance(y, bool) and x == y)


def _word(value: bool) -> str:
    return "true" if value else "false"


def _logic(rule: Callable[[list[bool]], bool]) -> Callable[[_Call, Scope], str]:
    return lambda call, scope: _word(rule([boolean(a) for a in _arguments(call, scope)]))


SUBSTITUTIONS: Mapping[str, tuple[int, int, str, Callable[[_Call, Scope], str]]] = {
    "var": (1, 1, "the name of an argument", lambda call, scope: _variable(call, scope).text),
    "env": (1, 2, "a name and perhaps a default", _env),
    "dirname": (0, 0, "nothing", lambda call, scope: str(scope.folder)),
    "find-pkg-share": (
        1,
        1,
        "the name of a package",
        lambda call, scope: str(find_package(*_arguments(call, scope))),
    ),
    "not": (1, 1, "one condition", _logic(lambda a: not a[0])),
    "and": (2, 2, "two conditions", _logic(all)),
    "or": (2, 2, "two conditions", _logic(any)),
    "equals": (2, 2, "two values", _equals),
}
"""Name -> least and most arguments, what they are, and what it does."""
