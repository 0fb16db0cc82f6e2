"""The figures of an evaluation: rates and means with their intervals, by dial value, and a map."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...control.success_map import SuccessMap
from ...nodes.supervision.run_folder import versions
from ..intervals import of_mean, wilson
from .episodes import Episodes, Job, Result
from .grid import Grid
from .request import Request, request


def counted(jobs: Sequence[Job], made: Mapping[Job, Result]) -> list[Result]:
    """The results of the jobs before the first that was not made.

    Workers bring short episodes sooner, and those are successes: of an evaluation that was broken
    off, to count whatever has come would count too many.
    """
    found = []
    for job in jobs:
        if job not in made:
            break
        found.append(made[job])
    return found


def figures_of(results: Sequence[Result]) -> dict[str, Any]:
    """Success, cost and length of some episodes."""
    results = [result for result in results if result.start is not None]
    n, successes = len(results), sum(result.success for result in results)
    costs = [result.cost for result in results]
    seconds = [result.seconds for result in results]
    return {
        "episodes": n,
        "successes": successes,
        "success_rate": successes / n if n else None,
        "interval": wilson(successes, n),
        "cost": _mean(costs),
        "length_s": _mean(seconds),
    }


def _mean(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"mean": None, "std": None, "interval": None}
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "std": spread, "interval": of_mean(values)}


def summary_of(request: Request, results: Sequence[Result], wall_s: float) -> dict[str, Any]:
    """All that is written of an evaluation; `exit_code` and the files are added by who knows."""
    by_dial = []
    for condition, dials in enumerate(request.dials):
        rows = [result for result in results if result.job.condition == condition]
        by_dial.append({"dials": dict(dials), **figures_of(rows)})
    taken = [result.latency_ms for result in results if len(result.latency_ms)]
    latency = np.concatenate(taken) if taken else np.zeros(0)
    card = request.card
    now = versions()
    return {
        "policy": request.setting.who.name,
        "kind": request.setting.who.kind,
        "method": card.method if card else None,
        "mode": card.mode if card else None,
        "task": request.spec,
        "task_options": dict(request.options),
        "engine": request.engine,
        "seed": request.seed,
        "trained_on": card.task if card else None,
        "demonstrated": bool(card and request.seed in card.data.get("seeds", ())),
        **figures_of(results),
        "wanted": len(request.jobs),
        "complete": len(results) == len(request.jobs),
        "by_dial": by_dial,
        "latency_ms": _percentiles(latency),
        "without_answer": sum(result.missed for result in results),
        "why_without": next((result.reason for result in results if result.reason), ""),
        "failed": [result.job.episode for result in results if not result.success][:20],
        "workers": request.workers,
        "wall_s": round(wall_s, 3),
        "git_revision": now["git_revision"],
        "covary": now["covary"],
    }


def _percentiles(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    p50, p99 = np.percentile(values, [50, 99])
    return {"mean": float(values.mean()), "p50": float(p50), "p99": float(p99)}


def map_of(request: Request, results: Sequence[Result]) -> SuccessMap:
    """The map of an evaluation with a grid."""
    grid: Grid | None = request.setting.grid
    assert grid is not None
    episodes = np.zeros((grid.cells, grid.cells), int)
    successes = np.zeros_like(episodes)
    for result in results:
        if result.start is None:
            continue
        cell = result.job.cell or grid.cell_of(result.start, request.task.state_names)
        if cell is not None:
            episodes[cell] += 1
            successes[cell] += result.success
    about = {
        "policy": request.setting.who.name,
        "weights": request.card.files.get("weights.safetensors", "") if request.card else "",
        "task": request.spec,
        "task_options": dict(request.options),
        "engine": request.engine,
        "dials": dict(request.dials[0]),
        "seed": request.seed,
        "revision": versions()["git_revision"],
    }
    return SuccessMap(grid.names, grid.middles(0), grid.middles(1), episodes, successes, about)


def write_episodes(path: Path, request: Request, results: Sequence[Result]) -> None:
    """A line of JSON for each episode.

    Raises:
        OSError: The disk refuses.
    """
    names = request.task.state_names
    with path.open("w", encoding="utf-8") as file:
        for result in results:
            line = {
                "episode": result.job.episode,
                "dials": dict(request.dials[result.job.condition]),
                "success": result.success,
                "cost": result.cost if math.isfinite(result.cost) else None,
                "seconds": round(result.seconds, 9),
                "start": None,
            }
            if result.start is not None:
                line["start"] = dict(zip(names, map(float, result.start), strict=True))
            file.write(json.dumps(line) + "\n")


def evaluated(policy: str, words: Sequence[str]) -> dict[str, Any]:
    """The summary of an evaluation in this process, which writes nothing; for programs.

    Args:
        policy: As on the command line.
        words: As on the command line: a task, ``episodes:=50``.

    Raises:
        InputError: Bad input.
        EpisodeError: An episode could not be brought to its end.
    """
    begin, asked = time.monotonic(), request(policy, words)
    episodes = Episodes(asked.setting)
    try:
        results = [episodes.run(job) for job in asked.jobs]
    finally:
        episodes.close()
    return summary_of(asked, results, time.monotonic() - begin)
