"""MuJoCo rollouts: ours against bare mujoco.rollout on the same controls, and judo, as JSON.

`--judo` runs the second part, in an environment of its own: judo 0.1.0 pins its versions.

    python -m venv judo && judo/bin/pip install judo-rai==0.1.0 covary
    judo/bin/python -P benchmarks/mujoco_rollouts.py --judo

Both run in one process on one MuJoCo, in turns, and medians are compared. How good the plans are:
benchmarks/results/beside_judo.py.
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

from covary.benchmarks.problems.pushing import CylinderPush, Pushing, PushT
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.task import Task
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

SIZES = ((64, 24), (256, 32))
SIGMA = {"mppi": 0.0156, "ps": 0.0078, "cem": 0.055}  # judo's mean noise, in parts of 10


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


def against_judo(task: Pushing, samples: int, name: str, rounds: int) -> dict:
    """Times of a plan and of its rollouts, of judo and of ours, and of bare rollouts.

    What rollouts cost hangs on how much is in contact. So a plan is timed from nothing, with noise
    of the same size, and rollouts with their costs also alone, on the same controls: the first that
    judo tries.
    """
    from covary.benchmarks.problems.judo_peer import HORIZON, Judo, Ours

    x = task.initial_state(np.random.default_rng(0))
    peer = Judo(task, name, samples)
    ours = Ours(task, name, samples, {"noise": SIGMA[name]})

    def anew() -> None:
        peer.reset()
        ours.reset()

    anew()
    plans = [partial(who.plan, x, 0.0) for who in (ours, peer)]
    for plan in plans:
        plan()
    row = {"task": task.name, "planner": name, "samples": samples, "horizon": HORIZON}
    row |= compared("plan", medians(plans, rounds, anew))
    controls, theirs = np.array(peer.controller.rollout_controls), peer.controller
    costs, dynamics = np.empty((1, samples)), ours.planner.dynamics

    def judos() -> np.ndarray:
        states, sensors, _ = theirs.rollout_backend.rollout(x, controls, None)
        return theirs.task.reward(states, sensors, controls, {})

    mine = partial(dynamics.rollout, x, controls, costs)
    mine()
    assert np.allclose(-judos(), costs[0])  # the same physics and the same costs
    return row | compared(
        "rollouts", medians([mine, judos, raw(dynamics, os.cpu_count() or 1)], rounds)
    )


def compared(what: str, times: np.ndarray) -> dict:
    """Times of ours, of judo and, where it was timed, of bare rollouts. (2 or 3, 2)"""
    (ours, _), (judo, _) = times[:2]
    wall, cpu = times[1] / times[0]
    row = {f"ours_{what}_ms": round(ours, 2), f"judo_{what}_ms": round(judo, 2)}
    row |= {f"{what}_times_judo": round(wall, 2), f"{what}_times_judo_cpu": round(cpu, 2)}
    if len(times) == 3:
        wall, cpu = times[2] / times[0]
        row |= {"raw_ms": round(times[2, 0], 2)}
        row |= {"of_raw": round(wall, 3), "of_raw_cpu": round(cpu, 3)}
    return row


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    told = "beside judo, in an environment with judo-rai==0.1.0: make bench-peers makes none"
    parser.add_argument("--judo", action="store_true", help=told)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--task", choices=("cylinder_push", "push_t"), help="default: both")
    parser.add_argument("--samples", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--quick", action="store_true", help="one size, two rounds")
    asked = parser.parse_args()
    sizes, rounds = (SIZES[:1], 2) if asked.quick else (SIZES, asked.rounds)
    found = {"benchmark": "mujoco_rollouts", "mujoco": mujoco.__version__, "cores": os.cpu_count()}
    found["load"] = round(os.getloadavg()[0], 2)
    if asked.judo:
        import judo

        tasks = [CylinderPush(str(judo.MODEL_PATH / "xml" / "cylinder_push.xml")), PushT()]
        found["judo"] = [
            against_judo(task, samples, name, rounds)
            for task in tasks
            if asked.task in (None, task.name)
            for samples in asked.samples
            for name in SIGMA
        ]
    else:
        found["bare"] = [
            bare(task, samples, horizon, threads, rounds)
            for task in (Push(), Reacher(), PushT())
            for samples, horizon in sizes
            for threads in (1, 2)
        ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
