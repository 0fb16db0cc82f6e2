"""Rows of a table that are kept in files, so that an interrupted run goes on."""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def kept_rows(
    todo: Iterable[tuple[str, Callable[[], dict]]], folder: Path, minutes: float
) -> list[dict]:
    """Make what is missing, saying on stderr how far it is; all there is, in that order.

    Args:
        todo: A name of each, which is its file's, and what makes it.
        folder: Of the files.
        minutes: After so many none is begun.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begin, rows = time.monotonic(), []
    for name, make in todo:
        path = folder / f"{name}.json"
        if not path.exists() and time.monotonic() - begin < 60 * minutes:
            part = path.with_suffix(".part")
            part.write_text(json.dumps(make()))
            part.replace(path)
            print(f"{name}: {path.read_text()}", file=sys.stderr, flush=True)
        if path.exists():
            rows.append(json.loads(path.read_text()))
    return rows
