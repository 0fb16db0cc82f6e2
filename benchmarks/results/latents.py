"""Planning in latents of images: how often tasks are solved where only images tell the state.

A camera (push) or a heightmap of two frames (reacher) goes to a perception process that tells
latents, which a planner process plans in by the same model, under the task's own cost of what its
head tells; `covary launch` runs them behind the tick barrier. Nothing tells the true state, and no
state model is asked. Starts are held out: no training saw them and nothing was chosen on them
(data: seed 3000 and random motion; settings: starts of the seeds 0 and 1000). Rows are kept in a
folder; the same command goes on. A training seed stands for random motion, images and weights.
Prints one JSON object; success rates have Wilson's intervals (95 %).

    python -P benchmarks/results/latents.py --out runs/latents --seeds 5 --minutes 180
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from covary.benchmarks.results.perception import covary, launched
from covary.benchmarks.running.rows import kept_rows
from covary.commands.intervals import wilson

STARTS, HELD_OUT = 50, 900
COLLECT = ("push.yaml", "episodes:=100", "seed:=3000", "samples:=64", "horizon:=20",
           "iterations:=1", "knots:=5", "action_noise:=0.7", "success_only:=false")  # fmt: skip
TRAINING = ("steps:=5500", "settled:=0.36", "batch:=64", "width:=128", "augment:=true",
            "evaluation:=200", "validate_every:=500")  # fmt: skip
TASKS = {
    "push": {
        "launch": ("push.yaml", "camera:=true", "samples:=256", "iterations:=1", "horizon:=30",
                   "knots:=6"),
        "training": ("task:=push", "data:=DATA", "interaction:=6000", "images:=30000",
                     "camera:=top", "pool:=2"),
    },
    "reacher": {
        "launch": ("reach.yaml", "heightmap:=64"),
        "training": ("task:=reacher", "interaction:=20000", "frames:=2", "images:=20000"),
    },
}  # fmt: skip
METHODS = {"contrastive": ("sen",), "reconstruction": ("world_model",)}
"""Recipes by what latents are fitted by."""


def row(task: str, method: str, seed: int, out: Path) -> dict:
    """Train one model and launch it; what it tells, and how often it succeeded."""
    data = out / "push_data"
    if task == "push" and not (data / "dataset.yaml").is_file():
        covary("collect", *COLLECT, f"out:={data}")
    folder = out / f"{task}_{method}_{seed}"
    words = [w.replace("DATA", str(data)) for w in (*TASKS[task]["training"], *TRAINING)]
    taken = covary("train", *METHODS[method], *words, f"seed:={seed}", f"out:={folder}")
    trained = json.loads((folder / "summary.json").read_text())
    metrics = trained["metrics"]
    words = (f"perception:={folder}", f"model:={folder}", f"seed:={HELD_OUT}", "record:=false")
    summary = launched((*TASKS[task]["launch"], *words, f"episodes:={STARTS}"))
    return {
        "task": task,
        "method": method,
        "seed": seed,
        "parameters": trained["parameters"],
        "training_s": round(taken, 1),
        "equivariance_error": [trained["equivariance"][when] for when in ("before", "after")],
        **{k: v for k, v in metrics.items() if k.startswith(("test_", "told_"))},
        "step_10_hits_at_1": metrics["step_10_hits_at_1"],
        "episodes": summary["episodes"],
        "successes": round(summary["success_rate"] * summary["episodes"]),
        "cost": summary["cost"]["mean"],
        "plan_ms": summary["plan_ms"]["p50"],
        "estimate_ms": summary["perception"]["estimate_ms"]["p50"],
        "anomaly": summary["perception"]["anomaly"]["p50"],
    }


def rows(asked: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict]]]:
    """All rows by name, seed by seed, so that what is there is of whole seeds."""
    out = asked.out.resolve()
    for seed in range(1, asked.seeds + 1):
        for method in asked.methods:
            for task in asked.tasks:
                name = f"{task}_{method}_{seed}"
                yield name, lambda t=task, m=method, s=seed: row(t, m, s, out)


def main() -> None:
    """Make what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/latents"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--methods", nargs="+", default=["contrastive"], choices=list(METHODS))
    parser.add_argument("--minutes", type=float, default=180.0)
    asked = parser.parse_args()
    todo = list(rows(asked))
    found = kept_rows(todo, asked.out / "rows", asked.minutes)
    told = []
    for method in asked.methods:
        for task in asked.tasks:
            here = [r for r in found if (r["task"], r["method"]) == (task, method)]
            good, count = (sum(r[what] for r in here) for what in ("successes", "episodes"))
            told.append({
                "task": task,
                "method": method,
                "by_seed": [r["successes"] for r in here],
                "success": f"{good} of {count}" if here else "not run",
                "interval": [round(100 * v) for v in wilson(good, count)] if here else None,
            })  # fmt: skip
    print(json.dumps({
        "benchmark": "latents",
        "starts": STARTS,
        "seed_of_starts": HELD_OUT,
        "not_run": len(todo) - len(found),
        "success": told,
        "rows": found,
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
