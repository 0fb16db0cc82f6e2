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
import tempfile
import time
from functools import partial
from pathlib import Path

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
from covary.symmetry.group import dihedral, trivial
from covary.symmetry.part import Scalar, Vector

SIZES = ((64, 24), (256, 32))
SECONDS, REPLAN = 8.0, 2  # of a closed loop; control periods from plan to plan, 25 Hz
CLOSED = 128  # samples of the closed loops
SIGMA = {"mppi": 0.0156, "ps": 0.0078, "cem": 0.055}  # judo's mean noise, in parts of 10
OURS = {
    "mppi": (MPPI, {"noise": 0.06, "temperature": 0.01}),
    "ps": (PredictiveSampling, {"noise": 0.06}),
    "cem": (CEM, {"noise": 0.08, "elite_fraction": 0.03, "smallest_noise": 0.01}),
}


def medians(first, second, rounds: int, before=lambda: None) -> np.ndarray:
    """Median wall and processor times of two calls, taken in turns, ms. -> (2, 2)"""
    times = np.empty((rounds, 2, 2))
    for k in range(rounds):
        before()
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


class Pushing(Task):
    """What both tasks beside judo share: a pusher's servo in the plane, the goal at the origin."""

    goal, action_interface = "", "velocity"
    dt = physics_dt = 0.02
    time_limit, hold = SECONDS, 0.0
    action_names = ("slider_x", "slider_y")
    bodies: int  # coordinates of the pusher and of what it pushes

    def terminal_cost(self, x):
        """None. (..., n) -> (...)"""
        return np.zeros(x.shape[:-1])

    def success(self, x):
        """Within 0.1 m of the goal. (..., n) -> (...) bool"""
        return np.hypot(x[..., 2], x[..., 3]) < 0.1

    def physics_from_state(self, x):
        """Positions and velocities. (..., 2 k) -> (..., k), (..., k)"""
        return x[..., : self.bodies], x[..., self.bodies :]

    def state_from_physics(self, qpos, qvel, goal):
        """The state vector. -> (..., 2 k)"""
        return np.concatenate([qpos, qvel], axis=-1)

    def goal_from_pose(self, x, y, yaw):
        """It has none."""
        return np.zeros(0)


class CylinderPush(Pushing):
    """judo's task of that name, on its own XML: a pusher moves a cylinder to the origin.

    State (8,): positions of pusher and cart, their velocities. Action (2,): where the pusher's
    servo is to be.
    """

    name, bodies = "cylinder_push", 4
    state_names = ("pusher_x", "pusher_y", "cart_x", "cart_y", "vx", "vy", "cart_vx", "cart_vy")

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

    def initial_state(self, rng):
        """As judo draws it. (8,)"""
        a, b = 2.0 * np.pi * rng.random(2)
        return np.array([np.cos(a), np.sin(a), 2 * np.cos(b), 2 * np.sin(b), 0, 0, 0, 0])


class PushT(Pushing):
    """A T is pushed to the origin and turned upright, by the pusher of `CylinderPush`.

    State (10,): pusher, pose of the T, their velocities. It declares no symmetry.
    """

    name, bodies = "push_t", 5
    state_names = tuple("px py tx ty angle vx vy tvx tvy turning".split())

    def __init__(self, xml: str) -> None:
        parts = {"positions": Scalar(5), "velocities": Scalar(5)}
        self.symmetry = Symmetry(trivial(), parts, {"target": Scalar(2)})
        self.limits = Limits({"target": Interval(-10.0, 10.0)}, self.symmetry.slices("action"))
        self.mjcf = xml

    def running_cost(self, x, u):
        """Distances of the T, its turn, and of the pusher from it. (..., 10), (..., 2) -> (...)"""
        away2 = x[..., 2] ** 2 + x[..., 3] ** 2
        near2 = (x[..., 0] - x[..., 2]) ** 2 + (x[..., 1] - x[..., 3]) ** 2
        return 0.1 * away2 + 0.1 * (1.0 - np.cos(x[..., 4])) + 0.02 * near2

    def initial_state(self, rng):
        """The T up to 1 m away and turned anyhow, the pusher 1 m from it. (10,)"""
        x, a = np.zeros(10), rng.uniform(-np.pi, np.pi)
        x[2:4], x[4] = rng.uniform(-0.7, 0.7, 2), rng.uniform(-np.pi, np.pi)
        x[0:2] = x[2:4] + [np.cos(a), np.sin(a)]
        return x


PUSH_T = """<mujoco model="push_t">
  <option timestep="0.02" gravity="0 0 0"/>
  <worldbody>
    <body name="pusher">
      <joint name="slider_x" type="slide" axis="1 0 0" damping="4"/>
      <joint name="slider_y" type="slide" axis="0 1 0" damping="4"/>
      <geom type="cylinder" size="0.1 0.1" mass="1" friction="0.1"/>
      <site name="pusher_site"/>
    </body>
    <body name="tee">
      <joint name="tee_x" type="slide" axis="1 0 0" damping="4"/>
      <joint name="tee_y" type="slide" axis="0 1 0" damping="4"/>
      <joint name="tee_angle" type="hinge" axis="0 0 1" damping="0.5"/>
      <geom type="box" size="0.3 0.075 0.1" mass="0.6" friction="0.1"/>
      <geom type="box" size="0.075 0.225 0.1" pos="0 -0.3 0" mass="0.4" friction="0.1"/>
      <site name="tee_site"/>
    </body>
  </worldbody>
  <actuator>
    <position joint="slider_x" kp="10" ctrlrange="-10 10"/>
    <position joint="slider_y" kp="10" ctrlrange="-10 10"/>
  </actuator>
  <sensor>
    <framepos name="trace_pusher" objtype="site" objname="pusher_site"/>
    <framepos name="trace_tee" objtype="site" objname="tee_site"/>
  </sensor>
</mujoco>
"""


class Judo:
    """judo's controller as it ships it for cylinder_push, but for the number of rollouts.

    On another task it has that one's XML and costs.
    """

    def __init__(self, task: Pushing, name: str, samples: int) -> None:
        from judo.controller.controller import Controller, ControllerConfig
        from judo.optimizers import get_registered_optimizers
        from judo.tasks import cylinder_push

        class Other(cylinder_push.CylinderPush):
            def reward(self, states, sensors, controls, system_metadata=None):
                return -task.running_cost(states, controls).sum(axis=-1)

            def reset(self):
                self.data.qpos[:], self.data.qvel[:] = 0.0, 0.0

        own = task.name == "cylinder_push"
        theirs = cylinder_push.CylinderPush() if own else Other(model_path=task.mjcf)
        kind, config = get_registered_optimizers()[name]
        options = config()
        options.set_override("cylinder_push")
        options.num_rollouts = samples
        settings = ControllerConfig()
        settings.set_override("cylinder_push")
        self.controller = Controller(settings, theirs, kind(options, theirs.nu))
        self.horizon = int(self.controller.num_timesteps)

    def reset(self) -> None:
        """Forget."""
        self.controller.time = 0.0
        self.controller.reset()

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (n,)."""
        self.controller.current_state, self.controller.time = x, now
        self.controller.update_action()

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.controller.action(now)


class Ours:
    """One of our planners behind the same calls."""

    def __init__(
        self, task: Task, name: str, samples: int, horizon: int, symmetry: str, more=None
    ) -> None:
        kind, settings = OURS[name]
        dynamics = MujocoDynamics(task, threads=os.cpu_count() or 1)
        size = {"samples": samples, "horizon": horizon, "iterations": 1}
        size |= {"knots": 4, "spline": "zero"}  # as judo has them
        self.planner = kind(dynamics, symmetry, **size, **(settings | (more or {})))
        self.reset()

    def reset(self) -> None:
        """Forget."""
        self.memory = self.planner.initial_memory(0)

    def plan(self, x: np.ndarray, now: float) -> None:
        """Plan from a state (n,)."""
        self.found, self.memory = self.planner.plan(x, now, self.memory)

    def action(self, now: float) -> np.ndarray:
        """The control of a time (s). (2,)"""
        return self.found.action(now)


def closed_loop(task: Pushing, model, who, seed: int) -> tuple[float, float]:
    """Mean cost of a step over 8 s, and how far the thing is from the goal at the end (m)."""
    data, x = mujoco.MjData(model), task.initial_state(np.random.default_rng(seed))
    np.random.seed(seed)  # judo draws from NumPy's global state
    who.reset()
    data.qpos[:], data.qvel[:] = x[: task.bodies], x[task.bodies :]
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


def against_judo(task: Pushing, asked: argparse.Namespace) -> list[dict]:
    """Times of a plan and of its rollouts, and cost of a step, of judo and of ours.

    What rollouts cost hangs on how much is in contact. So a plan is timed from nothing, with noise
    of the same size, and rollouts and costs also alone, on the same controls.
    """
    rows, model = [], task.compiled()
    x = task.initial_state(np.random.default_rng(0))
    for samples in asked.samples:
        for name in OURS:
            peer = Judo(task, name, samples)
            modes = ("full", "none") if len(task.symmetry.group.elements) > 1 else ("none",)
            for symmetry in modes:
                row = {"task": task.name, "planner": name, "samples": samples}
                row |= {"horizon": peer.horizon, "symmetry": symmetry}
                ours = Ours(task, name, samples, peer.horizon, symmetry, {"noise": SIGMA[name]})
                calls = [partial(who.plan, x, 0.0) for who in (ours, peer)]
                row |= compared("plan", *calls, asked.rounds, partial(anew, ours, peer))
                if symmetry == "none":
                    mine, theirs = same_controls(task, ours, peer, x)
                    row |= compared("rollouts", mine, theirs, asked.rounds)
                if samples == CLOSED and asked.seeds:
                    ours = Ours(task, name, samples, peer.horizon, symmetry)
                    seeds = range(asked.first, asked.first + asked.seeds)
                    for label, who in (("ours", ours), ("judo", peer)):
                        if label == "judo" and symmetry != modes[-1]:
                            continue  # once is enough
                        found = [closed_loop(task, model, who, seed) for seed in seeds]
                        costs, ends = np.array(found).T
                        row |= {
                            f"{label}_cost_per_step": round(float(costs.mean()), 4),
                            f"{label}_cost_error": round(costs.std() / len(costs) ** 0.5, 4),
                            f"{label}_end_m": round(float(np.median(ends)), 4),
                        }
                rows.append(row)
    return rows


def anew(*planners) -> None:
    """Have them forget."""
    for planner in planners:
        planner.reset()


def compared(what: str, mine, theirs, rounds: int, before=lambda: None) -> dict:
    """The times of two calls, and how many times faster the first is."""
    before()
    mine(), theirs()
    ours, judos = medians(mine, theirs, rounds, before)
    wall, cpu = judos / ours
    return {
        **{f"ours_{what}_ms": round(ours[0], 2), f"judo_{what}_ms": round(judos[0], 2)},
        **{f"{what}_times_judo": round(wall, 2), f"{what}_times_judo_cpu": round(cpu, 2)},
    }


def same_controls(task: Pushing, ours: Ours, peer: Judo, x: np.ndarray) -> tuple:
    """Rollouts and their costs by each, of what judo would try first."""
    peer.reset()
    peer.plan(x, 0.0)
    controls = np.array(peer.controller.rollout_controls)
    theirs = peer.controller
    costs = np.empty((1, len(controls)))

    def judos():
        states, sensors, _ = theirs.rollout_backend.rollout(x, controls, None)
        return theirs.task.reward(states, sensors, controls, {})

    def mine():
        ours.planner.dynamics.rollout(x, controls, costs)

    mine()
    assert np.allclose(-judos(), costs[0])  # the same physics and the same costs
    return mine, judos


def main() -> None:
    """Run what is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judo", action="store_true", help="beside judo, which must be installed")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--seeds", type=int, default=5, help="closed loops beside judo")
    parser.add_argument("--first", type=int, default=0, help="the first of these seeds")
    parser.add_argument("--task", choices=("cylinder_push", "push_t"), help="default: both")
    parser.add_argument("--samples", type=int, nargs="+", default=[64, CLOSED, 256])
    asked = parser.parse_args()
    found = {"benchmark": "mujoco_rollouts", "mujoco": mujoco.__version__, "cores": os.cpu_count()}
    if asked.judo:
        import judo

        own = str(judo.MODEL_PATH / "xml" / "cylinder_push.xml")
        with tempfile.TemporaryDirectory() as folder:
            other = Path(folder) / "push_t.xml"
            other.write_text(PUSH_T)
            tasks = (CylinderPush(own), PushT(str(other)))
            tasks = [task for task in tasks if asked.task in (None, task.name)]
            found["judo"] = [row for task in tasks for row in against_judo(task, asked)]
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
