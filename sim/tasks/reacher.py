"""`Reacher`: a two-link arm in the horizontal plane brings its tip to a goal and holds it there."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...symmetry.declaration import Symmetry, wrap
from ...symmetry.group import o2
from ...symmetry.part import Angle, Pseudoscalar, Vector
from ..limits import Interval, Limits
from ..task import Task

DT = 0.04  # control period, s
PHYSICS_DT = 0.005  # of the plant, and of the model's substeps, s
SUBSTEPS = 8
LENGTH = 0.25  # of each link, m
TORQUE = 1.0  # at most, N m

# Cost weights: per metre, per (rad/s)^2, per (N m)^2, and per metre at the end.
W_DISTANCE, W_SPEED, W_TORQUE, W_END = 1.0, 0.003, 0.005, 3.0


class Reacher(Task):
    """Bring the tip of a two-link arm to a goal with torques at shoulder and elbow.

    State x (6,): shoulder angle (rad), elbow angle (rad, relative to the upper link, not wrapped),
    their rates (rad/s), goal position (m). Action u (2,): torques, N m, each within +-1.

    Turning the world turns the shoulder angle and the goal only: the elbow angle, the rates and the
    torques are relative, and change sign under mirrors. So all rotations act trivially on actions.

    **Success**: tip within 20 mm of the goal and both joints slower than 0.3 rad/s, for 0.5 s on
    end, within 6 s.

    **Starts**: at rest; shoulder over the whole circle, elbow within +-2.5 rad; goal 0.12 to 0.45 m
    from the shoulder in any direction, at least 0.10 m from the tip. The symmetry is O(2) about the
    shoulder, declared as D8.

    Model and plant agree to rounding: the model makes the same semi-implicit substeps as MuJoCo.
    """

    name = "reacher"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 6.0
    extent = 1.2
    hold = 0.5
    action_interface = "effort"
    state_names = ("shoulder", "elbow", "shoulder_rate", "elbow_rate", "goal_x", "goal_y")
    action_names = ("shoulder", "elbow")
    state_units = ("rad", "rad", "rad/s", "rad/s", "m", "m")
    action_units = ("N m", "N m")
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "reacher.xml")
    parameter_names = (
        "mass of a link, kg",
        "moment of inertia of a link about its middle, kg m^2",
        "joint damping, N m s/rad",
    )
    position_tolerance = 0.02
    """Largest distance of the tip from the goal that is a success, m."""
    speed_tolerance = 0.3
    """Largest joint rate that is a success, rad/s."""

    def __init__(self) -> None:
        self.symmetry = Symmetry(
            o2(8),
            state={
                "shoulder": Angle(),
                "elbow": Pseudoscalar(),
                "rates": Pseudoscalar(2),
                "goal": Vector(),
            },
            action={"torques": Pseudoscalar(2)},
        )
        self.limits = Limits({"torques": Interval(-TORQUE, TORQUE)}, self.symmetry.slices("action"))
        self.parameters = np.array([0.5, 0.003, 0.1])
        self.kernels = sys.modules[__name__]

    def tip(self, x: np.ndarray) -> np.ndarray:
        """Where the tip is, m. (..., 6) -> (..., 2)"""
        inner, outer = x[..., 0], x[..., 0] + x[..., 1]
        return LENGTH * np.stack(
            [np.cos(inner) + np.cos(outer), np.sin(inner) + np.sin(outer)], axis=-1
        )

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the tip rests at the goal. (..., 6) -> (...) bool"""
        apart = np.sqrt(np.sum((self.tip(x) - x[..., 4:6]) ** 2, axis=-1))
        speed = np.max(np.abs(x[..., 2:4]), axis=-1)
        return (apart <= self.position_tolerance) & (speed <= self.speed_tolerance)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (6,)"""
        x = np.zeros(6)
        x[0], x[1] = rng.uniform(-math.pi, math.pi), rng.uniform(-2.5, 2.5)
        while True:
            direction, distance = rng.uniform(-math.pi, math.pi), rng.uniform(0.12, 0.45)
            x[4:6] = distance * math.cos(direction), distance * math.sin(direction)
            if np.hypot(*(self.tip(x) - x[4:6])) >= 0.10:
                return x

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities. (..., 6) -> (..., 2), (..., 2)"""
        x = np.asarray(x, float)
        return x[..., 0:2].copy(), x[..., 2:4].copy()

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector, the shoulder angle wrapped. (..., 2), (..., 2), (..., 2) -> (..., 6)"""
        x = np.empty((*qpos.shape[:-1], 6))
        x[..., 0], x[..., 1] = wrap(qpos[..., 0]), qpos[..., 1]
        x[..., 2:4], x[..., 4:6] = qvel, goal
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part (x, y); a point has no yaw. (2,)"""
        return np.array([x, y], float)

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The tip, pointing along the outer link, and the goal."""
        tip = self.tip(x)
        yaw = float(wrap(x[0] + x[1]))
        return {
            "tip": (float(tip[0]), float(tip[1]), yaw),
            "goal": (float(x[4]), float(x[5]), 0.0),
        }


@njit(cache=True)
def wrapped(angle):
    """The angle brought to [-pi, pi); one that is there already is not touched."""
    if -math.pi <= angle < math.pi:
        return angle
    turned = angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
    return turned if -math.pi <= turned < math.pi else -math.pi  # rounded over the edge


@njit(cache=True)
def advanced(q1, q2, w1, w2, u1, u2, p):
    """Angles and rates after one control period; each substep is MuJoCo's semi-implicit one.

    (M + h D) a = u - C - D w, then w += h a, then q += h w, with D the damping and C the Coriolis
    and centrifugal torques of two equal uniform links.
    """
    mass, inertia, damping = p[0], p[1], p[2]
    middle = 0.5 * LENGTH
    outer = inertia + mass * middle * middle
    for _ in range(SUBSTEPS):
        coupling = mass * LENGTH * middle * math.cos(q2)
        turning = mass * LENGTH * middle * math.sin(q2)
        m22 = outer
        m12 = outer + coupling
        m11 = 2.0 * outer + mass * LENGTH * LENGTH + 2.0 * coupling
        r1 = u1 + turning * (2.0 * w1 + w2) * w2 - damping * w1
        r2 = u2 - turning * w1 * w1 - damping * w2
        m11 += PHYSICS_DT * damping
        m22 += PHYSICS_DT * damping
        determinant = m11 * m22 - m12 * m12
        w1 += PHYSICS_DT * (m22 * r1 - m12 * r2) / determinant
        w2 += PHYSICS_DT * (m11 * r2 - m12 * r1) / determinant
        q1 += PHYSICS_DT * w1
        q2 += PHYSICS_DT * w2
    return q1, q2, w1, w2


@njit(cache=True)
def distance(q1, q2, gx, gy):
    """From the tip to the goal, m."""
    dx = LENGTH * (math.cos(q1) + math.cos(q1 + q2)) - gx
    dy = LENGTH * (math.sin(q1) + math.sin(q1 + q2)) - gy
    return math.sqrt(dx * dx + dy * dy)


@njit(cache=True)
def step(x, u, p, out):
    """One control period of the model; `out` may be x. (6,), (2,), (3,) -> out (6,)"""
    q1, q2, w1, w2 = advanced(x[0], x[1], x[2], x[3], u[0], u[1], p)
    out[0], out[1], out[2], out[3], out[4], out[5] = wrapped(q1), q2, w1, w2, x[4], x[5]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (6,), (2,), (3,) -> float"""
    return (
        W_DISTANCE * distance(x[0], x[1], x[4], x[5])
        + W_SPEED * (x[2] * x[2] + x[3] * x[3])
        + W_TORQUE * (u[0] * u[0] + u[1] * u[1])
    )


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (6,), (3,) -> float"""
    return W_END * distance(x[0], x[1], x[4], x[5])
