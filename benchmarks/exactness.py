"""How exact the planners are: plan(gx, g memory) against g s plan(x, memory), as JSON.

For every task, planner, subgroup and spline: generic states warm-started over several ticks, and
states on every mirror line. A point at which the model itself switches contact, or two samples tie
within 1e-9, is counted, not compared.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

SETTINGS = {"samples": 128, "horizon": 20, "knots": 5, "iterations": 3}
TICKS = 4


def at_a_switch(planner, x: np.ndarray, g: int) -> bool:
    """Whether the last samples, moved back by g, cost more than rounding apart, or tie."""
    s, costs = planner.symmetry, np.empty_like(planner.samples.costs)
    back = s.act(int(s.group.inverse[g]), action=planner.samples.actions)
    planner.dynamics.rollout(x, back, costs, None)
    apart = np.abs(costs - planner.samples.costs).max()
    return bool(apart > 1e-9 * (1 + np.abs(costs).max()) or np.diff(np.sort(costs[0])).min() < 1e-9)


def generic(planner, states: int, rng: np.random.Generator) -> dict[str, float]:
    """Worst error over warm-started plans from random starts, for every element."""
    s, task = planner.symmetry, planner.task
    worst, compared, switches = 0.0, 0, 0
    for seed in range(states):
        x, memory = task.initial_state(rng), planner.initial_memory(seed)
        moved = [memory.act(s, g) for g in s.group.elements]
        for tick in range(TICKS):
            plan, memory = planner.plan(x, tick * task.dt, memory)
            for g in s.group.elements:
                there_x, there_memory = s.act(g, state=x), moved[g]
                there, moved[g] = planner.plan(there_x, tick * task.dt, there_memory)
                error = float(np.abs(there.actions - s.act(g, action=plan.actions)).max())
                compared += 1
                if error > 1e-9:
                    fused, planner.fused = planner.fused, None  # the loop keeps its samples
                    planner.plan(there_x, tick * task.dt, there_memory)
                    planner.fused = fused
                if error > 1e-9 and at_a_switch(planner, x, g):
                    switches += 1
                    moved[g] = memory.act(s, g)
                else:
                    worst = max(worst, error)
            x = planner.dynamics.next_state(x, plan.actions[0])
    return {"worst_error": worst, "compared": compared, "at_a_switch": switches}


def on_mirrors(planner, rng: np.random.Generator) -> dict[str, float]:
    """The same from states that a mirror fixes, up to an element that fixes them."""
    s, task = planner.symmetry, planner.task
    acting = s._action_on("state")
    worst, compared = 0.0, 0
    for mirror in (g for g in s.group.elements if s.group.sign[g] < 0):
        x = task.initial_state(rng)
        average = 0.5 * (x + s.act(mirror, state=x))
        turn = 0.5 * s.group.turn[mirror]
        x = np.where(acting.angles, (turn + np.pi) % (2 * np.pi) - np.pi, average)
        fixing, memory = s.stabiliser(state=x), planner.initial_memory(mirror)
        plan, _ = planner.plan(x, 0.0, memory)
        for g in s.group.elements:
            there, _ = planner.plan(s.act(g, state=x), 0.0, memory.act(s, g))
            images = (s.act(g, action=s.act(k, action=plan.actions)) for k in fixing)
            worst = max(worst, min(float(np.abs(there.actions - i).max()) for i in images))
            compared += 1
    return {"worst_error": worst, "compared": compared}


def main() -> None:
    """Print one JSON object, a row for each task, planner and subgroup."""
    rows = []
    for task in (PointMass(), Reacher(), Push()):
        dynamics = NumbaDynamics(task)
        for kind in (MPPI, CEM):
            for group in ("full", "D4", "C4", "reflection", "none"):
                row = {"task": task.name, "planner": kind.__name__, "symmetry": group}
                for spline in ("zero", "linear", "cubic"):
                    planner = kind(dynamics, group, spline=spline, **SETTINGS)
                    rng = np.random.default_rng(7)
                    row[spline] = {"generic": generic(planner, 3, rng)}
                    if group != "none":
                        row[spline]["mirrors"] = on_mirrors(planner, rng)
                rows.append(row)
    json.dump(
        {"benchmark": "exactness", "settings": SETTINGS, "ticks": TICKS, "rows": rows}, sys.stdout
    )
    print()


if __name__ == "__main__":
    main()
