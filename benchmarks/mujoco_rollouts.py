"""MuJoCo rollouts: ours against bare mujoco.rollout on the same controls, and judo, as JSON.

`--judo` runs the second part, in an environment of its own: judo 0.1.0 pins its versions.

    python -m venv judo && judo/bin/pip install judo-rai==0.1.0 covary
    judo/bin/python benchmarks/mujoco_rollouts.py --judo

Both run in one process on one MuJoCo, one after the other, and medians are compared. Settings of
ours for judo's task were chosen on the starts of seeds from 1000 on.
"""

import argparse
import json
import os
import time
from functools import partial

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.planners.predictive_sampling import PredictiveSampling
from covary.sim.limits import Interval, Limits
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.task import Task
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import dihedral
from covary.symmetry.part import Vector

SIZES = ((64, 24), (256, 32))
SECONDS, REPLAN = 8.0, 2  # of a closed loop; control periods from plan to plan, 25 Hz
OURS = {
    "mppi": (MPPI, {"noise": 0.06, "temperature": 0.01}),
    "ps": (PredictiveSampling, {"noise": 0.06}),
    "cem": (CEM, {"noise": 0.08, "elite_fraction": 0.03, "smallest_noise": 0.01}),
}


def medians(first, second, rounds: int) -> np.ndarray:
    """Median wall and processor times of two calls, taken in turns, ms. -> (2, 2)"""
    times = np.empty((rounds, 2, 2))
    for k in range(rounds):
        for which in (0, 1) if k % 2 else (1, 0):
            wall, busy = time.perf_counter(), time.process_time()
            (first, second)[which]()
            spent = (time.perf_counter() - wall, time.process_time() - busy)
            times[k, which] = np.multiply(spent, 1e3)
    return np.median(times, axis=0)


def bare(task: Task, samples: int, horizon: int, threads: int, rounds: int) -> dict:
    """`MujocoDynamics.rollout`, costs included, beside mujoco.rollout with its own buffers."""
    dynamics = MujocoDynamics(task, threads=threads)
    rng = np.random.default_rng(0)
    x0, (low, high) = task.initial_state(rng), task.limits.bound()
    actions = task.limits.project(rng.uniform(low, high, (samples, horizon, len(low))))
    costs = np.empty((1, samples))
    dynamics.rollout(x0, actions, costs)
    buffers = dynamics._buffers["rollout"]
    pool = Rollout(nthread=threads if threads > 1 else 0)
    data = [mujoco.MjData(dynamics.model) for _ in range(threads)]
    state = np.zeros_like(buffers.full)
    control, start = buffers.control.copy(), buffers.start.copy()
    models = [dynamics.model] * samples

    def raw():
        pool.rollout(
            models,
            data,
            start,
            control,
            control_spec=int(mujoco.mjtState.mjSTATE_CTRL),
            skip_checks=True,
            nstep=control.shape[1],
            initial_warmstart=buffers.warmstart,
            state=state,
        )

    raw()
    assert np.array_equal(state, buffers.full)  # the same physics
    ours, floor = medians(lambda: dynamics.rollout(x0, actions, costs), raw, rounds)
    wall, cpu = floor / ours
    return {
        **{"task": task.name, "samples": samples, "horizon": horizon, "threads": threads},
        **{"ours_ms": round(ours[0], 3), "raw_ms": round(floor[0], 3)},
        **{"of_raw": round(wall, 3), "of_raw_cpu": round(cpu, 3)},
    }


class CylinderPush(Task):
    """judo's task of that name, on its own XML: a pusher moves a cylinder to the origin.

    State (8,): positions of pusher and cart, their velocities. Action (2,): where the pusher's
    servo is to be.
    """

    name, goal, action_interface = "cylinder_push", "", "velocity"
    dt = physics_dt = 0.02
    time_limit, hold = SECONDS, 0.0
    state_names = ("pusher_x", "pusher_y", "cart_x", "cart_y", "vx", "vy", "cart_vx", "cart_vy")
    action_names = ("slider_x", "slider_y")

    def __init__(self, xml: str) -> None:
        parts = {name: Vector() for name in ("pusher", "cart", "velocity", "cart_velocity")}
        self.symmetry = Symmetry(dihedral(4), parts, {"target": Vector()})
        self.limits = Limits({"target": Interval(-10.0, 10.0)}, self.symmetry.slices("action"))
        self.mjcf = xml

    def running_cost(self, x, u):
        """Judo's reward with the other sign. (..., 8), (..., 2) -> (...)"""
        px, py, cx, cy = x[..., 0], x[..., 1], x[..., 2], x[..., 3]
        away2 = cx * cx + cy * cy
        behind = 1.0 + 0.25 / np.sqrt(away2)  # 0.25 m behind the cart, seen from the goal
        dx, dy = px - behind * cx, py - behind * cy
        return 0.25 * (dx * dx + dy * dy) + 0.05 * away2

    def terminal_cost(self, x):
        """None. (..., 8) -> (...)"""
        return np.zeros(x.shape[:-1])

    def success(self, x):
        """Within 0.1 m of the goal. (..., 8) -> (...) bool"""
        return np.hypot(x[..., 2], x[..., 3]) < 0.1

    def initial_state(self, rng):
        """As judo draws it. (8,)"""
        a, b = 2.0 * np.pi * rng.random(2)
        return np.array([np.cos(a), np.sin(a), 2 * np.cos(b), 2 * np.sin(b), 0, 0, 0, 0])

    def physics_from_state(self, x):
        """Positions and velocities. (..., 8) -> (..., 4), (..., 4)"""
        return x[..., :4], x[..., 4:]

    def state_from_physics(self, qpos, qvel, goal):
        """The state vector. -> (..., 8)"""
        return np.concatenate([qpos, qvel], axis=-1)

    def goal_from_pose(self, x, y, yaw):
        """It has none."""
        return np.zeros(0)


class Judo:
    """judo's controller on cylinder_push, as shipped but for the number of rollouts."""

    def __init__(self, name: str, samples: int) -> None:
        from judo.controller.controller import Controller, ControllerConfig
        from judo.optimizers import get_registered_optimizers
        from judo.tasks.cylinder_push import CylinderPush as JudoTask

        self.task = JudoTask()
        kind, config = get_registered_optimizers()[name]
        options = config()
        options.set_override("cylinder_push")
        options.num_rollouts = samples
        settings = ControllerConfig()
        settings.set_override("cylinder_push")
        self.controller = Controller(settings, self.task, kind(options, self.task.nu))
        self.horizon = int(self.controller.num_timesteps)

    def reset(self) -> None:
        """Forget."""
        self.controller.reset()

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (8,)."""
        self.controller.current_state, self.controller.time = x, now
        self.controller.update_action()

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.controller.action(now)


class Ours:
    """One of our planners behind the same two calls."""

    def __init__(self, task: Task, name: str, samples: int, horizon: int, symmetry: str) -> None:
        kind, settings = OURS[name]
        dynamics = MujocoDynamics(task, threads=os.cpu_count() or 1)
        size = {
            "samples": samples,
            "horizon": horizon,
            "knots": 4,
            "spline": "zero",
            "iterations": 1,
        }
        self.planner = kind(dynamics, symmetry, **size, **settings)
        self.reset()

    def reset(self, seed: int = 0) -> None:
        """Forget."""
        self.memory = self.planner.initial_memory(seed)

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (8,)."""
        self.found, self.memory = self.planner.plan(x, now, self.memory)

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.found.action(now)


def closed_loop(task: Task, model, who, seed: int) -> tuple[float, float]:
    """Mean cost of a step over 8 s, and how far the cart is from the goal at the end (m)."""
    data, x = mujoco.MjData(model), task.initial_state(np.random.default_rng(seed))
    np.random.seed(seed)  # judo draws from NumPy's global state
    who.reset()
    data.qpos[:], data.qvel[:] = x[:4], x[4:]
    costs = []
    for tick in range(round(SECONDS / task.dt)):
        now = tick * task.dt
        if tick % REPLAN == 0:
            who.plan(x, now)
        data.ctrl[:] = who.action(now)
        mujoco.mj_step(model, data)
        x = np.concatenate([data.qpos, data.qvel])
        costs.append(float(task.running_cost(x, data.ctrl)))
    return float(np.mean(costs)), float(np.hypot(x[2], x[3]))


def against_judo(rounds: int, seeds: int, first: int) -> list[dict]:
    """Time of a plan and cost of a step, of judo and of ours, full symmetry and none."""
    import judo

    xml = str(judo.MODEL_PATH / "xml" / "cylinder_push.xml")
    task, rows = CylinderPush(xml), []
    model = task.compiled()
    for samples in (64, 128, 256):
        for name in OURS:
            peer = Judo(name, samples)
            for symmetry in ("full", "none"):
                ours = Ours(task, name, samples, peer.horizon, symmetry)
                x = task.initial_state(np.random.default_rng(0))
                calls = [partial(who.plan, x, 0.0) for who in (ours, peer)]
                for call in calls:
                    call()
                mine, theirs = medians(*calls, rounds)
                wall, cpu = theirs / mine
                row = {
                    **{"planner": name, "samples": samples, "horizon": peer.horizon},
                    **{
                        "symmetry": symmetry,
                        "ours_ms": round(mine, 2),
                        "judo_ms": round(theirs, 2),
                    },
                    "times_judo": round(theirs / mine, 2),
                }
                if samples == 128 and seeds:
                    for label, who in (("ours", ours), ("judo", peer)):
                        found = [closed_loop(task, model, who, first + k) for k in range(seeds)]
                        costs, ends = np.array(found).T
                        row |= {
                            f"{label}_cost_per_step": round(float(costs.mean()), 4),
                            f"{label}_cost_error": round(float(costs.std() / np.sqrt(seeds)), 4),
                            f"{label}_end_m": round(float(np.median(ends)), 4),
                        }
                rows.append(row)
    return rows


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judo", action="store_true", help="beside judo, which must be installed")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seeds", type=int, default=10, help="closed loops beside judo")
    parser.add_argument("--first", type=int, default=0, help="the first of these seeds")
    asked = parser.parse_args()
    found = {"benchmark": "mujoco_rollouts", "mujoco": mujoco.__version__, "cores": os.cpu_count()}
    if asked.judo:
        found["judo"] = against_judo(asked.rounds, asked.seeds, asked.first)
    else:
        found["bare"] = [
            bare(task, samples, horizon, threads, asked.rounds)
            for task in (Push(), Reacher())
            for samples, horizon in SIZES
            for threads in (1, 2)
        ]
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
