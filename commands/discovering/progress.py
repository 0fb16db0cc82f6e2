"""What a person sees while a group is looked for, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..progress_bar import ProgressBar


class DiscoverProgress(ProgressBar):
    """How far the training of the flow is.

    Args:
        wanted: Updates.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__("updates", lines=5)
        self.since = time.monotonic()
        self.begin(0, wanted)

    def made(self, done: int) -> None:
        """So many updates are made."""
        left = (time.monotonic() - self.since) / done * (self.wanted - done)
        self.at(done, f"{done / max(time.monotonic() - self.since, 1e-9):.0f}/s", f"{left:.0f} s")


def report(summary: Mapping[str, Any], console: Console) -> None:
    """The short table at the end, and where the files are."""
    table = Table(show_header=False)
    rows = [
        ("data", f"{summary['samples']} samples of {summary['source']}"),
        ("hypothesis", summary["hypothesis"]),
        ("the flow found", summary["flow"]),
    ]
    if summary["distance"] is not None:
        said = f"{summary['distance']:.3f}, two samples of it {summary['floor']:.3f}"
        rows.append(("distance to it", said))
        rows.append(("score", f"{summary['score']:.2f}"))
    if summary["centre"]:
        rows.append(("centre", "({:.4g}, {:.4g})".format(*summary["centre"])))
    rows += [("group", summary["group"]), ("verdict", summary["verdict"])]
    for name, value in rows:
        table.add_row(name, escape(value))
    console.print(table)
    console.print(summary["words"], markup=False)
    for name in summary["files"]:
        console.print(name, markup=False)
