"""`covary graph FILE`: a launch's nodes and topics, as a table and as mermaid text."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..nodes.launching.launch_file import find, read_assignments, resolve
from ..nodes.launching.wiring import mermaid
from .check import checked


def graph(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Launch file, or a name of ours.")],
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Its arguments.")
    ] = None,
    mermaid_only: Annotated[
        bool, typer.Option("--mermaid", help="Only the mermaid text, for a document.")
    ] = False,
) -> None:
    """Show the nodes and topics of a launch file, with nothing started."""
    launch = resolve(find(file), read_assignments(values or []))
    wiring = checked(launch)
    if not mermaid_only:
        table = Table()
        for column in ("topic", "type", "published by", "subscribed by"):
            table.add_column(column, overflow="fold")
        for topic in sorted({end.topic for end in wiring.ends}):
            here = [end for end in wiring.ends if end.topic == topic]
            names = [
                ", ".join(sorted(e.node for e in here if e.publishes is way))
                for way in (True, False)
            ]
            table.add_row(topic, here[0].type_name, *names)
        Console().print(table)
    print(mermaid(wiring, launch))
