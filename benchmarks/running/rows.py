"""Rows of a table that are kept in files, so that an interrupted run goes on."""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from covary.commands.evaluating.crew import crew

Made = Callable[[], dict]


class Rows:
    """Makes rows that are missing, here or in a worker.

    Args:
        setting: The folder of the files, and when none is begun any more, s since 1970.
    """

    def __init__(self, setting: tuple[Path, float]) -> None:
        self.setting = setting

    def run(self, job: tuple[str, Made]) -> tuple[str, str]:
        """One row's name, and what went wrong with it: nothing, or the end of a traceback."""
        folder, until = self.setting
        name, make = job
        path = folder / f"{name}.json"
        if path.exists() or time.time() >= until:
            return name, ""
        try:
            row = json.dumps(make())
        except Exception as error:  # one that fails must not take the others' hours with it
            traceback.print_exc()
            return name, "".join(traceback.format_exception_only(error)).strip()
        part = path.with_suffix(".part")
        part.write_text(row)
        part.replace(path)
        print(f"{name}: {row}", file=sys.stderr, flush=True)
        return name, ""


def kept_rows(
    todo: Iterable[tuple[str, Made]], folder: Path, minutes: float, jobs: int = 1
) -> list[dict]:
    """Make what is missing, saying on stderr how far it is; all there is, in that order.

    Args:
        todo: A name of each, which is its file's, and what makes it; for several jobs something
            that can be pickled. They are begun in this order: the longest first, for several jobs.
        folder: Of the files.
        minutes: After so many none is begun.
        jobs: Worker processes, of one thread each; 1: none, all is made in this one. A Ctrl-C ends
            them, and what is finished stays.

    Raises:
        RuntimeError: Some went wrong; the others are made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    todo = list(todo)
    rows = Rows((folder, time.time() + 60 * minutes))
    with crew(rows, min(jobs, len(todo))) as run:
        wrong = [f"{name}: {said}" for name, said in run(todo) if said]
    if wrong:
        raise RuntimeError("; ".join(wrong))
    paths = (folder / f"{name}.json" for name, _ in todo)
    return [json.loads(path.read_text()) for path in paths if path.exists()]
