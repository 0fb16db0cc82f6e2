"""`covary service list|call`: the services of a running launch, `/stop` and `/reset` before all."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..nodes import messages
from ..nodes.bus.local_bus import BusError
from ..nodes.bus.wire import Token
from ..nodes.bus.zenoh_bus import ZenohBus
from ..nodes.launching.yaml_loader import InputError, dump, nearest
from .running_launch import Run, join
from .topic import as_plain

app = typer.Typer(no_args_is_help=True)

CALL_S = 5.0
"""How long to wait for an answer, s."""


@app.command("list")
def list_services(run: Run = None) -> None:
    """List services with their types and who serves them."""
    bus = join(run)
    try:
        served = _served(bus)
    finally:
        bus.close()
    table = Table()
    for column in ("service", "type", "served by"):
        table.add_column(column, overflow="fold")
    for token in served:
        table.add_row(token.topic, token.type_name, f"{token.namespace}/{token.node}")
    Console().print(table)


@app.command()
def call(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help="Service, such as /stop.")],
    run: Run = None,
) -> None:
    """Call a service whose request is empty (std_srvs/srv/Trigger) and print the answer as YAML.

    Exit code 1: no answer, or it says that it did not succeed; 2: no such service.
    """
    name = name if name.startswith("/") else f"/{name}"
    bus = join(run)
    try:
        type_name = _type(bus, name)
        request, response = _ends_of(name, type_name)
        raw = bus.call(type_name, name, messages.serialize(request), CALL_S)
        answer = messages.deserialize(raw, response)
    except (BusError, messages.MessageError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    finally:
        bus.close()
    print(dump(as_plain(answer)), end="")
    if not getattr(answer, "success", True):
        raise typer.Exit(1)


def _served(bus: ZenohBus) -> list[Token]:
    return sorted((t for t in bus.graph() if t.kind == "SS"), key=lambda t: t.topic)


def _type(bus: ZenohBus, name: str) -> str:
    served = {token.topic: token.type_name for token in _served(bus)}
    if name not in served:
        hint = nearest(name, served) or f"; there are {', '.join(served) or 'none'}"
        raise InputError(f"no service '{name}'{hint}")
    return served[name]


def _ends_of(name: str, type_name: str) -> tuple[object, str]:
    """An empty request of a service's type, and the name of its response's type."""
    known = {service: short for short, (service, _, _) in messages.SERVICES.items()}
    if type_name not in known:
        raise InputError(f"{name} is of type {type_name}, which is not known here")
    service = getattr(messages, known[type_name])
    try:
        request = service.Request(structure_needs_at_least_one_member=0)
    except TypeError:
        raise InputError(
            f"{name} wants a request with values; only empty ones can be sent"
        ) from None
    return request, service.Response.__msgtype__
