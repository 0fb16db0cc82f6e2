"""`Drone`: a quadrotor flies to a goal in space and hovers there."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...symmetry.declaration import Symmetry
from ...symmetry.group import o2
from ...symmetry.part import Point3, Pseudovector, Quaternion, Scalar, Vector3
from ..limits import Ball, Interval, Limits
from ..task import Task

DT = 0.05  # control period, s
PHYSICS_DT = 0.01  # of the plant, and of the model's substeps, s
SUBSTEPS = 5
GRAVITY = 9.81  # m/s^2
HOVER = 0.5 * GRAVITY  # thrust that carries the drone, N
THRUST = 2.0 * HOVER  # at most, N
RATE = 6.0  # of the body, about any axis, at most, rad/s

# Cost weights: per metre, per (m/s)^2, per tilt (x^2 + y^2 of the quaternion: its half angle's sine
# squared), per (rad/s)^2, per N^2 from hovering, per (rad/s)^2 commanded, and per metre at the end.
W_DISTANCE, W_SPEED, W_TILT, W_RATE = 1.0, 0.1, 1.0, 0.005
W_THRUST, W_COMMAND, W_END = 0.005, 0.002, 5.0


class Drone(Task):
    """Fly a quadrotor of 0.5 kg to a goal and hover there, under gravity.

    State x (16,): position (m), velocity (m/s), attitude (quaternion w, x, y, z of the body in the
    world, w >= 0), body rates (rad/s, in the body's axes), goal (m). Action u (4,): thrust along
    the body's axis, 0 to 9.81 N; body rates commanded, at most 6 rad/s in all. A rate controller in
    the plant gives the torques, with time constants of 50 ms about x and y and 100 ms about z.

    Gravity leaves the rotations about the vertical and the mirrors at vertical planes: O(2), which
    is declared as D8, and shifts. An element moves the scene and names the body's axes anew by the
    element that four equal arms do not notice (`Quaternion`), so body rates are a `Pseudovector`.
    That holds for thrust and rates as actions. Thrusts of single rotors have less of it: a quarter
    turn puts rotors that spin one way where those are that spin the other way, and torque about
    the axis changes its sign; there only D2 would be left. The octahedral group is none here.

    **Success**: within 0.1 m of the goal, slower than 0.2 m/s, tilted by less than 10 degrees,
    turning slower than 0.5 rad/s, for 0.5 s on end, within 8 s.

    **Starts**: at rest, with any heading, tilted by up to 20 degrees in any direction; position and
    goal each in a disc of 1 m about the vertical axis, 0.5 to 1.5 m high; 0.7 m apart at least.

    Air does not drag, and there is no ground. Model and plant agree to rounding: the model makes
    the same semi-implicit substeps as MuJoCo.
    """

    name = "drone"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 8.0
    extent = 3.0
    hold = 0.5
    action_interface = "effort"
    state_names = (
        *("drone_x", "drone_y", "drone_z", "velocity_x", "velocity_y", "velocity_z"),
        *("attitude_w", "attitude_x", "attitude_y", "attitude_z", "rate_x", "rate_y", "rate_z"),
        *("goal_x", "goal_y", "goal_z"),
    )
    action_names = ("thrust", "rate_x", "rate_y", "rate_z")
    state_units = ("m",) * 3 + ("m/s",) * 3 + ("1",) * 4 + ("rad/s",) * 3 + ("m",) * 3
    action_units = ("N", "rad/s", "rad/s", "rad/s")
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "drone.xml")
    parameter_names = (
        "mass, kg",
        "moment of inertia about x and y, kg m^2",
        "moment of inertia about z, kg m^2",
        "gain of the rate controller about x and y, N m s/rad",
        "gain of the rate controller about z, N m s/rad",
    )
    position_tolerance, speed_tolerance = 0.1, 0.2
    """Largest distance from the goal and speed that are a success, m and m/s."""
    tilt_tolerance, rate_tolerance = math.radians(10.0), 0.5
    """Largest tilt and body rate that are a success, rad and rad/s."""

    def __init__(self) -> None:
        self.symmetry = Symmetry(
            o2(8),
            state={
                "position": Point3(),
                "velocity": Vector3(),
                "attitude": Quaternion(),
                "rates": Pseudovector(),
                "goal": Point3(),
            },
            action={"thrust": Scalar(), "rates": Pseudovector()},
        )
        limits = {"thrust": Interval(0.0, THRUST), "rates": Ball(RATE)}
        self.limits = Limits(limits, self.symmetry.slices("action"))
        self.parameters = np.array([0.5, 0.003, 0.005, 0.06, 0.05])
        self.kernels = sys.modules[__name__]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Those that say where it is; its attitude is no single number."""
        return ("drone_x", "drone_y", "drone_z")

    def safe_action(self) -> np.ndarray:
        """Thrust that carries it, and no turning. (4,)"""
        return np.array([HOVER, 0.0, 0.0, 0.0])

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether it hovers at the goal. (..., 16) -> (...) bool"""
        apart = np.sqrt(np.sum((x[..., 0:3] - x[..., 13:16]) ** 2, axis=-1))
        speed = np.sqrt(np.sum(x[..., 3:6] ** 2, axis=-1))
        half = np.sqrt(x[..., 7] ** 2 + x[..., 8] ** 2)  # sine of half the tilt
        rate = np.sqrt(np.sum(x[..., 10:13] ** 2, axis=-1))
        return (
            (apart <= self.position_tolerance)
            & (speed <= self.speed_tolerance)
            & (half <= math.sin(0.5 * self.tilt_tolerance))
            & (rate <= self.rate_tolerance)
        )

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (16,)"""
        x = np.zeros(16)
        while np.linalg.norm(x[0:3] - x[13:16]) < 0.7:
            for here in (slice(0, 3), slice(13, 16)):
                angle, radius = rng.uniform(-math.pi, math.pi), math.sqrt(rng.uniform())
                x[here] = radius * math.cos(angle), radius * math.sin(angle), rng.uniform(0.5, 1.5)
        heading, towards = rng.uniform(-math.pi, math.pi, 2)
        tilt = math.radians(rng.uniform(0.0, 20.0))
        c, s = math.cos(0.5 * heading), math.sin(0.5 * heading)
        a, b = math.sin(0.5 * tilt) * np.array([math.cos(towards), math.sin(towards)])
        w = math.cos(0.5 * tilt)
        x[6:10] = w * c, a * c - b * s, a * s + b * c, w * s  # heading after tilt
        return x

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities. (..., 16) -> (..., 7), (..., 6)"""
        x = np.asarray(x, float)
        qpos = np.concatenate([x[..., 0:3], x[..., 6:10]], axis=-1)
        return qpos, np.concatenate([x[..., 3:6], x[..., 10:13]], axis=-1)

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector, w >= 0. (..., 7), (..., 6), (..., 3) -> (..., 16)"""
        x = np.empty((*qpos.shape[:-1], 16))
        x[..., 0:3], x[..., 3:6] = qpos[..., 0:3], qvel[..., 0:3]
        x[..., 6:10] = qpos[..., 3:7] * np.where(qpos[..., 3:4] < 0.0, -1.0, 1.0)
        x[..., 10:13], x[..., 13:16] = qvel[..., 3:6], goal
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal (x, y), 1 m high; a pose of the plane has no height. (3,)"""
        return np.array([x, y, 1.0], float)

    def goal_marks(self, goal: np.ndarray) -> dict[str, tuple[tuple[float, ...], float]]:
        """The mark, as high as the goal."""
        return {"goal": (tuple(goal), 0.0)}

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The drone with its heading, and the goal."""
        w, a, b, c = x[6:10]
        heading = math.atan2(2.0 * (w * c + a * b), w * w + a * a - b * b - c * c)
        return {
            "drone": (float(x[0]), float(x[1]), heading),
            "goal": (float(x[13]), float(x[14]), 0.0),
        }


@njit(cache=True)
def step(x, u, p, out):
    """One control period of the model; `out` may be x. (16,), (4,), (5,) -> out (16,)

    Each substep is MuJoCo's: accelerations from where it is, then velocities, then positions, the
    attitude turned by the body rates about a fixed axis.
    """
    px, py, pz, vx, vy, vz = x[0], x[1], x[2], x[3], x[4], x[5]
    qw, qx, qy, qz, wx, wy, wz = x[6], x[7], x[8], x[9], x[10], x[11], x[12]
    lift, twist = u[0] / p[0], (p[1] - p[2]) / p[1]
    across, along = p[3] / p[1], p[4] / p[2]
    for _ in range(SUBSTEPS):
        vx += PHYSICS_DT * lift * 2.0 * (qx * qz + qw * qy)
        vy += PHYSICS_DT * lift * 2.0 * (qy * qz - qw * qx)
        vz += PHYSICS_DT * (lift * (qw * qw - qx * qx - qy * qy + qz * qz) - GRAVITY)
        ax = across * (u[1] - wx) + twist * wy * wz
        ay = across * (u[2] - wy) - twist * wz * wx
        az = along * (u[3] - wz)
        wx, wy, wz = wx + PHYSICS_DT * ax, wy + PHYSICS_DT * ay, wz + PHYSICS_DT * az
        px, py, pz = px + PHYSICS_DT * vx, py + PHYSICS_DT * vy, pz + PHYSICS_DT * vz
        speed = math.sqrt(wx * wx + wy * wy + wz * wz)
        half = 0.5 * PHYSICS_DT * speed
        share = math.sin(half) / max(speed, 1e-15)
        c, a, b, d = math.cos(half), share * wx, share * wy, share * wz
        rw = qw * c - qx * a - qy * b - qz * d
        rx = qw * a + qx * c + qy * d - qz * b
        ry = qw * b - qx * d + qy * c + qz * a
        rz = qw * d + qx * b - qy * a + qz * c
        qw, qx, qy, qz = rw, rx, ry, rz
    side = -1.0 if qw < 0.0 else 1.0
    out[0], out[1], out[2], out[3], out[4], out[5] = px, py, pz, vx, vy, vz
    out[6], out[7], out[8], out[9] = side * qw, side * qx, side * qy, side * qz
    out[10], out[11], out[12] = wx, wy, wz
    out[13], out[14], out[15] = x[13], x[14], x[15]


@njit(cache=True)
def distance(x):
    """From the goal, m."""
    dx, dy, dz = x[0] - x[13], x[1] - x[14], x[2] - x[15]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@njit(cache=True)
def unrest(x):
    """What speed, tilt and turning cost."""
    return (
        W_SPEED * (x[3] * x[3] + x[4] * x[4] + x[5] * x[5])
        + W_TILT * (x[7] * x[7] + x[8] * x[8])
        + W_RATE * (x[10] * x[10] + x[11] * x[11] + x[12] * x[12])
    )


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (16,), (4,), (5,) -> float"""
    more = u[0] - HOVER
    turning = u[1] * u[1] + u[2] * u[2] + u[3] * u[3]
    return W_DISTANCE * distance(x) + unrest(x) + W_THRUST * more * more + W_COMMAND * turning


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (16,), (5,) -> float"""
    return W_END * (distance(x) + unrest(x))
