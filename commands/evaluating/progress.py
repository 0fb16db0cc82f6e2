"""What a person sees while episodes are run, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..progress_bar import ProgressBar


class EvaluateProgress(ProgressBar):
    """How far an evaluation is.

    Args:
        wanted: Episodes.
    """

    def __init__(self, wanted: int) -> None:
        super().__init__("episodes", lines=5)
        self.done, self.successes, self.since = 0, 0, time.monotonic()
        self.begin(0, wanted)

    def made(self, success: bool) -> None:
        """An episode has ended."""
        self.done, self.successes = self.done + 1, self.successes + success
        each = (time.monotonic() - self.since) / self.done
        left = f"{each * (self.wanted - self.done):.0f} s"
        self.at(self.done, f"success {100 * self.successes / self.done:.0f} %", left)


def report(summary: Mapping[str, Any], console: Console) -> None:
    """The short table at the end, and where the files are."""
    table = Table(show_header=False)
    for name, value in _facts(summary):
        table.add_row(name, escape(value))
    console.print(table)
    if len(summary["by_dial"]) > 1:
        console.print(_by_dial(summary["by_dial"]))
    for name in ("map", "picture", "summary"):
        if summary["files"].get(name):
            console.print(f"{name:<12} {summary['files'][name]}", markup=False)


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    options = " ".join(f"{name}:={value}" for name, value in summary["task_options"].items())
    rows = [("policy", summary["policy"]), ("task", f"{summary['task']} {options}".strip())]
    whole = "" if summary["complete"] else f" of {summary['wanted']}, the first ones"
    rows.append(("episodes", f"{summary['episodes']}{whole}, seed {summary['seed']}"))
    if summary["trained_on"] not in (None, summary["task"]):
        rows.append(("mind", f"it was trained on {summary['trained_on']}"))
    elif summary["demonstrated"]:
        other = summary["seed"] + 1
        rows.append(("mind", f"demonstrations were of these starts too; seed:={other} has others"))
    if summary["episodes"]:
        rows.append(("success", _success(summary)))
        rows.append(("cost", _figure(summary["cost"], "")))
        rows.append(("length", _figure(summary["length_s"], " s")))
    if summary["latency_ms"]:
        taken = summary["latency_ms"]
        rows.append(("an answer", f"{taken['p50']:.2f} ms (p99 {taken['p99']:.2f} ms)"))
    if summary["without_answer"]:
        said = f"{summary['without_answer']} periods, the safe action each: "
        rows.append(("no answer", said + summary["why_without"]))
    rows.append(("wall time", f"{summary['wall_s']:.1f} s"))
    return rows


def _success(figures: Mapping[str, Any]) -> str:
    low, high = figures["interval"]
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    rate = 100 * figures["success_rate"]
    return f"{figures['successes']} of {figures['episodes']}, {rate:.1f} % ({interval})"


def _figure(figure: Mapping[str, Any], unit: str) -> str:
    said = f"{figure['mean']:.3f}{unit}"
    if figure["interval"]:
        low, high = figure["interval"]
        said += f" (95 % interval of the mean {low:.3f} to {high:.3f}{unit})"
    return said


def _by_dial(rows: list[Mapping[str, Any]]) -> Table:
    table = Table("dials", "success", "cost")
    for row in rows:
        dials = ", ".join(f"{name} {value:g}" for name, value in row["dials"].items())
        cells = ("-", "-")
        if row["episodes"]:
            cells = (_success(row), f"{row['cost']['mean']:.3f}")
        table.add_row(escape(dials), *cells)
    return table
