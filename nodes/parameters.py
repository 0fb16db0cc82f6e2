"""Parameters: mappings from launch files as frozen dataclasses, with errors a person can act on."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import math
import textwrap
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

P = TypeVar("P")


class ParameterError(ValueError):
    """A parameter that is unknown, missing or of the wrong type; one line.

    Attributes:
        key: Its dotted name, as far as that is known.
        unknown: Whether the name itself is wrong.
    """

    def __init__(self, message: str, key: str = "", unknown: bool = False) -> None:
        super().__init__(message)
        self.key, self.unknown = key, unknown

    def within(self, outer: str) -> ParameterError:
        """This error, its key being one of the mapping `outer`."""
        self.key = f"{outer}.{self.key}" if self.key else outer
        return self


def from_dict(cls: type[P], mapping: Mapping[str, Any], where: str) -> P:
    """The frozen dataclass `cls` with the values of a mapping.

    Whole numbers are taken for floats, lists for tuples, text for paths; nothing else is converted,
    since a quoted number in a YAML file was quoted on purpose. A mapping for a field that is itself
    a dataclass is read in the same way; a plugin's block stays a dict, since only the plugin knows.

    Args:
        cls: A frozen dataclass.
        mapping: Field name -> value.
        where: What the parameters are of, for the error's first words.

    Raises:
        ParameterError: Unknown or missing field, a value of another type, or one that the class
            itself refuses. One line: where, key, and the nearest valid word.
    """
    values, errors = _read(cls, mapping, where)
    if errors:
        raise errors[0]
    return _made(cls, values, where)


def errors_of(cls: type, mapping: Mapping[str, Any], where: str) -> list[ParameterError]:
    """Everything for which `from_dict` would refuse a mapping, each with its key."""
    values, errors = _read(cls, mapping, where)
    if not errors:
        try:
            _made(cls, values, where)
        except ParameterError as error:
            errors.append(error)
    return errors


def explained(cls: type) -> dict[str, str]:
    """The docstrings under the fields of a dataclass and of its parents; none without source."""
    found: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(parent)))
        except (OSError, TypeError, SyntaxError):  # made by a program, or built in
            continue
        body = getattr(tree.body[0], "body", [])
        for entry, text in zip(body, body[1:], strict=False):
            if (
                isinstance(entry, ast.AnnAssign)
                and isinstance(entry.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[entry.target.id] = " ".join(text.value.value.split())
    return found


def _read(
    cls: type, mapping: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], list[ParameterError]]:
    """The converted values of a mapping, and what is wrong with the others."""
    if not isinstance(mapping, Mapping):
        return {}, [ParameterError(f"{where}: {_shown(mapping)} is not a mapping of parameters")]
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    errors: list[ParameterError] = []
    meant: set[str] = set()
    for key in mapping:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            meant.update(near)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields) or 'none'}"
            text = f"{where}: unknown parameter {_shown(key)}; {hint}"
            errors.append(ParameterError(text, str(key), unknown=True))
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in mapping and name not in meant:
            text = f"{where}: parameter {name!r} ({_name(hints[name])}) is missing"
            errors.append(ParameterError(text))
    for key, value in mapping.items():
        if key not in fields:
            continue
        try:
            values[key] = _converted(value, hints[key], f"{where}: {key}")
        except ParameterError as error:
            errors.append(error.within(key))
    return values, errors


def _made(cls: type[P], values: dict[str, Any], where: str) -> P:
    """The dataclass, which may refuse values that are of the right types."""
    try:
        return cls(**values)
    except ParameterError:
        raise
    except ValueError as error:
        text = " ".join(str(error).split())
        named = text.partition(":")[0]  # our classes begin with the field that they refuse
        raise ParameterError(f"{where}: {text}", named if named in values else "") from error


def _converted(value: Any, hint: Any, where: str) -> Any:
    """A value as its field's type has it."""
    origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _as_one_of(value, args, where)
    if origin is typing.Literal:
        # 1 == True in Python, but not to the one who wrote it.
        if any(value == a and type(value) is type(a) for a in args):
            return value
        words = [_shown(a) if not isinstance(a, str) else a for a in args]
        near = difflib.get_close_matches(str(value), words, n=1)
        hint_text = f"; did you mean {near[0]}?" if near else ""
        raise ParameterError(f"{where}: {_shown(value)} is none of {', '.join(words)}{hint_text}")
    sequence = isinstance(value, list | tuple)
    if origin is tuple and sequence:
        if not args:
            return tuple(value)
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_each(value, [args[0]] * len(value), where))
        if len(args) == len(value):
            return tuple(_each(value, args, where))
        raise ParameterError(f"{where}: {_shown(value)} has {len(value)} values, not {len(args)}")
    if origin is list and sequence:
        return _each(value, (args or (Any,))[:1] * len(value), where)
    if origin is dict and isinstance(value, Mapping):
        inner = args[1] if args else Any
        return {k: _inside(k, v, inner, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(hint, value, where)  # type: ignore[arg-type]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number:
        if not math.isfinite(value):
            raise ParameterError(f"{where}: {value} is not finite")
        return float(value)
    if hint is int and number and isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ParameterError(f"{where}: {_shown(value)} has more than 64 bits")
        return value
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if (hint in (bool, str) and isinstance(value, hint)) or (hint is type(None) and value is None):
        return value
    said = f"{where}: {_shown(value)} is not {_name(hint)}"
    if origin in (list, tuple) and str in args and isinstance(value, str) and value.isidentifier():
        said += f", such as [{value}]"
    raise ParameterError(said)


def _inside(key: str, value: Any, hint: Any, where: str) -> Any:
    try:
        return _converted(value, hint, where)
    except ParameterError as error:
        raise error.within(key) from None


def _as_one_of(value: Any, options: tuple, where: str) -> Any:
    real = [option for option in options if option is not type(None)]
    if value is None and len(real) < len(options):
        return None
    if len(real) == 1:
        return _converted(value, real[0], where)  # its error says more than "is none of these"
    # A value that is of one of the types stays what it is: 3 for `float | int` is a whole number.
    for option in sorted(real, key=lambda option: option is not type(value)):
        try:
            return _converted(value, option, where)
        except ParameterError:
            continue
    names = " or ".join(_name(option) for option in options)
    raise ParameterError(f"{where}: {_shown(value)} is not {names}")


def _each(values: Any, hints: Any, where: str) -> list:
    pairs = enumerate(zip(values, hints, strict=True))
    return [_converted(v, h, f"{where}[{i}]") for i, (v, h) in pairs]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "text (a path)",
    type(None): "null",
}


def _name(hint: Any) -> str:
    if hint in _WORDS:
        return _WORDS[hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_name(a) for a in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    if origin is dict or dataclasses.is_dataclass(origin):
        return "a mapping"
    if origin in (list, tuple):
        return "a list"
    return getattr(hint, "__name__", str(hint))
