"""Which group 200 episodes of push have, of its variants and of a task without one, as JSON.

The expert drives. A row is a moment of an episode, as points about the origin: pusher, box, the
box's direction, goal, the goal's direction, action, and how far pusher and box get in the period.
An episode counts once. Episodes are kept (pieces of 25), so that an interrupted run goes on.

    python benchmarks/results/push_groups.py --folder runs/results/push_groups
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

from covary.planners.expert import Expert
from covary.sim.dials import Dials
from covary.sim.judge import Judge
from covary.sim.tasks.push import Push
from covary.symmetry.discovery.candidates import catalogue
from covary.symmetry.discovery.largest import largest_group
from covary.symmetry.discovery.verification import verified

EPISODES, PIECE, SEED = 200, 25, 77


class OneCorner(Push):
    """Push to goals in one corner of the table, turned to one side: no motion keeps its starts."""

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """Push's own start, shifted and its goal turned. (8,)"""
        x = super().initial_state(rng)
        shift = np.array([0.10, 0.04]) - 0.5 * x[5:7]
        for at in (0, 2, 5):
            x[at : at + 2] += shift
        x[7] = 0.7 + rng.uniform(-0.3, 0.3)
        return x


WORLDS = {
    "push": (Push, {}, "O2"),
    "push, actuator_gain 0.5": (Push, {"actuator_gain": 0.5}, "reflection"),
    "push, gravity_tilt 10": (Push, {"gravity_tilt": 10.0}, "reflection"),
    "one corner": (OneCorner, {}, "trivial"),
}
"""Task, dials, and the group that is right."""


def recorded(world: str, folder: Path, episodes: int) -> dict[str, np.ndarray]:
    """States, actions, next states and episodes of a world."""
    made, dials, _ = WORLDS[world]
    pieces = []
    for first in range(0, episodes, PIECE):
        name = world.replace(", ", "-").replace(" ", "_")
        path = folder / f"{name}-{first:03d}.npz"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rows = [row for i in range(first, first + PIECE) for row in driven(made(), dials, i)]
            names = ("state", "action", "next_state", "episode")
            part = path.with_suffix(".part.npz")
            columns = (np.array(c) for c in zip(*rows, strict=True))
            np.savez(part, **dict(zip(names, columns, strict=True)))
            part.replace(path)
            print(f"{path.name}: {len(rows)} periods", file=sys.stderr)
        with np.load(path, allow_pickle=False) as data:
            pieces.append(dict(data))
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def driven(task: Push, dials: dict, number: int) -> list[tuple]:
    """(state, action, next state, number) of each period of an episode."""
    plant, expert, rows = task.plant(dials=Dials(**dials)), Expert(task), []
    plant.begin(np.random.default_rng([SEED, number]))
    judge, memory, verdict = Judge(plant), expert.initial_memory(number), None
    while verdict is None:
        before = plant.state().copy()
        plan, memory = expert.plan(before, len(rows) * task.dt, memory)
        for _ in range(round(task.dt / task.physics_dt)):
            plant.apply(plan.actions[0])
            plant.step()
        rows.append((before, plan.actions[0].copy(), plant.state().copy(), number))
        verdict = judge.period(plan.actions[0], len(rows) * task.dt)
    return rows


def as_points(data: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 8, 2)"""
    x, after = data["state"], data["next_state"]

    def direction(yaw: np.ndarray) -> np.ndarray:
        return np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)

    points = [x[:, 0:2], x[:, 2:4], direction(x[:, 4]), x[:, 5:7], direction(x[:, 7])]
    points += [data["action"], after[:, 0:2] - x[:, 0:2], after[:, 2:4] - x[:, 2:4]]
    return np.stack(points, axis=1)


def row(world: str, folder: Path, episodes: int) -> dict:
    """What is found of one world."""
    data = recorded(world, folder, episodes)
    start = time.perf_counter()
    found = largest_group(as_points(data), catalogue(2), data["episode"])
    told = {
        "world": world,
        "right": WORLDS[world][2],
        "verdict": found.verdict,
        "group": found.group,
        "at_least": found.at_least,
        "words": found.words,
        "rejected": {t.name: t.because or round(t.p_value, 3) for t in found.tests if t.rejected},
        "kept": {
            t.name: [round(t.p_value, 3), round(t.power, 2), t.weakest]
            for t in found.tests
            if not t.rejected
        },
        "test_s": round(time.perf_counter() - start, 1),
    }
    start = time.perf_counter()
    symmetry = WORLDS[world][0]().symmetry
    for name in ("D8", "reflection"):
        columns = (data[column] for column in ("state", "action", "next_state"))
        known = verified(symmetry.restrict(name), *columns, episode=data["episode"])
        off = [round(v, 3) if math.isfinite(v) else None for v in (known.checks[0].off,)]
        told[f"transitions, {name}"] = [known.verdict, *off, known.words]
    told["verification_s"] = round(time.perf_counter() - start, 1)
    return told


def main() -> None:
    """Run all worlds, or those whose names are given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), help="; ".join(WORLDS))
    parser.add_argument("--folder", type=Path, default=Path("runs/results/push_groups"))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--record", action="store_true", help="record only")
    args = parser.parse_args()
    if args.record:
        for world in args.worlds:
            recorded(world, args.folder, args.episodes)
        return
    rows = [row(world, args.folder, args.episodes) for world in args.worlds]
    print(json.dumps({"benchmark": "push_groups", "seed": SEED, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
