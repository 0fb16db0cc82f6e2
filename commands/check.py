"""`covary check FILE`: everything that can be known of a launch without starting a process."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from ..nodes.launching.description import LaunchDescription
from ..nodes.launching.hosts import hosts_of
from ..nodes.launching.launch_file import find, read_assignments, resolve, without_effect
from ..nodes.launching.wiring import Wiring, wire
from ..nodes.launching.yaml_loader import InputError, MistakesError


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Launch file, or a name of ours.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
) -> None:
    """Check a launch file: its words, types, classes, parameters, plugins and topics.

    Exit code 2 where something is wrong, with one line for each mistake. Where a launch leaves
    room for nodes that it knows nothing of, a topic without its other end is a warning; so is an
    argument that nothing uses.
    """
    given = read_assignments(values or [])
    launch = resolve(find(file), given)
    wiring = checked(launch)
    wiring.warnings += without_effect(launch, given)
    warn(wiring)
    topics = len({end.topic for end in wiring.ends})
    found = f"{len(launch.nodes)} nodes, {topics} topics"
    Console(highlight=False, soft_wrap=True).print(
        f"{launch.file}: {found}, no errors", markup=False
    )


def warn(wiring: Wiring) -> None:
    """Says on stderr what may be wrong."""
    for warning in wiring.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def checked(launch: LaunchDescription) -> Wiring:
    """What a launch would connect, where nothing in it is wrong.

    Raises:
        InputError: Whatever is wrong; of several mistakes all.
    """
    if not launch.nodes:
        raise InputError("it starts nothing", str(launch.file), 1)
    _, hosts = launch.realtime, hosts_of(launch)  # these complain for themselves
    wiring = wire(launch, {node.full_name for node in hosts.here})
    if wiring.errors:
        raise MistakesError.of(wiring.errors)
    return wiring
