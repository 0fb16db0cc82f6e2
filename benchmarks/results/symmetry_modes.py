"""What a symmetry buys a planner, mode by mode, known models and wrong ones (minutes; goes on).

MPPI as the launch files of push, point_mass and reach have it, with one iteration, 20 paired seeds.
Two comparisons: at equal total rollouts every mode has as many samples; at equal base samples the
orbits come on top, |G| times as many rollouts. `memory` knows the plans of 10 earlier episodes that
it made itself. The plant is the model, or the model with other parameters (each times the
exponential of a normal number of deviation 0.15, drawn for each seed), or for push also MuJoCo.

    python benchmarks/results/symmetry_modes.py --out runs/symmetry_modes          # again: goes on
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from covary.planners.mppi import MPPI
from covary.planners.symmetric.symmetry_mode import in_mode
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics

TASKS = {
    "push": {"horizon": 40, "knots": 8, "noise": 0.6, "temperature": 0.03},
    "point_mass": {"horizon": 30, "knots": 6, "noise": 0.2, "temperature": 0.3},
    "reacher": {"horizon": 30, "knots": 6, "noise": 0.1, "temperature": 0.3},
}
WIDEST = {"push": "E2", "point_mass": "O2", "reacher": "O2"}
SEEDS, BEFORE, SPREAD = 20, 10, 0.15
SAMPLES = (32, 128)
PLANTS = ("model", "wrong", "mujoco")


class Held:
    """A plant of the model itself, or with other parameters."""

    def __init__(self, task, spread):
        self.task, self.spread = task, spread

    def begin(self, x, seed):
        """Start in a state (n,)."""
        rng = np.random.default_rng([seed, 3])
        own = np.asarray(self.task.parameters)
        factors = np.exp(self.spread * rng.standard_normal(len(own)))
        self.model, self.x = NumbaDynamics(self.task, own * factors), x

    def step(self, u):
        """A control period; its cost."""
        self.x = self.model.next_state(self.x, u)
        return float(self.task.running_cost(self.x, u))


class Physics:
    """The task's plant in MuJoCo."""

    def __init__(self, task):
        self.task, self.plant = task, task.plant("mujoco")
        self.ticks = round(task.dt / task.physics_dt)

    def begin(self, x, seed):
        """Start in a state (n,)."""
        self.plant.reset(x)
        self.x = self.plant.state()

    def step(self, u):
        """A control period; its cost."""
        for _ in range(self.ticks):
            self.plant.apply(u)
            self.plant.step()
        self.x = self.plant.state()
        return float(self.task.running_cost(self.x, u))


def episode(planner, memory, plant, seed):
    """Cost over 10 s (at most the task's limit), success, and the memory at the end."""
    task = planner.task
    plant.begin(task.initial_state(np.random.default_rng([seed, 7])), seed)
    total, held, done = 0.0, 0, False
    for k in range(round(min(10.0, task.time_limit) / task.dt)):
        plan, memory = planner.plan(plant.x, k * task.dt, memory)
        total += plant.step(plan.actions[0])
        held = held + 1 if task.success(plant.x) else 0
        done = done or held * task.dt >= task.hold
    return total, float(done), memory


def row(name, plant_name, mode, group, samples, seeds):
    """All seeds of one planner."""
    task = load_task(name)
    model = NumbaDynamics(task)
    plant = (
        Physics(task)
        if plant_name == "mujoco"
        else Held(task, SPREAD if plant_name == "wrong" else 0.0)
    )

    def build(word):
        return MPPI(model, word, samples=samples, iterations=1, **TASKS[name])

    planner = in_mode(build, task, mode, group)
    kept, rows = planner.initial_memory(0), []
    if mode == "memory":
        for seed in range(1000, 1000 + BEFORE):
            _, _, after = episode(planner, kept, plant, seed)
            kept = planner.next_memory(after, seed)
    for seed in range(seeds):
        fresh = planner.initial_memory(seed)
        if mode == "memory":
            fresh = planner.next_memory(kept, seed)
        rows.append(episode(planner, fresh, plant, seed)[:2])
    cost, success = np.array(rows).T
    return {"cost": cost.tolist(), "success": success.tolist()}


def rows_of(name):
    """Mode, group and samples of each row."""
    task = load_task(name)
    order = len(MPPI(NumbaDynamics(task), "full", samples=64).elements)
    for samples in SAMPLES:
        yield "off", "full", samples
        yield "orbit", "full", samples
        yield "orbit", "full", samples * order
        yield "canonical", "full", samples
        yield "canonical", WIDEST[name], samples
        yield "memory", WIDEST[name], samples


def around(values):
    """Mean with its 95 % bootstrap interval."""
    values, rng = np.asarray(values), np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def table(found):
    """Markdown: cost, cost less that of `off` with as many base samples, success."""
    lines = [
        "| task | plant | base samples | mode | group | rollouts | cost | less off's | success |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key, one in found.items():
        name, plant, mode, group, total, base = key.split("/")
        off = found.get(f"{name}/{plant}/off/full/{base}/{base}")
        less = around(np.subtract(one["cost"], off["cost"])) if off else "-"
        cells = [name, plant, base, mode, group, total, around(one["cost"]), less]
        lines.append(f"| {' | '.join(cells)} | {np.mean(one['success']):.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, saying on stderr how far it is; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/symmetry_modes"))
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--plants", nargs="*", choices=PLANTS, default=list(PLANTS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "rows.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    todo = []
    for name in asked.tasks:
        for plant in asked.plants:
            if plant == "mujoco" and name != "push":
                continue  # there it agrees with the model to rounding
            base = 0
            for mode, group, total in rows_of(name):
                base = total if mode == "off" else base
                todo.append((name, plant, mode, group, total, base))
    todo = [t for t in todo if "/".join(map(str, t)) not in found]
    began = time.perf_counter()
    for number, (*what, base) in enumerate(todo):
        found["/".join(map(str, (*what, base)))] = row(*what, asked.seeds)
        file.write_text(json.dumps(found))
        left = (time.perf_counter() - began) / (number + 1) * (len(todo) - number - 1)
        print(f"{number + 1}/{len(todo)} {what}, {left:.0f} s left", file=sys.stderr)
    print(table(found))


if __name__ == "__main__":
    main()
