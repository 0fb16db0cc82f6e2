"""`covary audit TASK|DATASET|data.npz`: how true a symmetry is; `... planner`, `... linear`."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..nodes.launching.launch_file import find, read_assignments, resolve
from ..nodes.launching.yaml_loader import InputError, in_a_line
from ..nodes.supervision.child import THREADS
from .check import checked


class _DataByDefault(typer.core.TyperGroup):
    """Takes what is no part of it for what `data` is to audit."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["data", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_DataByDefault, no_args_is_help=True)


@app.callback()
def about() -> None:
    """Say how true a symmetry is: of a task, a dataset or arrays, a planner, or a model's slopes.

    `covary audit TASK|DATASET|data.npz` is short for `covary audit data ...`.
    """


@app.command("data")
def audit_data(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TASK|DATASET|FILE",
            help="A file of sim/tasks, a LeRobot folder, a folder of bags, or an npz file with "
            "state, action or label, and next_state, reward, episode if there are.",
        ),
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="Of a task: its options, such as robot:=floating_gripper, and dials:={...}.",
        ),
    ] = None,
    group: Annotated[
        str, typer.Option(metavar="GROUP", help="C4, D8, reflection ...; else the task's own.")
    ] = "",
    state: Annotated[
        str,
        typer.Option(metavar="PARTS", help="vector+vector, pose+scalar(2) ...; else the task's."),
    ] = "",
    action: Annotated[str, typer.Option(metavar="PARTS", help="The same of the action.")] = "",
    centre: Annotated[
        str, typer.Option(metavar="X,Y", help="About which positions and poses are moved, m.")
    ] = "0,0",
    samples: Annotated[int, typer.Option(min=50, max=100_000, help="Moved at most.")] = 5000,
    episodes: Annotated[int, typer.Option(min=5, max=10_000, help="Of a task's expert.")] = 30,
    gamma: Annotated[float, typer.Option(help="Discount of the bound on values.")] = 0.99,
    rho: Annotated[
        float | None, typer.Option(help="Slope of V* in it; else estimated from the reward.")
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of images: an ONNX network; else edges."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of all draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of the files; else runs/audit-<date>.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write all figures there too.")
    ] = None,
) -> None:
    """Say how correct, incorrect and extrinsic a symmetry is, what it costs, and what to do.

    Leaves summary.json, symmetry.yaml for `symmetry:=`, ternary.png, timeline.png and worst.png.
    The state of an npz file may be images, (N, H, W) or (N, H, W, C). Exit code 0; 2: bad input, or
    data that say nothing.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from .auditing.data import audit

    code = audit(
        what, values or [], group, state, action, centre, samples, episodes, gamma, rho, seed, out,
        path, encoder,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command("planner")
def audit_planner(
    file: Annotated[
        str, typer.Argument(metavar="LAUNCH", help="Launch file, or a name of ours such as push.")
    ],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
    states: Annotated[int, typer.Option(min=1, max=100_000, help="Starts that are sampled.")] = 4,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Of all draws.")] = 0,
    path: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write all figures there.")
    ] = None,
) -> None:
    """Say how exact a planner is: its model, costs, limits and plans, and the worst coordinate.

    A residual is the largest |f(gx) - g f(x)| / (1 + |g f(x)|) over elements and sampled states.
    Exit code 0: all are below 1e-9, with a model in float32 below 1e-5; 1: one is not, or cannot
    be told; 2: bad input.
    """
    for name in THREADS:  # as in a launch: threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from .auditing.planner import audit, elements_of

    node, planner = _planner_of(file, values or [])
    with Progress(
        TextColumn("audit"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} states"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        step = _Step(bar, bar.add_task("audit", total=states))
        symmetry = elements_of(planner, node.get("symmetry", "full"))
        try:
            found = audit(planner, symmetry, states, seed, step)
        except Exception as error:  # a planner's, a task's or a model's, which may be anybody's
            said = f"{node['planner']['plugin']}: a plan failed: {type(error).__name__}: {error}"
            raise InputError(in_a_line(said), file) from error
    report = {
        "task": planner.task.name,
        "planner": node["planner"]["plugin"],
        "group": symmetry.group.name,
        "symmetry_mode": node.get("symmetry_mode", "orbit"),
        "states": states,
        "seed": seed,
        "residuals": {name: asdict(one) for name, one in found.residuals.items()},
        "compared": found.compared,
        "decided_by_the_model": found.decided,
        "cannot_be_told": found.refused,
        "failures": found.failures(),
    }
    if path is not None:
        try:
            path.write_text(json.dumps(_plain(report), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", "command line") from error
    console = Console(highlight=False)
    console.print(table(report))
    if found.decided:
        console.print(f"in {found.decided} of {found.compared} comparisons the model decided")
    for line in report["failures"]:
        console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(1 if report["failures"] else 0)


@app.command("linear")
def audit_linear(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A file of sim/tasks, or my:Task.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="model:=numba, mujoco, FOLDER or my_file:my_model; symmetry:=full; at:=start or "
            "[numbers]; action:=safe or [numbers]; action_cost:=0.1; horizon:=50; apart:=metres "
            "or whatever, of the differences; seed:=0; all others are the task's options.",
        ),
    ] = None,
    path: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write all figures there.")
    ] = None,
) -> None:
    """Linearise a task's model at a point, and hold slopes and LQR to the symmetry.

    Shows how many free numbers A and B have there under the stabiliser of the point, how far
    A(gp) is from rho A(p) rho^-1 over all elements, and the same of B, of Riccati's solutions and
    of their gains. Exit code 0: all within tolerance; 1: one is not; 2: bad input.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from .auditing.linear import audit

    raise typer.Exit(audit(task, values or [], path))


def _planner_of(file: str, values: list[str]) -> tuple[dict[str, Any], Any]:
    """The parameters of the one planner node of a launch file, and its planner.

    Raises:
        InputError: The file starts no planner, or several.
    """
    from ..nodes import plugin
    from ..nodes.parameters import from_dict
    from ..planners.planner_node import PlannerNode

    description = resolve(find(file), read_assignments(values))
    checked(description)
    nodes = [
        node
        for node in description.nodes
        if node.executable and issubclass(plugin.load_node(node.executable), PlannerNode)
    ]
    if len(nodes) != 1:
        said = ", ".join(node.full_name for node in nodes) or "none"
        raise InputError(
            f"an audit needs one planner node, it starts {said}", str(description.file)
        )
    parameters = nodes[0].parameters
    try:
        planner = PlannerNode.check(from_dict(PlannerNode.Parameters, parameters, "planner"))
    except ValueError as error:  # nothing that `checked` did not say
        raise InputError(in_a_line(str(error)), str(description.file)) from error
    return parameters, planner


class _Step:
    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self) -> None:
        self._bar.advance(self._task)


def table(report: dict[str, Any]) -> Table:
    """A line for each component."""
    title = f"{report['planner']} on {report['task']} under {report['group']}"
    drawn = Table(title=f"{title}, {report['symmetry_mode']}", title_justify="left")
    for name in ("component", "residual", "worst coordinate", "element", "compared"):
        drawn.add_column(name, justify="right" if name in ("residual", "compared") else "left")
    for name, one in report["residuals"].items():
        element = one["element"] if one["error"] > 0 else ""
        coordinate = one["coordinate"] if one["error"] > 0 else ""
        drawn.add_row(name, f"{one['error']:.1e}", coordinate, element, str(one["compared"]))
    return drawn


def _plain(report: Any) -> Any:
    """The report with no infinity in it, which JSON lacks."""
    if isinstance(report, dict):
        return {name: _plain(value) for name, value in report.items()}
    return None if isinstance(report, float) and not math.isfinite(report) else report
