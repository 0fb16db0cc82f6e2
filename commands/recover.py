"""`covary recover BAG`: mends a bag whose recorder was killed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..nodes.bags import recovery
from ..nodes.bags.bag import BagError
from ..nodes.launching.yaml_loader import in_a_line


def recover(
    path: Annotated[Path, typer.Argument(metavar="BAG", help="Bag folder or .mcap file.")],
) -> None:
    """Mend a bag whose recorder was killed, into a new folder beside it.

    Only what was written whole is taken; the original stays as it is.
    """
    console = Console(soft_wrap=True, highlight=False)
    try:
        result = recovery.recover(path)
    except (BagError, OSError) as error:
        # A full disk names no file.
        said = str(error) if str(path) in str(error) else f"{path}: cannot be mended: {error}"
        complain = Console(stderr=True, soft_wrap=True, highlight=False)
        complain.print(in_a_line(said), markup=False)
        raise typer.Exit(2) from error
    if result.whole:
        console.print(in_a_line(f"{path} is whole, nothing to mend"), markup=False)
        return
    total = sum(result.counts.values())
    counts = {in_a_line(topic): count for topic, count in sorted(result.counts.items())}
    width = max(map(len, counts), default=0)
    for topic, count in counts.items():
        console.print(f"  {topic:<{width}}  {count}", markup=False)
    lost = f"; {result.lost_bytes} bytes of an unfinished record left out"
    damaged = f"; {result.damaged} damaged records left out"
    console.print(
        in_a_line(f"{total} messages saved in {result.path}")
        + (lost if result.lost_bytes else "")
        + (damaged if result.damaged else ""),
        markup=False,
    )
