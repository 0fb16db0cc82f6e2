"""The folder of one run: what was launched, with which versions, and what came out."""

import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from ..launching.description import LaunchDescription, NodeDescription, leaves, to_yaml

PACKAGES = (
    *("numpy", "scipy", "numba", "mujoco", "gymnasium", "eclipse-zenoh", "rosbags", "mcap"),
    *("pyyaml", "typer", "rich", "torch", "escnn", "pybullet"),
)
"""Packages whose versions `versions.json` names."""
LOG = "launcher.log"
"""The run folder's file with what the launcher said: starts, ends, episodes, failures."""


@dataclass
class Outcome:
    """How a run went, as its supervisor saw it.

    Attributes:
        exit_code: 0 done, 1 a node failed or an episode was aborted, 2 bad input, 130 Ctrl-C.
        wall_s: From start to end, s.
        respawns: How often a node was started again.
        failures: One line for each failure, naming the node.
        task: The task's name, from the episodes.
        unended: Episodes that began and whose END was not heard.
        episodes: Those that ended, with their results, as /episode told them.
    """

    exit_code: int = 0
    wall_s: float = 0.0
    respawns: int = 0
    failures: list[str] = field(default_factory=list)
    task: str | None = None
    unended: list[int] = field(default_factory=list)
    episodes: list[dict[str, Any]] = field(default_factory=list)


def create(launch: LaunchDescription, root: Path | None = None) -> Path:
    """Makes ``runs/<launch>-<date-time>[-n]/`` with the resolved launch file and the versions.

    A symmetry file that a node reads is copied there, and the launch file names the copy.

    Args:
        launch: What is launched.
        root: Where runs go; default ``runs`` in the working folder.

    Raises:
        OSError: The folder cannot be made.
    """
    folder = dated_folder(launch.file.stem, root)
    beside = symmetry_files(launch)
    for path, copy in beside.items():
        shutil.copyfile(path, folder / copy)
    (folder / "launch.yaml").write_text(to_yaml(launch, beside), encoding="utf-8")
    write_json(folder / "versions.json", versions())
    return folder


def symmetry_files(launch: LaunchDescription) -> dict[str, str]:
    """The symmetry files that nodes read -> what their copies in the launch's folder are called."""
    beside: dict[str, str] = {}
    for node in launch.nodes:
        path = node.parameters.get("symmetry")
        if not isinstance(path, str) or path in beside:
            continue
        if path.endswith((".yaml", ".yml")) and Path(path).is_file():
            beside[path] = f"symmetry-{len(beside)}.yaml" if beside else "symmetry.yaml"
    return beside


def dated_folder(name: str, root: Path | None = None) -> Path:
    """Makes ``runs/<name>-<date-time>[-n]/``, which was not there before.

    Args:
        name: What it is of.
        root: Where runs go; default ``runs`` in the working folder.

    Raises:
        OSError: The folder cannot be made.
    """
    root = root or Path.cwd() / "runs"
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for n in range(1000):
        folder = root / (stem if n == 0 else f"{stem}-{n}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root / stem}: a thousand runs in one second")


def node_folder(folder: Path, node: NodeDescription) -> Path:
    """Where a node's log, statistics and recordings go: its namespace is a folder."""
    return folder.joinpath(*node.namespace.strip("/").split("/")) if node.namespace else folder


def versions() -> dict[str, Any]:
    """What ran: our version and revision, Python, the packages, and the command."""
    program = Path(sys.argv[0]).name
    return {
        "covary": _version("covary"),
        "git_revision": _revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "command": ["covary" if program == "main.py" else program, *sys.argv[1:]],  # python -m
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Git revision of the package's folder, where that is a checkout."""
    ours = Path(__file__).resolve().parents[2]
    if not (ours / ".git").exists():
        return None
    command = ["git", "-C", str(ours), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Writes a file whole or not at all; what is there and no file (a pipe, /dev/null) is kept.

    Raises:
        OSError: It cannot be written.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("w") as file:
            json.dump(value, file, indent=2, default=_plain)
            file.write("\n")
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            json.dump(value, file, indent=2, default=_plain)
            file.write("\n")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def statistics_of(folder: Path, nodes: Iterable[NodeDescription]) -> dict[str, dict[str, Any]]:
    """What the nodes wrote of themselves, by full name; a node that wrote nothing is left out."""
    found: dict[str, dict[str, Any]] = {}
    for node in nodes:
        path = node_folder(folder, node) / f"{node.name}.json"
        try:
            stats = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(stats, dict):
            found[node.full_name] = stats
    return found


def summarise(folder: Path, launch: LaunchDescription, outcome: Outcome) -> dict[str, Any]:
    """Gathers ``summary.json`` from what the nodes wrote; who plans or records shows in their keys.

    An aborted episode counts in ``aborted`` only, not in ``episodes`` and the success rate.
    """
    stats = statistics_of(folder, launch.nodes)
    sim = _with_key(stats, "episodes")
    planner, eyes = _with_key(stats, "plan_ms"), _with_key(stats, "estimate_ms")
    recorded = [bag for s in stats.values() for bag in s.get("bags") or ()]
    listed = sim.get("episodes")
    listed = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    if len(listed) < len(outcome.episodes):  # a driver keeps no list; a sim may not have written it
        listed = outcome.episodes
    finished = [e for e in listed if not e.get("aborted")]
    # The launcher may have missed an END that the sim wrote down.
    unended = set(outcome.unended) - {e.get("index") for e in listed}
    costs = [float(e["cost"]) for e in finished if e.get("cost") is not None]
    costs = [cost for cost in costs if math.isfinite(cost)]  # an outsider's task may lack bounds
    successes = sum(bool(e.get("success")) for e in finished)
    realtime = launch.realtime
    return {
        "task": outcome.task or _said("task", stats, launch),
        "planner": _said("planner", stats, launch),
        "symmetry": _said("symmetry", stats, launch),
        "model": planner.get("model"),
        "seed": _said("seed", stats, launch),
        "episodes": len(finished),
        "success_rate": successes / len(finished) if finished else None,
        "cost": {
            "mean": statistics.fmean(costs) if costs else None,
            "std": statistics.stdev(costs) if len(costs) > 1 else 0.0 if costs else None,
        },
        "plan_ms": _percentiles(planner.get("plan_ms")),
        "sensor_to_command_ms": _percentiles(sim.get("sensor_to_command_ms")) if realtime else None,
        "perception": _perception(eyes, sim, realtime) if eyes else None,
        "interventions": sim.get("interventions", 0),
        "safe_s": sim.get("safe_s", 0.0),
        "without_plan": _with_key(stats, "without_plan").get("without_plan", 0),
        "failed_plans": planner.get("failed_plans", 0),
        "takeovers": planner.get("takeovers"),
        "plans_of_fallback": planner.get("plans_of_fallback"),
        "overruns": planner.get("overruns", 0),
        "dropped": sum(_count(s.get("dropped")) for s in stats.values()),
        "respawns": outcome.respawns,
        "bags": [str(bag) for bag in recorded],
        "wall_s": round(outcome.wall_s, 3),
        "samples": planner.get("samples"),
        "horizon": planner.get("horizon"),
        "iterations": planner.get("iterations"),
        "iterations_done": planner.get("iterations_done"),
        "aborted": len(listed) - len(finished) + len(unended),
        "realtime": realtime,
        "failures": outcome.failures,
        "exit_code": outcome.exit_code,
        "run": str(folder),
    }


def _perception(eyes: Mapping[str, Any], sim: Mapping[str, Any], realtime: bool) -> dict[str, Any]:
    """What a perception node wrote of itself, and its share of the way from sensor to command."""
    taken, whole = _percentiles(eyes.get("estimate_ms")), sim.get("sensor_to_command_ms")
    whole = _percentiles(whole) if realtime else None
    share = taken["p50"] / whole["p50"] if taken and whole and whole["p50"] else None
    return {
        "network": eyes.get("perception"),
        "estimate_ms": taken,
        "share_of_sensor_to_command": share,
        "anomaly": _percentiles(eyes.get("anomaly")),
        "uncertainty": _percentiles(eyes.get("uncertainty")),
        "estimates": eyes.get("estimates", 0),
        "failed_estimates": eyes.get("failed_estimates", 0),
    }


def _with_key(stats: Mapping[str, dict[str, Any]], key: str) -> dict[str, Any]:
    return next((s for s in stats.values() if key in s), {})


def _percentiles(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    return {"p50": value.get("p50"), "p99": value.get("p99")}


def _count(value: Any) -> int:
    """A number of losses, whether a node states one or one a topic."""
    if isinstance(value, dict):
        return sum(map(_count, value.values()))
    return int(value) if isinstance(value, int | float) else 0


def _said(word: str, stats: Mapping[str, dict[str, Any]], launch: LaunchDescription) -> Any:
    """A fact of the run: as a node reports it, else a launch argument, else a parameter."""
    for node in stats.values():
        if isinstance(node.get(word), str | int):
            return node[word]
    if word in launch.values:
        return launch.values[word]
    for node in launch.nodes:
        for name, value in leaves(node.parameters):
            if name in (word, f"{word}.plugin"):
                return value
    return None


def episodes_wanted(launch: LaunchDescription) -> int | None:
    """How many episodes the run is to have, where a launch argument or a parameter says so."""
    found = [launch.values.get("episodes")]
    found += [node.parameters.get("episodes") for node in launch.nodes]
    whole = (n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0)
    return next(whole, None)


def on_request(launch: LaunchDescription) -> bool:
    """Whether a person begins and ends the episodes."""
    return any(node.parameters.get("on_request") is True for node in launch.nodes)


def episode_topics(launch: LaunchDescription) -> list[str]:
    """Every name under which a node of the launch may speak of episodes, remaps and all."""
    topic = "/episode"
    return sorted({topic, *(node.remaps.get(topic, topic) for node in launch.nodes)})
