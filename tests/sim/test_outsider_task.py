"""A task outside the repository, with kernels of its own and without: the same pieces take both."""

import importlib
import sys

import gymnasium
import numpy as np
import pytest

from covary.planners.mppi import MPPI
from covary.sim.check_task import TaskError, check_task
from covary.sim.env import TaskEnv
from covary.sim.limits import Box, Limits
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics

MODEL = """
<mujoco model="sled">
  <option timestep="0.01" integrator="Euler" gravity="0 0 0"/>
  <worldbody>
    <body name="sled">
      <joint name="sled_x" type="slide" axis="1 0 0"/>
      <joint name="sled_y" type="slide" axis="0 1 0"/>
      <geom type="sphere" size="0.03" mass="0.5" contype="0" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="sled_x" joint="sled_x"/>
    <motor name="sled_y" joint="sled_y"/>
  </actuator>
</mujoco>
"""

KERNELS = '''"""The sled's analytic model."""

import math

from numba import njit

H, SUBSTEPS = 0.01, 5


@njit
def step(x, u, p, out):
    px, py, vx, vy = x[0], x[1], x[2], x[3]
    for _ in range(SUBSTEPS):
        vx, vy = vx + H * u[0] / p[0], vy + H * u[1] / p[0]
        px, py = px + H * vx, py + H * vy
    out[0], out[1], out[2], out[3], out[4], out[5] = px, py, vx, vy, x[4], x[5]


@njit
def running_cost(x, u, p):
    return math.hypot(x[0] - x[4], x[1] - x[5]) + 0.1 * (x[2] * x[2] + x[3] * x[3])


@njit
def terminal_cost(x, p):
    return 4.0 * math.hypot(x[0] - x[4], x[1] - x[5])
'''

TASK = '''"""A sled without friction is driven to a goal."""

from pathlib import Path

import numpy as np

from covary.sim.limits import Ball, Limits
from covary.sim.task import Task
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import o2
from covary.symmetry.part import Vector


class Sled(Task):
    """Success: within 50 mm. Starts and goals: normal."""

    name, goal, action_interface = "sled", "goal", "effort"
    dt, physics_dt, time_limit, hold = 0.05, 0.01, 4.0, 0.1
    state_names = ("sled_x", "sled_y", "vx", "vy", "goal_x", "goal_y")
    action_names = ("sled_x", "sled_y")
    mjcf = str(Path(__file__).with_name("sled.xml"))

    def __init__(self):
        state = {"place": Vector(), "velocity": Vector(), "goal": Vector()}
        self.symmetry = Symmetry(o2(8), state=state, action={"force": Vector()})
        self.limits = Limits({"force": Ball(1.0)}, self.symmetry.slices("action"))

    def running_cost(self, x, u):
        away = np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])
        cost = away + 0.1 * (x[..., 2] ** 2 + x[..., 3] ** 2)
        return np.broadcast_to(cost, np.broadcast_shapes(x.shape[:-1], u.shape[:-1]))

    def terminal_cost(self, x):
        return 4.0 * np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])

    def success(self, x):
        return np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5]) <= 0.05

    def initial_state(self, rng):
        return np.concatenate([rng.normal(0, 0.3, 2), np.zeros(2), rng.normal(0, 0.3, 2)])

    def physics_from_state(self, x):
        return x[..., 0:2], x[..., 2:4]

    def state_from_physics(self, qpos, qvel, goal):
        goal = np.broadcast_to(goal, (*qpos.shape[:-1], 2))
        return np.concatenate([qpos, qvel, goal], axis=-1)

    def goal_from_pose(self, x, y, yaw):
        return np.array([x, y])


class FastSled(Sled):
    """The same with an analytic model, which knows the costs too."""

    running_cost, terminal_cost = Task.running_cost, Task.terminal_cost

    parameter_names = ("mass, kg",)

    def __init__(self):
        super().__init__()
        import sled_kernels

        self.kernels, self.parameters = sled_kernels, np.array([0.5])
'''


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The outsider's module, in a folder of its own that is on the path."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "sled.xml").write_text(MODEL)
    (folder / "sled_kernels.py").write_text(KERNELS)
    (folder / "sled.py").write_text(TASK)
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("sled")
    finally:
        sys.path.remove(str(folder))
        for name in ("sled", "sled_kernels"):
            sys.modules.pop(name, None)


@pytest.fixture(params=["kernels", "only an MJCF"])
def dynamics(outside, request):
    if request.param == "kernels":
        return NumbaDynamics(outside.FastSled())
    return MujocoDynamics(outside.Sled())


def test_rollouts_cost_what_the_task_says(dynamics):
    task, rng = dynamics.task, np.random.default_rng(0)
    x = task.initial_state(rng)
    u = task.limits.project(rng.normal(0.0, 1.0, (7, 12, 2)))
    costs, states = np.empty((1, 7)), np.empty((1, 7, 12, 6))
    dynamics.rollout(x, u, costs, states)
    own = task.running_cost(states, u).sum(axis=2) + task.terminal_cost(states[:, :, -1])
    assert np.abs(costs - own).max() <= 1e-12
    assert np.abs(dynamics.next_state(x, u[:, 0]) - states[0, :, 0]).max() <= 1e-12


def test_both_models_are_one(outside):
    task, rng = outside.FastSled(), np.random.default_rng(1)
    x = task.initial_state(rng)
    u = task.limits.project(rng.normal(0.0, 1.0, (7, 20, 2)))
    costs = np.empty((2, 1, 7))
    NumbaDynamics(task).rollout(x, u, costs[0])
    MujocoDynamics(task).rollout(x, u, costs[1])
    assert np.abs(costs[0] - costs[1]).max() <= 1e-12


def test_it_is_checked(dynamics, outside):
    report = check_task(dynamics.task, dynamics, samples=16)
    report.raise_if_failed()
    assert report.task == "sled" and report.order == 16
    boxed = outside.Sled()
    boxed.limits = Limits({"force": Box((-1.0, -1.0), (1.0, 1.0))}, boxed.limits.slices)
    with pytest.raises(TaskError, match="limits projection commutes") as refusal:
        check_task(boxed, dynamics, samples=16).raise_if_failed()
    assert "\n" not in str(refusal.value)


def test_a_planner_drives_it_home(dynamics):
    """The plant is MuJoCo in both cases; the planner sees the model alone."""
    task = dynamics.task
    planner = MPPI(dynamics, samples=48, horizon=20, iterations=1)
    memory = planner.initial_memory(seed=0)
    env = TaskEnv(task)
    x, _ = env.reset(seed=4)
    for tick in range(round(task.time_limit / task.dt)):
        plan, memory = planner.plan(x, tick * task.dt, memory)
        x, _, done, _, info = env.step(plan.actions[0])
        if done:
            break
    assert info["success"]


def test_it_is_an_environment_by_name(outside):
    gymnasium.register("outside/Sled-v0", "covary.sim.env:TaskEnv", kwargs={"task": "sled:Sled"})
    try:
        env = gymnasium.make("outside/Sled-v0")
    finally:
        del gymnasium.registry["outside/Sled-v0"]
    x, _ = env.reset(seed=0)
    assert x.shape == (6,) and env.observation_space.contains(x)
