"""`PointMassObstacles`: a mass is pushed to a goal, round obstacles that stand in its way."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...nodes.parameters import ParameterError
from ...symmetry.declaration import Symmetry
from ...symmetry.group import o2
from ...symmetry.part import Position, Vector
from ..limits import Ball, Limits
from ..task import Task

DT = 0.05  # control period, s
PHYSICS_DT = 0.005  # of the plant, and of the model's substeps, s
SUBSTEPS = 10
OBSTACLES = 3
TOUCH = 0.15  # distance of the centres at which the mass touches an obstacle, m
REACH = 0.22  # nearer than this to an obstacle's centre costs, m
FORCE = 2.0  # at most, N

# Cost weights: per metre, per (m/s)^2, per N^2, at an obstacle's centre, and per metre at the end.
W_DISTANCE, W_SPEED, W_FORCE, W_NEAR, W_END = 1.0, 0.05, 0.002, 30.0, 5.0


class PointMassObstacles(Task):
    """Drive a 1 kg mass with linear friction to a goal, round three obstacles.

    State x (12,): position (m), velocity (m/s), goal (m), centre of each obstacle (m). Action u
    (2,): force, N, at most 2 N in any direction. The obstacles are part of the state, so they
    move with the group wherever they stand: the symmetry is O(2), declared as D8, and shifts.

    **Success**: within 30 mm of the goal and slower than 0.1 m/s, for 0.5 s on end, within 10 s.

    **Starts**: at rest; goal 1.0 to 1.4 m away in any direction, the origin half way. One obstacle
    in the way: within 0.15 m of the origin along it and 0.1 m across; the two others anywhere
    within 0.6 m of the origin. All are 0.4 m apart at least, and 0.3 m from start and goal.

    An obstacle is a wall in the plant: a dome of 120 mm radius, which the mass (30 mm) slides along
    without friction. The model knows no contact: there an obstacle costs, up to 30 a period at its
    centre, from 70 mm before the touch on. Free of contact, model and plant agree to rounding.

    Args:
        walls: ``priced``, as said; ``constrained``: and declared as constraints on the state, how
            far the mass is inside the touch of each obstacle, m.

    Raises:
        ParameterError: Another word.
    """

    name = "point_mass_obstacles"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 10.0
    extent = 2.0
    hold = 0.5
    action_interface = "effort"
    state_names = (
        *("mass_x", "mass_y", "velocity_x", "velocity_y", "goal_x", "goal_y"),
        *(f"obstacle_{i}_{axis}" for i in range(OBSTACLES) for axis in "xy"),
    )
    action_names = ("mass_x", "mass_y")
    state_units = ("m", "m", "m/s", "m/s") + ("m",) * (2 + 2 * OBSTACLES)
    action_units = ("N", "N")
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "point_mass_obstacles.xml")
    parameter_names = ("mass, kg", "linear friction, N s/m")
    position_tolerance = 0.03
    """Largest distance from the goal that is a success, m."""
    speed_tolerance = 0.1
    """Largest speed that is a success, m/s."""

    def __init__(self, walls: str = "priced") -> None:
        if walls not in ("priced", "constrained"):
            raise ParameterError(f"walls: {walls!r} is not priced or constrained", "task_options")
        if walls == "constrained":
            self.constraint_names = tuple(f"obstacle_{i}" for i in range(OBSTACLES))
        obstacles = {f"obstacle_{i}": Position() for i in range(OBSTACLES)}
        self.symmetry = Symmetry(
            o2(8),
            state={"position": Position(), "velocity": Vector(), "goal": Position(), **obstacles},
            action={"force": Vector()},
        )
        self.limits = Limits({"force": Ball(FORCE)}, self.symmetry.slices("action"))
        self.parameters = np.array([1.0, 0.5])
        self.kernels = sys.modules[__name__]

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the mass rests at the goal. (..., 12) -> (...) bool"""
        apart = np.hypot(x[..., 0] - x[..., 4], x[..., 1] - x[..., 5])
        speed = np.hypot(x[..., 2], x[..., 3])
        return (apart <= self.position_tolerance) & (speed <= self.speed_tolerance)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (12,)"""
        direction, half = rng.uniform(-math.pi, math.pi), 0.5 * rng.uniform(1.0, 1.4)
        ahead = np.array([math.cos(direction), math.sin(direction)])
        across = np.array([-ahead[1], ahead[0]])
        ends = np.stack([-half * ahead, half * ahead])
        while True:
            first = rng.uniform(-0.15, 0.15) * ahead + rng.uniform(-0.1, 0.1) * across
            angle, radius = rng.uniform(-math.pi, math.pi, 2), 0.6 * np.sqrt(rng.uniform(size=2))
            others = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
            placed = np.concatenate([first[None], others])
            apart = np.linalg.norm(placed[:, None] - placed, axis=-1) + np.eye(OBSTACLES)
            clear = np.linalg.norm(placed[:, None] - ends, axis=-1)
            if apart.min() >= 0.4 and clear.min() >= 0.3:
                return np.concatenate([ends[0], np.zeros(2), ends[1], placed.ravel()])

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities; obstacles rest. (..., 12) -> (..., 8), (..., 8)"""
        x = np.asarray(x, float)
        still = np.zeros((*x.shape[:-1], 2 * OBSTACLES))
        qpos = np.concatenate([x[..., 0:2], x[..., 6:]], axis=-1)
        return qpos, np.concatenate([x[..., 2:4], still], axis=-1)

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector. (..., 8), (..., 8), (..., 2) -> (..., 12)"""
        x = np.empty((*qpos.shape[:-1], 6 + 2 * OBSTACLES))
        x[..., 0:2], x[..., 2:4], x[..., 4:6] = qpos[..., :2], qvel[..., :2], goal
        x[..., 6:] = qpos[..., 2:]
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part (x, y); a point has no yaw. (2,)"""
        return np.array([x, y], float)

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The mass, its goal and the obstacles."""
        names = ("mass", "", "goal", *(f"obstacle_{i}" for i in range(OBSTACLES)))
        places = np.reshape(x, (-1, 2))
        found = zip(names, places, strict=True)
        return {name: (float(p[0]), float(p[1]), 0.0) for name, p in found if name}


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
    """One control period of the model; `out` may be x. (12,), (2,), (2,) -> out (12,)"""
    a, b, c, d = coefficients(p)
    px, py = x[0] + c * x[2] + d * u[0], x[1] + c * x[3] + d * u[1]
    vx, vy = a * x[2] + b * u[0], a * x[3] + b * u[1]
    out[0], out[1], out[2], out[3], out[4], out[5] = px, py, vx, vy, x[4], x[5]
    for i in range(2 * OBSTACLES):
        out[6 + i] = x[6 + i]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u; an obstacle's part ends smoothly. (12,), (2,), (2,) -> float"""
    cost = (
        W_DISTANCE * math.sqrt((x[0] - x[4]) ** 2 + (x[1] - x[5]) ** 2)
        + W_SPEED * (x[2] * x[2] + x[3] * x[3])
        + W_FORCE * (u[0] * u[0] + u[1] * u[1])
    )
    for i in range(OBSTACLES):
        away = math.sqrt((x[0] - x[6 + 2 * i]) ** 2 + (x[1] - x[7 + 2 * i]) ** 2)
        near = max(1.0 - away / REACH, 0.0)
        cost += W_NEAR * near * near
    return cost


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (12,), (2,) -> float"""
    return W_END * math.sqrt((x[0] - x[4]) ** 2 + (x[1] - x[5]) ** 2)


@njit(cache=True)
def constraint(x, out):
    """How far inside the touch of each obstacle, m. (12,) -> out (3,)"""
    for i in range(OBSTACLES):
        away = math.sqrt((x[0] - x[6 + 2 * i]) ** 2 + (x[1] - x[7 + 2 * i]) ** 2)
        out[i] = TOUCH - away
