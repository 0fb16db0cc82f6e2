"""What a person sees while a run goes on: who started, how far the episodes are, what went wrong.

On a terminal a bar with the remaining time; elsewhere (a log file, a build) plain lines only. All
lines go into the run folder as well, with their times: the folder alone tells what happened.
"""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class RunProgress:
    """Tells a run on a stream.

    Args:
        episodes: How many there will be, None when nobody knows.
        stream: Where to (default stderr).
        log: A file that keeps all lines; None for none.
    """

    def __init__(
        self,
        episodes: int | None = None,
        stream: TextIO | None = None,
        log: Path | None = None,
    ) -> None:
        self.console = Console(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self.episodes = episodes
        self.done = 0
        self.successes = 0
        self._log = log
        self._bar: Progress | None = None
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn(
                    "{task.completed:.0f}/{task.total}" if episodes else "{task.completed:.0f}"
                ),
                TextColumn("[dim]elapsed[/]"),
                TimeElapsedColumn(),
                TextColumn("[dim]left[/]"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
                refresh_per_second=4,  # the processes beside it want the cores
            )
            self._task = self._bar.add_task("episodes", total=episodes, visible=False)

    def __enter__(self) -> Self:
        """Shows the bar, where there is one."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the bar away and leaves the lines."""
        if self._bar:
            self._bar.stop()

    def say(self, text: str, style: str | None = None) -> None:
        """One line."""
        self.console.print(Text(text, style or ""))
        if self._log is None:
            return
        now = time.time()
        moment = (
            f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now % 1 * 1e3):03d}"
        )
        try:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{moment} {text.strip()}\n")
        except OSError:  # a full disk; the person has seen the line
            pass

    def log(self, level: str, text: str) -> None:
        """A ``log`` entry of the launch file."""
        styles = {"warning": "yellow", "error": "red"}
        self.say(text if level == "info" else f"{level}: {text}", styles.get(level))

    def started(self, name: str, pid: int, seconds: float) -> None:
        """A node is configured, so long after its process began."""
        self.say(f"  {name:<12} pid {pid:<8} configured in {seconds:.1f} s", "dim")

    def running(self) -> None:
        """All nodes are active."""
        if self._bar:
            self._bar.update(self._task, visible=True)

    def episode_began(self, index: int, seed: int) -> None:
        """An episode has started."""
        if self._bar:
            self._bar.update(self._task, description=f"episode {index} (seed {seed})")

    def episode_ended(
        self, index: int, success: bool, aborted: bool, cost: float, duration: float
    ) -> None:
        """An episode is over, after so many simulated seconds."""
        self.done += 1
        self.successes += success and not aborted
        result = "aborted" if aborted else "success" if success else "failure"
        of = f"/{self.episodes}" if self.episodes else ""
        self.say(
            f"  episode {index:>3}  {result:<8} {duration:6.2f} s  cost {cost:9.3f}"
            f"   ({self.done}{of} done, {self.successes} successes)",
            {"success": "green", "failure": "yellow", "aborted": "red"}[result],
        )
        if self._bar:
            self._bar.update(self._task, completed=self.done)
