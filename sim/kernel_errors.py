"""What goes wrong in a task's jitted kernels, as one line that names its author's file and line."""

from __future__ import annotations

import linecache
import logging
import os
import re
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.dispatcher import Dispatcher

_LONGEST = 200
"""Of what Numba says, letters: the rest of it, pages sometimes, goes to the log."""


class KernelError(ValueError):
    """A kernel cannot be compiled, or uses an index that is out of range; one line."""


def plain(value: Any) -> Any:
    """A jitted function as Python runs it, with all that it calls: every index is checked there."""
    return _plain(value, {}, frozenset())


def _plain(value: Any, done: dict[Any, Any], names: frozenset[str]) -> Any:
    """What stands in the place of a value; of a module, as far as these names go."""
    if isinstance(value, types.ModuleType):
        found = {name: vars(value)[name] for name in names & vars(value).keys()}
        jitted = {n: _plain(v, done, names) for n, v in found.items() if isinstance(v, Dispatcher)}
        if not jitted:
            return value
        copy = types.ModuleType(value.__name__)
        vars(copy).update(vars(value) | jitted)
        return copy
    if not isinstance(value, Dispatcher):
        return value
    if value not in done:
        function, world = value.py_func, {}
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        done[value] = types.FunctionType(
            function.__code__, world, function.__name__, function.__defaults__, cells
        )
        names = frozenset(function.__code__.co_names)
        world["__builtins__"] = __builtins__
        for name in names & function.__globals__.keys():
            world[name] = _plain(function.__globals__[name], done, names)
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            cell.cell_contents = _plain(old.cell_contents, done, names)
    return done[value]


def told(error: Exception, jitted: Any, given: tuple) -> KernelError:
    """An error of a jitted function, as one line.

    Args:
        error: What it raised, or what Numba raised when it was to be compiled.
        jitted: The function.
        given: What it was called with. The arrays may be written.
    """
    logging.getLogger("covary").debug("a kernel failed", exc_info=error)
    if isinstance(error, IndexError):  # it says neither which index nor of how many
        try:
            plain(jitted)(*given)
        except IndexError as again:
            return KernelError(_placed(again))
        except Exception:
            pass
    said = [line.strip() for line in str(error).splitlines()]
    words = next((w for w in said if w and not w.startswith("Failed in nopython mode")), "")
    signature = next((w.removeprefix(">>> ") for w in said if w.startswith(">>> ")), "")
    if words.endswith("found for signature:") and signature:
        words = f"there is no {signature}"
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."
    if type(error).__name__ not in ("TypingError", "LoweringError"):
        words = f"{type(error).__name__}: {words}"
    return KernelError(f"{_author(str(error), error, jitted)}: {words}")


def _placed(error: Exception) -> str:
    """Where Python code failed, the expression, and why."""
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    here = traceback.extract_tb(error.__traceback__)[-1]
    text = linecache.getline(here.filename, line)
    word = text.strip()
    if here.colno is not None and here.end_colno is not None and here.end_lineno == line:
        word = text.encode()[here.colno : here.end_colno].decode(errors="replace")
    return f"{short(frame.f_code.co_filename)}:{line}: {word}: {error}"


def _author(said: str, error: Exception, jitted: Any) -> str:
    """The file and line that Numba names first, of all that are not generated."""
    at = re.findall(r" at (\S.*?) \((\d+)\)$", said, re.M)
    at += [(f.filename, f.lineno) for f in reversed(traceback.extract_tb(error.__traceback__))]
    functions = _called(jitted)
    files = {f.__code__.co_filename for f in functions}
    for file, line in at:
        if file in files:
            return f"{short(file)}:{line}"
    named = re.findall(r"<function (\w+) at ", said)
    for function in functions:
        if not named or function.__name__ == named[0]:
            code = function.__code__
            return f"{short(code.co_filename)}:{code.co_firstlineno}: {function.__name__}"
    return str(getattr(jitted, "__name__", jitted))


def _called(jitted: Any) -> list[Callable]:
    """The functions of authors that a jitted one calls: what is generated is nobody's."""
    done: dict[Any, Any] = {}
    _plain(jitted, done, frozenset())
    functions = [dispatcher.py_func for dispatcher in done]
    return [f for f in functions if f.__code__.co_filename.endswith(".py")]


def short(file: str) -> str:
    """A path as short as it can be typed here."""
    near = os.path.relpath(file)
    return near if not near.startswith("..") else str(Path(file))
