"""`PointMasses`: several balls fly past each other to their goals in space, without gravity."""

from __future__ import annotations

import difflib
import math
import sys

import numpy as np
from numba import njit

from ...nodes.parameters import ParameterError
from ...symmetry.declaration import Symmetry
from ...symmetry.group import o3, octahedral, so3, tetrahedral
from ...symmetry.part import Point3, Vector3
from ..limits import Ball, Box, Limits
from ..task import Task

DT = 0.05  # control period, s
PHYSICS_DT = 0.005  # of the plant, and of the model's substeps, s
SUBSTEPS = 10
FORCE = 2.0  # at most: in each coordinate under the cube's groups, else in any direction, N
RADIUS, MARK = 0.04, 0.03  # of a ball, and of what marks its goal, m
CLEAR = 0.2  # nearer than this, centre to centre, costs, m
APART = 0.25  # least distance of two starts, and of two goals, m
RING = 0.3  # radius of the goals that a pose asks for, m
MOST = 6
GROUPS = {
    **{"T": tetrahedral, "O": octahedral, "Oh": lambda: octahedral(full=True)},
    **{"I": so3, "Ih": o3},  # of which they are the largest finite ones
}

# Cost weights, of a ball: per metre, per (m/s)^2, per N^2, per metre at the end; and of a pair at
# one place.
W_DISTANCE, W_SPEED, W_FORCE, W_END, W_NEAR = 1.0, 0.05, 0.002, 5.0, 20.0


class PointMasses(Task):
    """Drive balls of 1 kg with linear friction to their goals in space, clear of each other.

    State x (9 N,): position of each of N balls (m), velocity of each (m/s), goal of each (m).
    Action u (3 N,): force on each, N. There is no gravity, so all of O(3) about the origin is a
    symmetry, of which the group of a solid is declared.

    **Success**: all balls within 30 mm of their goals and slower than 0.1 m/s, for 0.5 s on end,
    within 8 s.

    **Starts**: at rest, 0.4 to 0.6 m from the origin in any direction; each goal 0.4 to 0.6 m from
    the origin, within 30 degrees of the direction opposite to its ball's start, so that all ways
    lead through the middle; starts 0.25 m from each other at least, and goals.

    Two balls nearer than 0.2 m cost, up to 20 a period in one place; they do not touch. Model and
    plant agree to rounding: the model makes the same semi-implicit substeps as MuJoCo.

    Args:
        balls: N, 1 to 6.
        group: Which group is declared: T, O, Oh, I or Ih. Under T, O and Oh, whose matrices are
            signed permutations, each coordinate of a force is within +-2 N (a box); under I and Ih
            the force is at most 2 N in any direction (a ball), since no box is symmetric there.
    """

    name = "point_masses"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 8.0
    extent = 1.6
    hold = 0.5
    action_interface = "effort"
    goal = "goals"
    continuous = "{group: Ih}"
    parameter_names = ("mass, kg", "linear friction, N s/m")
    position_tolerance = 0.03
    """Largest distance from its goal at which a ball is there, m."""
    speed_tolerance = 0.1
    """Largest speed at which it is, m/s."""

    def __init__(self, balls: int = 3, group: str = "Oh") -> None:
        if type(balls) is not int or not 1 <= balls <= MOST:
            raise ParameterError(f"balls: {balls!r} is no number from 1 to {MOST}", "task_options")
        if group not in GROUPS:
            near = difflib.get_close_matches(str(group), GROUPS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            said = f"group: {group!r} is none of {', '.join(GROUPS)}{hint}"
            raise ParameterError(said, "task_options")
        self.balls = balls
        self.names = tuple(f"ball_{i}" for i in range(balls))
        moved = ("ball", "velocity", "goal")
        self.state_names = tuple(f"{w}_{i}_{a}" for w in moved for i in range(balls) for a in "xyz")
        self.action_names = self.state_names[: 3 * balls]
        self.state_units = ("m",) * (3 * balls) + ("m/s",) * (3 * balls) + ("m",) * (3 * balls)
        self.action_units = ("N",) * (3 * balls)
        points = Point3(balls)
        self.symmetry = Symmetry(
            GROUPS[group](),
            state={"positions": points, "velocities": Vector3(balls), "goals": points},
            action={f"force_{i}": Vector3() for i in range(balls)},
        )
        limit = Ball(FORCE) if group in ("I", "Ih") else Box((-FORCE,) * 3, (FORCE,) * 3)
        slices = self.symmetry.slices("action")
        self.limits = Limits(dict.fromkeys(slices, limit), slices)
        self.parameters = np.array([1.0, 0.5])
        self.kernels = sys.modules[__name__]

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions, velocities and goals, ball by ball. (..., 9 N) -> three of (..., N, 3)"""
        shape = (*x.shape[:-1], 3, self.balls, 3)
        return tuple(np.moveaxis(np.reshape(x, shape), -3, 0))  # type: ignore[return-value]

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether every ball rests at its goal. (..., 9 N) -> (...) bool"""
        position, velocity, goal = self.split(x)
        apart = np.sqrt(np.sum((position - goal) ** 2, axis=-1))
        speed = np.sqrt(np.sum(velocity**2, axis=-1))
        there = (apart <= self.position_tolerance) & (speed <= self.speed_tolerance)
        return there.all(axis=-1)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (9 N,)"""
        while True:
            ways = rng.normal(size=(self.balls, 3))
            ways /= np.linalg.norm(ways, axis=1, keepdims=True)
            back = np.stack([_within(-way, math.pi / 6, rng) for way in ways])
            start, goal = rng.uniform(0.4, 0.6, (2, self.balls, 1)) * [ways, back]
            if min(_closest(start), _closest(goal)) >= APART:
                return np.concatenate([start.ravel(), np.zeros(3 * self.balls), goal.ravel()])

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities. (..., 9 N) -> (..., 3 N), (..., 3 N)"""
        x, n = np.asarray(x, float), 3 * self.balls
        return x[..., :n].copy(), x[..., n : 2 * n].copy()

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector. (..., 3 N), (..., 3 N), (..., 3 N) -> (..., 9 N)"""
        return np.concatenate([qpos, qvel, np.broadcast_to(goal, qpos.shape)], axis=-1)

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """Goals on a level ring of 0.3 m about (x, y, 0), the first one at yaw. (3 N,)"""
        angle = yaw + 2.0 * math.pi * np.arange(self.balls) / self.balls
        goals = [x + RING * np.cos(angle), y + RING * np.sin(angle), np.zeros(self.balls)]
        return np.stack(goals, axis=1).ravel()

    def goal_marks(self, goal: np.ndarray) -> dict[str, tuple[tuple[float, ...], float]]:
        """One mark for each ball's goal."""
        return {f"goal_{i}": (tuple(p), 0.0) for i, p in enumerate(np.reshape(goal, (-1, 3)))}

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The balls and their goals."""
        position, _, goal = self.split(x)
        found = {
            n: (float(p[0]), float(p[1]), 0.0) for n, p in zip(self.names, position, strict=True)
        }
        found |= {f"goal_{i}": (float(p[0]), float(p[1]), 0.0) for i, p in enumerate(goal)}
        return found

    def model_text(self) -> str:
        """Its MuJoCo model: balls on three slides each, and their goals."""
        bodies, motors = [], []
        for i, name in enumerate(self.names):
            colour = COLOURS[i]
            joints = "".join(
                f'<joint name="{name}_{axis}" type="slide" axis="{way}" damping="0.5"/>'
                for axis, way in zip("xyz", ("1 0 0", "0 1 0", "0 0 1"), strict=True)
            )
            ball = f'<geom name="{name}" type="sphere" size="{RADIUS}" mass="1" rgba="{colour} 1"/>'
            mark = f'<geom name="goal_{i}" type="sphere" size="{MARK}" rgba="{colour} 0.35"/>'
            bodies.append(f'<body name="goal_{i}" mocap="true">{mark}</body>')
            bodies.append(f'<body name="{name}">{joints}{ball}</body>')
            motors += [f'<motor name="{name}_{a}" joint="{name}_{a}"/>' for a in "xyz"]
        body, motor = "\n    ".join(bodies), "\n    ".join(motors)
        return SCENE.format(timestep=PHYSICS_DT, bodies=body, motors=motor)


COLOURS = ("0.2 0.32 0.55", "0.75 0.25 0.2", "0.8 0.55 0.28")
COLOURS += ("0.35 0.5 0.3", "0.5 0.3 0.55", "0.3 0.55 0.6")
SCENE = """<!-- Balls in space, each on three force-driven slides; their cost keeps them apart. -->
<mujoco model="point_masses">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{timestep}" integrator="Euler" gravity="0 0 0"/>
  <visual>
    <headlight ambient="0.5 0.5 0.5" diffuse="0.5 0.5 0.5" specular="0 0 0"/>
    <quality shadowsize="0"/>
    <map znear="0.02" zfar="20"/>
  </visual>
  <default>
    <geom contype="0" conaffinity="0"/>
  </default>
  <worldbody>
    <camera name="top" pos="0 0 2.4" xyaxes="1 0 0 0 1 0" fovy="45"/>
    <geom name="floor" type="plane" size="2 2 0.1" pos="0 0 -0.8" rgba="0.86 0.85 0.82 1"/>
    {bodies}
  </worldbody>
  <actuator>
    {motors}
  </actuator>
</mujoco>
"""


def _within(way: np.ndarray, angle: float, rng: np.random.Generator) -> np.ndarray:
    """A direction within an angle of another one, uniform on the sphere's cap. (3,) -> (3,)"""
    cosine = rng.uniform(math.cos(angle), 1.0)
    across = np.cross(way, rng.normal(size=3))
    return cosine * way + math.sqrt(1.0 - cosine * cosine) * across / np.linalg.norm(across)


def _closest(points: np.ndarray) -> float:
    """Distance of the two nearest of some points; infinite if there is one. (N, 3)"""
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    return float((apart + np.diag(np.full(len(points), np.inf))).min())


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
    """One control period of the model; `out` may be x. (9 N,), (3 N,), (2,) -> out (9 N,)"""
    a, b, c, d = coefficients(p)
    n = x.shape[0] // 3
    for i in range(n):
        v, f = x[n + i], u[i]
        out[i] = x[i] + c * v + d * f
        out[n + i] = a * v + b * f
        out[2 * n + i] = x[2 * n + i]


@njit(cache=True)
def distances(x):
    """How far all balls are from their goals, together, m. (9 N,)"""
    n, total = x.shape[0] // 3, 0.0
    for i in range(0, n, 3):
        dx, dy, dz = x[i] - x[2 * n + i], x[i + 1] - x[2 * n + i + 1], x[i + 2] - x[2 * n + i + 2]
        total += math.sqrt(dx * dx + dy * dy + dz * dz)
    return total


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (9 N,), (3 N,), (2,) -> float"""
    n, cost = x.shape[0] // 3, W_DISTANCE * distances(x)
    for i in range(n):
        cost += W_SPEED * x[n + i] * x[n + i] + W_FORCE * u[i] * u[i]
    for i in range(3, n, 3):
        for j in range(0, i, 3):
            dx, dy, dz = x[i] - x[j], x[i + 1] - x[j + 1], x[i + 2] - x[j + 2]
            near = 1.0 - math.sqrt(dx * dx + dy * dy + dz * dz) / CLEAR
            if near > 0.0:
                cost += W_NEAR * near * near
    return cost


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (9 N,), (2,) -> float"""
    return W_END * distances(x)
