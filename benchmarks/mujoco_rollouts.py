"""MuJoCo rollouts: ours against bare mujoco.rollout on the same controls, as JSON.

In one process, in turns, and medians are compared. Beside judo: benchmarks/judo_rates.py.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from covary.benchmarks.problems.pushing import PushT
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.task import Task
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

SIZES = ((64, 24), (256, 32))


def medians(calls: list[Callable], rounds: int, before=lambda: None) -> np.ndarray:
    """Median wall and processor times of calls, taken in turns, ms. -> (calls, 2)"""
    times = np.empty((rounds, len(calls), 2))
    for k in range(rounds):
        before()
        for which in np.roll(np.arange(len(calls)), k):
            wall, busy = time.perf_counter(), time.process_time()
            calls[which]()
            spent = (time.perf_counter() - wall, time.process_time() - busy)
            times[k, which] = np.multiply(spent, 1e3)
    return np.median(times, axis=0)


def raw(dynamics: MujocoDynamics, threads: int) -> Callable[[], None]:
    """mujoco.rollout with buffers of its own, on what the last call of `rollout` was given."""
    buffers = dynamics._buffers["rollout"]
    pool = Rollout(nthread=threads if threads > 1 else 0)
    data = [mujoco.MjData(dynamics.model) for _ in range(threads)]
    state, warmstart = np.zeros_like(buffers.full), np.zeros_like(buffers.warmstart)
    control, start = buffers.control.copy(), buffers.start.copy()
    models = [dynamics.model] * len(start)

    def rollout() -> None:
        pool.rollout(
            models,
            data,
            start,
            control,
            control_spec=int(mujoco.mjtState.mjSTATE_CTRL),
            skip_checks=True,
            nstep=control.shape[1],
            initial_warmstart=warmstart,
            state=state,
        )

    rollout()
    assert np.array_equal(state, buffers.full)  # the same physics
    return rollout


def bare(task: Task, samples: int, horizon: int, threads: int, rounds: int) -> dict:
    """`MujocoDynamics.rollout`, costs included, beside mujoco.rollout with its own buffers."""
    dynamics = MujocoDynamics(task, threads=threads)
    rng = np.random.default_rng(0)
    x0, (low, high) = task.initial_state(rng), task.limits.bound()
    actions = task.limits.project(rng.uniform(low, high, (samples, horizon, len(low))))
    costs = np.empty((1, samples))
    mine = partial(dynamics.rollout, x0, actions, costs)
    mine()
    ours, floor = medians([mine, raw(dynamics, threads)], rounds)
    wall, cpu = floor / ours
    return {
        **{"task": task.name, "samples": samples, "horizon": horizon, "threads": threads},
        **{"ours_ms": round(ours[0], 3), "raw_ms": round(floor[0], 3)},
        **{"of_raw": round(wall, 3), "of_raw_cpu": round(cpu, 3)},
    }


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="one size, two rounds")
    asked = parser.parse_args()
    sizes, rounds = (SIZES[:1], 2) if asked.quick else (SIZES, asked.rounds)
    found = {"benchmark": "mujoco_rollouts", "mujoco": mujoco.__version__, "cores": os.cpu_count()}
    found["load"] = round(os.getloadavg()[0], 2)
    found["bare"] = [
        bare(task, samples, horizon, threads, rounds)
        for task in (Push(), Reacher(), PushT())
        for samples, horizon in sizes
        for threads in (1, 2)
    ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
