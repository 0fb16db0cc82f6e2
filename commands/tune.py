"""`covary tune LAUNCH planner:=NAME [name:=value ...]`: a planner's parameters by trial."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from ..nodes.launching.description import to_yaml
from ..nodes.launching.launch_file import read_assignments
from ..nodes.launching.yaml_loader import InputError, dump
from ..nodes.supervision.child import THREADS
from .interrupts import end_in_order

_PLACE = "command line"
_LOCK, _WORK, _REQUEST, _LAUNCH = ".lock", ".work", "tuning.json", "launch.yaml"
TUNED = "tuned.yaml"
"""The argument file with the best values, in the folder of the tuning."""


def tune(
    file: Annotated[
        str, typer.Argument(metavar="LAUNCH", help="Launch file, or a name of ours such as push.")
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME:=VALUE]...",
            help="trials:=50, episodes:=8 (of each trial), workers:=2, seed:=0, out:=DIR, "
            "ranges:=FILE or ranges:='{noise: [0.1, 1.0]}'; all others are the launch file's.",
        ),
    ] = None,
) -> None:
    """Tune a planner's parameters: trials in lockstep, the lowest mean cost wins.

    The result is an argument file: covary launch LAUNCH @DIR/tuned.yaml. The starts are no
    evaluation's. The same command again goes on, and with more trials further. Exit code 0: done;
    1: it could not be ended; 2: bad input; 130: Ctrl-C, with the best so far.
    """
    for name in THREADS:  # as in a launch: threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from .tuning.request import asked_of

    asked = asked_of(file, read_assignments(values or []))
    with _locked(asked.out):
        raise typer.Exit(_run(asked))


def _run(asked: Any) -> int:
    """Make the trials, write what came of them and say it; the exit code."""
    from .evaluating.crew import crew
    from .evaluating.episodes import EpisodeError
    from .tuning.progress import TuneProgress, report
    from .tuning.search import Search  # noqa: F401 (its imports, before anything has begun)
    from .tuning.trials import TRIALS, Setting, TrialFile, Trials

    end_in_order()
    begin, code, failures = time.monotonic(), 0, []
    there = _begun(asked)
    try:
        file = TrialFile(asked.out / TRIALS)
    except OSError as error:
        raise InputError(f"out:={asked.out}: {error.strerror or error}", _PLACE) from None
    work = asked.out / _WORK
    shutil.rmtree(work, ignore_errors=True)  # what a kill has left
    runner = Trials(Setting(asked.launch, asked.episodes, asked.seed, work.absolute()))
    with TuneProgress(asked.trials, len(file.searched()), asked.workers) as progress:
        progress.say(f"{asked.planner} in {asked.launch.file.name} -> {asked.out}", "bold")
        if there and file.trials:
            progress.say(f"goes on from trial {len(file.searched())} of {asked.trials}")
        try:
            with crew(runner, asked.workers) as run:
                _search(asked, file, run, progress)
                _check(asked, file, run, progress)
        except KeyboardInterrupt:
            code = 130
        except EpisodeError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"cannot write into {asked.out}: {error.strerror or error}")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient finger costs no summary
    shutil.rmtree(work, ignore_errors=True)
    code = code or int(bool(failures))
    summary = _summary(asked, file, failures, code, time.monotonic() - begin)
    _written(asked, file, summary)
    report(summary)
    signal.signal(signal.SIGINT, before)
    return summary["exit_code"]


def _search(asked: Any, file: Any, run: Any, progress: Any) -> None:
    """Make the trials that are missing."""
    from .tuning.search import Search
    from .tuning.trials import Job

    search, first = Search(asked.space, asked.own, asked.seed), 0
    while first < asked.trials:
        values = search.batch()
        numbers = range(first, min(first + len(values), asked.trials))
        jobs = []
        for number, tried in zip(numbers, values, strict=False):
            known = file.trials.get((number, False))
            if known is None:
                jobs.append(Job(number, tried))
            elif known.values != tried:
                said = f"trial {number} has other values than this search would try"
                raise InputError(f"{said}; name a new folder", str(file.path))
        for trial in run(jobs):
            file.add(trial)
            best = file.best()
            if best is not None and best.number == trial.number:
                _write_tuned(asked, best)
            progress.made(trial, best)
        first += len(values)
        if first <= asked.trials:
            search.tell([file.trials[number, False].cost for number in numbers])


def _check(asked: Any, file: Any, run: Any, progress: Any) -> None:
    """Run the best and what the planner had on other starts: a search flatters its winner."""
    from .tuning.trials import Job

    best = file.best()
    if best is None:
        return
    jobs = [
        Job(number, file.trials[number, False].values, True)
        for number in dict.fromkeys((0, best.number))
        if (number, True) not in file.trials
    ]
    if jobs:
        progress.say(f"the best, and what it was before, on {2 * asked.episodes} other starts ...")
    for trial in run(jobs):
        file.add(trial)


def _write_tuned(asked: Any, best: Any) -> None:
    """The argument file with the best values, whole at any time."""
    options = {**asked.given.get("planner_options", {}), **best.values}
    content = {**asked.given, "planner": asked.planner, "planner_options": options}
    head = (
        f"# covary launch {asked.file} @{asked.out / TUNED}\n"
        f"# covary tune: trial {best.number} is the best, mean cost {best.cost:.6g} an episode.\n"
    )
    partial = asked.out / f".{TUNED}.partial"
    partial.write_text(head + dump(content), encoding="utf-8")
    os.replace(partial, asked.out / TUNED)


def _written(asked: Any, file: Any, summary: dict[str, Any]) -> None:
    """Picture, argument file and summary, where they can be written."""
    from ..nodes.supervision.run_folder import write_json
    from .pictures.tuning import tuning_picture

    best = file.best()
    try:
        if best is not None:
            _write_tuned(asked, best)
            summary["files"]["arguments"] = str(asked.out / TUNED)
            title = f"{asked.planner} in {asked.launch.file.name}: mean cost of an episode"
            picture = asked.out / "tuning.png"
            tuning_picture(file.searched(), asked.space, picture, title)
            summary["files"]["picture"] = str(picture)
    except ModuleNotFoundError as error:
        print(f"no picture: it needs {error.name}: pip install pillow")
    except OSError as error:
        summary["failures"].append(f"cannot write into {asked.out}: {error.strerror or error}")
        summary["exit_code"] = summary["exit_code"] or 1
    summary["files"]["summary"] = str(asked.out / "summary.json")
    try:
        write_json(asked.out / "summary.json", summary)
    except OSError as error:
        summary["failures"].append(f"summary.json cannot be written: {error.strerror or error}")
        summary["exit_code"] = summary["exit_code"] or 1


def _summary(
    asked: Any, file: Any, failures: list[str], code: int, wall_s: float
) -> dict[str, Any]:
    made, best = file.searched(), file.best()

    def told(number: int, check: bool) -> dict[str, Any] | None:
        trial = file.trials.get((number, check))
        if trial is None:
            return None
        n = len(trial.costs)
        return {
            "trial": trial.number,
            "values": dict(trial.values),
            "cost": None if trial.failed else trial.cost,
            "episodes": n,
            "success_rate": trial.successes / n if n else None,
            "failed": trial.failed or None,
        }

    number = best.number if best else 0
    return {
        "launch": str(asked.launch.file),
        "planner": asked.planner,
        "arguments": dict(asked.given),
        "trials": len(made),
        "wanted": asked.trials,
        "failed_trials": sum(bool(trial.failed) for trial in made),
        "episodes": asked.episodes,
        "seed": asked.seed,
        "ranges": {name: found.plain() for name, found in asked.space.items()},
        "before": told(0, False),
        "best": told(number, False) if best else None,
        "other_starts": {"before": told(0, True), "best": told(number, True) if best else None},
        "workers": asked.workers,
        "wall_s": round(wall_s, 3),
        "failures": failures,
        "exit_code": code,
        "out": str(asked.out),
        "files": {},
    }


def _begun(asked: Any) -> bool:
    """Whether the folder holds this tuning already; else it is begun.

    Raises:
        InputError: It holds another one.
    """
    request = {
        "ranges": {name: found.plain() for name, found in asked.space.items()},
        "episodes": asked.episodes,
        "seed": asked.seed,
    }
    resolved = to_yaml(asked.launch)
    try:
        if not (asked.out / _REQUEST).exists():
            (asked.out / _LAUNCH).write_text(resolved, encoding="utf-8")
            (asked.out / _REQUEST).write_text(json.dumps(request, indent=2) + "\n")
            return False
        before = json.loads((asked.out / _REQUEST).read_text(encoding="utf-8"))
        launched = (asked.out / _LAUNCH).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"out:={asked.out}: {said}", _PLACE) from None
    other = [name for name, value in request.items() if before.get(name) != value]
    other += ["launch"] * (launched.partition("\n")[2] != resolved.partition("\n")[2])
    if other:
        said = f"holds a tuning with another {' and '.join(other)}; name a new folder"
        raise InputError(f"out:={asked.out}: {said}", _PLACE)
    return True


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """The folder, for this tuning alone.

    Raises:
        InputError: Another is at work in it, it holds something else, or cannot be made.
    """
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"out:={out}: is no folder", _PLACE)
        there = {path.name for path in out.iterdir()} if out.is_dir() else set()
        if there - {_LOCK} and _REQUEST not in there:
            raise InputError(f"out:={out}: holds something that is no tuning", _PLACE)
        made = not out.exists()
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        said = getattr(error, "strerror", None) or error
        raise InputError(f"out:={out}: {said}", _PLACE) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        taken = isinstance(error, BlockingIOError)
        said = "another covary tune is at work there" if taken else error.strerror
        raise InputError(f"out:={out}: {said}", _PLACE) from None
    try:
        yield
    finally:
        with suppress(OSError):
            if {path.name for path in out.iterdir()} == {_LOCK}:  # what was asked for was wrong
                (out / _LOCK).unlink()
                if made:
                    out.rmdir()
        os.close(lock)
