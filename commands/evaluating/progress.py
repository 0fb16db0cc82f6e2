"""What a person sees while episodes are run, and the table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


class EvaluateProgress:
    """A bar on a terminal; elsewhere a line at every fifth of the way.

    Args:
        wanted: Episodes.
    """

    def __init__(self, wanted: int) -> None:
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.wanted, self.done, self.successes = wanted, 0, 0
        self._begin = time.monotonic()
        self._bar: Progress | None = None
        if self.console.is_terminal:
            self._bar = Progress(
                BarColumn(bar_width=20),
                TextColumn("{task.completed:.0f}/{task.total:.0f}"),
                TextColumn("[dim]left[/]"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[said]}"),
                console=self.console,
                transient=True,
                refresh_per_second=4,  # the workers beside it want the cores
            )
            self._task = self._bar.add_task("", total=wanted, said="")

    def __enter__(self) -> Self:
        """Show the bar, where there is one."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()

    def say(self, text: str, style: str = "") -> None:
        """One line."""
        self.console.print(text, style=style, markup=False)

    def made(self, success: bool) -> None:
        """An episode has ended."""
        before = self.done * 5 // self.wanted
        self.done, self.successes = self.done + 1, self.successes + success
        said = f"success {100 * self.successes / self.done:.0f} %"
        if self._bar:
            self._bar.update(self._task, completed=self.done, said=said)
        elif self.done * 5 // self.wanted > before:
            each = (time.monotonic() - self._begin) / self.done
            left = f", {each * (self.wanted - self.done):.0f} s left"
            self.say(f"  {self.done}/{self.wanted} episodes, {said}{left}")


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
