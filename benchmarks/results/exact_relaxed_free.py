"""Exact, relaxed or free networks, as the world departs from its symmetry: success over a grid.

Tasks x dials x numbers of demonstrations x ways x seeds; every policy has as many parameters as the
others of its task, and every way was tuned by the same number of trials on seeds of their own. What
is finished is kept under `--folder` and not done again. A grid that does not fit into `--hours` (of
one core) loses dial values and tasks from the end of their lists, never seeds nor a way; what is
lost is printed as "not run". JSON on stdout, how far it is on stderr; `--table` prints Markdown.

Experts are told of no dial, and ours are as symmetric as their tasks: what they do is the same
symmetric function of the state in every world, so tilted gravity changes which states are seen and
no label. With the one-sided gain the demonstrator is one that knows it: what it does is the
expert's action with the changed direction divided by its gain (within the limits), which makes its
motion that of the even world, and its actions no symmetric function any more. So the demonstrations
are those of the even world, relabelled. All have noise on what is executed (DART), without which
success hangs on whether a policy finds back, and not on how much it has understood.
"""

import argparse
import dataclasses
import hashlib
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from covary.benchmarks.grids import cells

TASKS = ("push", "block_push", "block_pick")
DEMONSTRATIONS = (10, 30, 100, 300)
DIALS = (
    {},
    {"actuator_gain": -0.8},
    {"gravity_tilt": 20.0},
    {"actuator_gain": 1.0},
    {"gravity_tilt": 5.0},
)
"""None, then large ones of both kinds, then small ones; the last are lost first. A gain of 1 makes
a motion twice another, one of -0.8 makes it a fifth."""
GAIN = "actuator_gain"
LEAST_DIALS = 3
"""So many dial values are kept for as long as there are tasks that can be left out instead."""
WAYS = {
    "exact": {"mode": "exact"},
    "relaxed": {"mode": "relaxed"},
    "free": {"mode": "free"},
    "free+augmentation": {"mode": "free", "augment": True},
}
SEEDS = 5
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
TRIALS = {
    way: [{"learning_rate": rate} for rate in RATES]
    if way != "relaxed"
    else [
        {"learning_rate": rate, "relaxation_penalty": penalty}
        for rate in RATES[1:3]
        for penalty in (0.0, 0.1)
    ]
    for way in WAYS
}
"""What is tried for each way, equally often; the best on `TUNING_SEED`s is taken for the task."""
TUNING_SEED, TUNING_DEMONSTRATIONS = 1000, 30
EVALUATION, VALIDATION = 7000, 9000
"""Seeds of the starts that are reported, and of those that trials are compared on."""
DEMONSTRATORS = {"push": ("planner:=expert",)}
NOISE = 0.2
"""On the executed actions, of the largest."""
FLOATING = {"block_push": ("robot:=floating_gripper",), "block_pick": ("robot:=floating_gripper",)}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done for each point of the grid."""

    width: int = 256
    """Of the exact network; the others' are those of equally many parameters."""
    steps: int = 2000
    batch: int = 128
    episodes: int = 50
    """On which each policy is judged."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One policy to be trained and judged."""

    task: str
    dials: tuple[tuple[str, float], ...]
    demonstrations: int
    way: str
    seed: int
    tuned: tuple[tuple[str, float], ...]
    """What the way was tuned to."""
    starts: int
    """Seed of the starts on which it is judged."""
    sizes: Sizes

    def path(self, folder: Path) -> Path:
        """Where its result is kept: its name says what it is, its hash with which settings."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        name = f"{self.task}-{dials_name(self.dials)}-{self.demonstrations}-{self.way}-{self.seed}"
        return folder / "cells" / f"{name}-{digest}.json"


def dials_name(dials: Sequence[tuple[str, float]]) -> str:
    """``none``, or the dial and its value."""
    return "_".join(f"{name}_{value:g}" for name, value in dials) or "none"


def dataset_of(task: str, dials: Sequence[tuple[str, float]], folder: Path) -> Path:
    """Where the demonstrations of a task in a world are; with a gain those of the even world."""
    dials = [(name, value) for name, value in dials if name != GAIN]
    return folder / "data" / f"{task}-{dials_name(dials)}"


def collected(task: str, dials: Sequence[tuple[str, float]], most: int, folder: Path) -> None:
    """Collect the demonstrations, where they are not there yet."""
    words = [*DEMONSTRATORS.get(task, ()), *FLOATING.get(task, ()), f"action_noise:={NOISE}"]
    simulated = {name: value for name, value in dials if name != GAIN}
    words += [f"dials:={json.dumps(simulated)}", f"episodes:={most}", "success_only:=true"]
    cells.collected([task, *words], dataset_of(task, dials, folder))


# One policy.


def made(cell: Cell, folder: Path) -> dict:
    """Train and judge one policy, or read what came of it before."""
    path = cell.path(folder)
    if (found := cells.kept(path)) is not None:
        return found
    from covary.commands.evaluating.figures import evaluated

    begin = time.process_time()
    policy = folder / "policies" / path.stem
    card = trained(cell, dataset_of(cell.task, cell.dials, folder), policy)
    words = [f"episodes:={cell.sizes.episodes}", f"seed:={cell.starts}"]
    words += [f"dials:={json.dumps(dict(cell.dials))}"] if cell.dials else []
    found = evaluated(str(policy), words)
    kept = {key: found[key] for key in ("successes", "episodes", "success_rate", "cost")}
    result = {
        **dataclasses.asdict(cell),
        **kept,
        "parameters": card.parameters,
        "width": card.recipe["width"],
        "drift": max([v for k, v in card.equivariance.items() if k.startswith("drift")] or [0.0]),
        "validation_loss": card.metrics["validation_loss"],
        "updates_per_s": card.metrics["updates_per_s"],
        "cpu_s": round(time.process_time() - begin, 2),
    }
    cells.remove(policy)
    return cells.keep(path, result)


def trained(cell: Cell, data: Path, out: Path):
    """Train a policy into a folder; its card."""
    from covary.control.imitation.demonstrations import read_demonstrations
    from covary.control.policies.network import Architecture, PolicyNetwork, width_for
    from covary.sim.dials import first_moved

    sizes, way = cell.sizes, WAYS[cell.way]
    demonstrations = read_demonstrations(data, most=cell.demonstrations)
    task, names = demonstrations.task, demonstrations.state_names
    if gain := dict(cell.dials).get(GAIN):
        action, k = demonstrations.action.copy(), first_moved(task.symmetry, "action")
        action[action[:, k] > 0.0, k] /= 1.0 + gain
        action = task.limits.project(action)
        demonstrations = dataclasses.replace(demonstrations, action=action)
    exact = Architecture(width=sizes.width)
    wanted = PolicyNetwork(task, names, {}, exact).parameter_count
    like = dataclasses.replace(exact, mode=way["mode"])
    width = width_for(wanted, task, names, {}, like)
    settings = {"data": data, "out": out, "seed": cell.seed, "width": width, **way}
    settings |= {"steps": sizes.steps, "batch": sizes.batch, "device": "cpu", **dict(cell.tuned)}
    settings["validate_every"] = max(sizes.steps // 10, 1)
    return cells.trained("bc", settings, demonstrations)


# All of them.


class Grid:
    """What is to be run, what was run before, and what it costs.

    Args:
        asked: The command line.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.folder = asked, asked.folder
        self.sizes = Sizes()
        self.tasks, self.dials, self.demonstrations = TASKS, DIALS, DEMONSTRATIONS
        self.seeds, self.trials = SEEDS, TRIALS
        if asked.quick:
            self.sizes = Sizes(width=32, steps=50, batch=32, episodes=3)
            self.tasks, self.dials, self.demonstrations = ("block_push",), DIALS[:2], (3, 4)
            self.seeds, self.trials = 2, {way: trials[:2] for way, trials in TRIALS.items()}
        self.tuning = min(TUNING_DEMONSTRATIONS, max(self.demonstrations))

    def run(self) -> dict:
        """Run what fits, in the order of the lists; all results."""
        first = self.tasks[0]
        self.collect(first, self.dials[0])
        some = [self.trial(first, way, self.trials[way][0]) for way in WAYS]
        self.plan(float(np.mean([row["cpu_s"] for row in self.results(some)])))
        tuned = {task: self.tune(task) for task in self.tasks}
        every = []
        for task, dials in itertools.product(self.tasks, self.dials):
            self.collect(task, dials)
            some = self.cells(task, dials, tuned[task])
            every += some
            self.results(some)
        return {"results": [made(cell, self.folder) for cell in every], "tuned": tuned}

    def plan(self, each: float) -> None:
        """Say what it will cost, and cut the lists to what fits."""
        cuts = []
        while self.cost(each) > 3600 * self.asked.hours:
            if len(self.dials) > LEAST_DIALS or (len(self.tasks) == 1 and len(self.dials) > 1):
                cuts.append(f"dials {dials_name(tuple(self.dials[-1].items()))}")
                self.dials = self.dials[:-1]
            elif len(self.tasks) > 1:
                cuts.append(f"task {self.tasks[-1]}")
                self.tasks = self.tasks[:-1]
            else:
                break
        self.cuts = cuts
        cost = self.cost(each) / 3600
        cells.say(
            f"{self.runs()} runs of {each / 60:.2f} min (measured on one of each way), and "
            f"demonstrations: {cost:.2f} core-hours; --hours {self.asked.hours:g}"
        )
        cells.say(f"tasks {', '.join(self.tasks)}; dials " + ", ".join(
            dials_name(tuple(dials.items())) for dials in self.dials))  # fmt: skip
        for cut in cuts:
            cells.say(f"not run: {cut}")

    def runs(self) -> int:
        """How many policies are trained."""
        points = len(self.dials) * len(self.demonstrations) * len(WAYS) * self.seeds
        return len(self.tasks) * (points + sum(map(len, self.trials.values())))

    def cost(self, each: float) -> float:
        """Core-seconds of what is left in the lists, were nothing done yet."""
        worlds = sum(GAIN not in dials for dials in self.dials)
        data = len(self.tasks) * worlds * max(self.demonstrations) * COLLECT_S
        return self.runs() * each + data

    def collect(self, task: str, dials: dict) -> None:
        """The demonstrations of a task in a world."""
        collected(task, tuple(dials.items()), max(self.demonstrations), self.folder)

    def trial(self, task: str, way: str, settings: dict) -> Cell:
        """A policy with which a way is tuned."""
        dials, number = tuple(self.dials[0].items()), self.tuning
        tuned = tuple(settings.items())
        return Cell(task, dials, number, way, TUNING_SEED, tuned, VALIDATION, self.sizes)

    def tune(self, task: str) -> dict[str, dict]:
        """The settings of each way that are best on the validation starts of a task."""
        self.collect(task, self.dials[0])
        cells = [self.trial(task, way, one) for way in WAYS for one in self.trials[way]]
        found = self.results(cells)
        best = {}
        for way in WAYS:
            rows = [row for row in found if row["way"] == way]
            top = max(rows, key=lambda row: (row["success_rate"], -row["cost"]["mean"]))
            best[way] = dict(map(tuple, top["tuned"]))
        return best

    def cells(self, task: str, dials: dict, tuned: dict[str, dict]) -> list[Cell]:
        """The policies of a task in a world."""
        return [
            Cell(task, tuple(dials.items()), n, way, seed, tuple(tuned[way].items()), EVALUATION,
                 self.sizes)
            for n in self.demonstrations for way in WAYS for seed in range(self.seeds)
        ]  # fmt: skip

    def results(self, asked: Sequence[Cell]) -> list[dict]:
        """What came of policies, those that are not there yet made beside each other."""
        return cells.made_beside(asked, made, self.folder, self.asked.workers, worded)


def worded(row: dict) -> str:
    """A result in words."""
    return (
        f"{row['task']} {dials_name(row['dials'])} {row['demonstrations']} {row['way']} "
        f"seed {row['seed']}: {row['successes']}/{row['episodes']}"
    )


COLLECT_S = 0.5
"""Core-seconds that a demonstration takes, for the plan."""


# What came out.


def points_of(results: Sequence[dict]) -> list[dict]:
    """Success at each point of the grid, over its seeds."""

    def key(row):
        return row["task"], dials_name(row["dials"]), row["demonstrations"], row["way"]

    points = []
    for (task, dials, number, way), group in itertools.groupby(results, key):
        rows = list(group)
        rates = [row["success_rate"] for row in rows]
        successes, n = sum(row["successes"] for row in rows), sum(row["episodes"] for row in rows)
        over = cells.interval(successes, n, rates)
        points.append(
            {
                **{"task": task, "dials": dials, "demonstrations": number, "way": way},
                **{"success_rate": successes / n, "interval": over},
                **{
                    "by_seed": rates,
                    "episodes": n,
                    "cost": np.mean([r["cost"]["mean"] for r in rows]),
                },
                **{"parameters": rows[0]["parameters"], "width": rows[0]["width"]},
                "drift": max(row["drift"] for row in rows),
                "validation_loss": [row.get("validation_loss") for row in rows],
            }
        )
    return points


def needed(points: Sequence[dict]) -> list[dict]:
    """How many demonstrations each way needs for the success of a free network with all of them.

    Between two numbers success is taken to rise along a straight line over their logarithms.
    """
    found = []
    for (task, dials), group in itertools.groupby(points, lambda p: (p["task"], p["dials"])):
        rows = list(group)
        free = [row for row in rows if row["way"] == "free"]
        for goal in free[1:]:
            row = {"task": task, "dials": dials, "success_rate": goal["success_rate"]}
            row["free"] = float(goal["demonstrations"])
            for way in WAYS:
                if way != "free":
                    own = [point for point in rows if point["way"] == way]
                    row[way] = reached(own, goal["success_rate"])
            found.append(row)
    return found


def reached(points: Sequence[dict], rate: float) -> float | None:
    """Demonstrations at which a success rate is reached; None: with none of those tried."""
    best, before = -1.0, None
    for point in points:
        if point["success_rate"] >= rate:
            if before is None:
                return float(point["demonstrations"])
            share = (rate - best) / max(point["success_rate"] - best, 1e-12)
            a, b = np.log(before), np.log(point["demonstrations"])
            return round(float(np.exp(a + max(share, 0.0) * (b - a))), 1)
        best = max(best, point["success_rate"])
        before = point["demonstrations"]
    return None


def table(points: Sequence[dict], demonstrations: Sequence[int]) -> str:
    """Markdown: a row for each task, world and way."""
    lines = ["| task | dials | way | " + " | ".join(map(str, demonstrations)) + " |"]
    lines.append("|---" * (3 + len(demonstrations)) + "|")
    for (task, dials, way), group in itertools.groupby(
        sorted(
            points, key=lambda p: (TASKS.index(p["task"]), p["dials"], list(WAYS).index(p["way"]))
        ),
        lambda p: (p["task"], p["dials"], p["way"]),
    ):
        cells = []
        for point in group:
            low, high = (100 * v for v in point["interval"])
            cells.append(f"{100 * point['success_rate']:.0f} ({low:.0f} to {high:.0f})")
        lines.append(f"| `{task}` | {dials} | {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the grid, or what of it fits."""
    parser = cells.command_line(__doc__, "exact_relaxed_free", 2.5)
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    asked = parser.parse_args()
    grid = Grid(asked)
    found = grid.run()
    points = points_of(found["results"])
    report = {
        "benchmark": "exact_relaxed_free",
        "seeds": grid.seeds,
        "trials": {way: len(trials) for way, trials in grid.trials.items()},
        "tuned": found["tuned"],
        "sizes": dataclasses.asdict(grid.sizes),
        "core_hours": round(sum(row["cpu_s"] for row in found["results"]) / 3600, 2),
        "not_run": grid.cuts,
        "points": points,
        "needed": needed(points),
    }
    cells.tell(report, table(points, grid.demonstrations) if asked.table else None)


if __name__ == "__main__":
    main()
