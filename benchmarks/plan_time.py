"""Time of one plan beside its floor, the bare rollouts of the same samples, one thread, as JSON.

``--batch``: instead plans for several states of push at once beside plan by plan, in turns.
"""

import argparse
import json
import os
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
ENVIRONMENTS = (1, 8, 32)  # of --batch
ROUNDS = {"numba": 21, "mujoco": 5}


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


def in_turns(planner, count: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Times of plans for several states, ms each: one by one, and at once."""
    states = np.stack([planner.task.initial_state(np.random.default_rng(i)) for i in range(count)])
    alone = [planner.initial_memory(i) for i in range(count)]
    together, found = list(alone), []
    for tick in range(rounds + 2):
        now, begin = tick * planner.task.dt, time.perf_counter()
        for i, state in enumerate(states):
            plan, alone[i] = planner.plan(state, now, alone[i])
        middle = time.perf_counter()
        plans, together = planner.plan_batch(states, [now] * count, together)
        end = time.perf_counter()
        assert np.array_equal(plans[-1].actions, plan.actions)
        found.append((middle - begin, end - middle))
    one, other = np.array(found[2:]).T * 1e3 / count
    return one, other


def batches() -> None:
    """Print what planning for several states at once gains."""
    models = [("numba", 1), ("mujoco", 1), ("mujoco", 2)]
    rows = []
    for model, threads in models:
        dynamics = NumbaDynamics(Push()) if model == "numba" else MujocoDynamics(Push(), 1, threads)
        for kind in (MPPI, CEM):
            for count in ENVIRONMENTS:
                planner = kind(dynamics, **SIZES[model])
                one, other = in_turns(planner, count, ROUNDS[model])
                row = {"model": model, "threads": threads, "planner": kind.__name__}
                times = {
                    "one_by_one_ms": round(float(np.median(one)), 3),
                    "at_once_ms": round(float(np.median(other)), 3),
                    "gain": round(float(np.median(one / other)), 2),
                }
                rows.append({**row, "environments": count, **SIZES[model], **times})
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "plan_batch", "load": load, "rows": rows}, indent=1))


def main() -> None:
    """Run every pair and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batch", action="store_true", help="plans for several states at once")
    if parser.parse_args().batch:
        batches()
        return
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
