"""`covary param list|get|set`: the numbers of a running node, as `ros2 param` has them."""

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..nodes.bus.local_bus import BusError
from ..nodes.launching.yaml_loader import InputError, dump, nearest, parse_value
from ..nodes.messages import MessageError
from ..nodes.parameter_services import Described, ParameterClient
from .running_launch import Run, join

app = typer.Typer(no_args_is_help=True)

ANSWER_S = 5.0
"""How long to wait for an answer, s."""

Node = Annotated[str, typer.Argument(metavar="NODE", help="Its name, such as planner.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The parameter, such as samples.")]


@app.command("list")
def list_parameters(node: Node, run: Run = None) -> None:
    """List what a node can be told while it runs, with the values it has now."""
    bus = join(run)
    try:
        found = _read(bus, node)
    finally:
        bus.close()
    table = Table()
    for column in ("parameter", "value", "what it is"):
        table.add_column(column, overflow="fold")
    for described in found:
        table.add_row(described.name, str(described.value), described.about)
    Console().print(table)


@app.command()
def get(node: Node, name: Name, run: Run = None) -> None:
    """Print a parameter's value."""
    bus = join(run)
    try:
        value = _one(_read(bus, node), node, name).value
    finally:
        bus.close()
    print(dump(value).removesuffix("...\n"), end="")


@app.command("set")
def set_parameter(
    node: Node,
    name: Name,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Typed as in launch files.")],
    run: Run = None,
) -> None:
    """Set a parameter; the node goes on with it at once.

    Exit code 1: the node refuses it, or does not answer; 2: no such node or parameter.
    """
    typed = parse_value(value, "command line")
    if not isinstance(typed, bool | int | float | str):
        raise InputError(f"'{value}' is no number, text, true or false", "command line")
    bus = join(run)
    try:
        _one(_read(bus, node), node, name)
        reason = ParameterClient(bus, node, ANSWER_S).set(name, typed)
    except (BusError, MessageError) as error:
        reason = str(error)
    finally:
        bus.close()
    if reason:
        print(reason, file=sys.stderr)
        raise typer.Exit(1)


def _read(bus: Any, node: str) -> list[Described]:
    """All parameters of a node.

    Raises:
        InputError: It offers none.
    """
    try:
        return ParameterClient(bus, node, ANSWER_S).read()
    except (BusError, MessageError) as error:
        served = [t for t in bus.graph() if t.kind == "SS" and t.topic.endswith("/list_parameters")]
        names = [token.topic.removesuffix("/list_parameters") for token in served]
        if f"/{node.strip('/')}" in names:
            raise InputError(str(error)) from None
        hint = nearest(f"/{node.strip('/')}", names) or f"; there are {', '.join(names) or 'none'}"
        raise InputError(f"no node '{node}' with parameters{hint}") from None


def _one(found: list[Described], node: str, name: str) -> Described:
    for described in found:
        if described.name == name:
            return described
    names = [described.name for described in found]
    hint = nearest(name, names) or f"; there are {', '.join(names) or 'none'}"
    raise InputError(f"{node} has no parameter '{name}'{hint}")
