"""`symmetry.yaml`: a symmetry that was measured, as `symmetry:=FILE` takes it; read and written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..nodes.launching.yaml_loader import (
    Element,
    InputError,
    dump,
    load_file,
    nearest,
    nearest_path,
)
from ..nodes.parameters import ParameterError, from_dict
from ..symmetry.declaration import Symmetry, SymmetryError
from ..symmetry.group import GroupError, group
from ..symmetry.motion import CONTINUOUS
from ..symmetry.part import Part, Pose, Position
from ..symmetry.part_words import part_of, word_of

FORMAT = 1
"""Of the file; another number is another layout."""
LARGEST = 100_000
"""Bytes; a file has a page."""
MOST_PARTS = 64
"""Of a state or an action."""
_KEYS = ("covary_symmetry", "group", "state", "action", "centre", "task", "evidence")


@dataclass(frozen=True)
class Evidence:
    """What a claim rests on; none of it is checked, all of it is kept."""

    degrees: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Such as `correct`, `incorrect`, `extrinsic`: value, and both ends of its interval."""
    p_values: dict[str, float] = field(default_factory=dict)
    """By what was tested."""
    samples: int = 0
    """How many transitions, points or labels."""
    seed: int = 0
    """Key of all draws."""
    command: str = ""
    """What was typed."""
    date: str = ""
    """ISO 8601."""
    source: str = ""
    """The data: a task, a dataset's folder, a file, with its hash where there is one."""

    def __post_init__(self) -> None:
        for name, (_, low, high) in self.degrees.items():
            if not low <= high:
                raise ValueError(f"degrees: {name}: its interval ends before it begins")
        for name, p in self.p_values.items():
            if not 0.0 <= p <= 1.0:
                raise ValueError(f"p_values: {name}: {p:g} is no probability")
        if self.samples < 0 or self.seed < 0:
            name = "samples" if self.samples < 0 else "seed"
            raise ValueError(f"{name}: it must not be negative")


Parts = Mapping[str, Part] | tuple[Part, ...]
"""By name, or in order where there are no names."""


@dataclass(frozen=True)
class SymmetryFile:
    """What the file says.

    Attributes:
        group: A word of `symmetry.group` (C4, D8, T, Oh, ...), or a continuous one (SO2, SE2, ...).
        state: The parts of the state; all positions and poses have one centre.
        action: The parts of the action.
        task: The task it was found on; empty: it was found on data of no task.
        evidence: What it rests on.

    Raises:
        ParameterError: A group that is none, parts that cannot be, or two centres.
    """

    group: str
    state: Parts
    action: Parts
    task: str = ""
    evidence: Evidence = field(default_factory=Evidence)

    def __post_init__(self) -> None:
        try:
            if self.group not in CONTINUOUS:
                group(self.group)
        except GroupError as error:
            raise ParameterError(f"group: {error}", "group") from None
        for space in ("state", "action"):
            parts = parts_of(getattr(self, space))
            if not 1 <= len(parts) <= MOST_PARTS:
                raise ParameterError(f"{space}: it needs 1 to {MOST_PARTS} parts", space)
            try:
                for part in parts:
                    word_of(part)
            except SymmetryError as error:
                raise ParameterError(f"{space}: {error}", space) from None
        for part in parts_of(self.action):
            if isinstance(part, Pose | Position) or not part.linear:
                said = f"{word_of(part)} is no part of an action, which acts by a matrix"
                raise ParameterError(f"action: {said}", "action")
        if len(set(_centres(self.state))) > 1:
            raise ParameterError("state: its parts have more than one centre", "state")

    @property
    def centre(self) -> tuple[float, float]:
        """About which positions and poses are moved, m."""
        return next(iter(_centres(self.state)), (0.0, 0.0))

    @classmethod
    def of(
        cls, symmetry: Symmetry, task: str = "", evidence: Evidence | None = None, word: str = ""
    ) -> SymmetryFile:
        """What a declaration says; its parts without names where there is no task that named them.

        Args:
            symmetry: The declaration.
            task: The task's name; empty: the data are of none.
            evidence: What it rests on.
            word: Its group's word, where that is not its group's name: a continuous one's.

        Raises:
            ParameterError: It cannot be written: a part that no word names.
        """
        name = word or symmetry.group.name
        state, action = (
            dict(parts) if task else tuple(parts.values())
            for parts in (symmetry.state, symmetry.action)
        )
        return cls(name, state, action, task, evidence or Evidence())


def parts_of(parts: Parts) -> tuple[Part, ...]:
    """The parts in order."""
    return tuple(parts.values()) if isinstance(parts, Mapping) else tuple(parts)


def write_symmetry(path: Path | str, found: SymmetryFile) -> Path:
    """Write a file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path = Path(path)
    content: dict[str, Any] = {"covary_symmetry": FORMAT, "group": found.group}
    for space in ("state", "action"):
        parts = getattr(found, space)
        named = isinstance(parts, Mapping)
        words = [word_of(part) for part in parts_of(parts)]
        content[space] = dict(zip(parts, words, strict=True)) if named else words
    if found.centre != (0.0, 0.0):
        content["centre"] = [float(c) for c in found.centre]
    content["task"] = found.task
    content["evidence"] = _plain(asdict(found.evidence))
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(dump(content), encoding="utf-8")
    partial.replace(path)
    return path


def read_symmetry(path: Path | str) -> SymmetryFile:
    """What a file says, held to what can be told of it alone.

    Raises:
        InputError: It cannot be read, is of another format, or says what cannot be; one line with
            file, line and key.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        beside = [one.name for one in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        hint = nearest_path(path, beside)
        raise InputError(f"cannot read it: {error.strerror or error}{hint}", str(path)) from None
    if size > LARGEST:
        raise InputError(f"{size} bytes; a symmetry file has at most {LARGEST}", str(path), 1)
    root = load_file(path)
    if root is None or not isinstance(root.value, dict):
        raise InputError("no symmetry file: it must be a mapping", str(path), 1)
    items = root.items
    for key in items:
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f"; known: {', '.join(_KEYS)}"
            raise root.error(f"unknown key '{key}'{hint}", key)
    for key in ("covary_symmetry", "group", "state", "action"):
        if key not in items:
            raise root.error(f"no symmetry file: '{key}' is missing")
    version = items["covary_symmetry"]
    if version.python() != FORMAT or isinstance(version.python(), bool):
        raise version.error(f"covary_symmetry: it is {version.kind}; this covary has {FORMAT}")
    centre = _centre(items["centre"]) if "centre" in items else (0.0, 0.0)
    spaces = {space: _parts(items[space], space, centre) for space in ("state", "action")}
    if centre != (0.0, 0.0) and not list(_centres(spaces["state"])):
        said = "no part is a position or a pose, and nothing else is moved about a centre"
        raise items["centre"].error(f"centre: {said}")
    task = _word(items["task"], "task") if "task" in items else ""
    try:
        evidence = Evidence()
        if "evidence" in items:
            evidence = from_dict(Evidence, items["evidence"].python(), "evidence")
    except ParameterError as error:
        raise _deepest(items["evidence"], error.key).error(str(error)) from None
    try:
        return SymmetryFile(_word(items["group"], "group"), **spaces, task=task, evidence=evidence)
    except ParameterError as error:
        raise items[error.key].error(str(error)) from None


def _word(element: Element, key: str) -> str:
    if not isinstance(element.value, str):
        raise element.error(f"{key}: {element.kind} is no word")
    return element.value


def _centre(element: Element) -> tuple[float, float]:
    found = element.python()
    numbers = isinstance(found, list) and all(type(c) in (int, float) for c in found)
    if not numbers or len(found) != 2 or not all(map(math.isfinite, found)):
        raise element.error("centre: it is no point [x, y] in m")
    return float(found[0]), float(found[1])


def _parts(element: Element, space: str, centre: tuple[float, float]) -> Any:
    """The parts of a space, by name or in order."""
    if not isinstance(element.value, dict | list) or not element.value:
        raise element.error(f"{space}: {element.kind} are no parts: name: word, or a list of words")
    named = isinstance(element.value, dict)
    each = element.value.items() if isinstance(element.value, dict) else enumerate(element.value)
    found = {}
    for name, one in each:
        where = f"{space}: {name}" if named else space
        try:
            found[name] = part_of(_word(one, where), centre)
        except SymmetryError as error:
            raise one.error(f"{where}: {error}") from None
    return found if named else tuple(found.values())


def _centres(parts: Parts) -> Iterable[tuple[float, float]]:
    return (part.centre for part in parts_of(parts) if isinstance(part, Pose | Position))


def _deepest(element: Element, key: str) -> Element:
    """The element that a dotted key leads to, as far as it does; for its line."""
    for word in key.split("."):
        element = element.items.get(word, element)
    return element


def _plain(value: Any) -> Any:
    """Tuples as lists, NumPy's numbers as Python's."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value
