"""Cells of a grid: made beside each other, kept as JSON, not made again."""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

COVARY = (sys.executable, "-P", "-m", "covary.commands.main")


class Cell(Protocol):
    """One result of a grid."""

    def path(self, folder: Path) -> Path:
        """Where it is kept."""
        ...


C = TypeVar("C", bound=Cell)


def command_line(about: str, folder: str, hours: float) -> argparse.ArgumentParser:
    """What every grid can be told.

    Args:
        about: Its docstring; the first line is shown.
        folder: Where results are kept, below runs/results.
        hours: Of one core, unless told otherwise.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/results") / folder)
    parser.add_argument("--hours", type=float, default=hours, help="of one core, for all of it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a few small policies: does it run?")
    return parser


def tell(report: dict, table: str | None = None) -> None:
    """Print a report as JSON; with a table that one first, and the points not again."""
    if table is not None:
        print(table)
        report = {**report, "points": None}
    print(json.dumps(report, indent=1))


def trained(recipe: str, settings: dict[str, Any], demonstrations: Any) -> Any:
    """Train a policy in this process; its card.

    Args:
        recipe: One of ours, by name.
        settings: Its parameters, ``data`` and ``out`` among them.
        demonstrations: What is learned from: `data`, or a part of it.
    """
    from covary.control.imitation.policy_folder import write_policy
    from covary.control.imitation.training import Training
    from covary.nodes.launching.launch_file import read_assignments
    from covary.nodes.training.recipe import find_recipe, read_recipe

    words = [f"{name}:={json.dumps(value, default=str)}" for name, value in settings.items()]
    training = Training(read_recipe(find_recipe(recipe), read_assignments(words)), demonstrations)
    for _ in training.moments():
        pass
    return write_policy(training)


def say(text: str) -> None:
    """One line for who watches."""
    print(text, file=sys.stderr, flush=True)


def collected(words: Sequence[str], out: Path) -> None:
    """Collect a dataset with two workers, where it is not there yet."""
    about = out / "dataset.yaml"
    if about.exists() and yaml.safe_load(about.read_text())["complete"]:
        return
    before = _children()
    command = [*COVARY, "collect", *words, "workers:=2", f"out:={out}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    say(f"demonstrations {out.name}: {_children() - before:.0f} s of one core")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kept(path: Path) -> dict | None:
    """The result that is there; None: none is."""
    return json.loads(path.read_text()) if path.exists() else None


def keep(path: Path, result: dict) -> dict:
    """Write a result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    os.replace(partial, path)
    return result


def remove(folder: Path) -> None:
    """Remove a policy's folder: hundreds of them are gigabytes."""
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    folder.rmdir()


def made_beside(
    cells: Sequence[C],
    make: Callable[[C, Path], dict],
    folder: Path,
    workers: int,
    said: Callable[[dict], str],
) -> list[dict]:
    """The results of cells; those that are not there yet are made beside each other.

    Args:
        cells: Which.
        make: Makes one; it runs in another process and keeps what it returns.
        folder: Where results are kept.
        workers: Processes.
        said: A result in words.

    Returns:
        The results, in the order of the cells.
    """
    missing = [cell for cell in cells if not cell.path(folder).exists()]
    if missing:
        context = multiprocessing.get_context("spawn")
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
        begin = time.monotonic()
        with ProcessPoolExecutor(workers, context) as pool:
            waiting = [pool.submit(make, cell, folder) for cell in missing]
            for done, future in enumerate(as_completed(waiting), 1):
                row = future.result()
                left = (time.monotonic() - begin) / done * (len(missing) - done) / 60
                say(f"{said(row)}, {done}/{len(missing)}, {left:.1f} min left of these")
    return [make(cell, folder) for cell in cells]


def interval(successes: int, episodes: int, rates: Sequence[float]) -> list[float]:
    """Of a success rate over seeds; episodes of one policy are alike, so the wider of two.

    Args:
        successes: Of all seeds.
        episodes: Of all seeds.
        rates: Of each seed.
    """
    from covary.commands.intervals import of_mean, wilson

    low, high = wilson(successes, episodes)
    over = of_mean(rates) or [low, high]
    return [round(max(0.0, min(low, over[0])), 4), round(min(1.0, max(high, over[1])), 4)]
