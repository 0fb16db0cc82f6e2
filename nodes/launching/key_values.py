"""What the keys of a launch file may hold: one reader a key, used to resolve it and to check it."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..plugin import node_names
from .description import RESERVED_NAMES
from .substitution import boolean, evaluate, evaluate_text, origin_of
from .variables import Scope, as_text
from .yaml_loader import Element, nearest

LEVELS = ("debug", "info", "warning", "error")
"""Levels of a `log` entry."""
TYPES: Mapping[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
"""What ``type:`` beside a parameter's value may say."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE = re.compile(r"/?(?:[A-Za-z_][A-Za-z0-9_]*)(?:/[A-Za-z_][A-Za-z0-9_]*)*")
_EXECUTABLE = re.compile(r"[A-Za-z_]\w*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_LONGEST_S = 1e9
_LONGEST_NAME = 100

Reader = Callable[[Element, Scope], Any]


def text(element: Element, scope: Scope) -> str:
    """Any text."""
    return evaluate_text(element, scope)


def word(element: Element, scope: Scope) -> str:
    """Text that is not empty."""
    found = evaluate_text(element, scope)
    if not found:
        raise ValueError("it is empty")
    return found


def variable_name(element: Element, scope: Scope) -> str:
    """The name of an environment variable."""
    found = evaluate_text(element, scope)
    if not found or "=" in found or "\0" in found:
        raise ValueError(f"'{found}' is no name of an environment variable")
    return found


def flag(element: Element, scope: Scope) -> bool:
    """``true``, ``1``, ``false`` or ``0``, in any case, as ROS 2 reads conditions."""
    return boolean(evaluate_text(element, scope))


def _number(element: Element, scope: Scope, least: float, whole: bool) -> Any:
    value = evaluate(element, scope)
    kind = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value < _LONGEST_S:
        wanted = "a whole number" if whole else "a number of seconds"
        raise ValueError(f"must be {wanted} >= {least:g}, not '{as_text(value)}'")
    return value if whole else float(value)


def seconds(element: Element, scope: Scope) -> float:
    """A time, s."""
    return _number(element, scope, 0, whole=False)


def retries(element: Element, scope: Scope) -> int:
    """A number of respawns; -1 for any number."""
    return _number(element, scope, -1, whole=True)


def name(element: Element, scope: Scope) -> str:
    """Letters, digits and ``_``."""
    found = evaluate_text(element, scope)
    if not is_name(found):
        raise ValueError(f"'{found}' is no name (letters, digits and _)")
    return found


def node_name(element: Element, scope: Scope) -> str:
    """A name that no file of the run folder has."""
    found = name(element, scope)
    if found in RESERVED_NAMES:
        raise ValueError(f"'{found}' is a name of the run folder; choose another")
    return found


def namespace(element: Element, scope: Scope) -> str:
    """``left/arm``, ``/left/arm``, ``/`` or nothing."""
    found = evaluate_text(element, scope)
    if found not in ("", "/") and not _NAMESPACE.fullmatch(found):
        raise ValueError(f"'{found}' is no namespace (such as left/arm)")
    return found


def topic(element: Element, scope: Scope) -> str:
    """A topic's name, which is written as a namespace is."""
    found = evaluate_text(element, scope)
    if not _NAMESPACE.fullmatch(found):
        raise ValueError(f"'{found}' is no topic (such as /left/state)")
    return found


def is_name(found: str) -> bool:
    """Whether text can be the name of a node or an argument."""
    return bool(_NAME.fullmatch(found)) and len(found) <= _LONGEST_NAME


def is_topic(found: object) -> bool:
    """Whether something is the name of a topic."""
    return isinstance(found, str) and bool(_NAMESPACE.fullmatch(found))


def executable(element: Element, scope: Scope) -> str:
    """One of our nodes, or an outsider's class."""
    found = evaluate_text(element, scope)
    if not _EXECUTABLE.fullmatch(found):
        wanted = "is neither one of our nodes nor my_package.my_file:MyNode"
        raise ValueError(f"'{found}' {wanted}{nearest(found, node_names())}")
    return found


def type_name(element: Element, scope: Scope) -> str:
    """The type that a parameter's value is to have."""
    found = evaluate_text(element, scope)
    if found not in TYPES:
        raise ValueError(f"unknown type '{found}'{_near(found, TYPES)}")
    return found


def command(element: Element, scope: Scope) -> tuple[str, ...]:
    """The words of a command, split as a shell does."""
    words = tuple(shlex.split(evaluate_text(element, scope)))
    if not words or not words[0]:
        raise ValueError("it is empty")
    return words


def level(element: Element, scope: Scope) -> str:
    """How serious a `log` entry is."""
    found = evaluate_text(element, scope).lower()
    if found not in LEVELS:
        raise ValueError(f"unknown level '{found}'{_near(found, LEVELS)}")
    return found


def on_exit(element: Element, scope: Scope) -> bool:
    """Only ``shutdown``."""
    found = evaluate_text(element, scope)
    if found != "shutdown":
        hint = nearest(found, ["shutdown"])
        raise ValueError(f"knows only 'shutdown', not '{found}'{hint}")
    return True


def absolute(element: Element, scope: Scope) -> Path:
    """An absolute path."""
    found = evaluate_text(element, scope)
    path = Path(found)
    if not path.is_absolute():
        raise ValueError(f"'{found}' is relative; write $(dirname)/{found}")
    return path


def file(element: Element, scope: Scope) -> Path:
    """The absolute path of a file that is there."""
    path = absolute(element, scope)
    if not is_file(path):
        raise ValueError(f"no file {path}{nearest_file(path)}")
    return path


def is_file(path: Path) -> bool:
    """Whether there is a file, for names that no file can have too."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or a folder that nobody may read
        return False


def nearest_file(path: Path) -> str:
    """The end of an error message about a file that is not there."""
    try:
        if path.is_dir():
            return ", it is a folder"
        beside = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    except (OSError, ValueError):
        return ""
    return nearest(path.name, beside)


def _near(found: str, known: Iterable[str]) -> str:
    return nearest(found, known) or f"; one of {', '.join(known)}"


PROCESS: Mapping[str, Reader] = {
    "name": node_name,
    "respawn": flag,
    "respawn_delay": seconds,
    "respawn_max_retries": retries,
    "on_exit": on_exit,
    "sigterm_timeout": seconds,
    "sigkill_timeout": seconds,
    "x-required": flag,
}
READERS: Mapping[str, Mapping[str, Reader]] = {
    "arg": {"name": name},
    "let": {"name": name},
    "node": {
        **{"pkg": word, "exec": executable, "namespace": namespace},
        **{"x-heartbeat_timeout": seconds, "x-start_timeout": seconds},
        **PROCESS,
    },
    "executable": {"cmd": command, **PROCESS},
    "include": {},
    "group": {"scoped": flag},
    "push_ros_namespace": {"namespace": namespace},
    "set_env": {"name": variable_name, "value": text},
    "timer": {"period": seconds},
    "log": {"message": text, "level": level},
}
"""Entity -> key -> its reader, for the keys that hold one value, beside ``if`` and ``unless``."""


def read(reader: Reader, key: str, element: Element, scope: Scope) -> Any:
    """The value of a key.

    Raises:
        InputError: With the key, where the value was written.
    """
    if isinstance(element.value, dict | list):
        raise element.error(f"'{key}': expected one word or text, not {element.kind}")
    try:
        return reader(element, scope)
    except ValueError as error:
        text = str(error)
        said = f"'{key}' {text}" if text.startswith("must ") else f"'{key}': {text}"
        raise origin_of(element, scope).error(said) from None
