"""`covary grade TASK [name:=value ...]`: how exact each component of a task's symmetry is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..nodes.launching.launch_file import read_assignments
from ..nodes.launching.yaml_loader import InputError, in_a_line
from ..nodes.parameters import ParameterError
from ..nodes.plugin import PluginError

_OWN = {"dials": {}, "engine": "mujoco", "samples": 48, "seed": 0, "images": ["heightmap"]}
"""The arguments that are the command's own, with their defaults; all others are the task's."""


def grade(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A file of sim/tasks, or my:Task.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="dials:={gravity_tilt: 5}, engine:=mujoco, samples:=48, seed:=0, "
            "images:=[heightmap, rgb]; all others are the task's options, such as robot:=arm.",
        ),
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write all figures there.")
    ] = None,
) -> None:
    """Grade a task's declared symmetry: cost, limits and rules, dynamics, observation.

    Exit code 0: cost, limits and rules are exact, or broken on purpose by a dial; 1: they are not;
    2: bad input.
    """
    given = {name: variable.value for name, variable in read_assignments(values or []).items()}
    own = {name: given.pop(name, default) for name, default in _OWN.items()}
    report = _graded(task, {name: str(value) for name, value in given.items()}, own)
    if path is not None:
        try:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", "command line") from error
    console = Console(highlight=False)
    console.print(parts_table(report))
    if report["rings"]:
        console.print(rings_table(report))
    for component, names in report["broken_on_purpose"].items():
        console.print(f"{component}: broken on purpose by {', '.join(names)}", markup=False)
    from ..sim.residuals import inexact

    lines = inexact(report)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(1 if lines else 0)


def _graded(task: str, options: dict[str, str], own: dict[str, Any]) -> dict[str, Any]:
    """The report.

    Raises:
        InputError: Whatever is wrong with the arguments.
    """
    from ..sim.camera import CameraError
    from ..sim.dials import check_dials, dials_from
    from ..sim.engines.engine import EngineError
    from ..sim.load_task import load_task
    from ..sim.residuals import residuals

    for name, least in (("samples", 2), ("seed", 0)):
        if type(own[name]) is not int or own[name] < least:
            raise InputError(
                f"{name}: {own[name]} is no whole number from {least} on", "command line"
            )
    try:
        dials = dials_from(own["dials"])
        loaded = load_task(task, options)
        check_dials(loaded, dials)
        images = [own["images"]] if isinstance(own["images"], str) else own["images"]
        with Console(stderr=True).status("grading"):
            return residuals(loaded, dials, str(own["engine"]), own["samples"], own["seed"], images)
    except (PluginError, ParameterError, EngineError, CameraError, ValueError) as error:
        raise InputError(in_a_line(str(error)), "command line") from error
    except NotImplementedError as error:
        raise InputError(
            f"{task} cannot be graded: {in_a_line(str(error))}", "command line"
        ) from error


def parts_table(report: dict[str, Any]) -> Table:
    """A line for each part of each component."""
    words = [report["task"], *([report["robot"]] if report["robot"] else [])]
    title = f"{' with '.join(words)} under {report['group']}, {report['engine']}"
    if report["dials"]:
        title += ", " + ", ".join(f"{name} {value:g}" for name, value in report["dials"].items())
    table = Table(title=title, title_justify="left")
    for name in ("part", "mean", "95 % interval", "worst", "draws"):
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    for component, parts in report["components"].items():
        for name, part in parts.items():
            mean, around, worst = _cells(part)
            worst += f" {part['element']}" if part["worst"] else ""
            label = f"{component}: {name.replace('_', ' ')}"
            table.add_row(label, mean, around, worst, str(part["draws"]))
    return table


def rings_table(report: dict[str, Any]) -> Table:
    """A line for each ring of the workspace."""
    table = Table(title="dynamics by distance from the centre", title_justify="left")
    for name in ("ring, m", "draws", "a period", "interval", "a second", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for ring in report["rings"]:
        if ring["second"]["draws"]:
            where = f"{ring['from']:.2f}-{ring['to']:.2f}"
            cells = (*_cells(ring["period"])[:2], *_cells(ring["second"])[:2])
            table.add_row(where, str(ring["second"]["draws"]), *cells)
    return table


def _cells(part: dict[str, Any]) -> tuple[str, str, str]:
    """Mean, interval and worst as text."""
    if not part["draws"]:
        return "-", "-", "-"
    low, high = part["interval"]
    return f"{part['mean']:.1e}", f"{low:.1e}..{high:.1e}", f"{part['worst']:.1e}"
