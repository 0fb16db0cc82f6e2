"""`Pointmass`: a reference problem on which planners are compared by rate and cost."""

from __future__ import annotations

import sys

import numpy as np
from numba import njit

from covary.sim.limits import Interval, Limits
from covary.sim.task import Task
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import dihedral
from covary.symmetry.part import Vector

DT, DRAG, FORCE = 0.05, 0.1, 2.0  # s, per second, and at most in each coordinate
W_SPEED, W_FORCE = 0.1, 0.01


class Pointmass(Task):
    """A unit mass with drag goes to a goal; there is nothing in its way.

    State x (6,): position, velocity, goal. Action u (2,): force, each coordinate within +-2.
    ``v' = v + dt (u - 0.1 v)``, ``p' = p + dt v'``, and the cost of a step, on the state after it,
    is ``|p - g|^2 + 0.1 |v|^2 + 0.01 |u|^2``. From rest at the origin to (1, 1), 100 steps.

    It has no plant but its model.
    """

    name = "pointmass"
    dt = physics_dt = DT
    time_limit, hold = 100 * DT, 0.25
    action_interface = "effort"
    state_names = ("mass_x", "mass_y", "velocity_x", "velocity_y", "goal_x", "goal_y")
    action_names = ("mass_x", "mass_y")
    goal = "goal"

    def __init__(self) -> None:
        state = {"position": Vector(), "velocity": Vector(), "goal": Vector()}
        self.symmetry = Symmetry(dihedral(4), state=state, action={"force": Vector()})
        self.limits = Limits({"force": Interval(-FORCE, FORCE)}, self.symmetry.slices("action"))
        self.kernels = sys.modules[__name__]

    def distance(self, x: np.ndarray) -> np.ndarray:
        """From the goal. (..., 6) -> (...)"""
        return np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])

    def success(self, x: np.ndarray) -> np.ndarray:
        """Within 0.01 of the goal. (..., 6) -> (...) bool"""
        return self.distance(x) <= 0.01

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """Always the same. (6,)"""
        return np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity. (..., 6) -> (..., 2), (..., 2)"""
        return x[..., 0:2].copy(), x[..., 2:4].copy()

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector. (..., 2), (..., 2), (..., 2) -> (..., 6)"""
        goal = np.broadcast_to(goal, qpos.shape)
        return np.concatenate([qpos, qvel, goal], axis=-1)

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal's position. (2,)"""
        return np.array([x, y], float)


@njit(cache=True)
def step(x, u, p, out):
    """One control period; `out` may be x. (6,), (2,), (0,) -> out (6,)"""
    vx, vy = x[2] + DT * (u[0] - DRAG * x[2]), x[3] + DT * (u[1] - DRAG * x[3])
    px, py = x[0] + DT * vx, x[1] + DT * vy
    out[0], out[1], out[2], out[3], out[4], out[5] = px, py, vx, vy, x[4], x[5]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (6,), (2,), (0,) -> float"""
    dx, dy = x[0] - x[4], x[1] - x[5]
    speed, force = x[2] * x[2] + x[3] * x[3], u[0] * u[0] + u[1] * u[1]
    return dx * dx + dy * dy + W_SPEED * speed + W_FORCE * force


@njit(cache=True)
def terminal_cost(x, p):
    """None. (6,), (0,) -> float"""
    return 0.0
