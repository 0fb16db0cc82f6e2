r"""What finished plans are worth on `push`, beside other ways to remember them (minutes; goes on).

MPPI as `push.yaml` has it, with few samples and one iteration, 10 s an episode. The plans were
made by the same planner with 512 samples and two iterations, in other episodes. All ways see the
same starts; each plan tries one stored plan and the last plan, which take two of its samples:

- none: no memory, and no canonical frame.
- raw: the nearest in the world's axes, shifts taken out.
- augmented: the same, each plan stored under 16 turns with and without the mirror.
- average: the mean of all plans in the goal's frame, no look-up.
- symmetric: `symmetry_mode:=memory symmetry:=E2`.
- previous: no memory, but the last plan is tried (`previous_plan`), which all with a memory do.

With `--own` each start has other stored episodes, as many in turn, so that few of them are a sample
of all; with `--seeds` starts and stored episodes are others.

    python benchmarks/results/plan_memory.py --out runs/plan_memory             # again: goes on
    python benchmarks/results/plan_memory.py --out runs/in_mujoco --plant mujoco
    python benchmarks/results/plan_memory.py --out runs/few --own --seeds 200000 --episodes 240 \
        --stored 1 2 3 5 10 30 100 --ways symmetric
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from covary.planners.mppi import MPPI
from covary.planners.symmetric.plan_memory import PlanMemory, Recalling
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.push import Push
from covary.symmetry.frame import Frame
from covary.symmetry.motion import MIRROR, Motion, turned, under

SAMPLES, MORE_SAMPLES = (16, 32, 64), (24, 48, 96, 128, 192, 256)
STORED = (100, 1, 10, 30, 3)
WAYS = ("raw", "augmented", "average", "symmetric")
WITHOUT = ("none", "previous")
MARGIN = 0.02
"""Of the cost without a memory: what is not worse by more is called not worse."""
SECONDS, TURNS = 10.0, 16
TASK = Push()
MODEL = NumbaDynamics(TASK)
STEPS = round(SECONDS / TASK.dt)
TUNED = {"horizon": 40, "knots": 8, "noise": 0.6, "temperature": 0.03}


class Shifted:
    """Frames that bring the goal to the origin and turn nothing."""

    def of(self, state, tie):
        """The frame of a state (n,)."""
        motion = Motion(np.eye(3), np.array([*state[5:7], 0.0]))
        return Frame(under(TASK.symmetry, [motion, motion.inverse]), 1, 2)


class Looking(Recalling):
    """A memory in the world's axes, with a tree for look-ups, since an augmented one is large."""

    tree = None

    def recalled(self, memory, canonical):
        """The nearest plan, if it is near enough. Each (H, m)"""
        apart, row = self.tree.query(self.alignment.features(canonical))
        return [memory.plans[row]] if apart <= self.distance else []


class Average(Recalling):
    """One plan for all states."""

    def recalled(self, memory, canonical):
        """The mean of all plans."""
        return [self.mean]


class Held:
    """A plant of the model itself."""

    def __init__(self):
        self.x = np.zeros(8)

    def begin(self, x):
        """Start in a state (n,)."""
        self.x = x

    def step(self, u):
        """A control period; its cost."""
        self.x = MODEL.next_state(self.x, u)
        return float(TASK.running_cost(self.x, u))


class Physics:
    """The task's plant in MuJoCo."""

    def __init__(self):
        self.plant = TASK.plant("mujoco")
        self.ticks = round(TASK.dt / TASK.physics_dt)

    def begin(self, x):
        """Start in a state (n,)."""
        self.plant.reset(x)
        self.x = self.plant.state()

    def step(self, u):
        """A control period; its cost."""
        for _ in range(self.ticks):
            self.plant.apply(u)
            self.plant.step()
        self.x = self.plant.state()
        return float(TASK.running_cost(self.x, u))


def start(seed):
    """Of one episode: what is stored begins 10000 after the tests."""
    return TASK.initial_state(np.random.default_rng([seed, 7]))


def episode(planner, memory, plant, seed, until_success=False):
    """Cost, cost of the first plan in the model, success, and the memory at the end."""
    plant.begin(start(seed))
    total, held, first, done = 0.0, 0, np.nan, False
    for k in range(STEPS):
        plan, memory = planner.plan(plant.x, k * TASK.dt, memory)
        if k == 0:
            costs = np.empty((1, 1))
            MODEL.rollout(plant.x, plan.actions[None], costs, None)
            first = float(costs[0, 0])
        total += plant.step(plan.actions[0])
        held = held + 1 if TASK.success(plant.x) else 0
        done = done or held * TASK.dt >= TASK.hold
        if done and until_success:
            break
    return total, first, float(done), memory


def few(samples, **more):
    """The planner that is to be helped."""
    return MPPI(MODEL, "none", samples=samples, iterations=1, **TUNED, **more)


def recorded(count, plant, out, first):
    """For each stored episode its states in the world, and plans. [(T, n), (T, H, m)]"""
    file = out / "stored.npz"
    known = dict(np.load(file)) if file.exists() else {}
    good = MPPI(MODEL, "none", samples=512, iterations=2, **TUNED)
    for i in range(count):
        if f"x{i}" in known:
            continue
        states, plans = [], []
        plant.begin(start(first + i))
        memory, held = good.initial_memory(first + i), 0
        for k in range(STEPS):
            plan, memory = good.plan(plant.x, k * TASK.dt, memory)
            states.append(plant.x)
            plans.append(plan.actions)
            plant.step(plan.actions[0])
            held = held + 1 if TASK.success(plant.x) else 0
            if held * TASK.dt >= TASK.hold:
                break
        known |= {f"x{i}": np.array(states), f"u{i}": np.array(plans)}
        print(f"stored {i + 1}/{count}", file=sys.stderr)
        np.savez(file, **known)
    return [(known[f"x{i}"], known[f"u{i}"]) for i in range(count)]


def filled(planner, episodes, copies=None):
    """A memory with the plans of some episodes, in the planner's own frames."""
    nothing = type("Nothing", (), {"key": lambda *_: 0.0, "directions": lambda _: np.empty((0, 3))})
    states, plans = [], []
    for xs, us in episodes:
        for x, u in zip(xs, us, strict=True):
            acting, _, back = planner.frames.of(x, nothing())
            states.append(acting.act(back, state=x))
            plans.append(acting.act(back, action=u))
    if copies is not None:
        every = [copies.act(g, state=states, action=plans) for g in copies.group.elements]
        states, plans = (np.concatenate(rows) for rows in zip(*every, strict=True))
    fresh = planner.initial_memory(0)
    return PlanMemory(fresh.inner, np.array(states), np.array(plans))


def prepared(way, samples):
    """A planner with a memory of that way, of which it has none yet."""
    if way in WITHOUT:
        return few(samples, previous_plan=way == "previous")
    kind = {"average": Average, "symmetric": Recalling}.get(way, Looking)
    word = "none" if way in ("raw", "augmented") else "E2"
    planner = kind(few(samples), word, size=10_000_000)
    if way in ("raw", "augmented"):
        planner.frames = Shifted()
        planner.alignment = Recalling(few(samples), "E2").alignment  # all ways measure alike
    return planner


def told(planner, way, episodes):
    """The memory of some episodes, which the planner is told of."""
    copies = None
    if way == "augmented":
        turns = [Motion(turned(2 * np.pi * k / TURNS), np.zeros(3)) for k in range(TURNS)]
        copies = under(TASK.symmetry, [*turns[1:], *(t.after(MIRROR) for t in turns)])
    memory = filled(planner, episodes, copies)
    if way == "average":
        planner.mean = memory.plans.mean(axis=0)
    elif way != "symmetric":
        planner.tree = cKDTree(planner.alignment.features(memory.canonical))
    return memory


def cell(way, samples, stored, count, seeds, plant, own):
    """All test episodes of one cell: a way with so many of what is stored."""
    planner = prepared(way, samples)
    rows, kept = [], None
    for number, seed in enumerate(seeds):
        memory = planner.initial_memory(seed)
        if way not in WITHOUT:
            if kept is None or (own and count < len(stored)):
                begin = number * count if own else 0
                chosen = [stored[(begin + j) % len(stored)] for j in range(count)]
                kept = told(planner, way, chosen)
            memory = PlanMemory(memory.inner, kept.canonical, kept.plans)
        rows.append(episode(planner, memory, plant, seed)[:3])
    cost, first, success = np.array(rows).T
    return {"cost": cost.tolist(), "first": first.tolist(), "success": success.tolist()}


def tables(found):
    """Markdown: cost, first plan's cost and success of each cell, and what they come to."""
    lines = [
        "| way | stored | samples | cost | first plan | success |",
        "|---|---|---|---|---|---|",
    ]
    for key, one in sorted(found.items(), key=lambda item: item[0].split("/")[0]):
        way, stored, samples = key.split("/")
        cost, first = (around(one[name]) for name in ("cost", "first"))
        lines.append(
            f"| {way} | {stored} | {samples} | {cost} | {first} | {np.mean(one['success']):.2f} |"
        )
    lines += ["", "| samples | stored | way | cost less none's, paired | no memory needs |"]
    lines += ["|---|---|---|---|---|"]
    for samples in SAMPLES:
        for stored in sorted(STORED):
            for way in WAYS:
                one, none = found.get(f"{way}/{stored}/{samples}"), found.get(f"none/0/{samples}")
                if one and none:
                    less = around(np.subtract(one["cost"], none["cost"]))
                    more = needed(found, np.mean(one["cost"]), samples)
                    lines.append(f"| {samples} | {stored} | {way} | {less} | {more} |")
    lines += ["", "| samples | stored | way | cost above at most | success below at most |"]
    lines += ["|---|---|---|---|---|"]
    for key, one in found.items():
        way, stored, samples = key.split("/")
        none = found.get(f"none/0/{samples}")
        if way != "none" and none:
            cost = bound(np.subtract(one["cost"], none["cost"])) / np.mean(none["cost"])
            missed = bound(np.subtract(none["success"], one["success"]))
            said = "not worse" if cost <= MARGIN else "not shown"
            lines.append(f"| {samples} | {stored} | {way} | {cost:+.1%}: {said} | {missed:+.3f} |")
    return "\n".join(lines)


def bound(values):
    """What the mean is below with 95 %, one-sided, by the bootstrap."""
    values, rng = np.asarray(values), np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(4000, len(values)))].mean(axis=1)
    return float(np.percentile(means, 95))


def needed(found, cost, samples):
    """Times as many samples without a memory for that mean cost, between two that were tried."""
    known = sorted(
        (int(k.split("/")[2]), np.mean(v["cost"])) for k, v in found.items() if k[:4] == "none"
    )
    counts, costs = np.array(known).T
    costs = np.minimum.accumulate(costs)
    if cost < costs[-1]:
        return f"> {counts[-1] / samples:.1f}x"
    if cost > costs[0]:
        return f"< {counts[0] / samples:.1f}x"
    return f"{np.exp(np.interp(-cost, -costs, np.log(counts))) / samples:.1f}x"


def around(values):
    """Mean with its 95 % bootstrap interval."""
    values, rng = np.asarray(values), np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Run what is missing, saying on stderr how far it is; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/plan_memory"))
    parser.add_argument("--plant", choices=("model", "mujoco"), default="model")
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--stored", type=int, nargs="*", default=STORED)
    parser.add_argument("--samples", type=int, nargs="*", default=SAMPLES)
    parser.add_argument("--ways", nargs="*", default=WAYS)
    parser.add_argument("--more", type=int, nargs="*", default=MORE_SAMPLES, help="samples of none")
    parser.add_argument("--seeds", type=int, default=0, help="the first")
    parser.add_argument("--own", action="store_true", help="stored episodes for each start")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / "cells.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    plant = Held() if asked.plant == "model" else Physics()
    cells = [("none", 0, k) for k in (*asked.samples, *asked.more)]
    cells += [("previous", 0, k) for k in asked.samples]
    cells += [(w, n, k) for n in asked.stored for k in asked.samples for w in asked.ways]
    missing = [
        c
        for c in cells
        if len(found.get("/".join(map(str, c)), {"cost": ()})["cost"]) < asked.episodes
    ]
    most = 100 if asked.own else max(asked.stored, default=0)
    stored = recorded(most, plant, asked.out, asked.seeds + 10_000)
    seeds = range(asked.seeds, asked.seeds + asked.episodes)
    began = time.perf_counter()
    for number, (way, count, samples) in enumerate(missing):
        found[f"{way}/{count}/{samples}"] = cell(
            way, samples, stored, count, seeds, plant, asked.own
        )
        file.write_text(json.dumps(found))
        left = (time.perf_counter() - began) / (number + 1) * (len(missing) - number - 1)
        print(
            f"{number + 1}/{len(missing)} {way} {count} {samples}, {left:.0f} s left",
            file=sys.stderr,
        )
    print(tables(found))


if __name__ == "__main__":
    main()
