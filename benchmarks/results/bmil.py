"""Imitation of a few demonstrations: success near them and far from them, eight ways, as JSON.

Tasks x methods x seeds; each policy is judged from the demonstrated and from the widened starts of
its task (docs/tasks.md, docs/gymnasium.md). A seed has demonstrations of its own, as many for every
method, and as many updates; each method was tuned by as many trials as the others on seeds of their
own. What is finished is kept under `--folder` and not done again. A grid that does not fit into
`--hours` (of one core) loses tasks from the end of their list, never seeds nor a method; what is
lost is printed as "not run". JSON on stdout, how far it is on stderr; `--table` prints Markdown.
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

GYM = "gym.yaml"
FLOATING = "robot:=floating_gripper"


@dataclasses.dataclass(frozen=True)
class Demonstrated:
    """A task and who demonstrates it."""

    words: tuple[str, ...]
    """Of `covary collect`."""
    demonstrations: int
    """For each policy."""
    cost: float = 1.0
    """Of a run, in units of one on `push`: episodes are longer or shorter."""


def gym(env_id: str, demonstrations: int, cost: float) -> Demonstrated:
    """An environment of Gymnasium with its scripted demonstrator."""
    words = (GYM, f"env_id:={env_id}", "planner:=gym_expert")
    return Demonstrated(words, demonstrations, cost)


TASKS = {
    "push": Demonstrated(("push", "planner:=expert"), 40),
    "block_push": Demonstrated(("block_push", FLOATING), 20, 1.6),
    "FetchPush-v4": gym("FetchPush-v4", 5, 1.0),
    "PointMazeRooms-v0": gym("PointMazeRooms-v0", 20, 0.8),
    "FetchPickAndPlace-v4": gym("FetchPickAndPlace-v4", 10, 1.0),
    "PointMazeCorridor-v0": gym("PointMazeCorridor-v0", 20, 0.8),
}
"""The last are lost first."""
NOISE = 0.1
"""`action_noise` of demonstrations with noise, which all ways but the first two learn from: of a
demonstrator that is a function of the state no model can learn what another action would do. The
label is what the demonstrator meant (DART); those without noise are as many."""


@dataclasses.dataclass(frozen=True)
class Way:
    """A method, and what is tried to tune it."""

    recipe: str
    settings: dict
    trials: tuple[dict, ...]
    noisy: bool = True


RATES = tuple({"learning_rate": rate} for rate in (3e-4, 1e-3, 3e-3))
FAR = {"last_steps": 30, "least_spread": 0.5, "persistence": 0.95}
TRACES = (
    {"last_steps": 10, "consistency": 0.5},
    {**FAR, "consistency": 0.5},
    {**FAR, "consistency": 2.0},
)
"""Those that are drawn as wide as the model is sure of hardly leave the demonstrated way."""
GROWN = {"spread": "deviation", "spread_scale": 1.0, "state_scale": 0.0, "model_steps": 1500}
GROWN |= {"margin": 1.0}
WAYS = {
    "BC": Way("bc", {"mode": "free"}, RATES, noisy=False),
    "BC+augmentation": Way("bc_augmented", {}, RATES, noisy=False),
    "BC+noise": Way("bc_noise", {"mode": "free"}, tuple({"noise": n} for n in (0.0, 0.02, 0.1))),
    "BC+noise+augmentation": Way("bc_augmented", {}, RATES),
    "BC+noise, equivariant": Way("bc", {"mode": "exact"}, RATES),
    "VINS": Way("vins", {}, tuple({"perturbation": p} for p in (0.05, 0.1, 0.3))),
    "BMIL": Way("bmil", GROWN, TRACES),
    "BMIL+symmetry": Way("bmil_symmetric", GROWN, TRACES),
}
"""The fifth is what of the last is symmetry alone."""
SEEDS = 5
STARTS = ("demonstrated", "widened")
EVALUATION, VALIDATION = 7000, 9000
"""Seeds of the starts that are reported, and of those that trials are compared on."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done for each policy."""

    width: int = 128
    steps: int = 2000
    batch: int = 128
    episodes: int = 60
    """From each kind of starts."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One policy to be trained and judged."""

    task: str
    way: str
    demonstrations: int
    seed: int
    """Which demonstrations, and of the training's draws."""
    tuned: tuple[tuple[str, float], ...]
    starts: int
    """Seed of the starts on which it is judged."""
    sizes: Sizes

    def path(self, folder: Path) -> Path:
        """Where its result is kept: its name says what it is, its hash with which settings."""
        about = {**dataclasses.asdict(self), "settings": WAYS[self.way].settings, "noise": NOISE}
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:10]
        return folder / "cells" / f"{self.task}-{self.way}-{self.seed}-{digest}.json"


def dataset_of(task: str, noisy: bool, folder: Path) -> Path:
    """Where a task's demonstrations are: blocks of them, one for each seed."""
    return folder / "data" / f"{task}{'-noise' if noisy else ''}"


def made(cell: Cell, folder: Path) -> dict:
    """Train and judge one policy, or read what came of it before."""
    path = cell.path(folder)
    if (found := cells.kept(path)) is not None:
        return found
    from covary.commands.evaluating.figures import evaluated

    begin = time.process_time()
    policy = folder / "policies" / path.stem
    card = trained(cell, folder, policy)
    result = {**dataclasses.asdict(cell), "train_s": round(time.process_time() - begin, 2)}
    for starts in STARTS:
        words = [f"episodes:={cell.sizes.episodes}", f"seed:={cell.starts}", f"starts:={starts}"]
        summary = evaluated(str(policy), words)
        result[starts] = {key: summary[key] for key in ("successes", "episodes", "success_rate")}
    result |= {"parameters": card.parameters, "updates_per_s": card.metrics["updates_per_s"]}
    result["cpu_s"] = round(time.process_time() - begin, 2)
    cells.remove(policy)
    return cells.keep(path, result)


def trained(cell: Cell, folder: Path, out: Path):
    """Train a policy into a folder; its card.

    The weights of the last update are taken, as in the paper: the validation data are an episode or
    two here, and they are of the demonstrations, so they say nothing of states beside them.
    """
    from covary.control.imitation.demonstrations import read_demonstrations

    way, sizes, n = WAYS[cell.way], cell.sizes, cell.demonstrations
    data = dataset_of(cell.task, way.noisy, folder)
    every = read_demonstrations(data)
    own = every.of(range(cell.seed * n, (cell.seed + 1) * n))
    settings = {"data": data, "out": out, "seed": cell.seed, "width": sizes.width, "device": "cpu"}
    settings |= {"steps": sizes.steps, "batch": sizes.batch, "validate_every": sizes.steps}
    return cells.trained(way.recipe, {**settings, **way.settings, **dict(cell.tuned)}, own)


class Grid:
    """What is to be run, what was run before, and what it costs.

    Args:
        asked: The command line.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.folder = asked, asked.folder
        self.sizes, self.tasks, self.seeds = Sizes(), TASKS, SEEDS
        self.trials = len(RATES)
        if asked.quick:
            self.sizes = Sizes(width=32, steps=40, batch=32, episodes=2)
            few = dataclasses.replace(TASKS["PointMazeRooms-v0"], demonstrations=2)
            self.tasks, self.seeds, self.trials = {"PointMazeRooms-v0": few}, 2, 1
        self.cuts: list[str] = []

    def run(self) -> dict[str, list[dict]]:
        """Run what fits, task by task; the results, and what each method was tuned to."""
        first = next(iter(self.tasks))
        self.collect(first)
        some = [self.trial(first, way, WAYS[way].trials[0]) for way in WAYS]
        each = sum(row["cpu_s"] for row in self.results(some)) / len(some)
        self.plan(each)
        found, tuned = [], []
        for task in self.tasks:
            self.collect(task)
            best = self.tune(task)
            tuned.append({"task": task, **best})
            found += self.results(
                [
                    self.cell(task, way, seed, best[way], EVALUATION)
                    for way, seed in itertools.product(WAYS, range(self.seeds))
                ]
            )
        return {"results": found, "tuned": tuned}

    def plan(self, each: float) -> None:
        """Say what it will cost, and cut the tasks to what fits."""
        while len(self.tasks) > 1 and self.cost(each) > 3600 * self.asked.hours:
            *left, last = self.tasks
            self.cuts.append(last)
            self.tasks = {task: self.tasks[task] for task in left}
        runs = len(self.tasks) * len(WAYS) * (self.trials + self.seeds)
        cells.say(
            f"{runs} runs, {each / 60:.2f} min each (one of each method measured), and "
            f"demonstrations: {self.cost(each) / 3600:.2f} core-hours; --hours {self.asked.hours:g}"
        )
        cells.say(f"tasks {', '.join(self.tasks)}; {self.trials} trials for each method")
        for task in self.cuts:
            cells.say(f"not run: {task}")

    def cost(self, each: float) -> float:
        """Core-seconds of the tasks that are left, were nothing done yet."""
        runs = len(WAYS) * (self.trials + self.seeds)
        return sum(runs * each * t.cost + 2 * self.most(t) * COLLECT_S for t in self.tasks.values())

    def most(self, task: Demonstrated) -> int:
        """Episodes of a dataset: a block for each seed, and one for the trials."""
        return task.demonstrations * (self.seeds + 1)

    def collect(self, task: str) -> None:
        """Both datasets of a task."""
        about = self.tasks[task]
        common = ["starts:=demonstrated", f"episodes:={self.most(about)}", "success_only:=true"]
        for noisy in (False, True):
            words = [*about.words, *common, *([f"action_noise:={NOISE}"] if noisy else [])]
            cells.collected(words, dataset_of(task, noisy, self.folder))

    def cell(self, task: str, way: str, seed: int, settings: dict, starts: int) -> Cell:
        """A policy."""
        n, tuned = self.tasks[task].demonstrations, tuple(settings.items())
        return Cell(task, way, n, seed, tuned, starts, self.sizes)

    def trial(self, task: str, way: str, settings: dict) -> Cell:
        """A policy with which a method is tuned, on demonstrations that no seed has."""
        return self.cell(task, way, self.seeds, settings, VALIDATION)

    def tune(self, task: str) -> dict[str, dict]:
        """Of each method the settings with the most successes on the validation starts."""
        trials = {way: WAYS[way].trials[: self.trials] for way in WAYS}
        rows = self.results([self.trial(task, way, one) for way in WAYS for one in trials[way]])
        best = {}
        for way in WAYS:
            own = [row for row in rows if row["way"] == way]
            top = max(own, key=lambda row: sum(row[starts]["successes"] for starts in STARTS))
            best[way] = dict(map(tuple, top["tuned"]))
        return best

    def results(self, asked: Sequence[Cell]) -> list[dict]:
        """What came of policies, those that are not there yet made beside each other."""
        return cells.made_beside(asked, made, self.folder, self.asked.workers, worded)


COLLECT_S = 0.8
"""Core-seconds that a demonstration takes, for the plan."""


def worded(row: dict) -> str:
    """A result in words."""
    near, far = (f"{row[starts]['successes']}/{row[starts]['episodes']}" for starts in STARTS)
    return f"{row['task']} {row['way']} seed {row['seed']}: {near} near, {far} far"


def points_of(results: Sequence[dict]) -> list[dict]:
    """Success of each method on each task, over its seeds."""
    points = []
    for (task, way), group in itertools.groupby(results, lambda row: (row["task"], row["way"])):
        rows = list(group)
        point = {"task": task, "way": way, "demonstrations": rows[0]["demonstrations"]}
        for starts in STARTS:
            found = [row[starts] for row in rows]
            rates = [one["success_rate"] for one in found]
            successes, n = (sum(one[key] for one in found) for key in ("successes", "episodes"))
            point[starts] = {
                "success_rate": successes / n,
                "interval": cells.interval(successes, n, rates),
                "by_seed": rates,
                "episodes": n,
            }
        points.append(point)
    return points


def table(points: Sequence[dict], cuts: Sequence[str]) -> str:
    """Markdown: a row for each task and method."""
    lines = [f"| task (demonstrations) | method | {' | '.join(STARTS)} |", "|---|---|---|---|"]
    for point in points:
        found = []
        for starts in STARTS:
            low, high = (100 * v for v in point[starts]["interval"])
            found.append(f"{100 * point[starts]['success_rate']:.0f} ({low:.0f} to {high:.0f})")
        name = f"`{point['task']}` ({point['demonstrations']})"
        lines.append(f"| {name} | {point['way']} | {' | '.join(found)} |")
    lines += [f"| `{task}` ({TASKS[task].demonstrations}) | all | not run | |" for task in cuts]
    return "\n".join(lines)


def main() -> None:
    """Run the grid, or what of it fits."""
    parser = cells.command_line(__doc__, "bmil", 2.0)
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    asked = parser.parse_args()
    grid = Grid(asked)
    found = grid.run()
    points = points_of(found["results"])
    report = {
        "benchmark": "bmil",
        "seeds": grid.seeds,
        "trials": grid.trials,
        "tuned": found["tuned"],
        "sizes": dataclasses.asdict(grid.sizes),
        "core_hours": round(sum(row["cpu_s"] for row in found["results"]) / 3600, 2),
        "not_run": grid.cuts,
        "points": points,
    }
    cells.tell(report, table(points, grid.cuts) if asked.table else None)


if __name__ == "__main__":
    main()
