"""`covary graph FILE`: a launch's nodes and topics as a drawing, a table and mermaid text."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ..nodes.launching.drawing import Branch, mermaid, tree
from ..nodes.launching.launch_file import find, read_assignments, resolve
from ..nodes.launching.topics import by_topic
from ..nodes.launching.wiring import Wiring
from .check import checked, warn

_STYLES = {"node": "bold green", "topic": "cyan", "outside": "dim"}


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
    warn(wiring)
    if mermaid_only:
        print(mermaid(wiring, launch))
        return
    console = Console(highlight=False)
    for branch in tree(wiring, launch):
        console.print(drawn(branch, "->" if console.options.ascii_only else "─▶"))
    console.print(table(wiring))
    print(mermaid(wiring, launch))


def drawn(branch: Branch, arrow: str) -> Tree:
    """A node, the topics that it publishes, and an arrow from each to its listeners."""
    text = Text(branch.name, _STYLES[branch.kind])
    if branch.note:
        text.append(f"  {branch.note}", "dim")
    found = Tree(text, guide_style="dim")
    for topic in branch.branches:
        line = Text(topic.name, _STYLES["topic"])
        if topic.listeners:
            line.append(f" {arrow} ", "dim")
            line.append(", ".join(topic.listeners), _STYLES["node"])
        found.add(line)
    return found


def table(wiring: Wiring) -> Table:
    """The topics with their types, and who publishes and subscribes."""
    found = Table()
    for column in ("topic", "type", "published by", "subscribed by"):
        found.add_column(column, overflow="fold")
    for topic, ends in by_topic(wiring.ends).items():
        names = [
            ", ".join(sorted(end.node for end in ends if end.publishes is way))
            for way in (True, False)
        ]
        found.add_row(topic, ends[0].type_name, *names)
    return found
