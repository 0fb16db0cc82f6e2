"""Does an audit made before training say which network will win, exact or free?

Tasks x dials x values x numbers of demonstrations: the audit of the demonstrations names the sign
of (exact - free); then exact, relaxed, free and free+augmentation networks of equal size are cloned
from them, and their errors on held-out episodes say who was right. What is finished is kept under
`--folder` and not done again. JSON on stdout, how far it is on stderr; `--table` prints Markdown.

The criterion, chosen before the first cell: mean squared error of the action on 60 held-out
episodes of the same world, in units of the action's limits; the interval (95 %, Student) of
(exact - free) over five seeds, paired. The demonstrations of a cell are the same for all ways and
seeds; seeds differ in all draws of a training. Success is shown by `exact_relaxed_free.py`.

A demonstrator that knows of the dial does the even world's motions, so that what it does is no
symmetric function of the state any more: its action in the changed direction is divided by the gain
(`actuator_gain`), leans against gravity (`gravity_tilt`), makes up for drag (`damping`), all within
the limits. `label_flip` tells the opposite of how episodes ended, so of the successes that start
with the first moved coordinate above zero so many are not kept: data on one side only.
"""

import argparse
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from covary.benchmarks.grids import cells
from covary.commands.intervals import of_mean, wilson
from covary.symmetry.audit.advice import exact_wins
from covary.symmetry.audit.folding import Folding

COLLECTED = {
    "point_mass": ("point_mass",),
    "push": ("push", "planner:=expert"),
    "block_push": ("block_push", "robot:=floating_gripper"),
}
"""The command line of each task's demonstrations, in the order in which tasks are run."""
EPISODES, HELD_OUT = 400, range(220, 280)
"""Collected of each task, and those of them that nothing is learned from."""
NOISE = 0.2
"""On the executed actions, of the largest; the labels are without it."""
WORLDS = (
    ("none", 0.0),
    *(("actuator_gain", gain) for gain in (-0.8, -0.5, 0.5, 1.0)),
    *(("gravity_tilt", tilt) for tilt in (2.0, 5.0, 10.0, 30.0)),
    *(("damping", more) for more in (1.0, 3.0)),
    ("label_flip", 1.0),
)
LEAN = {"point_mass": 9.81, "push": 50.0 * 9.81 / 5000.0}
"""Action that stands against gravity of which the sine of the tilt is one: force on 1 kg, N;
velocity of the pusher's servo (50 kg, 5000 N s/m), m/s."""
DRAGGED = {"point_mass": ("velocity_x", "mass_x")}
"""Coordinate of the state that drag goes with, and of the action that makes up for it, N."""
DEMONSTRATIONS = (10, 30, 100, 300)
WAYS = {
    "exact": {"mode": "exact"},
    "free": {"mode": "free"},
    "relaxed": {"mode": "relaxed"},
    "free+augmentation": {"mode": "free", "augment": True},
}
"""In the order in which they are run: the first two decide."""
UNEQUAL = 0.2
"""Share by which networks of a task may differ in their number of parameters."""
SEEDS = 5
AUDITED = 3000
"""Ticks that an audit looks at."""
COUNTED = 30
"""So many cells with an interval that excludes zero are asked for."""
SEEN = {
    "block_push-none_0-10",
    *(f"block_push-actuator_gain_{gain}-100" for gain in ("-0.8", "-0.5", "0.5", "1")),
    "block_push-none_0-100",
    "block_push-actuator_gain_-0.8-10",
}
"""Worlds outside of `point_mass` of which some policy had been trained when the rule was frozen,
three of them in whole; the score is told without them too."""
POOLED = 60
"""Policies that are made by the same processes: each of these reads the demonstrations once."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done for each policy."""

    width: int = 128
    """Of the exact network at least (`matched`); the others' are those of equal size."""
    steps: int = 500
    batch: int = 128
    learning_rate: float = 3e-3
    """Of all ways: nothing is tuned."""


@dataclasses.dataclass(frozen=True)
class World:
    """Demonstrations that an audit and policies are made of."""

    task: str
    dial: str
    value: float
    demonstrations: int

    def name(self) -> str:
        """In a word."""
        return f"{self.task}-{self.dial}_{self.value:g}-{self.demonstrations}"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One policy to be trained and judged; without a way the audit of its demonstrations."""

    world: World
    way: str = ""
    seed: int = 0
    sizes: Sizes = Sizes()

    def path(self, folder: Path) -> Path:
        """Where its result is kept: its name says what it is, its hash with which settings."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        kind = f"{self.way}-{self.seed}" if self.way else "audit"
        return folder / "cells" / f"{self.world.name()}-{kind}-{digest}.json"


def worlds(task: str, demonstrations: Sequence[int] = DEMONSTRATIONS) -> list[World]:
    """Of a task, those of `WORLDS` in which its demonstrator knows what to do."""

    def has(dial: str, value: float) -> bool:
        if dial == "gravity_tilt":
            return task in LEAN and (value > 5.0 if task == "push" else value < 30.0)
        return task in DRAGGED if dial == "damping" else True

    def enough(dial: str, count: int) -> bool:
        return dial != "label_flip" or count <= 100  # half of the episodes are not kept

    return [
        World(task, dial, value, n)
        for dial, value in WORLDS
        if has(dial, value)
        for n in demonstrations
        if enough(dial, n)
    ]


# The demonstrations.


@functools.lru_cache(maxsize=3)
def even_world(data: Path) -> Any:
    """All demonstrations of a task in a world that is as symmetric as declared."""
    from covary.control.imitation.demonstrations import read_demonstrations

    return read_demonstrations(data, most=EPISODES)


def demonstrated(world: World, data: Path, held_out: range) -> tuple[Any, Any]:
    """What is learned from in a world, and what policies are judged on.

    Args:
        world: Which.
        data: The dataset of the even world.
        held_out: The episodes that nothing is learned from.
    """
    every = relabelled(even_world(data), world)
    first = np.searchsorted(every.episode, np.arange(every.episodes))
    kept = np.arange(every.episodes)
    if world.dial == "label_flip":
        from covary.sim.dials import first_moved

        ahead = every.state[first, first_moved(every.task.symmetry, "state")] > 0.0
        told = np.random.default_rng(0).uniform(size=every.episodes) < world.value
        kept = kept[~(ahead & told)]
    judged = np.isin(kept, held_out)
    return every.of(kept[~judged][: world.demonstrations]), every.of(kept[judged])


def relabelled(every: Any, world: World) -> Any:
    """The actions of a demonstrator that knows the dial and does the even world's motions."""
    from covary.sim.dials import first_moved

    task, action = every.task, every.action.copy()
    k = first_moved(task.symmetry, "action")
    if world.dial == "actuator_gain":
        action[action[:, k] > 0.0, k] /= 1.0 + world.value
    elif world.dial == "gravity_tilt":
        action[:, k] -= LEAN[world.task] * math.sin(math.radians(world.value))
    elif world.dial == "damping":
        speed, force = DRAGGED[world.task]
        drag = world.value * every.state[:, every.state_names.index(speed)]
        action[:, task.action_names.index(force)] += drag
    return dataclasses.replace(every, action=task.limits.project(action))


# One audit, one policy.


def made(cell: Cell, folder: Path) -> dict:
    """Make an audit, or train and judge a policy, or read what came of it before."""
    path = cell.path(folder)
    if (found := cells.kept(path)) is not None:
        return found
    begin = time.process_time()
    data = folder / "data" / cell.world.task
    training, judged = demonstrated(cell.world, data, HELD_OUT)
    found = policy(cell, training, judged, folder / "policies" / path.stem) if cell.way else (
        audited(training))  # fmt: skip
    seconds = round(time.process_time() - begin, 2)
    return cells.keep(path, {**dataclasses.asdict(cell), **found, "cpu_s": seconds})


def policy(cell: Cell, training: Any, judged: Any, out: Path) -> dict:
    """Train a policy and judge it on episodes that it has never seen."""
    import torch

    from covary.control.imitation.training import Training
    from covary.nodes.launching.launch_file import read_assignments
    from covary.nodes.training.recipe import find_recipe, read_recipe

    sizes, way = cell.sizes, WAYS[cell.way]
    task, names = training.task, training.state_names
    width = matched(task, names, sizes.width)[way["mode"]]
    settings = {**dataclasses.asdict(sizes), **way, "width": width, "seed": cell.seed}
    settings |= {"data": "unused", "out": str(out), "device": "cpu"}
    settings["validate_every"] = max(sizes.steps // 5, 1)
    words = [f"{name}:={json.dumps(value)}" for name, value in settings.items()]
    run = Training(read_recipe(find_recipe("bc"), read_assignments(words)), training)
    for _ in run.moments():
        pass
    run.use_best()
    cells.remove(out)
    network = run.method.policy.eval()
    with torch.no_grad():
        answer = network(torch.as_tensor(judged.state).float())[0][:, 0].double().numpy()
    return {
        "error": mean_square(answer - judged.action, network.seen.reach),
        "learned": mean_square(judged.action - judged.action.mean(axis=0), network.seen.reach),
        "parameters": network.parameter_count,
        "ticks": len(training),
    }


@functools.lru_cache
def matched(task: Any, names: tuple[str, ...], least: int) -> dict[str, int]:
    """Widths, mode by mode, at which networks are of equal size within `UNEQUAL`.

    Those of free networks are multiples of the group's order, so the exact one is made wider until
    all others can be as large as it is.
    """
    from covary.control.policies.network import Architecture, PolicyNetwork, width_for

    def count(mode: Any, width: int) -> int:
        return PolicyNetwork(task, names, {}, Architecture(mode=mode, width=width)).parameter_count

    for width in itertools.count(least, task.symmetry.group.order):
        wanted, found = count("exact", width), {"exact": width}
        for mode in ("relaxed", "free"):
            like = Architecture(mode=mode)
            found[mode] = width_for(wanted, task, names, {}, like)
        if all(abs(count(mode, w) / wanted - 1.0) <= UNEQUAL for mode, w in found.items()):
            return found
    raise AssertionError("unreachable")


def mean_square(apart: np.ndarray, reach: np.ndarray) -> float:
    """Mean over rows and coordinates, in units of the limits."""
    return float(np.mean((apart / np.broadcast_to(reach, apart.shape[-1:])) ** 2))


def audited(training: Any) -> dict:
    """What demonstrations tell of the declared symmetry before anything is trained."""
    from covary.sim.seen import seen
    from covary.symmetry.audit.claim import claim_of
    from covary.symmetry.audit.degrees import degrees
    from covary.symmetry.audit.folding import folding

    view = seen(training.task, training.state_names)
    claim, action = claim_of(view.symmetry), training.action / view.reach
    given = (training.state, action, claim, training.episode)
    found, fold = degrees(*given, samples=AUDITED), folding(*given, samples=AUDITED)
    return {
        **dataclasses.asdict(found.shares),
        "intervals": found.intervals,
        "bound": found.bound / action.shape[1],
        "bound_interval": [value / action.shape[1] for value in found.bound_interval],
        "fold": dataclasses.asdict(fold),
    }


# All of them.


class Table:
    """What is to be run and what was run before.

    Args:
        asked: The command line.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.folder = asked, asked.folder
        self.tasks = asked.tasks
        self.ways = list(WAYS)[: asked.ways]
        self.seeds, self.sizes, self.worlds = SEEDS, Sizes(), worlds
        if asked.quick:
            self.seeds, self.sizes = 2, Sizes(width=32, steps=20)
            self.worlds = lambda task: worlds(task, (4,))[:2]

    def run(self) -> list[dict]:
        """Audits first, then the two ways that decide, then the others; a row for each world.

        What would go beyond ``--hours`` is left, and its rows say so.
        """
        until = time.monotonic() + 3600 * self.asked.hours / self.asked.workers
        rows = []
        for task in self.tasks:
            data, every = self.folder / "data" / task, self.worlds(task)
            words = [*COLLECTED[task], f"action_noise:={NOISE}", "dials:={}"]
            cells.collected([*words, f"episodes:={EPISODES}", "success_only:=true"], data)
            audits = self.results([Cell(world, sizes=self.sizes) for world in every])
            for ways in (self.ways[:2], self.ways[2:]):
                every_one = itertools.product(every, ways, range(self.seeds))
                policies = [Cell(*one, self.sizes) for one in every_one]
                left = [cell for cell in policies if not cell.path(self.folder).exists()]
                for start in range(0, len(left), POOLED):
                    if time.monotonic() < until:
                        self.results(left[start : start + POOLED])
            rows += [self.row(world, audit) for world, audit in zip(every, audits, strict=True)]
        return rows

    def results(self, asked: Sequence[Cell]) -> list[dict]:
        """What came of cells, those that are not there yet made beside each other."""
        return cells.made_beside(asked, made, self.folder, self.asked.workers, worded)

    def row(self, world: World, audit: dict) -> dict:
        """What the audit of a world said, and what came of its policies."""
        found = {**dataclasses.asdict(world), "audit": audit, "error": {}, "interval": None}
        for way in self.ways:
            kept = [cells.kept(Cell(world, way, seed, self.sizes).path(self.folder))
                    for seed in range(self.seeds)]  # fmt: skip
            whole = [one for one in kept if one is not None]
            if len(whole) == self.seeds:
                found["error"][way] = [one["error"] for one in whole]
        errors = found["error"]
        if {"exact", "free"} <= set(errors):
            apart = np.subtract(errors["exact"], errors["free"])
            found["interval"] = of_mean(list(apart))
        return found


# What came out.


RULES: dict[str, Callable[[dict], bool]] = {
    "audit": lambda row: exact_wins(Folding(**row["audit"]["fold"])),
    "always impose": lambda row: True,
    "never impose": lambda row: False,
}
"""Each says whether the exact network will have the smaller error."""


def scored(rows: Sequence[dict]) -> dict:
    """How often each rule named the sign, among the cells that have one."""
    told = [row for row in rows if row["interval"] and row["interval"][0] * row["interval"][1] > 0]
    right = {
        name: sum(rule(row) == (row["interval"][1] < 0.0) for row in told)
        for name, rule in RULES.items()
    }
    return {
        "run": sum(row["interval"] is not None for row in rows),
        "not_run": sum(row["interval"] is None for row in rows),
        "cells": len(told),
        "asked": COUNTED,
        "right": right,
        "share": {name: count / max(len(told), 1) for name, count in right.items()},
        "wilson": {name: wilson(count, len(told)) for name, count in right.items()},
    }


def verdict(row: dict) -> str:
    """Whether the audit was right about a cell, in a word."""
    interval = row["interval"]
    if interval is None:
        return "not run"
    if interval[0] * interval[1] <= 0:
        return "level"
    told = "right" if RULES["audit"](row) == (interval[1] < 0.0) else "**miss**"
    return told + " (seen)" * was_seen(row)


def was_seen(row: dict) -> bool:
    """Whether it is one of `SEEN`."""
    fields = [field.name for field in dataclasses.fields(World)]
    return World(**{name: row[name] for name in fields}).name() in SEEN


def table(rows: Sequence[dict], ways: Sequence[str]) -> str:
    """Markdown: a row for each world."""
    head = [
        "task, dial",
        "n",
        "c",
        "i",
        "e",
        "floor",
        "folded / plain",
        *ways,
        "exact - free",
        "audit",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        audit = row["audit"]
        fold = audit["fold"]
        named = f"`{row['task']}`, {row['dial']}" + (f" {row['value']:g}" if row["value"] else "")
        line = [named, str(row["demonstrations"])]
        line += [f"{audit[key]:.2f}" for key in ("correct", "incorrect", "extrinsic")]
        line += [f"{1000 * audit['bound']:.0f}", f"{fold['folded'] / fold['plain']:.2f}"]
        line += [
            f"{1000 * np.mean(row['error'][way]):.1f}" if way in row["error"] else "not run"
            for way in ways
        ]
        apart = row["interval"]
        line.append(f"{1000 * apart[0]:.1f} to {1000 * apart[1]:.1f}" if apart else "not run")
        lines.append("| " + " | ".join([*line, verdict(row)]) + " |")
    return "\n".join(lines)


def worded(row: dict) -> str:
    """A result in words."""
    name = World(**row["world"]).name()
    if not row["way"]:
        return f"{name} audit: {row['incorrect']:.2f} incorrect"
    return f"{name} {row['way']} seed {row['seed']}: error {row['error']:.4f}"


def main() -> None:
    """Run the table, or what of it fits."""
    parser = cells.command_line(__doc__ or "", "prediction", 2.5)
    parser.add_argument("--tasks", nargs="+", default=list(COLLECTED), choices=list(COLLECTED))
    parser.add_argument("--ways", type=int, default=len(WAYS), help="2: exact and free alone")
    parser.add_argument("--table", action="store_true", help="Markdown instead of JSON")
    asked = parser.parse_args()
    run = Table(asked)
    rows = run.run()
    report = {
        "benchmark": "prediction",
        "seeds": run.seeds,
        "sizes": dataclasses.asdict(run.sizes),
        "score": {task: scored([row for row in rows if row["task"] == task]) for task in run.tasks},
        "all": scored(rows),
        "all_but_seen": scored([row for row in rows if not was_seen(row)]),
        "points": rows,
    }
    cells.tell(report, table(rows, run.ways) if asked.table else None)


if __name__ == "__main__":
    main()
