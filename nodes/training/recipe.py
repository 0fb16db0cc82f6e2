"""`Recipe`: a YAML file of `launch/train/` with what was typed beside it, held to its method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..launching.launch_file import find
from ..launching.variables import Variable
from ..launching.yaml_loader import Element, InputError, MistakesError, load_file, nearest
from ..parameters import ParameterError, errors_of, from_dict
from ..plugin import PluginError, load, offered
from .learner import Learner

FOLDER = "launch/train"
"""Where our recipes lie."""
ROOMS = ("control.imitation", "perception.learning")
"""Where our methods lie."""
_NEEDED = {"data": "the dataset", "out": "where it goes"}
_PLACES = ("data", "out")
"""Parameters that say where things lie, and nothing of what is learned."""


@dataclass(frozen=True)
class Recipe:
    """One training: a method and all of its parameters."""

    name: str
    """Of its file."""
    kind: type[Learner]
    """The method's class."""
    parameters: Any
    """Of the method, a `Learner.Parameters`."""
    written: Callable[[str, str], InputError] | None = None
    """A mistake in a parameter, and what is wrong with it -> the error at the place where that was
    written."""

    def mistake(self, key: str, said: str) -> InputError:
        """What is wrong with a parameter as an error: at the word that was typed, or at its line.

        Args:
            key: The parameter.
            said: What is wrong, without its name.
        """
        text = f"{key}: {said}"
        return self.written(key, text) if self.written else InputError(text, self.name)

    @property
    def resolved(self) -> dict[str, Any]:
        """Every parameter that decides what is learned, as YAML has it."""
        values = asdict(self.parameters)
        return {name: _plain(v) for name, v in values.items() if name not in _PLACES}


def find_recipe(name: str) -> Path:
    """The recipe a person means: a path, or a bare name for one of ours (``bc``).

    Raises:
        InputError: There is no such file.
    """
    return find(name, FOLDER, "recipe")


def read_recipe(path: Path, given: Mapping[str, Variable] | None = None) -> Recipe:
    """A recipe with what was typed in place of what stands in it.

    Args:
        path: A YAML mapping: ``method``, and parameters of that method.
        given: The ``name:=value`` words, from `read_assignments`.

    Raises:
        InputError: Whatever is wrong, with file, line and the nearest known word.
    """
    root, kind, spec = _opened(path, given or {})
    words = {name: element.python() for name, element in root.items.items()}
    words |= {name: variable.value for name, variable in (given or {}).items()}
    errors = []
    for error in errors_of(kind.Parameters, words, spec):
        missing = next((n for n in _NEEDED if f"parameter {n!r}" in str(error)), "")
        if not error.key and missing:
            text = f"{missing}:=DIR is needed: {_NEEDED[missing]}"
            errors.append(InputError(text, "command line"))
        else:
            errors.append(_placed(error, root, given or {}, spec))
    if errors:
        raise MistakesError.of(errors)
    try:
        parameters = from_dict(kind.Parameters, words, spec)
    except ParameterError as error:  # cannot be: errors_of has read them all
        raise InputError(str(error), str(path)) from None

    def written(key: str, text: str) -> InputError:
        return _placed(ParameterError(text, key), root, given or {}, spec)

    return Recipe(path.name, kind, parameters, written)


def method_of(
    path: Path, given: Mapping[str, Variable] | None = None
) -> tuple[type[Learner], dict]:
    """The method's class of a recipe, and what the recipe sets; for ``--show-args``.

    Raises:
        InputError: It is no recipe, or there is no such method.
    """
    root, kind, _ = _opened(path, given or {})
    return kind, {name: element.text or "" for name, element in root.items.items()}


def _opened(path: Path, given: Mapping[str, Variable]) -> tuple[Element, type[Learner], str]:
    """The recipe's mapping, its method's class, and the name of that."""
    root = load_file(path)
    if root is None or not isinstance(root.value, dict):
        raise InputError("no recipe: it must be a mapping, such as method: bc", str(path), 1)
    if "launch" in root.items:
        said = "a launch file and no recipe; covary launch starts it"
        raise root.error(said, "launch")
    if "method" in given:
        found, where = given["method"].value, InputError("", "command line")
    elif "method" in root.items:
        found, where = root.items["method"].python(), root.error("", "method")
    else:
        near = next((key for key in root.items if nearest(key, ["method"])), None)
        hint = f"unknown parameter '{near}'; did you mean method?" if near else None
        said = hint or f"no method; one of {', '.join(methods())}"
        raise root.error(said, near)
    if not isinstance(found, str):
        raise InputError(f"method: {found!r} is no name of a method", where.file, where.line)
    try:
        kind = load(found, room_of(found))
    except PluginError as error:
        raise InputError(
            f"method: {_only_methods(str(error), found)}", where.file, where.line
        ) from None
    if not _is_method(kind):
        said = f"method: {found!r} is no method of learning; there are {', '.join(methods())}"
        raise InputError(said, where.file, where.line)
    return root, kind, found


def methods() -> list[str]:
    """The short names of our methods."""
    found = []
    for room in ROOMS:
        for name in offered(room):
            try:
                kind = load(name, room)
            except PluginError:
                continue
            if _is_method(kind):
                found.append(name)
    return found


def room_of(name: str) -> str:
    """The room in which a method of this short name lies; the first where there is none."""
    return next((room for room in ROOMS if name in offered(room)), ROOMS[0])


def _is_method(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Learner) and not inspect.isabstract(kind)


def _only_methods(text: str, found: str) -> str:
    """The error about a method that is not there, naming methods and not every file beside them."""
    if f"no {ROOMS[0].replace('.', '/')} file" not in text:
        return text
    hint = nearest(found, methods()) or f"; there are {', '.join(methods())}"
    return f"there is no {found!r}{hint} (an outsider's is written my_file:MyMethod)"


def _placed(
    error: ParameterError, root: Element, given: Mapping[str, Variable], spec: str
) -> InputError:
    """An error at the line of its key, or at the word on the command line."""
    text = str(error).removeprefix(f"{spec}: ")
    key = error.key.partition(".")[0]
    if key in given:
        return InputError(f"{given[key].origin.typed}: {text}", "command line")
    return root.error(text, key)


def defaults_of(parameters: type) -> dict[str, str | None]:
    """The names of a method's parameters, and their defaults as text; None: needed."""
    return {f.name: _text(f.default) for f in fields(parameters)}


def _text(default: Any) -> str | None:
    if default is MISSING:
        return None
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return "''" if default == "" else str(default)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
