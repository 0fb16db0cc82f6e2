"""Parameters: mappings from launch files turned into frozen dataclasses, with errors a person can act on."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

P = TypeVar("P")


class ParameterError(ValueError):
    """A parameter that is unknown, missing or of the wrong type; one line."""


def from_dict(cls: type[P], mapping: Mapping[str, Any], where: str) -> P:
    """The frozen dataclass `cls` with the values of a mapping.

    Whole numbers are taken for floats; nothing else is converted, since a quoted number in a YAML
    file was quoted on purpose.

    Args:
        cls: A frozen dataclass.
        mapping: Field name -> value.
        where: What the parameters are of, for the error's first words.

    Raises:
        ParameterError: Unknown or missing field, or a value of another type.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in mapping:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(fields) or 'none'}"
            raise ParameterError(f"{where}: unknown parameter {key!r}; {hint}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in mapping:
            raise ParameterError(f"{where}: parameter {name!r} ({_name(hints[name])}) is missing")
    values = {key: _converted(value, hints[key], f"{where}: {key}") for key, value in mapping.items()}
    return cls(**values)


def _converted(value: Any, hint: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        for option in args:
            try:
                return _converted(value, option, where)
            except ParameterError:
                continue
    elif origin is typing.Literal:
        if value in args:
            return value
        near = difflib.get_close_matches(str(value), [str(a) for a in args], n=1)
        hint_text = f"; did you mean {near[0]}?" if near else ""
        raise ParameterError(f"{where}: {value!r} is none of {', '.join(map(str, args))}{hint_text}")
    elif origin is tuple and isinstance(value, list | tuple):
        inner = args[0] if len(args) == 2 and args[1] is Ellipsis else None
        if inner is not None:
            return tuple(_converted(v, inner, f"{where}[{i}]") for i, v in enumerate(value))
        if len(args) == len(value):
            return tuple(
                _converted(v, a, f"{where}[{i}]")
                for i, (v, a) in enumerate(zip(value, args, strict=True))
            )
    elif origin is list and isinstance(value, list | tuple):
        return [_converted(v, args[0], f"{where}[{i}]") for i, v in enumerate(value)]
    elif origin is dict and isinstance(value, Mapping):
        return {k: _converted(v, args[1], f"{where}.{k}") for k, v in value.items()}
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ParameterError(f"{where}: {value} is not finite")
        return float(value)
    elif hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif hint in (bool, str) and isinstance(value, hint):
        return value
    elif hint is type(None) and value is None:
        return None
    shown = repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."
    raise ParameterError(f"{where}: {shown} is not {_name(hint)}")


_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}


def _name(hint: Any) -> str:
    if hint in _WORDS:
        return _WORDS[hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_name(a) for a in typing.get_args(hint))
    if typing.get_origin(hint) is dict:
        return "a mapping"
    if typing.get_origin(hint) in (list, tuple):
        return "a list"
    return str(hint)
