"""`ProgressBar`: how far a long command is: a bar on a terminal, elsewhere now and then a line."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Writes to stderr; nothing is shown before `begin`.

    Args:
        unit: What is counted.
        lines: Where there is no terminal a line is written each time that one part in so many of
            the way is done.
    """

    def __init__(self, unit: str, lines: int = 10) -> None:
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.unit, self._lines = unit, lines
        self._bar: Progress | None = None

    def begin(self, done: int, wanted: int) -> None:
        """There are so many of so many already."""
        self.wanted, self._told = wanted, done * self._lines // max(wanted, 1)
        if self.console.is_terminal:
            self._bar = Progress(
                BarColumn(bar_width=20),
                TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {self.unit}"),
                TextColumn("[dim]left[/]"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[said]}"),
                console=self.console,
                transient=True,
                refresh_per_second=4,  # what is waited for wants the cores
            )
            self._task = self._bar.add_task("", total=wanted, completed=done, said="")
            self._bar.start()

    def __enter__(self) -> Self:
        """Nothing yet."""
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

    def at(self, done: int, said: str, left: str) -> None:
        """So many are done; what else there is to say, and in words how long it takes still."""
        if self._bar:
            self._bar.update(self._task, completed=done, said=said)
        elif done * self._lines // self.wanted > self._told:
            self._told = done * self._lines // self.wanted
            left = f", {left} left" if left else ""
            self.say(f"  {done}/{self.wanted} {self.unit}, {said}{left}")
