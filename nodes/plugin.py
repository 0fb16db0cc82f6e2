"""Plugins by name: a file in a room, or an outsider's ``my_package.my_file:MyClass``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = (__package__ or "").rpartition(".")[0]
ROOMS = ("sim", "perception", "planners", "control", "nodes")
"""The rooms that may hold nodes."""


class PluginError(ValueError):
    """A plugin that cannot be found or used; one line that names the nearest.

    Attributes:
        in_code: Its name is right, and what is wrong stands in its file.
        key: Dotted name of the parameter that names it, as far as that is known.
    """

    def __init__(self, message: str, in_code: bool = False, key: str = "") -> None:
        super().__init__(message)
        self.in_code, self.key = in_code, key


def load(spec: str, room: str) -> Any:
    """The class that a name stands for.

    Args:
        spec: ``mppi`` (the class MPPI in the file mppi.py of the room), or ``module.path:Class``.
        room: Where short names are looked up, e.g. ``planners`` or ``sim.tasks``.

    Raises:
        PluginError: No such file, module or class, or it cannot be imported.
    """
    if ":" in spec:
        module, class_name = _outside(spec, "MyClass")
        if not inspect.isclass(getattr(module, class_name, None)):
            there = _classes(module) or [n for n, v in vars(module).items() if inspect.isclass(v)]
            said = f"{module.__name__} has no class {class_name!r}{_near(class_name, there)}"
            raise PluginError(f"{spec!r}: {said}")
        return getattr(module, class_name)
    if spec not in names(room):
        raise PluginError(
            f"no {room.replace('.', '/')} file is called {spec!r}{_near(spec, offered(room))} "
            "(an outsider's is written my_file:MyClass)"
        )
    module = _imported(f"{PACKAGE}.{room}.{spec}", spec)
    for name in _classes(module):
        if name.replace("_", "").lower() == spec.replace("_", ""):
            return getattr(module, name)
    near = _near(spec, offered(room))
    raise PluginError(f"{room.replace('.', '/')}/{spec}.py has no class of that name{near}")


def load_callable(spec: str) -> Any:
    """The function, class or other callable that ``my_package.my_file:my_name`` stands for.

    Raises:
        PluginError: No such module or name, or it cannot be imported.
    """
    module, name = _outside(spec, "my_name")
    if not callable(getattr(module, name, None)):
        there = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        said = f"{module.__name__} has no function or class {name!r}{_near(name, there)}"
        raise PluginError(f"{spec!r}: {said}")
    return getattr(module, name)


def _outside(spec: str, example: str) -> tuple[Any, str]:
    """The module of an outsider's name, and the name in it."""
    module_name, _, name = spec.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise PluginError(f"{spec!r} is not written my_package.my_file:{example}")
    return _imported(module_name, spec), name


def _classes(module: Any) -> list[str]:
    """The public classes that a module defines."""
    here = {n: v for n, v in vars(module).items() if inspect.isclass(v) and not n.startswith("_")}
    return [name for name, value in here.items() if value.__module__ == module.__name__]


def offered(room: str) -> list[str]:
    """The short names of the files that have a class of their name, judged by their text.

    Only classes with a parent count: `Plan` is no planner.
    """
    found = []
    for name in names(room):
        text = ROOT.joinpath(*room.split("."), f"{name}.py")
        wanted = re.compile(rf"^class {'_?'.join(name.replace('_', ''))}\(", re.I | re.M)
        if text.is_file() and wanted.search(text.read_text(encoding="utf-8")):
            found.append(name)
    return found


def names(room: str) -> list[str]:
    """The short names of a room."""
    folder = ROOT.joinpath(*room.split("."))
    return sorted(m.name for m in pkgutil.iter_modules([str(folder)]))


def node_names() -> dict[str, str]:
    """The short names of our nodes, each with its room."""
    return {name: room for room in ROOMS for name in names(room) if name.endswith("_node")}


def load_node(executable: str) -> Any:
    """The node class that a launch file's ``exec`` names: a file of any room, or an outsider's.

    Raises:
        PluginError: As `load`.
    """
    if ":" in executable:
        return load(executable, "nodes")
    found = node_names()
    if executable not in found:
        raise PluginError(
            f"no node is called {executable!r}{_near(executable, list(found))} "
            "(an outsider's is written my_file:MyNode)"
        )
    return load(executable, found[executable])


def _imported(module_name: str, spec: str) -> Any:
    before = sys.dont_write_bytecode
    # To look at an outsider's file leaves nothing beside it.
    sys.dont_write_bytecode = before or not module_name.startswith(f"{PACKAGE}.")
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{module_name}.".startswith(f"{missing}."):
            raise PluginError(f"{spec!r} cannot be imported ({error})", in_code=True) from error
        here = [m.name for m in pkgutil.iter_modules([str(Path.cwd())])]
        near = difflib.get_close_matches(missing, here, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; it is looked for in {Path.cwd()}"
        raise PluginError(f"{spec!r}: there is no module {missing!r}{hint}") from None
    except (Exception, SystemExit) as error:  # an outsider's file may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(f"{spec!r} cannot be imported ({reason})", in_code=True) from error
    finally:
        sys.dont_write_bytecode = before


def _near(word: str, known: list[str]) -> str:
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1)
    if near:
        return f"; did you mean {names[near[0]]}?"
    return f"; known: {', '.join(known) or 'none'}"
