"""TD-MPC: environment steps to 90 % of the best return, by networks, sampling and augmentation.

{free, equivariant networks} x {plain, symmetric sampling}, and free networks with augmented replay;
all with the same number of parameters, steps on what is remembered, samples and seeds. Equivariant
networks are exact under the group that is stated, symmetric sampling closes the planner's noise
under it, augmentation moves every stretch of a batch by a random element of it.

Every second episode the weights are looked at: the mean cost, without exploration, of ten starts
that nobody learns from. The score is 0 for the cost of doing nothing there and 1 for that of MPPI
on the true model (2 x 512 samples, 30 periods). The best return of a problem is the highest mean
over seeds of the best looks of any way; a share of it (0.5, 0.75, 0.9) is reached at the first look
that scores as much. A run that never does counts with all of its steps ("at least"). Sizes were
chosen on runs with other seeds, of free networks too.
The dial makes pushes along +x twice as strong, which no agent and no group is told of.

What is finished is kept under `--folder`; a run that was cut off goes on. What is over `--minutes`
is "not run", and goes on with the same command. JSON on stdout, how far it is on stderr.
"""

import argparse
import functools
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from covary.benchmarks.running.rows import kept_rows
from covary.commands.intervals import of_mean
from covary.nodes.training.recipe import Recipe
from covary.perception.learning.simulated import simulated
from covary.perception.learning.tdmpc import TDMPC, VALIDATION
from covary.perception.world_models.latent_planner import Sampling
from covary.perception.world_models.tdmpc import TDMPCModel
from covary.planners.mppi import MPPI
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics


@dataclass(frozen=True)
class Problem:
    """A world to learn in."""

    task: str
    group: str
    options: dict[str, Any] = field(default_factory=dict)
    dials: dict[str, float] = field(default_factory=dict)


PROBLEMS = {
    "point mass 2-D": Problem("point_mass", "D4"),
    "1 ball 3-D": Problem("point_masses", "O", {"balls": 1, "group": "O"}),
    "reacher": Problem("reacher", "D4"),
    "point mass 2-D, gain": Problem("point_mass", "D4", dials={"actuator_gain": 1.0}),
    "2 balls 3-D": Problem("point_masses", "O", {"balls": 2, "group": "O"}),
    "3 balls 3-D": Problem("point_masses", "O", {"balls": 3, "group": "O"}),
    "push": Problem("push", "D4"),
}
WAYS = {
    "free, plain": {"mode": "free", "orbits": "off"},
    "free, symmetric sampling": {"mode": "free", "orbits": "on"},
    "equivariant, plain": {"mode": "exact", "orbits": "off"},
    "equivariant, symmetric sampling": {"mode": "exact", "orbits": "on"},
    "free, augmented": {"mode": "free", "orbits": "off", "augment": True},
}
EPISODES = 40
"""Of each run, after five of random actions."""
SEEDS, GOALS = range(20, 25), (0.5, 0.75, 0.9)
"""Seeds below, and from 1000 on, were looked at while sizes and losses were chosen."""
SIZES = {"width": 48, "latent": 24}
SAMPLING = Sampling(samples=64, horizon=5, iterations=2, elites=12, policy_samples=5)
SETTINGS = {
    **{"batch": 128, "stretch": 4, "discount": 0.95, "follow": 0.05, "learning_rate": 1e-3},
    **{"first_episodes": 5, "validate_every": 2, "sampling": SAMPLING},
}


@functools.cache
def widths(task: str, options: tuple, group: str, mode: str) -> int:
    """The width at which networks of a mode have the parameters of the exact ones."""

    def count(mode: str, width: int) -> int:
        sizes = {"latent": SIZES["latent"], "width": width, "encoder_width": width}
        model = TDMPCModel(load_task(task, dict(options)), group, mode, **sizes)
        return sum(w.numel() for w in model.parameters())

    if mode == "exact":
        return SIZES["width"]
    wanted = count("exact", SIZES["width"])
    return min(range(8, 129, 8), key=lambda width: abs(count(mode, width) - wanted))


def reference(problem: Problem, length: int, starts: np.ndarray) -> dict[str, float]:
    """Mean cost of an episode of doing nothing, and of MPPI on the true model."""
    task = load_task(problem.task, problem.options)
    place, found = simulated(task, problem.dials), {}
    planner = MPPI(NumbaDynamics(task), "none", samples=512, horizon=30, knots=6, iterations=2)
    for who in ("idle", "best"):
        costs = []
        for start in starts:
            place.begin(start)
            x, memory, total = start, planner.initial_memory(0), 0.0
            for t in range(length):
                u = task.safe_action()
                if who == "best":
                    plan, memory = planner.plan(x, t * task.dt, memory)
                    u = task.limits.project(plan.actions[0])
                x, cost = place.step(u)
                total += cost
            costs.append(total)
        found[who] = float(np.mean(costs))
    return found


def made(name: str, way: str, seed: int, folder: Path, episodes: int = EPISODES) -> dict:
    """One run: how its score rose, what it took."""
    problem, settings = PROBLEMS[name], dict(WAYS[way])
    options = tuple(problem.options.items())
    width = widths(problem.task, options, problem.group, settings["mode"])
    out = folder / "unfinished" / filename(name, way, seed)
    parameters = TDMPC.Parameters(
        **{"method": "tdmpc", "out": out, "seed": seed, "device": "cpu"},
        **{"task": problem.task, "task_options": problem.options, "dials": problem.dials},
        **{
            "symmetry": problem.group,
            "steps": episodes,
            "latent": SIZES["latent"],
        },
        **{"width": width, "encoder_width": width, **SETTINGS, **settings},
    )
    training = TDMPC.begin(Recipe("tdmpc.yaml", TDMPC, parameters))
    learner: Any = training.method
    place = folder / f"reference_{name}.json"
    if not place.exists():
        found = reference(problem, parameters.episode, learner.starts(VALIDATION))
        part = place.with_suffix(f".{os.getpid()}")  # another run may be at it, and finds the same
        part.write_text(json.dumps(found))
        part.replace(place)
    between = json.loads(place.read_text())
    spent, began = out / "cpu.json", time.process_time()
    before = json.loads(spent.read_text()) if training.resumed and spent.exists() else 0.0

    def curve() -> list[list[float]]:
        """Score by steps, an interrupted run's included."""
        cost = [(e["validation_periods"], e["validation_loss"]) for e in training.log]
        low, high = between["idle"], between["best"]
        return [[int(steps), round((low - c) / (low - high), 4)] for steps, c in cost]

    for moment in training.moments():
        if moment.entry is not None:
            cpu = before + time.process_time() - began
            spent.write_text(json.dumps(cpu))
    scores = curve()
    shutil.rmtree(out, ignore_errors=True)
    planner = learner._planner(learner.model)
    planned = training.step * parameters.episode
    return {
        **{"problem": name, "way": way, "seed": seed, **between},
        "best_score": max(v for _, v in scores),
        **{"steps": learner.periods, "rollouts": planned * SAMPLING.iterations * planner.count},
        **{"width": width, "parameters": sum(w.numel() for w in learner.model.parameters())},
        "equivariance_error": learner.equivariance_error(),
        "cpu_s": round(before + time.process_time() - began, 1),
        "wall_s": round(training.seconds, 1),
        "curve": scores,
    }


def filename(name: str, way: str, seed: int) -> str:
    """Of a run's row, and of the folder in which it is under way."""
    return f"{name}_{way}_{seed}".replace(", ", "_").replace(" ", "_")


def points_of(rows: list[dict]) -> list[dict]:
    """Each problem and way over its seeds; `at_least` of them never reached the goal."""
    found = []
    for name in PROBLEMS:
        ways = {w: [r for r in rows if (r["problem"], r["way"]) == (name, w)] for w in WAYS}
        means = {
            w: float(np.mean([r["best_score"] for r in own])) for w, own in ways.items() if own
        }
        best = max(means.values(), default=0.0)
        for way, mean in means.items():
            own = ways[way]
            point = {"problem": name, "way": way, "seeds": len(own), "best_return": round(best, 3)}
            for goal in GOALS:
                reached = [
                    next((steps for steps, score in r["curve"] if score >= goal * best), None)
                    for r in own
                ]
                steps = [at or r["steps"] for at, r in zip(reached, own, strict=True)]
                point[f"steps_{goal}"] = round(float(np.mean(steps)))
                point[f"interval_{goal}"] = of_mean(steps)
                point[f"at_least_{goal}"] = reached.count(None)
            # The mean of all looks tells more than the first to come somewhere.
            looks = [float(np.mean([score for _, score in r["curve"]])) for r in own]
            point |= {"best_score": mean, "mean_score": float(np.mean(looks))}
            point["best_score_interval"] = of_mean([r["best_score"] for r in own])
            point["mean_score_interval"] = of_mean(looks)
            for what in ("rollouts", "cpu_s", "wall_s", "parameters"):
                point[what] = float(np.mean([r[what] for r in own]))
            found.append(point)
    return found


def main() -> None:
    """Make what is missing and fits; print all there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/results/tdmpc"))
    parser.add_argument("--minutes", type=float, default=200.0, help="after so many none is begun")
    parser.add_argument("--share", default="1/1", help="i/n: every n-th run from the i-th on")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="of each run")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    parser.add_argument("--jobs", type=int, default=1, help="runs beside each other")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    share, of = map(int, asked.share.split("/"))
    cells = [(n, w, s) for n in asked.problems for s in SEEDS for w in WAYS]
    if asked.jobs > 1:  # of a problem the longest first, so that they end together
        cells.sort(key=lambda c: (asked.problems.index(c[0]), WAYS[c[1]]["mode"] != "exact"))
    todo = [
        (filename(n, w, s),
         functools.partial(made, n, w, s, asked.folder, asked.episodes))
        for n, w, s in cells[share - 1 :: of]
    ]  # fmt: skip
    rows = kept_rows(todo, asked.folder, asked.minutes, asked.jobs)
    there = {(r["problem"], r["way"], r["seed"]) for r in rows}
    lost = [cell for cell in cells[share - 1 :: of] if cell not in there]
    report = {
        "benchmark": "tdmpc",
        "settings": {k: v for k, v in SETTINGS.items() if k != "sampling"} | vars(SAMPLING),
        "core_minutes": round(sum(r["cpu_s"] for r in rows) / 60, 1),
        "not_run": {
            n: sum(c[0] == n for c in lost) for n in PROBLEMS if any(c[0] == n for c in lost)
        },  # fmt: skip
        "points": points_of(rows),
    }
    print(json.dumps(report, indent=1, default=str))
    print(f"{len(rows)} runs, {len(lost)} not run", file=sys.stderr)


if __name__ == "__main__":
    main()
