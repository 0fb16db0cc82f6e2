"""`covary check FILE`: everything that can be known of a launch without starting a process."""

from typing import Annotated

import typer
from rich.console import Console

from ..nodes.launching.hosts import hosts_of
from ..nodes.launching.launch_file import find, read_assignments, resolve
from ..nodes.launching.wiring import wire


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Launch file, or a name of ours.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
) -> None:
    """Check a launch file: its words, types, classes, parameters, plugins and topics.

    Exit code 2 where something is wrong; what only looks odd is a warning.
    """
    launch = resolve(find(file), read_assignments(values or []))
    _ = launch.realtime, hosts_of(launch)  # these complain for themselves
    wiring = wire(launch)
    stderr = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in wiring.errors:
        stderr.print(line, style="red", markup=False)
    for line in wiring.warnings:
        stderr.print(f"warning: {line}", style="yellow", markup=False)
    if wiring.errors:
        raise typer.Exit(2)
    topics = len({end.topic for end in wiring.ends})
    found = f"{len(launch.nodes)} nodes, {topics} topics"
    Console(highlight=False, soft_wrap=True).print(
        f"{launch.file}: {found}, no errors", markup=False
    )
