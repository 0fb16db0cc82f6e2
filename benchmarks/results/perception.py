"""From pixels to success: seen states and learned models against the true ones, start by start.

A heightmap (reacher) or a camera (push) goes to a perception process, its estimates to a planner
process that plans on a learned model, plans to control, commands to MuJoCo; `covary launch` runs
them behind the tick barrier. Beside that each of the two alone, and neither: planning on the true
state with the analytic model. All of them have the same held-out starts, which no training saw and
nothing was chosen on (data: seeds 1000 and up; settings: seeds 0 and 77). Rows are kept in a
folder; the same command goes on. A training seed stands for data, images and weights. Prints one
JSON object; the success rates have Wilson's intervals (95 %).

    python -P benchmarks/results/perception.py --out runs/perception --seeds 5 --minutes 180
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from covary.benchmarks.running.rows import kept_rows
from covary.commands.intervals import wilson

STARTS, HELD_OUT = 50, 900
REAL_TIME = 10
"""Episodes in real time, for the share that perception has of the way from sensor to command."""
CONDITIONS = {
    "true state, analytic model": (),
    "true state, learned model": ("model",),
    "seen state, analytic model": ("perception",),
    "seen state, learned model": ("perception", "model"),
}
TASKS = {
    "reacher": {
        "launch": "reach.yaml",
        "planner": ("samples:=128", "horizon:=25", "iterations:=1"),
        "image": "heightmap:=64",
        "model": ("task:=reacher", "interaction:=20000", "steps:=2000", "width:=256"),
        "perception": ("task:=reacher", "interaction:=20000", "images:=12000", "steps:=3500"),
    },
    "push": {
        "launch": "push.yaml",
        "planner": ("samples:=128", "horizon:=30", "iterations:=1", "knots:=6"),
        "image": "camera:=true",
        "model": ("data:=DATA", "task:=push", "interaction:=10000", "steps:=5000", "width:=256"),
        "perception": (
            *("data:=DATA", "camera:=top", "pool:=2", "images:=12000", "steps:=5000"),
            *("augment:=true", "jitter:=0.3"),
        ),
    },
}
COLLECT = ("push.yaml", "episodes:=120", "seed:=1000", "samples:=192", "action_noise:=0.3",
           "success_only:=false")  # fmt: skip
METHODS = {
    "model": ("state_model", "learning_rate:=0.003", "validate_every:=1000"),
    "perception": ("state_encoder", "learning_rate:=0.002", "validate_every:=500"),
}


def covary(*words: str) -> float:
    """Run a command to its end; the processor time that it took, s."""
    before = _children()
    command = [sys.executable, "-P", "-m", "covary.commands.main", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def trained(task: str, what: str, seed: int, out: Path) -> dict:
    """A row of one training: what it took, and how far it is off on its own test data."""
    data = out / "push_data"
    if task == "push" and not (data / "dataset.yaml").is_file():
        covary("collect", *COLLECT, f"out:={data}")
    words = [w.replace("DATA", str(data)) for w in TASKS[task][what]]
    folder = out / f"{task}_{what}_{seed}"
    taken = covary("train", *METHODS[what], *words, f"seed:={seed}", f"out:={folder}")
    summary = json.loads((folder / "summary.json").read_text())
    kept = ("test_loss", "open_loop_10")
    metrics = {k: v for k, v in summary["metrics"].items() if k.startswith("test_") or k in kept}
    return {
        "kind": "training",
        "task": task,
        "what": what,
        "seed": seed,
        "parameters": summary["parameters"],
        "cpu_s": round(taken, 1),
        "equivariance_error": summary["equivariance"]["after"],
        **metrics,
    }


def run(task: str, condition: str, seed: int, out: Path, realtime: bool = False) -> dict:
    """A row of one launch: how often it succeeded, and what perception and planning took."""
    setting = TASKS[task]
    uses = CONDITIONS[condition]
    words = [setting["launch"], *setting["planner"], "record:=false", f"seed:={HELD_OUT}"]
    words += [f"{what}:={out / f'{task}_{what}_{seed}'}" for what in uses]
    words += [setting["image"]] if "perception" in uses else []
    words += [f"episodes:={REAL_TIME if realtime else STARTS}"]
    words += ["realtime:=true"] if realtime else []
    summary = launched(words)
    seen = summary["perception"] or {}
    return {
        "kind": "real time" if realtime else "run",
        "task": task,
        "condition": condition,
        "seed": seed,
        "episodes": summary["episodes"],
        "successes": round(summary["success_rate"] * summary["episodes"]),
        "cost": summary["cost"]["mean"],
        "plan_ms": (summary["plan_ms"] or {}).get("p50"),
        "estimate_ms": (seen.get("estimate_ms") or {}).get("p50"),
        "anomaly": (seen.get("anomaly") or {}).get("p50"),
        "share_of_sensor_to_command": seen.get("share_of_sensor_to_command"),
        "failed_estimates": seen.get("failed_estimates"),
    }


def launched(words: Sequence[str]) -> dict:
    """The summary of a launch."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-P", "-m", "covary.commands.main", "launch", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=place)
        found = list(Path(place).glob("runs/*/summary.json"))
        if done.returncode or not found:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return json.loads(found[0].read_text())


def rows(seeds: int, tasks: list[str], out: Path) -> Iterator[tuple[str, Callable[[], dict]]]:
    """All rows by name, seed by seed, so that what is there is of whole seeds."""
    for seed in range(1, seeds + 1):
        for task in tasks:
            for what in METHODS:
                yield f"{task}_{what}_{seed}", lambda t=task, w=what, s=seed: trained(t, w, s, out)
            for number, condition in enumerate(CONDITIONS):
                if CONDITIONS[condition] or seed == 1:  # nothing trained: one row
                    name = f"{task}_run{number}_{seed}"
                    yield name, lambda t=task, c=condition, s=seed: run(t, c, s, out)
            if seed == 1:
                last = list(CONDITIONS)[-1]
                yield f"{task}_realtime", lambda t=task, c=last: run(t, c, 1, out, realtime=True)


def table(found: list[dict], tasks: list[str]) -> list[dict]:
    """A row for each task and condition, over the training seeds."""
    told = []
    for task in tasks:
        best = None
        for condition in CONDITIONS:
            here = [r for r in found if r["kind"] == "run" and r["task"] == task
                    and r["condition"] == condition]  # fmt: skip
            if not here:
                told.append({"task": task, "condition": condition, "success": "not run"})
                continue
            good, count = sum(r["successes"] for r in here), sum(r["episodes"] for r in here)
            low, high = wilson(good, count)
            best = best if best is not None else good / count
            told.append({
                "task": task,
                "condition": condition,
                "seeds": len({r["seed"] for r in here}),
                "success": f"{good} of {count}",
                "interval": f"{100 * low:.0f} to {100 * high:.0f} %",
                "share_of_the_best": round(good / count / best, 3) if best else None,
                "by_seed": [r["successes"] for r in here],
                "cost": round(sum(r["cost"] for r in here) / len(here), 2),
            })  # fmt: skip
    return told


def main() -> None:
    """Make what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/perception"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--minutes", type=float, default=180.0)
    asked = parser.parse_args()
    out = asked.out.resolve()
    todo = list(rows(asked.seeds, asked.tasks, out))
    found = kept_rows(todo, out / "rows", asked.minutes)
    print(json.dumps({
        "benchmark": "perception",
        "starts": STARTS,
        "seed_of_starts": HELD_OUT,
        "not_run": len(todo) - len(found),
        "success": table(found, asked.tasks),
        "trainings": [{k: v for k, v in r.items() if k != "kind"}
                      for r in found if r["kind"] == "training"],
        "real_time": [{k: v for k, v in r.items() if k != "kind"}
                      for r in found if r["kind"] == "real time"],
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
