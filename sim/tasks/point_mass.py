"""`PointMass`: a mass is pushed round a forbidden zone to a goal in the plane."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...symmetry.declaration import Symmetry
from ...symmetry.group import o2
from ...symmetry.part import Vector
from ..limits import Ball, Limits
from ..task import Task

DT = 0.05  # control period, s
PHYSICS_DT = 0.005  # of the plant, and of the model's substeps, s
SUBSTEPS = 10
ZONE = 0.15  # radius of the forbidden zone about the origin, m
FORCE = 2.0  # at most, N

# Cost weights: per metre, per (m/s)^2, per N^2, and at the zone's centre.
W_DISTANCE, W_SPEED, W_FORCE, W_ZONE, W_END = 1.0, 0.05, 0.002, 20.0, 5.0


class PointMass(Task):
    """Drive a 1 kg mass with linear friction to a goal, round a zone about the origin.

    State x (6,): position (m), velocity (m/s), goal position (m). Action u (2,): force, N, at most
    2 N in any direction.

    **Success**: within 30 mm of the goal and slower than 0.1 m/s, for 0.5 s on end, within 8 s.

    **Starts**: at rest, 0.4 to 0.7 m from the origin in any direction; the goal 0.4 to 0.7 m from
    the origin, within 60 degrees of the opposite direction, so that about every second straight way
    crosses the zone (radius 0.15 m). All is isotropic: the symmetry is O(2), declared as D8.

    The zone is no wall: entering it costs, up to 20 a period at its centre. Model and plant agree
    to rounding: the model makes the same semi-implicit substeps as MuJoCo.
    """

    name = "point_mass"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 8.0
    extent = 1.6
    hold = 0.5
    action_interface = "effort"
    state_names = ("mass_x", "mass_y", "velocity_x", "velocity_y", "goal_x", "goal_y")
    action_names = ("mass_x", "mass_y")
    state_units = ("m", "m", "m/s", "m/s", "m", "m")
    action_units = ("N", "N")
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "point_mass.xml")
    parameter_names = ("mass, kg", "linear friction, N s/m")
    position_tolerance = 0.03
    """Largest distance from the goal that is a success, m."""
    speed_tolerance = 0.1
    """Largest speed that is a success, m/s."""

    def __init__(self) -> None:
        self.symmetry = Symmetry(
            o2(8),
            state={"position": Vector(), "velocity": Vector(), "goal": Vector()},
            action={"force": Vector()},
        )
        self.limits = Limits({"force": Ball(FORCE)}, self.symmetry.slices("action"))
        self.parameters = np.array([1.0, 0.5])
        self.kernels = sys.modules[__name__]

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the mass rests at the goal. (..., 6) -> (...) bool"""
        apart = np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])
        speed = np.hypot(x[..., 2], x[..., 3])
        return (apart <= self.position_tolerance) & (speed <= self.speed_tolerance)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (6,)"""
        direction = rng.uniform(-math.pi, math.pi)
        opposite = direction + math.pi + rng.uniform(-math.pi / 3, math.pi / 3)
        start, goal = rng.uniform(0.4, 0.7, 2)
        x = np.zeros(6)
        x[0:2] = start * math.cos(direction), start * math.sin(direction)
        x[4:6] = goal * math.cos(opposite), goal * math.sin(opposite)
        return x

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities. (..., 6) -> (..., 2), (..., 2)"""
        x = np.asarray(x, float)
        return x[..., 0:2].copy(), x[..., 2:4].copy()

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector. (..., 2), (..., 2), (..., 2) -> (..., 6)"""
        x = np.empty((*qpos.shape[:-1], 6))
        x[..., 0:2], x[..., 2:4], x[..., 4:6] = qpos, qvel, goal
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part (x, y); a point has no yaw. (2,)"""
        return np.array([x, y], float)

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The mass and its goal."""
        return {"mass": (float(x[0]), float(x[1]), 0.0), "goal": (float(x[4]), float(x[5]), 0.0)}


@njit(cache=True)
def coefficients(p):
    """What one control period does: v' = a v + b u, x' = x + c v + d u. (2,) -> 4 floats

    Each substep is MuJoCo's: v += h (u - k v) / (m + h k), then x += h v.
    """
    decay = 1.0 - PHYSICS_DT * p[1] / (p[0] + PHYSICS_DT * p[1])
    gain = PHYSICS_DT / (p[0] + PHYSICS_DT * p[1])
    a, b, c, d = 1.0, 0.0, 0.0, 0.0
    for _ in range(SUBSTEPS):
        a, b = decay * a, decay * b + gain
        c, d = c + PHYSICS_DT * a, d + PHYSICS_DT * b
    return a, b, c, d


@njit(cache=True)
def step(x, u, p, out):
    """One control period of the model; `out` may be x. (6,), (2,), (2,) -> out (6,)"""
    a, b, c, d = coefficients(p)
    px, py = x[0] + c * x[2] + d * u[0], x[1] + c * x[3] + d * u[1]
    vx, vy = a * x[2] + b * u[0], a * x[3] + b * u[1]
    out[0], out[1], out[2], out[3], out[4], out[5] = px, py, vx, vy, x[4], x[5]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u; the zone's part falls from its centre to nothing at its rim.

    (6,), (2,), (2,) -> float
    """
    distance = math.sqrt((x[0] - x[4]) ** 2 + (x[1] - x[5]) ** 2)
    inside = max(1.0 - math.sqrt(x[0] * x[0] + x[1] * x[1]) / ZONE, 0.0)
    return (
        W_DISTANCE * distance
        + W_SPEED * (x[2] * x[2] + x[3] * x[3])
        + W_FORCE * (u[0] * u[0] + u[1] * u[1])
        + W_ZONE * inside * inside
    )


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (6,), (2,) -> float"""
    return W_END * math.sqrt((x[0] - x[4]) ** 2 + (x[1] - x[5]) ** 2)
