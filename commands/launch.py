"""`covary launch FILE [name:=value ...]`: starts what a launch file describes, sees it through."""

import os
import shlex
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..nodes.launching.description import Argument, LaunchDescription
from ..nodes.launching.hosts import ARGUMENTS, hosts_of
from ..nodes.launching.launch_file import (
    arguments,
    find,
    read_assignments,
    resolve,
    without_effect,
)
from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.child import THREADS
from ..nodes.supervision.progress import RunProgress
from ..nodes.supervision.run_folder import (
    LOG,
    Outcome,
    create,
    episodes_wanted,
    on_request,
    summarise,
    write_json,
)
from .check import checked
from .interrupts import end_in_order


def launch(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Launch file, or a name of ours such as push.")
    ],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", help="Show the file's arguments and stop.")
    ] = False,
    lockstep: Annotated[
        bool, typer.Option("--lockstep", help="One process, simulated time, bit-reproducible.")
    ] = False,
    summary: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write summary.json there too.")
    ] = None,
) -> None:
    """Start what a launch file describes, and supervise it to its end.

    Exit code 0: done; 1: a node failed or an episode was aborted; 2: bad input; 130: Ctrl-C.
    """
    path = find(file)
    if show_args:
        declared = arguments(path)
        names = {argument.name for argument in declared}
        everywhere = tuple(a for a in ARGUMENTS if a.name not in names)
        Console().print(arguments_table(str(path), declared))
        Console().print(arguments_table("every launch file", everywhere))
        return
    given = read_assignments(values or [])
    description = resolve(path, given)
    _, hosts = description.realtime, hosts_of(description)  # these complain for themselves
    if lockstep:
        if on_request(description):
            why = "a person who begins the episodes needs real processes"
            raise InputError(f"--lockstep: {why}", "command line")
        if hosts.linked or len(hosts.here) < len(description.nodes):
            why = "all nodes run in this process; leave out listen, connect and only"
            raise InputError(f"--lockstep: {why}", "command line")
        # As in processes of their own: threads are a parameter, and one is the default.
        for name in THREADS:
            os.environ.setdefault(name, "1")
        description = replace(description, values={**description.values, "realtime": False})
    wiring = checked(description)
    wiring.warnings += without_effect(description, given)
    description = wiring.told(description)
    if summary is not None and not summary.absolute().parent.is_dir():
        raise InputError(f"--summary: no folder {summary.absolute().parent}")
    runner = _runner(lockstep)
    end_in_order()
    folder = _folder(description)
    try:
        outcome = _run(description, folder, runner, wiring.warnings)
    except KeyboardInterrupt:  # before the runner notes signals, or a second one in lockstep
        outcome = Outcome(exit_code=130)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient finger costs no summary
    found = summarise(folder, description, outcome)
    for target in (folder / "summary.json", summary):
        if target is None:
            continue
        try:
            write_json(target, found)
        except OSError as error:  # a full disk; what came out is on the screen at least
            outcome.exit_code = outcome.exit_code or 1
            print(f"{target} cannot be written: {error}", file=sys.stderr)
    report(found, folder)
    signal.signal(signal.SIGINT, before)
    raise typer.Exit(outcome.exit_code)


def _runner(lockstep: bool) -> Any:
    """The class that runs it, imported late: the one pays for zenoh, the other for the nodes."""
    if lockstep:
        from ..nodes.supervision.lockstep import Lockstep

        return Lockstep
    from ..nodes.supervision.supervisor import Supervisor

    return Supervisor


def _folder(description: LaunchDescription) -> Path:
    try:
        folder = create(description)
    except OSError as error:
        raise InputError(f"cannot make a run folder: {error}") from None
    try:  # shorter to read, and to type
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder


def _run(
    description: LaunchDescription, folder: Path, runner: Any, warnings: list[InputError]
) -> Outcome:
    log = folder.absolute() / LOG
    with RunProgress(episodes_wanted(description), log=log) as progress:
        progress.say(f"{description.file.name} -> {folder}", "bold")
        for warning in warnings:
            progress.log("warning", str(warning))
        for level, text in description.logs:
            progress.log(level, text)
        return runner(description, folder.absolute(), progress).run()


def arguments_table(title: str, declared: tuple[Argument, ...]) -> Table:
    """What a launch file can be told."""
    table = Table(title=escape(title), title_justify="left")
    for column in ("argument", "default", "choices", "what it is"):
        table.add_column(column, overflow="fold")
    for argument in declared:
        default = "(needed)" if argument.default is None else argument.default
        cells = (argument.name, default, ", ".join(argument.choices), argument.description)
        table.add_row(*map(escape, cells))
    return table


def report(found: dict[str, Any], folder: Path) -> None:
    """The short table at the end, where the recordings are, and what to type next."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(show_header=False)
    for name, value in _facts(found):
        table.add_row(name, escape(value))
    if table.row_count:
        console.print(table)
    for failure in found["failures"]:
        console.print(f"failed: {failure}", style="red", markup=False)
    bags = [_short(bag) for bag in found["bags"]]
    where = f"{bags[0]} ... {Path(bags[-1]).name}" if len(bags) > 1 else "".join(bags)
    if bags:
        console.print(f"recorded    {where}", markup=False)
    console.print(f"summary     {folder / 'summary.json'}", markup=False)
    for left in sorted(folder.rglob("*.open")):  # its recorder was killed
        console.print(f"unclosed    covary recover {shlex.quote(str(left))}", markup=False)
    if bags:
        following = [f"covary {word}" for word in _next_words(bags[0], folder)]
        activate = Path(sys.prefix) / "bin" / "activate"
        if shutil.which("covary") is None and activate.is_file():  # started by make or python -m
            following.insert(0, f". {shlex.quote(_short(str(activate)))}")
        for label, line in zip(("next", *[""] * len(following)), following, strict=False):
            console.print(f"{label:<12}{line}", markup=False)


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name in ("task", "planner", "symmetry", "model", "seed"):
        if found[name] is not None:
            rows.append((name, str(found[name])))
    if found["episodes"] or found["aborted"]:
        aborted = f", and {found['aborted']} aborted" if found["aborted"] else ""
        rows.append(("episodes", f"{found['episodes']}{aborted}"))
    if found["success_rate"] is not None:
        rows.append(("success", f"{100 * found['success_rate']:.0f} %"))
    if found["cost"]["mean"] is not None:
        rows.append(("cost", f"{found['cost']['mean']:.3f} +- {found['cost']['std']:.3f}"))
    for name, label in (("plan_ms", "planning"), ("sensor_to_command_ms", "sensor to command")):
        if found[name] and found[name]["p50"] is not None:
            text = f"{found[name]['p50']:.1f} ms (p99 {found[name]['p99']:.1f} ms)"
            rows.append((label, text))
    if eyes := found["perception"]:
        rows.append(("perception", _seen(eyes)))
    if found["interventions"]:
        rows.append(("safe action", f"{found['interventions']} x, {found['safe_s']:.2f} s in all"))
    if found["takeovers"] is not None:
        plans = f"{found['plans_of_fallback']} plans"
        rows.append(("fallback", f"took over {found['takeovers']} x, {plans}"))
    if found["failed_plans"]:
        rows.append(("failed plans", str(found["failed_plans"])))
    # The first command or two of an episode come before its first plan.
    if found["without_plan"] > 3 * max(found["episodes"] + found["aborted"], 1):
        rows.append(("without a plan", f"{found['without_plan']} commands, the safe action each"))
    for name in ("overruns", "dropped", "respawns"):
        if found[name]:
            rows.append((name, str(found[name])))
    rows.append(("wall time", f"{found['wall_s']:.1f} s"))
    return rows


def _seen(eyes: dict[str, Any]) -> str:
    """What saw, how long it took, and how expected and how sure that was (medians)."""
    words = [str(eyes["network"])]
    for name, said in (("estimate_ms", "{:.1f} ms"), ("anomaly", "anomaly {:.2g}")):
        if eyes[name] and eyes[name]["p50"] is not None:
            words.append(said.format(eyes[name]["p50"]))
    if eyes["failed_estimates"]:
        words.append(f"{eyes['failed_estimates']} failed estimates, see perception.log")
    return ", ".join(words)


def _next_words(bag: str, folder: Path) -> list[str]:
    """What to say to covary about a run, quoted as a shell wants it."""
    name = shlex.quote(bag)
    return [f"info {name}", f"replay {name}", f"view {shlex.quote(str(folder))}"]


def _short(bag: str) -> str:
    try:
        return str(Path(bag).relative_to(Path.cwd()))
    except ValueError:
        return bag
