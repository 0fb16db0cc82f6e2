"""What the words of `covary tune` ask for, held to what the launch and its planner take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...nodes.launching.description import LaunchDescription
from ...nodes.launching.launch_file import arguments, find, resolve
from ...nodes.launching.variables import Variable
from ...nodes.launching.yaml_loader import InputError, nearest
from ...nodes.parameters import ParameterError
from ..check import checked
from .space import PLACE, Range, asked_space, default_space
from .trials import planner_with, roles_of

_OWN = ("trials", "episodes", "out", "ranges", "workers", "seed")
"""The arguments that are tune's own; all others are the launch file's."""
_MOST, _MOST_WORKERS = 1_000_000, 256


@dataclass(frozen=True)
class Request:
    """A tuning."""

    file: str
    """The launch file as it was typed."""
    launch: LaunchDescription
    given: Mapping[str, Any]
    """The launch file's arguments that were given."""
    space: Mapping[str, Range]
    """Range of each parameter that is searched."""
    own: Mapping[str, Any]
    """The values that the planner has of these."""
    planner: str
    trials: int
    episodes: int
    workers: int
    seed: int
    out: Path


def asked_of(file: str, words: dict[str, Variable]) -> Request:
    """What a command line asks for.

    Raises:
        InputError: Anything about it is wrong; one line.
    """
    path = find(file)
    if find_spec("cma") is None:  # an installation of before it was needed
        raise InputError("tuning needs cma: pip install cma")
    own = {name: words.pop(name) for name in _OWN if name in words}
    declared = {argument.name for argument in arguments(path)}
    for name in ("planner", "planner_options", "seed"):
        if name not in declared:
            raise InputError(f"it has no argument '{name}', which tuning needs", str(path), 1)
    known = sorted({*_OWN, *declared})
    for name in words:
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"neither {path.name} nor tune has '{name}'{hint}", PLACE)
    if "realtime" in words and words["realtime"].value is not False:
        text = words["realtime"].text
        raise InputError(f"realtime:={text}: tuning is in simulated time", PLACE)
    launch = resolve(path, words)
    launch = replace(launch, values={**launch.values, "realtime": False})
    launch = checked(launch).told(launch)
    spec, space, values = _searched(launch, own.get("ranges"))
    trials = _count(own, "trials", 50, 1, _MOST)
    seed = _count(own, "seed", 0, 0)
    if seed >= 2**62:
        raise InputError(f"seed:={seed}: must be below 2**62", PLACE)
    return Request(
        file=file,
        launch=launch,
        given={name: variable.value for name, variable in words.items()},
        space=space,
        own=values,
        planner=spec,
        trials=trials,
        episodes=_count(own, "episodes", 8, 1, _MOST),
        workers=min(_count(own, "workers", 2, 1, _MOST_WORKERS), trials),
        seed=seed,
        out=_out(own, f"tune-{path.stem}-{spec.rpartition(':')[2]}"),
    )


def _count(
    own: Mapping[str, Variable], name: str, default: int, least: int, most: int | None = None
) -> int:
    found = own[name].value if name in own else default
    whole = isinstance(found, int) and not isinstance(found, bool)
    if not whole or found < least or (most is not None and found > most):
        upto = f" and <= {most}" if most else ""
        said = f"must be a whole number >= {least}{upto}"
        raise InputError(f"{name}:={own[name].text}: {said}", PLACE)
    return found


def _out(own: Mapping[str, Variable], name: str) -> Path:
    text = own["out"].text if "out" in own else str(Path("runs") / name)
    if not text:
        raise InputError("out:=: the folder of the tuning", PLACE)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"out:={text}: nobody here has that name", PLACE) from None


def _searched(
    launch: LaunchDescription, ranges: Variable | None
) -> tuple[str, dict[str, Range], dict[str, Any]]:
    """The planner's name, what is searched of its parameters, and the values that it has.

    Raises:
        InputError: It cannot be tuned, or a range is none that it takes.
    """
    node = roles_of(launch)[1]
    planner = planner_with(node, {})
    spec = node.parameters["planner"]["plugin"]
    settings = dict(vars(getattr(planner, "parameters", None) or object))
    if not hasattr(planner, "parameters") or not settings:
        raise InputError(f"planner:={spec}: has no parameters to tune", PLACE)
    space = asked_space(ranges, settings)
    by_default = default_space(settings)

    def refused(name: str, value: Any) -> str:
        try:
            planner_with(node, {name: value})
        except ParameterError as error:
            return str(error)
        return ""

    for name, found in list(space.items()):
        ends = found.choices or (found.low, found.high)
        said = [refused(name, end) for end in ends]
        if not any(said):
            continue
        if by_default.get(name) != found:  # somebody asked for it
            raise InputError(f"ranges: {name}: {next(filter(None, said))}", PLACE)
        low, high = (settings[name] if no else end for end, no in zip(ends, said, strict=True))
        del space[name]
        if low < high:
            space[name] = replace(found, low=low, high=high)
    if not space:
        raise InputError(f"planner:={spec}: there is nothing to search; say ranges:=FILE", PLACE)
    return spec, space, {name: settings[name] for name in space}
