"""`CartPole`: a cart swings a hanging pole up and balances it over a goal on its rail."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...symmetry.declaration import Symmetry, wrap
from ...symmetry.group import reflection
from ...symmetry.part import Angle, Pseudoscalar
from ..limits import Interval, Limits
from ..task import Task

DT = 0.04  # control period, s
PHYSICS_DT = 0.005  # of the plant, and of the model's substeps, s
SUBSTEPS = 8
GRAVITY = 9.81  # m/s^2
MIDDLE = 0.25  # from the hinge to the pole's middle, m
RAIL = 1.0  # half length of the rail, m
FORCE = 8.0  # at most, N

# Cost weights: per 1 - cos of the tilt, per m^2 from the goal, per (m/s)^2, (rad/s)^2 and N^2, per
# m^2 beyond the rail's ends; and how much more the last state counts.
W_TILT, W_DISTANCE, W_SPEED, W_RATE, W_FORCE, W_RAIL = 1.0, 1.0, 0.05, 0.01, 0.001, 50.0
W_END = 5.0


class CartPole(Task):
    """Swing up a hanging pole with forces on its cart, and balance it over a goal.

    State x (5,): cart (m along the rail), tilt of the pole (rad; 0 is up, above zero leans ahead),
    their rates, goal of the cart (m). Action u (1,): force on the cart, N, within +-8. The pole is
    a uniform rod of 0.5 m and 0.2 kg, the cart has 1 kg.

    The mirror along the rail changes the sign of everything: a group of two, `reflection`.

    **Success**: tilt within 0.1 rad, cart within 50 mm of the goal, slower than 0.1 m/s and
    0.5 rad/s, for 0.5 s on end, within 8 s.

    **Starts**: at rest; the pole within 0.3 rad of hanging; cart and goal within 0.4 m of the
    rail's middle, all uniform.

    The rail is endless in the physics; what lies more than 1 m from its middle costs. Model and
    plant agree to rounding: the model makes the same semi-implicit substeps as MuJoCo.
    """

    name = "cart_pole"
    dt = DT
    physics_dt = PHYSICS_DT
    time_limit = 8.0
    extent = 2.4
    hold = 0.5
    action_interface = "effort"
    state_names = ("cart", "pole", "cart_velocity", "pole_rate", "goal")
    action_names = ("cart",)
    state_units = ("m", "rad", "m/s", "rad/s", "m")
    action_units = ("N",)
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "cart_pole.xml")
    parameter_names = (
        "mass of the cart, kg",
        "mass of the pole, kg",
        "damping of the cart, N s/m",
        "damping of the hinge, N m s/rad",
    )
    tilt_tolerance = 0.1
    """Largest tilt that is a success, rad."""
    position_tolerance = 0.05
    """Largest distance of the cart from the goal that is a success, m."""
    speed_tolerance, rate_tolerance = 0.1, 0.5
    """Largest speed of the cart and rate of the pole that are a success, m/s and rad/s."""

    def __init__(self) -> None:
        self.symmetry = Symmetry(
            reflection(),
            state={
                "cart": Pseudoscalar(),
                "pole": Angle(),
                "rates": Pseudoscalar(2),
                "goal": Pseudoscalar(),
            },
            action={"force": Pseudoscalar()},
        )
        self.limits = Limits({"force": Interval(-FORCE, FORCE)}, self.symmetry.slices("action"))
        self.parameters = np.array([1.0, 0.2, 0.1, 0.002])
        self.kernels = sys.modules[__name__]

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The rail's and the hinge; the hinge has no motor."""
        return ("cart", "pole")

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the pole stands still over the goal. (..., 5) -> (...) bool"""
        return (
            (np.abs(x[..., 1]) <= self.tilt_tolerance)
            & (np.abs(x[..., 0] - x[..., 4]) <= self.position_tolerance)
            & (np.abs(x[..., 2]) <= self.speed_tolerance)
            & (np.abs(x[..., 3]) <= self.rate_tolerance)
        )

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distribution in the class's docstring. (5,)"""
        cart, goal = rng.uniform(-0.4, 0.4, 2)
        return np.array([cart, float(wrap(math.pi + rng.uniform(-0.3, 0.3))), 0.0, 0.0, goal])

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joint positions and velocities. (..., 5) -> (..., 2), (..., 2)"""
        x = np.asarray(x, float)
        return x[..., 0:2].copy(), x[..., 2:4].copy()

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """The state vector, the tilt wrapped. (..., 2), (..., 2), (..., 1) -> (..., 5)"""
        x = np.empty((*qpos.shape[:-1], 5))
        x[..., 0], x[..., 1] = qpos[..., 0], wrap(qpos[..., 1])
        x[..., 2:4], x[..., 4:5] = qvel, goal
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part: x is along the rail, there is no more. (1,)"""
        return np.array([x], float)

    def goal_marks(self, goal: np.ndarray) -> dict[str, tuple[tuple[float, ...], float]]:
        """The mark on the rail."""
        return {"goal": ((float(goal[0]), 0.0), 0.0)}

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """The cart, what lies below or above it of the pole's tip, and the goal."""
        tip = float(x[0] + 2.0 * MIDDLE * math.sin(x[1]))
        return {
            "cart": (float(x[0]), 0.0, 0.0),
            "tip": (tip, 0.0, 0.0),
            "goal": (float(x[4]), 0.0, 0.0),
        }


@njit(cache=True)
def wrapped(angle):
    """The angle brought to [-pi, pi); one that is there already is not touched."""
    if -math.pi <= angle < math.pi:
        return angle
    turned = angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))
    return turned if -math.pi <= turned < math.pi else -math.pi  # rounded over the edge


@njit(cache=True)
def advanced(c, q, v, w, force, p):
    """Cart, tilt and their rates after one control period, in substeps as MuJoCo makes them.

    (M + h D) a = u - C - D w, then w += h a, then q += h w, with D the damping and C the pole's
    weight and centrifugal force.
    """
    arm = p[1] * MIDDLE
    outer = p[1] * MIDDLE * MIDDLE / 3.0 + arm * MIDDLE
    m11 = p[0] + p[1] + PHYSICS_DT * p[2]
    m22 = outer + PHYSICS_DT * p[3]
    for _ in range(SUBSTEPS):
        sin = math.sin(q)
        m12 = arm * math.cos(q)
        r1 = force + arm * sin * w * w - p[2] * v
        r2 = arm * GRAVITY * sin - p[3] * w
        determinant = m11 * m22 - m12 * m12
        v += PHYSICS_DT * (m22 * r1 - m12 * r2) / determinant
        w += PHYSICS_DT * (m11 * r2 - m12 * r1) / determinant
        c += PHYSICS_DT * v
        q += PHYSICS_DT * w
    return c, q, v, w


@njit(cache=True)
def step(x, u, p, out):
    """One control period of the model; `out` may be x. (5,), (1,), (4,) -> out (5,)"""
    c, q, v, w = advanced(x[0], x[1], x[2], x[3], u[0], p)
    out[0], out[1], out[2], out[3], out[4] = c, wrapped(q), v, w, x[4]


@njit(cache=True)
def state_cost(c, q, v, w, goal):
    """What a state costs: tilt, distance, speeds, and being off the rail."""
    off = max(abs(c) - RAIL, 0.0)
    return (
        W_TILT * (1.0 - math.cos(q))
        + W_DISTANCE * (c - goal) * (c - goal)
        + W_SPEED * v * v
        + W_RATE * w * w
        + W_RAIL * off * off
    )


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (5,), (1,), (4,) -> float"""
    return state_cost(x[0], x[1], x[2], x[3], x[4]) + W_FORCE * u[0] * u[0]


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (5,), (4,) -> float"""
    return W_END * state_cost(x[0], x[1], x[2], x[3], x[4])
