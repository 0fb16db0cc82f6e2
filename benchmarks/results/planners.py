"""Every planner on every analytic task at equal rollouts a plan, in MuJoCo's world, with bounds.

About fifteen minutes of one quiet core; what is finished is kept under runs/results/planners and
not done again. All rollouts of a plan count: an algorithm with more iterations has smaller ones.
The settings are those of the launch files, for all algorithms alike; none was tuned for one.
``--rates`` measures plans/s, of all cells of the large table in turns (three minutes, quiet cores),
and puts them into what is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from covary.benchmarks.grids.cells import say
from covary.commands.intervals import of_mean, wilson
from covary.nodes import plugin
from covary.sim.env import TaskEnv
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.task import Task

EPISODES, SEED = 10, 7000  # starts that no setting was chosen on
ROLLOUTS = 512  # a plan, in the large table
COUNTS = (64, 128, 256, 1024)  # and in the small one, on two tasks
SWEPT = ("point_mass", "reacher")
ROUNDS, SLICE = 5, 0.3  # of --rates: turns of each cell, and seconds of planning in one
LEAST = 32  # samples of an iteration: with fewer rollouts there are fewer iterations
SETTINGS: dict[str, dict[str, Any]] = {
    "point_mass": {"horizon": 30, "knots": 6, "noise": 0.2, "temperature": 0.3},
    "reacher": {"horizon": 30, "knots": 6, "noise": 0.1, "temperature": 0.3},
    "point_mass_obstacles": {"horizon": 30, "knots": 6, "noise": 0.2, "temperature": 0.3},
    "push": {"horizon": 40, "knots": 8, "noise": 0.6, "temperature": 0.03},
    "cart_pole": {"horizon": 20, "knots": 8, "noise": 0.2, "temperature": 0.1},
    "drone": {"horizon": 18, "knots": 5, "noise": 0.03, "temperature": 0.5},
    "point_masses": {"horizon": 25, "knots": 5, "noise": 0.1, "temperature": 0.5},
}
LOCAL = {"ilqr": ("push", "cart_pole", "point_mass_obstacles")}
"""Where a local method was expected to fail: it sees nothing that it does not touch, and stays with
the swing, or the way round, that it finds first. No bound was set there."""

# Written down before the first run; at ROLLOUTS a plan.
SUCCESS = {
    **{"point_mass": 0.9, "reacher": 0.9, "point_mass_obstacles": 0.8},
    **{"push": 0.7, "cart_pole": 0.5},
    **{"drone": 0.8, "point_masses": 0.8},
}
"""Least success rate of every algorithm."""
DEARER = 1.5
"""Most that an episode may cost, over MPPI's on the same task."""
SMOOTHER = 0.5
"""Most jerk of smppi, over MPPI's, on every task."""


@dataclass(frozen=True)
class Cell:
    """One algorithm on one task at one number of rollouts."""

    task: str
    planner: str
    rollouts: int

    def path(self, folder: Path) -> Path:
        """Where its result is kept."""
        return folder / f"{self.task}-{self.planner}-{self.rollouts}.json"


def names() -> list[str]:
    """Our planners that need a model and nothing else: no script, no random actions, no torch."""
    found = []
    for name in plugin.offered("planners"):
        if name.startswith("torch"):
            continue
        cls = plugin.load(name, "planners")
        if getattr(cls, "needs_model", True) and hasattr(cls.Parameters, "horizon"):
            found.append(name)
    return found


def settings_of(cell: Cell) -> dict[str, Any]:
    """The parameters that a cell's planner is built with."""
    parameters = plugin.load(cell.planner, "planners").Parameters
    settings = {k: v for k, v in SETTINGS[cell.task].items() if hasattr(parameters, k)}
    if hasattr(parameters, "samples"):
        rounds = max(1, min(parameters.iterations, cell.rollouts // LEAST))
        settings |= {"samples": cell.rollouts // rounds, "iterations": rounds}
    return settings


def parameters_of(cell: Cell) -> dict[str, Any]:
    """All parameters of a cell's planner, its own defaults too."""
    return asdict(plugin.load(cell.planner, "planners").Parameters(**settings_of(cell)))


def measured(cell: Cell) -> dict[str, Any]:
    """Episodes of a cell."""
    env = TaskEnv(cell.task)
    task: Task = env.task
    planner = plugin.load(cell.planner, "planners")(NumbaDynamics(task), **settings_of(cell))
    largest = np.maximum(*np.abs(task.limits.bound()))
    costs, wins, jerks, seconds = [], 0, [], []
    for episode in range(EPISODES):
        env.reset(seed=SEED + episode)
        memory, total, done, actions = planner.initial_memory(SEED + episode), 0.0, False, []
        while not done:
            plan, memory = planner.plan(env.plant.state(), len(actions) * task.dt, memory)
            _, reward, success, late, _ = env.step(plan.actions[0])
            total -= reward
            actions.append(plan.actions[0] / largest)
            done = success or late
        wins += success
        costs.append(total)
        seconds.append(len(actions) * task.dt)
        jerks.append(float(np.mean(np.sum(np.diff(actions, axis=0) ** 2, axis=1))))
    return {
        "successes": wins,
        "episodes": EPISODES,
        "interval": wilson(wins, EPISODES),
        "cost": float(np.mean(costs)),
        "cost_interval": of_mean(costs),
        "seconds": float(np.mean(seconds)),
        "jerk": float(np.mean(jerks)),
    }


def kept(cell: Cell, folder: Path) -> dict[str, Any]:
    """Its result: the one that is there, if it was made with the same settings, or a new one."""
    asked = {**asdict(cell), "parameters": parameters_of(cell), "seed": SEED}
    path = cell.path(folder)
    if path.exists():
        found = json.loads(path.read_text())
        if {key: found.get(key) for key in asked} == asked:
            return found
    found = {**asked, **measured(cell)}
    keep(found, path)
    return found


def keep(found: dict[str, Any], path: Path) -> None:
    """Write a result, or leave the one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(path)


class Runner:
    """Plans of one cell along episodes on its model, a slice of time at a turn.

    Args:
        cell: It; its planner is made, and what is compiled is compiled, here.
    """

    def __init__(self, cell: Cell) -> None:
        self.task: Task = TaskEnv(cell.task).task
        model = NumbaDynamics(self.task)
        self.planner = plugin.load(cell.planner, "planners")(model, **settings_of(cell))
        self.steps, self.episode, self.step = round(self.task.time_limit / self.task.dt), -1, 0
        self.rates: list[float] = []
        self.turn(0.0)
        self.rates.clear()

    def turn(self, seconds: float) -> None:
        """Plan for so long, three plans at least, and take down the rate."""
        spent, plans = 0.0, 0
        while spent < seconds or plans < 3:
            if self.episode < 0 or self.step == self.steps:
                self.episode, self.step = self.episode + 1, 0
                self.state = self.task.initial_state(np.random.default_rng(SEED + self.episode))
                self.memory = self.planner.initial_memory(SEED + self.episode)
            start = time.perf_counter()
            now = self.step * self.task.dt
            plan, self.memory = self.planner.plan(self.state, now, self.memory)
            spent += time.perf_counter() - start
            self.state = self.planner.dynamics.next_state(self.state, plan.actions[0])
            self.step, plans = self.step + 1, plans + 1
        self.rates.append(plans / spent)


def renew_rates(cells: list[Cell], folder: Path) -> None:
    """Measure plans/s of cells in turns, and keep least, median and most with the cells."""
    runners: list[Runner] = []
    for cell in cells:
        runners.append(Runner(cell))
        say(f"{len(runners)}/{len(cells)} ready: {cell.task} {cell.planner}")
    for number in range(ROUNDS):
        say(f"round {number + 1}/{ROUNDS}, load {os.getloadavg()[0]:.1f}")
        for runner in runners:
            runner.turn(SLICE)
    for cell, runner in zip(cells, runners, strict=True):
        found = kept(cell, folder)
        rates = np.quantile(runner.rates, [0.0, 0.5, 1.0]).round(1).tolist()
        load = round(os.getloadavg()[0], 1)
        keep({**found, "plans_per_s": rates, "load": load}, cell.path(folder))


def broken_bounds(rows: list[dict]) -> list[str]:
    """The bounds of the large table that do not hold, each in a line."""
    by = {(row["task"], row["planner"]): row for row in rows if row["rollouts"] == ROLLOUTS}
    broken = []
    for (task, planner), row in by.items():
        if task in LOCAL.get(planner, ()):
            continue
        rate, plain = row["successes"] / row["episodes"], by.get((task, "mppi"))
        if rate < SUCCESS[task]:
            broken.append(f"{planner} on {task}: success {rate:.2f} below {SUCCESS[task]}")
        if plain and row["cost"] > DEARER * plain["cost"]:
            ratio = row["cost"] / plain["cost"]
            broken.append(f"{planner} on {task}: cost {ratio:.2f} of mppi's, above {DEARER}")
        if plain and planner == "smppi" and row["jerk"] > SMOOTHER * plain["jerk"]:
            ratio = row["jerk"] / plain["jerk"]
            broken.append(f"smppi on {task}: jerk {ratio:.2f} of mppi's, above {SMOOTHER}")
    return broken


def tables(rows: list[dict]) -> str:
    """Algorithm by task at one number of rollouts, and cost by number on two tasks."""
    large = [row for row in rows if row["rollouts"] == ROLLOUTS]
    tasks = [task for task in SETTINGS if any(row["task"] == task for row in large)]
    lines = ["Cost, jerk, plans/s where measured (successes where not all):", ""]
    lines.append("| planner | " + " | ".join(f"`{t}`" for t in tasks) + " |")
    lines.append("|---" * (len(tasks) + 1) + "|")
    by = {(row["planner"], row["task"], row["rollouts"]): row for row in rows}
    for planner in sorted({row["planner"] for row in rows}):
        cells = [large_cell(by.get((planner, task, ROLLOUTS))) for task in tasks]
        lines.append(f"| `{planner}` | {' | '.join(cells)} |")
    counts = sorted({row["rollouts"] for row in rows})
    swept = sorted({planner for planner, _, n in by if n != ROLLOUTS})
    if swept:
        lines += ["", "Cost (and success where not all) by rollouts a plan:", ""]
        lines.append("| planner | " + " | ".join(f"{t} {n}" for t in SWEPT for n in counts) + " |")
        lines.append("|---" * (len(SWEPT) * len(counts) + 1) + "|")
    for planner in swept:
        cells = [small_cell(by.get((planner, task, n))) for task in SWEPT for n in counts]
        lines.append(f"| `{planner}` | {' | '.join(cells)} |")
    broken = broken_bounds(rows)
    lines += ["", f"Bounds broken: {len(broken)}.", *(f"- {line}" for line in broken)]
    return "\n".join(lines)


def large_cell(row: dict | None) -> str:
    """Cost, jerk, rate if there is one, and success if some failed."""
    if row is None:
        return "-"
    rate = f", {row['plans_per_s'][1]:,.0f}" if "plans_per_s" in row else ""
    return f"{row['cost']:.2f}, {row['jerk']:.3f}{rate}{failures(row)}"


def small_cell(row: dict | None) -> str:
    """Cost, and success if some failed."""
    return "-" if row is None else f"{row['cost']:.2f}{failures(row)}"


def failures(row: dict) -> str:
    """How many succeeded, if not all."""
    failed = row["successes"] < row["episodes"]
    return f" ({row['successes']})" if failed else ""


def main() -> None:
    """All cells that are not there yet, saying on stderr how far it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/results/planners"))
    parser.add_argument("--planners", nargs="*", default=names())
    parser.add_argument("--tasks", nargs="*", default=tuple(SETTINGS))
    parser.add_argument("--rates", action="store_true", help="measure plans/s anew, in turns")
    parser.add_argument("--table", action="store_true", help="markdown instead of JSON")
    asked = parser.parse_args()
    grid = [Cell(task, name, ROLLOUTS) for task in asked.tasks for name in asked.planners]
    if asked.rates:
        renew_rates(grid, asked.folder)
    grid += [
        Cell(task, name, count)
        for task in SWEPT
        if task in asked.tasks
        for name in asked.planners
        for count in COUNTS
        if hasattr(plugin.load(name, "planners").Parameters, "samples")
    ]
    rows, begin = [], time.perf_counter()
    for number, cell in enumerate(grid):
        rows.append(kept(cell, asked.folder))
        left = (time.perf_counter() - begin) / (number + 1) * (len(grid) - number - 1)
        won = f"{rows[-1]['successes']}/{EPISODES}, cost {rows[-1]['cost']:.2f}"
        what = f"{cell.task} {cell.planner} {cell.rollouts}: {won}"
        say(f"{number + 1}/{len(grid)} {what}, {left:.0f} s left")
    report = {"benchmark": "planners", "bounds_broken": broken_bounds(rows), "rows": rows}
    print(tables(rows) if asked.table else json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
