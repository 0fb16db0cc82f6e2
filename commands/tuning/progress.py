"""What a person sees while a planner is tuned, and the table at the end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..progress_bar import ProgressBar
from .trials import Trial


class TuneProgress(ProgressBar):
    """How far a tuning is.

    Args:
        wanted: Trials.
        before: How many there are already.
        workers: How many are made at once.
    """

    def __init__(self, wanted: int, before: int, workers: int) -> None:
        super().__init__("trials")
        self.done, self.before, self.since = before, before, time.monotonic()
        self.begin(before, max(wanted, before))

    def made(self, trial: Trial, best: Trial | None) -> None:
        """A trial has ended; the best so far."""
        self.done += 1
        if trial.failed:
            self.say(f"  trial {trial.number} came to nothing: {trial.failed}", "yellow")
        each = (time.monotonic() - self.since) / (self.done - self.before)
        said = f"best {best.cost:.4g} (trial {best.number})" if best else "none yet"
        self.at(self.done, said, f"{each * (self.wanted - self.done):.0f} s")


def report(summary: Mapping[str, Any]) -> None:
    """The short table at the end, where the files are, and what to type next."""
    console = Console(highlight=False, soft_wrap=True)
    best, before = summary["best"], summary["before"]
    failed = f", {summary['failed_trials']} came to nothing" if summary["failed_trials"] else ""
    table = Table(show_header=False)
    rows = [
        ("planner", summary["planner"]),
        ("trials", f"{summary['trials']} of {summary['wanted']}{failed}"),
    ]
    if best:
        other = summary["other_starts"]
        rows.append((f"cost, {summary['episodes']} episodes", _costs(before, best)))
        if other["best"] and other["best"]["cost"] is not None:
            name = f"on {other['best']['episodes']} other starts"
            rows.append((name, _costs(other["before"], other["best"])))
        rows.append(("best trial", str(best["trial"])))
        for name, value in best["values"].items():
            was = before["values"][name] if before else None
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            rows.append((name, shown if was in (None, value) else f"{shown} (was {was})"))
    rows.append(("wall time", f"{summary['wall_s']:.1f} s"))
    for name, value in rows:
        table.add_row(name, escape(value))
    console.print(table)
    for failure in summary["failures"]:
        console.print(f"failed: {failure}", style="red", markup=False)
    if summary["trials"] < summary["wanted"]:
        console.print("not whole    the same command again goes on from here", markup=False)
    for name in ("picture", "summary"):
        if name in summary["files"]:
            console.print(f"{name:<12} {summary['files'][name]}", markup=False)
    if "arguments" in summary["files"]:
        launch, tuned = summary["launch"], summary["files"]["arguments"]
        words = shlex.join([_short(launch), f"@{tuned}"])
        console.print(f"next         covary launch {words}", markup=False)


def _costs(before: Mapping[str, Any] | None, best: Mapping[str, Any]) -> str:
    said = f"{best['cost']:.4g}, success {100 * best['success_rate']:.0f} %"
    if not before or before["cost"] is None:
        return said
    was = f"{before['cost']:.4g}, success {100 * before['success_rate']:.0f} %"
    worse = "" if best["cost"] <= before["cost"] else "; it is no better"
    return f"{said} (before: {was}{worse})"


def _short(launch: str) -> str:
    """One of our launch files by its name."""
    from ...nodes.launching.launch_file import find
    from ...nodes.launching.yaml_loader import InputError

    name = launch.rpartition("/")[2]
    try:
        return name if str(find(name)) == launch else launch
    except InputError:
        return launch
