"""`Reacher2`: the reference problem with an arm, on which planners are compared."""

from __future__ import annotations

import math
import sys

import numpy as np
from numba import njit

from covary.sim.limits import Interval, Limits
from covary.sim.task import Task
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import dihedral
from covary.symmetry.part import Pseudoscalar, Vector

DT, LENGTH, DAMPING, TORQUE = 0.02, 0.5, 0.5, 5.0  # s, m, N m s, and N m at most
OUTER = LENGTH * LENGTH / 3.0  # a rod of 1 kg about its end, kg m^2
COUPLING = LENGTH * LENGTH / 2.0  # of the two, kg m^2
W_DISTANCE, W_SPEED, W_TORQUE = 10.0, 0.01, 0.001


class Reacher2(Task):
    """Two uniform rods of 1 kg and 0.5 m in the horizontal plane bring their end to a goal.

    State x (6,): shoulder and elbow angle (rad, the elbow's relative, neither wrapped), their rates
    (rad/s), goal (m). Action u (2,): torques, each within +-5 N m. Joint damping 0.5 N m s/rad, the
    whole mass matrix with Coriolis and centrifugal torques, semi-implicit Euler steps of 0.02 s.
    The cost of a step, on the state after it, is ``10 |end - g|^2 + 0.01 |w|^2 + 0.001 |u|^2``.
    From rest at (0.1, 0.1) rad to (0.3, 0.6) m, 150 steps.

    Its symmetry is declared as the mirror alone: what turns the world does nothing to torques. It
    has no plant but its model.
    """

    name = "reacher2"
    dt = physics_dt = DT
    time_limit, hold = 150 * DT, 0.25
    action_interface = "effort"
    state_names = ("shoulder", "elbow", "shoulder_rate", "elbow_rate", "goal_x", "goal_y")
    action_names = ("shoulder", "elbow")
    goal = "goal"

    def __init__(self) -> None:
        state = {"angles": Pseudoscalar(2), "rates": Pseudoscalar(2), "goal": Vector()}
        self.symmetry = Symmetry(dihedral(1), state=state, action={"torques": Pseudoscalar(2)})
        self.limits = Limits({"torques": Interval(-TORQUE, TORQUE)}, self.symmetry.slices("action"))
        self.kernels = sys.modules[__name__]

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Of the end from the goal, m. (..., 6) -> (...)"""
        inner, outer = x[..., 0], x[..., 0] + x[..., 1]
        dx = LENGTH * (np.cos(inner) + np.cos(outer)) - x[..., 4]
        return np.hypot(dx, LENGTH * (np.sin(inner) + np.sin(outer)) - x[..., 5])

    def success(self, x: np.ndarray) -> np.ndarray:
        """Within 10 mm of the goal. (..., 6) -> (...) bool"""
        return self.distance(x) <= 0.01

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """Always the same. (6,)"""
        return np.array([0.1, 0.1, 0.0, 0.0, 0.3, 0.6])

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angles and rates. (..., 6) -> (..., 2), (..., 2)"""
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
    cos, sin, w1, w2 = math.cos(x[1]), math.sin(x[1]), x[2], x[3]
    m12 = OUTER + COUPLING * cos
    m11 = 2.0 * OUTER + LENGTH * LENGTH + 2.0 * COUPLING * cos
    r1 = u[0] + COUPLING * sin * (2.0 * w1 + w2) * w2 - DAMPING * w1
    r2 = u[1] - COUPLING * sin * w1 * w1 - DAMPING * w2
    per = DT / (m11 * OUTER - m12 * m12)
    w1 += per * (OUTER * r1 - m12 * r2)
    w2 += per * (m11 * r2 - m12 * r1)
    q1, q2 = x[0] + DT * w1, x[1] + DT * w2
    out[0], out[1], out[2], out[3], out[4], out[5] = q1, q2, w1, w2, x[4], x[5]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (6,), (2,), (0,) -> float"""
    dx = LENGTH * (math.cos(x[0]) + math.cos(x[0] + x[1])) - x[4]
    dy = LENGTH * (math.sin(x[0]) + math.sin(x[0] + x[1])) - x[5]
    speed, torque = x[2] * x[2] + x[3] * x[3], u[0] * u[0] + u[1] * u[1]
    return W_DISTANCE * (dx * dx + dy * dy) + W_SPEED * speed + W_TORQUE * torque


@njit(cache=True)
def terminal_cost(x, p):
    """None. (6,), (0,) -> float"""
    return 0.0
