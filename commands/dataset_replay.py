"""`covary replay DATASET`: every episode once more, and a table of what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..nodes.bags.dataset import bags_in
from ..nodes.launching.yaml_loader import in_a_line
from .info import shown

if TYPE_CHECKING:
    from .replay import Verdict

_MOST = 40
"""Identical episodes that the table names; of more it says how many there are."""


def replay_dataset(path: Path, verdict_of: Callable[[Path], Verdict | str]) -> bool:
    """Replay every episode of a folder, and print a table.

    Args:
        path: A dataset, a run folder, or a folder of bags.
        verdict_of: Replays a bag; a text says why it cannot be.

    Returns:
        Whether all are identical.
    """
    bags = bags_in(path)
    stderr = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    found: dict[str, Verdict | str] = {}
    for bag in track(bags, "replaying", console=stderr, transient=True, disable=hidden):
        found[bag.name] = verdict_of(bag)
    good = [name for name, one in found.items() if not isinstance(one, str) and not one.difference]
    table = Table(title=shown(str(path)), title_justify="left")
    for name in ("episode", "ticks", "records", "result"):
        table.add_column(name, justify="right" if name in ("ticks", "records") else "left")
    notes: dict[str, int] = {}
    for name, one in found.items():
        for note in () if isinstance(one, str) else one.notes:
            notes[note] = notes.get(note, 0) + 1
        if name in good[_MOST:]:
            continue
        if isinstance(one, str):
            table.add_row(shown(name), "", "", f"cannot be replayed: {shown(one)}")
        else:
            table.add_row(shown(name), str(one.ticks), str(one.compared), shown(_result(one)))
    if len(good) > _MOST:
        table.add_row("...", "", "", f"identical: {len(good) - _MOST} more")
    console = Console(highlight=False)
    console.print(table)
    for note, count in notes.items():
        said = f"note: {in_a_line(note)} ({count} of {len(found)} episodes)"
        console.print(said, markup=False, soft_wrap=True)
    console.print(f"{len(good)} of {len(found)} episodes identical")
    return len(good) == len(found)


def _result(verdict: Verdict) -> str:
    d = verdict.difference
    if d is None:
        return "identical"
    apart = f"{d.replayed - d.recorded:+.3g}"
    return f"differs first at tick {d.tick}: {d.topic} {d.coordinate} by {apart}"
