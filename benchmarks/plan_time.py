"""Time of one plan beside its floor, the bare rollouts of the same samples, one thread, as JSON."""

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

SIZES = {
    "numba": {"samples": 512, "horizon": 40, "iterations": 2},
    "mujoco": {"samples": 64, "horizon": 24, "iterations": 1},
}
PLANS = {"numba": 200, "mujoco": 20}


def measure(planner, plans: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of plans along a warm-started run on the model, and of their bare rollouts (ms)."""
    task, rounds = planner.task, planner.parameters.iterations
    x, memory = task.initial_state(np.random.default_rng(0)), planner.initial_memory(seed=0)
    whole, floor = [], []
    actions, rng = planner.samples.actions, np.random.default_rng(1)
    actions[:] = task.limits.project(rng.normal(size=actions.shape) * task.limits.bound()[1])
    for tick in range(plans + 3):
        start = time.perf_counter()
        plan, memory = planner.plan(x, tick * task.dt, memory)
        planned = time.perf_counter()
        for _ in range(rounds):  # the samples of the plan's last iteration
            planner.dynamics.rollout(x, planner.samples.actions, planner.samples.costs, None)
        whole.append((planned - start) * 1e3)
        floor.append((time.perf_counter() - planned) * 1e3)
        x = planner.dynamics.next_state(x, plan.actions[0])
    return np.array(whole[3:]), np.array(floor[3:])  # the first ones load compiled code


def main() -> None:
    """Run every pair and print the figures."""
    rows = []
    for task in (PointMass, Reacher, Push):
        for model, dynamics in (
            ("numba", NumbaDynamics(task())),
            ("mujoco", MujocoDynamics(task())),
        ):
            for kind in (MPPI, CEM):
                for symmetry in ("full", "none"):
                    planner = kind(dynamics, symmetry, **SIZES[model])
                    whole, floor = measure(planner, PLANS[model])
                    name = {"task": task.name, "planner": kind.__name__, "symmetry": symmetry}
                    times = {
                        "p50_ms": round(float(np.median(whole)), 3),
                        "p99_ms": round(float(np.percentile(whole, 99)), 3),
                        "rollouts_p50_ms": round(float(np.median(floor)), 3),
                        "plan_over_rollouts": round(float(np.median(whole / floor)), 2),
                    }
                    rows.append({**name, "model": model, **SIZES[model], **times})
    print(json.dumps({"benchmark": "plan_time", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
