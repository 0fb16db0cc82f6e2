"""Policies from a tilted camera: equivariant networks, ordinary ones, and these with augmentation.

Success on held-out starts over the camera's elevation (90 degrees: from straight above), over the
number of demonstrations at 45 degrees, and with images that are mirrored at random, which no
symmetry of the task explains. The expectation of Wang et al., "The Surprising Effectiveness of
Equivariant Models in Domains with Latent Symmetry" (ICLR 2023). What is finished is kept under
`--folder` and not done again. A grid that does not fit into `--hours` (of one core) loses points
and tasks from the end of its lists, never seeds nor a way; what is lost is printed as "not run".
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from covary.benchmarks.grids import cells

TASKS = ("block_push", "block_pick")
ELEVATIONS = (45, 90, 15)
"""Degrees of the camera above the table."""
DEMONSTRATIONS, FEWER_AND_MORE = 50, (20, 200)
WAYS = {
    "equivariant": {"mode": "exact"},
    "cnn+augmentation": {"mode": "free", "augment": True},
    "cnn": {"mode": "free"},
}
SEEDS = 5
RATES = (1e-3, 3e-3)
"""What each way is tuned over: as many trials for each, judged on starts of their own."""
TUNING_SEED, EVALUATION, VALIDATION = 1000, 7000, 9000
CAMERA = {"front": {"position": [0, 0, 0.81], "fovy_deg": 40, "width": 64, "height": 64}}
"""Where it would stand at 90 degrees; the dial `camera_tilt` moves it along an arc."""
IMAGES = ["front"]
"""Colours alone; ``front/depth`` beside them is an encoder more, and twice the cost."""


def points() -> list[dict]:
    """Elevation, share of mirrored images and demonstrations; what matters most comes first."""
    found = [point(elevation, 0.0, DEMONSTRATIONS) for elevation in ELEVATIONS]
    found.append(point(ELEVATIONS[0], 0.5, DEMONSTRATIONS))
    return found + [point(ELEVATIONS[0], 0.0, number) for number in FEWER_AND_MORE]


def point(elevation: int, mirrored: float, demonstrations: int) -> dict:
    return {"elevation": elevation, "mirrored": mirrored, "demonstrations": demonstrations}


def dials(at: dict) -> dict[str, float]:
    """Of the simulated camera."""
    turned = {"camera_tilt": 90 - at["elevation"], "mirrored_image": at["mirrored"]}
    return {name: value for name, value in turned.items() if value}


def run(*words: str) -> None:
    """One command of covary, quietly unless it fails."""
    done = subprocess.run((*cells.COVARY, *words), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"covary {' '.join(words)}\n{done.stdout}{done.stderr}")


def collect_words(task: str, at: dict, episodes: int, out: Path) -> list[str]:
    """The command that collects demonstrations."""
    return [
        *("collect", f"{task}.yaml", "robot:=floating_gripper", f"episodes:={episodes}"),
        *(
            "success_only:=true",
            f"cameras:={json.dumps(CAMERA)}",
            f"dials:={json.dumps(dials(at))}",
        ),
        *("seed:=0", f"out:={out}"),
    ]


class Results:
    """The cells, each made once.

    Args:
        folder: Where they are kept.
        sizes: Updates, batch, width, and episodes on which a policy is judged.
    """

    def __init__(self, folder: Path, sizes: dict) -> None:
        self.folder, self.sizes = folder, sizes
        self.begin = os.times()

    def data(self, task: str, at: dict) -> Path:
        """The dataset of a point, collected where it is missing or too small."""
        out = self.folder / "data" / f"{task}-{at['elevation']}-{at['mirrored']:g}"
        there = len(list(out.glob("bags/episode_*")))
        if there < at["demonstrations"]:
            run(*collect_words(task, at, at["demonstrations"], out))
        return out

    def cell(self, task: str, at: dict, way: str, rate: float, seed: int, starts: int) -> dict:
        """Train and judge one policy, or read what came of it before."""
        what = {"task": task, **at, "way": way, "rate": rate, "seed": seed, "starts": starts}
        text = json.dumps(
            {**what, **self.sizes, "camera": CAMERA, "images": IMAGES}, sort_keys=True
        )
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        name = f"{task}-{at['elevation']}-{at['mirrored']:g}-{at['demonstrations']}-{way}-{seed}"
        kept = self.folder / "cells" / f"{name}-{digest}.json"
        if (known := cells.kept(kept)) is not None:
            return known
        data, before, begin = self.data(task, at), os.times(), time.monotonic()
        policy = self.folder / "policies" / kept.stem
        settings = {
            **{"data": str(data), "out": str(policy), "demonstrations": at["demonstrations"]},
            **{"images": IMAGES, "observation": "/state", "device": "cpu", "seed": seed},
            **{"steps": self.sizes["steps"], "batch": self.sizes["batch"]},
            **{"width": self.sizes["width"], "learning_rate": rate, "head": self.sizes["head"]},
            **{"chunk": self.sizes["chunk"], "execute": self.sizes["execute"]},
            "validate_every": max(self.sizes["steps"] // 5, 1),
            **WAYS[way],
        }
        run("train", "bc.yaml", *(f"{key}:={json.dumps(value)}" for key, value in settings.items()))
        trained = time.monotonic() - begin
        figures = self.folder / "figures.json"
        run(
            *("evaluate", str(policy), f"episodes:={self.sizes['episodes']}", f"seed:={starts}"),
            *(f"cameras:={json.dumps(CAMERA)}", f"dials:={json.dumps(dials(at))}", "workers:=1"),
            *(f"out:={policy / 'evaluation'}", "--json", str(figures)),
        )
        found, after = json.loads(figures.read_text()), os.times()
        card = json.loads((policy / "summary.json").read_text())
        result = {
            **what,
            **{key: found[key] for key in ("successes", "episodes", "cost")},
            "parameters": card.get("parameters"),
            "train_s": round(trained, 1),
            "evaluate_s": round(time.monotonic() - begin - trained, 1),
            "cpu_s": round(sum(after[2:4]) - sum(before[2:4]), 1),
        }
        return cells.keep(kept, result)

    def tuned(self, task: str, way: str) -> float:
        """The learning rate with the most successes at the first point, on starts of its own."""
        at = points()[0]
        trials = [self.cell(task, at, way, rate, TUNING_SEED, VALIDATION) for rate in RATES]
        return max(trials, key=lambda t: (t["successes"], -t["cost"]["mean"]))["rate"]

    def spent(self) -> float:
        """Core-seconds so far of what this process has started."""
        return sum(os.times()[2:4]) - sum(self.begin[2:4])


def summed(found: list[dict]) -> dict:
    """One row of the table: a way at a point, over its seeds."""
    episodes = sum(cell["episodes"] for cell in found)
    successes = sum(cell["successes"] for cell in found)
    rates = [cell["successes"] / cell["episodes"] for cell in found]
    keys = ("task", "elevation", "mirrored", "demonstrations", "way", "rate", "parameters")
    return {
        **{key: found[0][key] for key in keys},
        "success_rate": round(successes / episodes, 4),
        "interval": cells.interval(successes, episodes, rates),
        "by_seed": rates,
        "episodes": episodes,
    }


def main() -> None:
    """Run what fits into the hours, saying on stderr how far it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/results/tilted_camera"))
    parser.add_argument("--hours", type=float, default=1.5, help="of one core, in this run")
    parser.add_argument("--one", action="store_true", help="one cell, for what it costs")
    parser.add_argument("--quick", action="store_true", help="a few small policies: does it run?")
    asked = parser.parse_args()
    sizes = {"steps": 1000, "batch": 64, "width": 128, "episodes": 40, "head": "deterministic"}
    sizes |= {"chunk": 4, "execute": 2}
    at, tasks, seeds = points(), TASKS, SEEDS
    if asked.quick:
        sizes |= {"steps": 10, "batch": 8, "width": 16, "episodes": 2}
        at, tasks, seeds = [point(45, 0.0, 3), point(45, 0.5, 3)], TASKS[:1], 2
    results = Results(asked.folder, sizes)
    first = results.cell(tasks[0], at[0], "equivariant", RATES[0], TUNING_SEED, VALIDATION)
    if asked.one:
        print(json.dumps({"benchmark": "tilted_camera", "sizes": sizes, "cell": first}, indent=1))
        return
    each, limit = first["cpu_s"], 3600 * asked.hours
    chosen = [(task, one) for one in at for task in tasks]
    fit = max(1, int((limit / each - len(tasks) * len(WAYS) * len(RATES)) / (len(WAYS) * seeds)))
    not_run = [f"{task} {one}" for task, one in chosen[fit:]]
    for line in not_run:
        print(f"not run: {line}", file=sys.stderr)
    rows, begin, chosen = [], time.monotonic(), chosen[:fit]
    rates = {}
    for number, (task, one) in enumerate(chosen):
        for way in WAYS:
            if (task, way) not in rates:
                rates[task, way] = results.tuned(task, way)
            made = [
                results.cell(task, one, way, rates[task, way], seed, EVALUATION)
                for seed in range(seeds)
            ]
            rows.append(summed(made))
            print(f"{task} {one} {way}: {100 * rows[-1]['success_rate']:.0f} %", file=sys.stderr)
        left = (time.monotonic() - begin) / (number + 1) * (len(chosen) - number - 1) / 60
        print(f"{number + 1}/{len(chosen)} points, {left:.0f} min left", file=sys.stderr)
    report = {
        **{"benchmark": "tilted_camera", "sizes": sizes, "seeds": seeds},
        **{"trials_a_way": len(RATES), "core_hours": round(results.spent() / 3600, 2)},
        **{"not_run": not_run, "rows": rows},
    }
    cells.tell(report)


if __name__ == "__main__":
    main()
