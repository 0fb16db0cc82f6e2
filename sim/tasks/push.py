"""`Push`: a round pusher drives a box over a table to a goal pose."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from numba import njit

from ...symmetry.declaration import Symmetry, wrap
from ...symmetry.group import o2
from ...symmetry.part import Pose, Position, Vector
from ..limits import Ball, Limits
from ..starts import around, checked
from ..task import Task

# Geometry of the plant, m. The model's own geometry is a parameter; costs and starts use these.
HALF_X, HALF_Y, RADIUS = 0.08, 0.05, 0.02
# Root of the mean squared distance of the box's corners from its centre, m.
CORNER = math.hypot(HALF_X, HALF_Y)
# Greatest moment over greatest force of a box on its four corners, m. Their limit surface
# is no ellipsoid; this is the one nearest to it (least squares over the directions of motion).
TURNING = 0.905 * CORNER
HEIGHT = 0.023926667906002792  # of the box's centre where its four contacts carry it, m
SPEED = 0.25  # of the pusher at most, m/s
DT = 0.05  # control period, s
PARTS = 2  # substeps of the model in one period: at most 6.3 mm of travel each

# Where everything is in demonstrated starts, x, y, yaw: the goal at the origin, not turned.
BOX, PUSHER = np.array([-0.20, 0.0, 0.0]), np.array([-0.33, -0.12, 0.0])

# Cost per metre: of pose error, of gap between pusher and box, of pose error at the end.
W_POSE, W_NEAR, W_END = 1.0, 0.2, 5.0


class Push(Task):
    """Push a box to a goal pose with a round pusher whose velocity is commanded.

    State x (8,): pusher x, y (m); box x, y (m), yaw (rad); goal x, y (m), yaw (rad).
    Action u (2,): velocity of the pusher, m/s, |u| <= 0.25.
    Box 160 x 100 mm, pusher 40 mm in diameter.

    **Success**: box within 20 mm and 10 degrees of the goal for 0.5 s on end, within 20 s.

    **Starts**: goal position uniform in a disc of radius 0.10 m about the origin; box 0.15 to
    0.30 m from it, distance and direction uniform; both yaws uniform over the whole circle; pusher
    uniform in a disc of radius 0.40 m about the origin, at least 10 mm clear of the box. Table,
    limits and starts are isotropic, so the symmetry is all of O(2) about the origin; it is
    declared as D8 (`o2(8)`), 8 rotations with their mirrors.
    ``starts="demonstrated"``: goal at the origin with yaw 0; box within 40 mm and 0.3 rad of
    (-0.20, 0) m, yaw 0; pusher within 40 mm of (-0.33, -0.12) m. ``starts="widened"``: the same
    goal; box within 120 mm and 0.9 rad of that place; pusher as in the task's own starts. In all
    the pusher is 10 mm clear of the box. No group moves these into themselves but {1, mirror}.

    **Plant**: MuJoCo contact physics (`models/push.xml`): 0.5 kg box, friction 0.5 on the table and
    0.3 on the pusher. **Model** (`kernels`): the quasi-static one of Lynch, Maekawa and Tanie,
    "Manipulation and active sensing by pushing using tactile feedback", IROS 1992: an ellipsoidal
    limit surface, sticking or sliding contact. It knows no inertia, and by default its pusher
    friction is 0.24, 20 % below the plant's.

    **Cost**: the root mean square distance of the box's corners from where they belong,
    ``sqrt(d^2 + 2 r^2 (1 - cos(yaw error)))``, and the gap between pusher and box.

    Args:
        starts: ``own``, ``demonstrated`` or ``widened``.

    Raises:
        ValueError: No such starts.
    """

    name = "push"
    dt = DT
    physics_dt = 0.005
    time_limit = 20.0
    extent = 1.0
    hold = 0.5
    action_interface = "velocity"
    state_names = (
        "pusher_x",
        "pusher_y",
        "box_x",
        "box_y",
        "box_yaw",
        "goal_x",
        "goal_y",
        "goal_yaw",
    )
    action_names = ("pusher_x", "pusher_y")
    state_units = ("m", "m", "m", "m", "rad", "m", "m", "rad")
    action_units = ("m/s", "m/s")
    goal = "goal"
    mjcf = str(Path(__file__).resolve().parents[1] / "models" / "push.xml")
    position_tolerance = 0.020
    """Largest distance of the box from the goal that is a success, m."""
    yaw_tolerance = math.radians(10.0)
    """Largest difference in yaw that is a success, rad."""
    parameter_names = (
        "friction between pusher and box",
        "greatest moment over greatest force of the box on the table, m",
        "half length of the box along its x, m",
        "half length of the box along its y, m",
        "radius of the pusher, m",
    )

    def __init__(self, starts: str = "own") -> None:
        self.starts = checked(starts)
        self.symmetry = Symmetry(
            o2(8),
            state={"pusher": Position(), "box": Pose(), "goal": Pose()},
            action={"pusher": Vector(1)},
        )
        self.limits = Limits({"pusher": Ball(SPEED)}, self.symmetry.slices("action"))
        self.parameters = np.array([0.8 * 0.3, TURNING, HALF_X, HALF_Y, RADIUS])
        self.kernels = sys.modules[__name__]

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether the box is within 20 mm and 10 degrees of the goal. (..., 8) -> (...) bool."""
        apart = np.hypot(x[..., 2] - x[..., 5], x[..., 3] - x[..., 6])
        turned = np.abs(wrap(x[..., 4] - x[..., 7]))
        return (apart <= self.position_tolerance) & (turned <= self.yaw_tolerance)

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start from the distributions in the class's docstring. (8,)."""
        x = np.zeros(8)
        if self.starts == "own":
            x[5:7] = _in_disc(rng, 0.10)
            direction = rng.uniform(-math.pi, math.pi)
            x[2:4] = x[5:7] + rng.uniform(0.15, 0.30) * np.array(
                [math.cos(direction), math.sin(direction)]
            )
            x[4], x[7] = rng.uniform(-math.pi, math.pi, 2)
        else:
            x[2:5] = around(rng, BOX, self.starts)
        x[0:2] = self._pusher(rng)
        while gap(*(x[0:2] - x[2:4]), math.cos(x[4]), math.sin(x[4])) < 0.010:
            x[0:2] = self._pusher(rng)
        return x

    def _pusher(self, rng: np.random.Generator) -> np.ndarray:
        """Where the pusher may start, if it is clear of the box there. (2,)"""
        if self.starts == "demonstrated":
            return around(rng, PUSHER, self.starts)[:2]
        return _in_disc(rng, 0.40)

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The box flat on the table, everything at rest. (..., 8) -> (..., 9), (..., 8)."""
        x = np.asarray(x, float)
        qpos = np.zeros((*x.shape[:-1], 9))
        qpos[..., 0:4] = x[..., 0:4]
        qpos[..., 4] = HEIGHT
        qpos[..., 5] = np.cos(0.5 * x[..., 4])
        qpos[..., 8] = np.sin(0.5 * x[..., 4])
        return qpos, np.zeros((*x.shape[:-1], 8))

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """Positions seen from above; velocities are no part of the state. -> (..., 8)."""
        w, i, j, k = (qpos[..., n] for n in range(5, 9))
        x = np.empty((*qpos.shape[:-1], 8))
        x[..., 0:4] = qpos[..., 0:4]
        x[..., 4] = wrap(np.arctan2(2.0 * (w * k + i * j), w * w + i * i - j * j - k * k))
        x[..., 5:8] = goal
        return x

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part (x, y, yaw), its yaw wrapped. (3,)."""
        return np.array([x, y, wrap(np.float64(yaw))])


def _in_disc(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A point uniform in a disc about the origin. (2,)."""
    direction = rng.uniform(-math.pi, math.pi)
    return radius * math.sqrt(rng.uniform()) * np.array([math.cos(direction), math.sin(direction)])


# The quasi-static model. All contact geometry is worked out in the box's own frame, where a turn of
# the world changes nothing and a mirror changes the sign of y: no branch looks along a world axis.


@njit(cache=True)
def wrapped(angle):
    """The angle brought to [-pi, pi)."""
    return angle - 2.0 * math.pi * math.floor((angle + math.pi) / (2.0 * math.pi))


@njit(cache=True)
def clipped(value, most):
    """The value brought to [-most, most]."""
    return max(-most, min(most, value))


@njit(cache=True)
def gap(dx, dy, cos, sin):
    """Free distance between the pusher's rim and the box, m; below zero where they overlap.

    Args:
        dx: Pusher minus box, along the world's x, m.
        dy: The same along y, m.
        cos: Cosine of the box's yaw.
        sin: Its sine.
    """
    ax = abs(cos * dx + sin * dy) - HALF_X
    ay = abs(cos * dy - sin * dx) - HALF_Y
    outside_x, outside_y = max(ax, 0.0), max(ay, 0.0)
    return math.sqrt(outside_x**2 + outside_y**2) + min(max(ax, ay), 0.0) - RADIUS


@njit(cache=True)
def pose_error(dx, dy, cos):
    """Root mean square distance of the box's corners from where the goal has them, m.

    Args:
        dx: Box minus goal, along the world's x, m.
        dy: The same along y, m.
        cos: Cosine of the difference in yaw.
    """
    return math.sqrt(dx * dx + dy * dy + 2.0 * CORNER**2 * max(1.0 - cos, 0.0))


@njit(cache=True)
def moved_box(lx, ly, dx, dy, p):
    """How the box moves, in its own frame, while the pusher ends at l having moved by d.

    The push is that part of d in which the disc would have entered the box: its normal part is
    the depth l has in the box, so no penetration is left to grow.

    Returns:
        Displacement of the box (m, m) and its turn (rad); zeros when the disc is clear.
    """
    friction, ratio, half_x, half_y, radius = p[0], p[1], p[2], p[3], p[4]
    rx, ry = clipped(lx, half_x), clipped(ly, half_y)  # the point of contact
    ex, ey = lx - rx, ly - ry
    away = math.sqrt(ex * ex + ey * ey)
    if away >= radius:
        return 0.0, 0.0, 0.0
    if away > 0.0:
        depth = radius - away
        inverse = -1.0 / away
        nx, ny = ex * inverse, ey * inverse  # into the box
    elif half_x - abs(lx) < half_y - abs(ly):  # centre inside the box: out by the nearest face
        rx = math.copysign(half_x, lx)
        depth = radius + half_x - abs(lx)
        nx, ny = -math.copysign(1.0, lx), 0.0
    else:
        ry = math.copysign(half_y, ly)
        depth = radius + half_y - abs(ly)
        nx, ny = 0.0, -math.copysign(1.0, ly)
    into = nx * dx + ny * dy
    if into > depth:  # contact began on the way
        share = depth / into
        dx, dy = dx * share, dy * share
    else:  # what earlier substeps left is cleared along the normal
        dx, dy = dx + nx * (depth - into), dy + ny * (depth - into)
    # Limit surface |f|^2 + (m / ratio)^2 = 1: the box moves along its normal (f, m / ratio^2).
    # With the moment m = s.f, s = (-ry, rx), the point of contact moves by (I + s s' / ratio^2) f.
    sx, sy = -ry, rx
    per_square = 1.0 / (ratio * ratio)
    lever = (sx * dx + sy * dy) / (ratio * ratio + sx * sx + sy * sy)
    fx, fy = dx - sx * lever, dy - sy * lever  # the force that makes the contact stick
    normal = fx * nx + fy * ny
    tangent = fy * nx - fx * ny
    if abs(tangent) > friction * normal:  # it slides: the force stays on the friction cone's edge
        edge = math.copysign(friction, tangent)
        fx, fy = nx - edge * ny, ny + edge * nx
        turn = (sx * fx + sy * fy) * per_square
        scale = depth / (1.0 + (sx * nx + sy * ny) * turn)
        fx, fy = fx * scale, fy * scale
    return fx, fy, (sx * fx + sy * fy) * per_square


@njit(cache=True)
def turned(cos, sin, turn):
    """Cosine and sine of an angle turned further: a series, exact to 1e-15, for small turns."""
    if abs(turn) < 0.05:
        t = turn * turn
        c = 1.0 - t * (0.5 - t * (1.0 / 24.0 - t * (1.0 / 720.0 - t / 40320.0)))
        s = turn * (1.0 - t * (1.0 / 6.0 - t * (1.0 / 120.0 - t / 5040.0)))
    else:
        c, s = math.cos(turn), math.sin(turn)
    return cos * c - sin * s, sin * c + cos * s


@njit(cache=True)
def advanced(px, py, bx, by, yaw, ux, uy, p):
    """Pusher and box after one control period."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    dx, dy = ux * (DT / PARTS), uy * (DT / PARTS)
    reach = math.sqrt(p[2] * p[2] + p[3] * p[3]) + p[4] + PARTS * math.sqrt(dx * dx + dy * dy)
    if (px - bx) ** 2 + (py - by) ** 2 > reach * reach:  # too far to meet the box in this period
        return px + PARTS * dx, py + PARTS * dy, bx, by, yaw
    for _ in range(PARTS):
        px, py = px + dx, py + dy
        lx, ly = cos * (px - bx) + sin * (py - by), cos * (py - by) - sin * (px - bx)
        mx, my, turn = moved_box(lx, ly, cos * dx + sin * dy, cos * dy - sin * dx, p)
        if mx != 0.0 or my != 0.0:
            bx, by, yaw = bx + cos * mx - sin * my, by + sin * mx + cos * my, yaw + turn
            cos, sin = turned(cos, sin, turn)
    return px, py, bx, by, yaw


@njit(cache=True)
def step(x, u, p, out):
    """One control period of the model; `out` may be x. (8,), (2,), (5,) -> out (8,)."""
    px, py, bx, by, yaw = advanced(x[0], x[1], x[2], x[3], x[4], u[0], u[1], p)
    out[0], out[1], out[2], out[3], out[4] = px, py, bx, by, wrapped(yaw)
    out[5], out[6], out[7] = x[5], x[6], x[7]


@njit(cache=True)
def running_cost(x, u, p):
    """Cost of arriving in x by u. (8,), (2,), (5,) -> float."""
    cos, sin = math.cos(x[4]), math.sin(x[4])
    together = cos * math.cos(x[7]) + sin * math.sin(x[7])  # cosine of the difference in yaw
    error = pose_error(x[2] - x[5], x[3] - x[6], together)
    return W_POSE * error + W_NEAR * max(gap(x[0] - x[2], x[1] - x[3], cos, sin), 0.0)


@njit(cache=True)
def terminal_cost(x, p):
    """Cost of ending in x. (8,), (5,) -> float."""
    together = math.cos(x[4]) * math.cos(x[7]) + math.sin(x[4]) * math.sin(x[7])
    return W_END * pose_error(x[2] - x[5], x[3] - x[6], together)
