"""`covary collect LAUNCH [name:=value ...] episodes:=N out:=DIR`: demonstrations as a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..nodes.collecting.worker import roles_of
from ..nodes.launching.description import LaunchDescription
from ..nodes.launching.launch_file import arguments, find, read_assignments, resolve
from ..nodes.launching.variables import Origin, Variable
from ..nodes.launching.yaml_loader import InputError, nearest
from ..nodes.supervision.run_folder import on_request
from .check import checked
from .collecting.card import Request
from .collecting.collection import Collection, Wishes

_OWN = ("episodes", "success_only", "workers", "out", "attempts", "licence")
"""The arguments that are collect's own; all others are the launch file's."""


def collect(
    file: Annotated[
        str, typer.Argument(metavar="LAUNCH", help="Launch file, or a name of ours such as push.")
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="out:=DIR (needed), episodes:=100, success_only:=false, workers:=1, attempts:=N "
            "(at most), licence:=CC-BY-4.0; all others are the launch file's.",
        ),
    ] = None,
) -> None:
    """Collect demonstrations into a dataset: one bag an episode, a card, a page for people.

    Episode i is a function of the seed and i, whatever `workers` is. The same command again goes
    on with what is missing. Exit code 0: the dataset is whole; 1: it is not; 2: bad input; 130:
    Ctrl-C.
    """
    path = find(file)
    words = read_assignments(values or [])
    own = {name: words.pop(name) for name in _OWN if name in words}
    launch = _resolved(path, words)
    if on_request(launch):
        raise InputError(f"a person demonstrates with covary launch {file}, not with collect")
    wishes = _wishes(own)
    launch = checked(launch).told(launch)
    request = Request(
        launch=path.name if Path(file).name == file else file,  # push is push.yaml
        arguments={k: v for k, v in launch.values.items() if k not in ("episodes", "realtime")},
        given=tuple(f"{name}:={words[name].text}" for name in sorted(words)),
        success_only=wishes.success_only,
        licence=wishes.licence,
    )
    raise typer.Exit(Collection(launch, roles_of(launch), request, wishes).run())


def _resolved(path: Path, words: Mapping[str, Variable]) -> LaunchDescription:
    """The launch with one episode a run, in simulated time."""
    declared = {argument.name for argument in arguments(path)} - {"first_episode"}
    for name in ("episodes", "seed"):
        if name not in declared:
            raise InputError(f"it has no argument '{name}', which collecting needs", str(path), 1)
    known = sorted({*_OWN, *declared})
    for name in words:
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            raise InputError(f"neither {path.name} nor collect has '{name}'{hint}", "command line")
    if "realtime" in words and words["realtime"].value is not False:
        text = words["realtime"].text
        raise InputError(f"realtime:={text}: collecting is in simulated time", "command line")
    one = Variable("1", 1, Origin(variable="episodes", typed="episodes:=1"))
    launch = resolve(path, {**words, "episodes": one})
    return replace(launch, values={**launch.values, "realtime": False})


def _wishes(own: Mapping[str, Variable]) -> Wishes:
    """Collect's own arguments, each of its type."""

    def count(name: str, default: int) -> int:
        found = own[name].value if name in own else default
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise InputError(f"{name}:={own[name].text}: must be a whole number >= 1", _PLACE)
        return found

    def text(name: str, default: str, what: str) -> str:
        found = own[name].text if name in own else default
        if not found:
            raise InputError(f"{name}:= is needed: {what}", _PLACE)
        return found

    only = own["success_only"].value if "success_only" in own else False
    if not isinstance(only, bool):
        hint = nearest(str(only), ("true", "false"))
        raise InputError(f"success_only:={only}: must be true or false{hint}", _PLACE)
    episodes = count("episodes", 100)
    attempts = count("attempts", 10 * episodes if only else episodes)
    if attempts < episodes:
        raise InputError(f"attempts:={attempts}: too few for {episodes} episodes", _PLACE)
    out = text("out", "", "the folder of the dataset")
    try:
        folder = Path(out).expanduser()
    except RuntimeError:
        raise InputError(f"out:={out}: nobody here has that name", _PLACE) from None
    return Wishes(
        out=folder,
        episodes=episodes,
        success_only=only,
        attempts=attempts,
        workers=min(count("workers", 1), attempts),
        licence=text("licence", "CC-BY-4.0", "an SPDX name such as CC-BY-4.0"),
    )


_PLACE = "command line"
