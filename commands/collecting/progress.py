"""What a person sees while episodes are collected, and the table at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..progress_bar import ProgressBar


class CollectProgress(ProgressBar):
    """How far a collection is.

    Args:
        wanted: Episodes that are wanted.
        before: How many there are already.
    """

    def __init__(self, wanted: int, before: int) -> None:
        super().__init__("episodes")
        self.before, self.since = before, time.monotonic()
        self.begin(before, wanted)

    def made(self, done: int, attempts: int, successes: int) -> None:
        """An attempt has been made.

        Args:
            done: Episodes there are now.
            attempts: Attempts that count.
            successes: How many of them were successful.
        """
        minutes = (time.monotonic() - self.since) / 60
        pace = (done - self.before) / minutes if minutes > 0 else 0.0
        rate = f", success {100 * successes / attempts:.0f} %" if attempts else ""
        left = f"{(self.wanted - done) / pace:.1f} min" if pace > 0 else ""
        self.at(done, f"{pace:.1f} episodes/min{rate}", left)


def report(folder: str, summary: Mapping[str, Any]) -> None:
    """The short table at the end, and what to type next."""
    console = Console(highlight=False, soft_wrap=True)
    low, high = summary["wilson_95"]
    table = Table(show_header=False)
    rows = [("task", summary["task"]), ("episodes", _of(summary))]
    if summary["attempts"]:
        rate = 100 * summary["success_rate"]
        interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
        said = (
            f"{summary['successes']} of {summary['attempts']} attempts, {rate:.1f} % ({interval})"
        )
        rows.append(("success", said))
    if summary["episodes_per_min"] is not None:
        rows.append(("pace", f"{summary['episodes_per_min']:.1f} episodes/min"))
    rows += [
        ("size", f"{summary['bytes'] / 1e6:.1f} MB"),
        ("wall time", f"{summary['wall_s']:.1f} s"),
    ]
    for name, value in rows:
        table.add_row(name, escape(value))
    console.print(table)
    for failure in summary["failures"]:
        console.print(f"failed: {failure}", style="red", markup=False)
    if not summary["complete"]:
        console.print("not whole    the same command again goes on from here", markup=False)
    console.print(f"dataset      {folder}", markup=False)
    name = shlex.quote(str(folder))
    console.print(f"next         covary info {name}", markup=False)
    console.print(f"             covary replay {name}", markup=False)
    if summary["episodes"] > 1:  # one cannot be split into training and validation
        out = shlex.quote(f"runs/{Path(folder).name}")
        console.print(f"             covary train bc data:={name} out:={out}", markup=False)


def _of(summary: Mapping[str, Any]) -> str:
    whole = "" if summary["complete"] else f" of {summary['wanted']}"
    return f"{summary['episodes']}{whole}"
