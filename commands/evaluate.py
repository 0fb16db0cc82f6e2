"""`covary evaluate POLICY [TASK] [name:=value ...]`: how good a policy is, and from where."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..nodes.launching.yaml_loader import InputError
from ..nodes.supervision.child import THREADS
from .interrupts import end_in_order


def evaluate(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A policy's folder, my_file:MyPolicy, or a planner: expert, mppi.",
        ),
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK] [NAME:=VALUE]...",
            help="TASK: a file of sim/tasks, my_file:MyTask or an environment's id; the policy's "
            "own if it is left out. episodes:=200, seed:=0, workers:=2, engine:=mujoco, "
            "dials:={gravity_tilt: [0, 5, 10]}, out:=DIR, map:=block_x,block_y with grid:=15; "
            "all others are the task's options, such as robot:=arm, or a planner's.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("--json", metavar="PATH", help="Write all figures there; -: print them."),
    ] = None,
) -> None:
    """Run a policy in a task, in process, with the starts and the judge of `covary launch`.

    Episode i is a function of the seed and i, whatever `workers` is. Exit code 0: done; 1: an
    episode could not be brought to its end; 2: bad input; 130: Ctrl-C, with the figures so far.
    """
    for name in THREADS:  # as in a launch: threads are a parameter, and one is the default
        os.environ.setdefault(name, "1")
    from .evaluating.request import request

    asked = request(policy, values or [])
    if path is not None and str(path) != "-":
        if not path.absolute().parent.is_dir():
            raise InputError(f"--json: no folder {path.absolute().parent}")
        if path.is_dir():
            raise InputError(f"--json: {path} is a folder; name a file")
    raise typer.Exit(_run(asked, path))


def _run(asked: Any, path: Path | None) -> int:
    """Run an evaluation, write it and say it; the exit code."""
    from .evaluating.crew import results
    from .evaluating.episodes import EpisodeError, Episodes, Job, Result
    from .evaluating.figures import counted, summary_of
    from .evaluating.progress import EvaluateProgress, report

    begin = time.monotonic()
    episodes = Episodes(asked.setting)
    episodes.prepare(0)  # what is wrong is said before anything runs
    end_in_order()
    folder = _folder(asked)
    made: dict[Job, Result] = {}
    code = 0
    with EvaluateProgress(len(asked.jobs)) as progress:
        progress.say(
            f"{asked.setting.who.name} in {asked.spec}: {len(asked.jobs)} episodes", "bold"
        )
        try:
            for result in results(episodes, asked.jobs, asked.workers):
                made[result.job] = result
                progress.made(result.success)
        except KeyboardInterrupt:
            code = 130
        except EpisodeError as error:
            progress.say(str(error), "red")
            code = 1
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient finger costs no figures
    episodes.close()
    whole = counted(asked.jobs, made)
    summary = {**summary_of(asked, whole, time.monotonic() - begin), "exit_code": code}
    summary["files"], failed = _written(asked, whole, summary, folder, path)
    if str(path) == "-":
        json.dump(summary, sys.stdout, indent=2)
        sys.stdout.write("\n")
    report(summary, Console(highlight=False, soft_wrap=True, stderr=str(path) == "-"))
    signal.signal(signal.SIGINT, before)
    return code or int(failed)


def _folder(asked: Any) -> Path:
    """Where figures and pictures go."""
    from ..nodes.supervision.run_folder import dated_folder

    try:
        if asked.out is not None:
            asked.out.mkdir(parents=True, exist_ok=True)
            return asked.out
        return dated_folder(f"evaluate-{asked.task.name}").relative_to(Path.cwd())
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        where = f"out:={asked.out}: " if asked.out is not None else ""
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{where}no folder for the figures: {said}") from None


def _written(
    asked: Any, results: Sequence[Any], summary: dict[str, Any], folder: Path, path: Path | None
) -> tuple[dict[str, str], bool]:
    """Write figures, episodes, map and picture: what lies where, and whether one failed."""
    from ..nodes.supervision.run_folder import write_json
    from .evaluating.figures import map_of, write_episodes

    files: dict[str, str] = {}
    failed = False

    def done(name: str, target: Path, write: Any) -> None:
        nonlocal failed
        try:
            write(target)
            files[name] = str(target)
        except ModuleNotFoundError as error:
            print(f"no {name}: it needs {error.name}: pip install pillow", file=sys.stderr)
        except OSError as error:
            print(f"{target} cannot be written: {error.strerror or error}", file=sys.stderr)
            failed = True

    done("episodes", folder / "episodes.jsonl", lambda to: write_episodes(to, asked, results))
    if asked.setting.grid is not None:
        from ..control.success_map import MAP

        own = Path(asked.setting.who.name) if asked.card is not None else folder
        found = map_of(asked, results)
        done("map", own / MAP, found.save)
        done("picture", own / "map.png", lambda to: _heat_map(found, summary, to))
    elif results:
        done("picture", folder / "starts.png", lambda to: _starts_map(asked, results, summary, to))
    files["summary"] = str(folder / "summary.json")
    for target in (folder / "summary.json", path):
        if target is not None and str(target) != "-":
            done("summary", target, lambda to: write_json(to, {**summary, "files": files}))
    files["summary"] = str(folder / "summary.json")
    return files, failed


def _title(summary: dict[str, Any]) -> str:
    name = Path(summary["policy"]).name
    return f"{name} in {summary['task'].rpartition(':')[2]}: {summary['successes']} of " + str(
        summary["episodes"]
    )


def _heat_map(found: Any, summary: dict[str, Any], path: Path) -> None:
    from .pictures.success_maps import heat_map

    heat_map(found, path, _title(summary))


def _starts_map(asked: Any, results: Sequence[Any], summary: dict[str, Any], path: Path) -> None:
    import numpy as np

    from ..sim.tabletop.tabletop import WORKSPACE, Tabletop
    from .pictures.charts import positions
    from .pictures.success_maps import starts_map

    begun = [result for result in results if result.start is not None]
    places = positions(asked.task.state_names, np.stack([result.start for result in begun]))
    success = np.array([result.success for result in begun])
    workspace = WORKSPACE if isinstance(asked.task, Tabletop) else 0.0
    starts_map(places, success, path, workspace, _title(summary))
