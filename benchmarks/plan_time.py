"""Time of one plan, by task, planner and model, on one thread: prints one JSON object."""

import json
import time

import numpy as np

from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

SAMPLES, HORIZON, ITERATIONS = 512, 40, 2


def plan_ms(planner, plans: int) -> list[float]:
    """Times `plans` plans along a warm-started run on the model (ms)."""
    task = planner.task
    x, memory = task.initial_state(np.random.default_rng(0)), planner.initial_memory(seed=0)
    taken = []
    for tick in range(plans + 3):
        before = time.perf_counter()
        plan, memory = planner.plan(x, tick * task.dt, memory)
        taken.append((time.perf_counter() - before) * 1e3)
        x = planner.dynamics.next_state(x, plan.actions[0])
    return taken[3:]  # the first ones load compiled code


def main() -> None:
    """Runs every pair and prints the figures."""
    rows = []
    for task in (PointMass, Reacher, Push):
        for cls in (MPPI, CEM):
            for model, dynamics, plans in (
                ("numba", NumbaDynamics(task()), 200),
                ("mujoco", MujocoDynamics(task()), 5),
            ):
                size = {"samples": SAMPLES, "horizon": HORIZON, "iterations": ITERATIONS}
                p50, p99 = np.percentile(plan_ms(cls(dynamics, **size), plans), [50, 99])
                rows.append(
                    {
                        "task": task.name,
                        "planner": cls.__name__,
                        "model": model,
                        **size,
                        "plans": plans,
                        "p50_ms": round(float(p50), 3),
                        "p99_ms": round(float(p99), 3),
                    }
                )
    print(json.dumps({"benchmark": "plan_time", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
