"""Policies from a tilted camera: equivariant networks, ordinary ones, and these with augmentation.

Success on held-out starts over the camera's elevation (90 degrees: from straight above), over the
number of demonstrations at 45 degrees, and with images that are mirrored at random, which no
symmetry of the task explains. The expectation of Wang et al., "The Surprising Effectiveness of
Equivariant Models in Domains with Latent Symmetry" (ICLR 2023). A seed has demonstrations of its
own, the same for every way; every way was tuned by as many trials, on starts of their own and on
demonstrations that no seed has. What is finished is kept under `--folder` and not done again. A
grid that does not fit into `--hours` (of one core) loses tasks and then points from the end of
their lists, never seeds nor a way; what is lost is printed as "not run". JSON on stdout, how far it
is on stderr; `--table` prints Markdown.
"""

import argparse
import dataclasses
import hashlib
import itertools
import json
import time
from collections.abc import Sequence
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
    "small cnn+augmentation": {"mode": "free", "augment": True, "width": 48, "image_maps": 8},
}
"""Of equal width all but the last, which has as many parameters as the first."""
SEEDS = 5
RATES = (1e-3, 3e-3)
"""What each way is tuned over, at the first point of its task."""
TUNING_SEED, EVALUATION, VALIDATION = 1000, 7000, 9000
"""Seed of what is tuned on; seeds of the starts that are reported, and of those of trials."""
CAMERA = {"front": {"position": [0, 0, 0.81], "fovy_deg": 40, "width": 64, "height": 64}}
"""Where it would stand at 90 degrees; the dial `camera_tilt` moves it along an arc."""
IMAGES = ["front"]
"""Colours alone; ``front/depth`` beside them is an encoder more, and twice the cost."""
NOISE = 0.2
"""On the executed actions, of the largest: without it success hangs on whether a policy finds
back, and not on how well it sees."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done for each policy."""

    steps: int = 600
    batch: int = 64
    width: int = 128
    chunk: int = 8
    execute: int = 4
    episodes: int = 40
    """On which it is judged."""


@dataclasses.dataclass(frozen=True)
class Point:
    """What is seen, and how many demonstrations of it there are."""

    elevation: int
    mirrored: float
    """Share of the images that are."""
    demonstrations: int

    @property
    def dials(self) -> dict[str, float]:
        """Of the simulated camera."""
        turned = {"camera_tilt": 90 - self.elevation, "mirrored_image": self.mirrored}
        return {name: value for name, value in turned.items() if value}

    def __str__(self) -> str:
        seen = f"{self.elevation} degrees" + (", mirrored at random" if self.mirrored else "")
        return f"{seen}, {self.demonstrations} demonstrations"


POINTS = (
    *(Point(elevation, 0.0, DEMONSTRATIONS) for elevation in ELEVATIONS),
    Point(ELEVATIONS[0], 0.5, DEMONSTRATIONS),
    *(Point(ELEVATIONS[0], 0.0, number) for number in FEWER_AND_MORE),
)
"""What matters most comes first."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One policy to be trained and judged."""

    task: str
    point: Point
    way: str
    seed: int
    """Of its demonstrations, and of the training's draws."""
    rate: float
    starts: int
    """Seed of the starts on which it is judged."""
    sizes: Sizes

    def path(self, folder: Path) -> Path:
        """Where its result is kept: its name says what it is, its hash with which settings."""
        about = {**dataclasses.asdict(self), "camera": CAMERA, "images": IMAGES, "noise": NOISE}
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:10]
        at = self.point
        name = f"{self.task}-{at.elevation}-{at.mirrored:g}-{at.demonstrations}-{self.way}"
        return folder / "cells" / f"{name}-{self.seed}-{digest}.json"


def dataset_of(task: str, point: Point, seed: int, folder: Path) -> Path:
    """Where a seed's demonstrations are; fewer are the first of more."""
    most = max(point.demonstrations, DEMONSTRATIONS)
    return folder / "data" / f"{task}-{point.elevation}-{point.mirrored:g}-{most}-{seed}"


def seen(point: Point) -> list[str]:
    """Words of a command: the camera, and how it stands."""
    return [f"cameras:={json.dumps(CAMERA)}", f"dials:={json.dumps(point.dials)}"]


def made(cell: Cell, folder: Path) -> dict:
    """Train and judge one policy, or read what came of it before."""
    path = cell.path(folder)
    if (found := cells.kept(path)) is not None:
        return found
    from covary.commands.evaluating.figures import evaluated
    from covary.control.imitation.demonstrations import read_demonstrations

    begin = time.process_time()
    policy, sizes = folder / "policies" / path.stem, cell.sizes
    data = dataset_of(cell.task, cell.point, cell.seed, folder)
    own = read_demonstrations(data, "/state", IMAGES, most=cell.point.demonstrations)
    settings = {"data": data, "out": policy, "images": IMAGES, "observation": "/state"}
    settings |= {name: getattr(sizes, name) for name in ("steps", "batch", "width", "chunk")}
    settings |= {"execute": sizes.execute, "validate_every": max(sizes.steps // 6, 1)}
    settings |= {"seed": cell.seed, "learning_rate": cell.rate, "device": "cpu"}
    card = cells.trained("bc", {**settings, **WAYS[cell.way]}, own)
    trained = time.process_time()
    words = [f"episodes:={sizes.episodes}", f"seed:={cell.starts}", *seen(cell.point)]
    found = evaluated(str(policy), words)
    kept = {key: found[key] for key in ("successes", "episodes", "success_rate", "cost")}
    result = {
        **dataclasses.asdict(cell),
        **kept,
        "parameters": card.parameters,
        "validation_loss": card.metrics["validation_loss"],
        "updates_per_s": card.metrics["updates_per_s"],
        "train_s": round(trained - begin, 1),
        "cpu_s": round(time.process_time() - begin, 2),
    }
    cells.remove(policy)
    return cells.keep(path, result)


class Grid:
    """What is to be run, what was run before, and what it costs.

    Args:
        asked: The command line.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.folder, self.sizes = asked, asked.folder, Sizes()
        self.seeds, self.rates = SEEDS, RATES
        self.chosen = [(task, point) for task in TASKS for point in POINTS]
        if asked.quick:
            self.sizes = Sizes(steps=10, batch=8, width=16, episodes=2)
            few = (Point(45, 0.0, 3), Point(45, 0.5, 3))
            self.chosen, self.seeds, self.rates = [(TASKS[0], one) for one in few], 2, RATES[:1]
        self.cuts: list[str] = []

    def run(self) -> dict[str, list[dict]]:
        """Run what fits, in the order of the lists; the results, and what ways were tuned to."""
        task, point = self.chosen[0]
        self.collect(task, point, TUNING_SEED)
        some = self.results([self.trial(task, way, self.rates[0]) for way in WAYS])
        self.plan(sum(row["cpu_s"] for row in some) / len(some))
        found, tuned = [], {}
        for task, point in self.chosen:
            if task not in tuned:
                tuned[task] = self.tune(task)
            for seed in range(self.seeds):
                self.collect(task, point, seed)
            found += self.results(
                [
                    Cell(task, point, way, seed, tuned[task][way], EVALUATION, self.sizes)
                    for way, seed in itertools.product(WAYS, range(self.seeds))
                ]
            )
        return {"results": found, "tuned": [{"task": task, **best} for task, best in tuned.items()]}

    def plan(self, each: float) -> None:
        """Say what it will cost, and cut the lists to what fits."""
        while len(self.chosen) > 1 and self.cost(each) > 3600 * self.asked.hours:
            task, point = self.chosen.pop()
            self.cuts.insert(0, f"`{task}`, {point}")
        cells.say(
            f"{self.runs()} runs of {each / 60:.2f} min (measured on one of each way), and "
            f"demonstrations: {self.cost(each) / 3600:.2f} core-hours; --hours {self.asked.hours:g}"
        )
        for cut in self.cuts:
            cells.say(f"not run: {cut}")

    def runs(self) -> int:
        """How many policies are trained."""
        tasks = len({task for task, _ in self.chosen})
        return len(WAYS) * (tasks * len(self.rates) + len(self.chosen) * self.seeds)

    def cost(self, each: float) -> float:
        """Core-seconds of what is left in the lists, were nothing done yet."""
        episodes = self.seeds * sum(point.demonstrations for _, point in self.chosen)
        return self.runs() * each + episodes * COLLECT_S

    def collect(self, task: str, point: Point, seed: int) -> None:
        """The demonstrations of a seed."""
        most = max(point.demonstrations, 0 if self.asked.quick else DEMONSTRATIONS)
        words = [f"{task}.yaml", "robot:=floating_gripper", f"episodes:={most}", f"seed:={seed}"]
        words += ["success_only:=true", f"action_noise:={NOISE}", *seen(point)]
        cells.collected(words, dataset_of(task, point, seed, self.folder))

    def trial(self, task: str, way: str, rate: float) -> Cell:
        """A policy with which a way is tuned."""
        point = next(point for name, point in self.chosen if name == task)
        return Cell(task, point, way, TUNING_SEED, rate, VALIDATION, self.sizes)

    def tune(self, task: str) -> dict[str, float]:
        """The learning rate of each way with the most successes on the validation starts."""
        trials = [self.trial(task, way, rate) for way in WAYS for rate in self.rates]
        self.collect(task, trials[0].point, TUNING_SEED)
        rows, best = self.results(trials), {}
        for way in WAYS:
            own = [row for row in rows if row["way"] == way]
            top = max(own, key=lambda row: (row["successes"], -row["cost"]["mean"]))
            best[way] = top["rate"]
        return best

    def results(self, asked: Sequence[Cell]) -> list[dict]:
        """What came of policies, those that are not there yet made beside each other."""
        return cells.made_beside(asked, made, self.folder, self.asked.workers, worded)


COLLECT_S = 0.65
"""Core-seconds that a demonstration takes, for the plan."""


def worded(row: dict) -> str:
    """A result in words."""
    said = f"{row['task']} {Point(**row['point'])} {row['way']} seed {row['seed']}"
    return f"{said}: {row['successes']}/{row['episodes']}"


def points_of(results: Sequence[dict]) -> list[dict]:
    """Success of each way at each point, over its seeds."""
    points = []
    for _, group in itertools.groupby(results, lambda r: (r["task"], r["point"], r["way"])):
        rows = list(group)
        rates = [row["success_rate"] for row in rows]
        successes, n = sum(row["successes"] for row in rows), sum(row["episodes"] for row in rows)
        points.append(
            {
                **{key: rows[0][key] for key in ("task", "point", "way", "rate", "parameters")},
                "success_rate": round(successes / n, 4),
                "interval": cells.interval(successes, n, rates),
                "by_seed": rates,
                "episodes": n,
                "validation_loss": sum(row["validation_loss"] for row in rows) / len(rows),
            }
        )
    return points


def table(points: Sequence[dict], cuts: Sequence[str]) -> str:
    """Markdown: a row for each task and point."""
    lines = [f"| seen | {' | '.join(WAYS)} |", "|---" * (1 + len(WAYS)) + "|"]
    for (task, point), group in itertools.groupby(points, lambda p: (p["task"], p["point"])):
        found = []
        for row in group:
            low, high = (100 * v for v in row["interval"])
            found.append(f"{100 * row['success_rate']:.0f} ({low:.0f} to {high:.0f})")
        lines.append(f"| `{task}`, {Point(**point)} | {' | '.join(found)} |")
    return "\n".join(lines + [f"| {cut} | not run |" for cut in cuts])


def main() -> None:
    """Run the grid, or what of it fits."""
    parser = cells.command_line(__doc__, "tilted_camera", 1.5)
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    asked = parser.parse_args()
    grid = Grid(asked)
    found = grid.run()
    points = points_of(found["results"])
    report = {
        "benchmark": "tilted_camera",
        "seeds": grid.seeds,
        "trials": len(grid.rates),
        "tuned": found["tuned"],
        "sizes": dataclasses.asdict(grid.sizes),
        "core_hours": round(sum(row["cpu_s"] for row in found["results"]) / 3600, 2),
        "not_run": grid.cuts,
        "points": points,
    }
    cells.tell(report, table(points, grid.cuts) if asked.table else None)


if __name__ == "__main__":
    main()
