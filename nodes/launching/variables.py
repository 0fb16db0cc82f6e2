"""The values that arguments and lets of a launch file carry, and what is visible at one place."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .yaml_loader import InputError, dump, scalar

MOST_VALUES = 1_000
"""Values in the list or mapping of one argument or let: each of these may be copied often."""


@dataclass(frozen=True)
class Origin:
    """Where a value was written, for the errors that are found when it is used.

    Attributes:
        file: The launch or parameter file.
        line: Line in it, from 1.
        variable: The argument or ``let`` that carried it, empty if it stands where it is used.
        typed: The word of the command line that it came from, such as ``samples:=many``.
    """

    file: str = ""
    line: int = 0
    variable: str = ""
    typed: str = ""

    def error(self, message: str) -> InputError:
        """An error about the value."""
        said = f" ({self.typed} on the command line)" if self.typed else ""
        return InputError(f"{message}{said}", self.file, self.line)


@dataclass(frozen=True)
class Variable:
    """The value of an ``arg`` or a ``let``: as typed, and as text for use inside other text."""

    text: str
    value: Any
    origin: Origin = Origin()

    @classmethod
    def of(cls, value: Any, origin: Origin) -> "Variable":
        """A variable from a plain value.

        Raises:
            InputError: It is larger than anybody means.
        """
        if _size(value, MOST_VALUES) < 0:
            raise origin.error(f"it would have more than {MOST_VALUES} values")
        return cls(as_text(value), value, origin)


@dataclass(frozen=True)
class Scope:
    """What substitutions can see at one place of a launch file.

    Attributes:
        folder: Folder of the launch file, for ``$(dirname)``.
        variables: Arguments and lets so far.
        environment: Environment of the processes to start.
    """

    folder: Path
    variables: dict[str, Variable] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def inner(self, folder: Path | None = None) -> "Scope":
        """A copy whose changes stay inside."""
        return replace(
            self,
            folder=folder or self.folder,
            variables=dict(self.variables),
            environment=dict(self.environment),
        )


def _size(value: Any, left: int) -> int:
    """What is left of a budget after counting a value's parts, negative if it was too small."""
    left -= 1
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        if left < 0:
            break
        left = _size(part, left)
    return left


def as_text(value: Any) -> str:
    """A value as it would stand in a launch file."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool | int):
        return str(value).lower()
    return dump(value).removesuffix("\n").removesuffix("\n...")


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'" if _must_quote(value) else value
    return "null" if value is None else as_text(value)


def _must_quote(text: str) -> bool:
    return not text.replace("_", "").replace("/", "").isalnum() or not isinstance(scalar(text), str)
