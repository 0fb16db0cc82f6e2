"""The analytic model of `drawer_open`: a drawer with a handle, and what it costs; see `contact`."""

from __future__ import annotations

import math

from numba import njit

from ...robots.gripper import TOOL_HEIGHT
from ...tasks.drawer_open import HEIGHT, LENGTH, OUT
from ..contact import (
    GRAZE,
    PRESSED,
    SLACK,
    THICK,
    carried,
    finger,
    reaches,
    seen,
    squeezed,
    thing_of,
)
from ..gripper_motion import (
    JOINTS,
    LOWEST,
    PARTS,
    commanded,
    ended,
    gripper_of,
    joint,
    kept_off,
    motion,
    tilted,
)
from ..things import BAR, CABINET, DRAWER_TRAVEL, HANDLE_HEIGHT, HANDLE_X


@njit
def step(x, u, p, out):
    """One control period of the model. (11,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, o, slide = gripper_of(x), thing_of(x, 5), x[10]
    ax, ay = math.cos(o[2]), math.sin(o[2])  # the way that the drawer comes out
    way = motion(x, u, first)
    for _ in range(PARTS):
        new = commanded(g, way)
        bar = handle_of(o, slide)
        if grasped(g, bar):
            new = kept_off(new, LOWEST, min(2.0 * BAR, g[4]))
            pulled = carried(g, new, bar) if g[4] <= 2.0 * BAR + PRESSED else bar
            pulled = squeezed(new, pulled, BAR)
            slide += ax * (pulled[0] - bar[0]) + ay * (pulled[1] - bar[1])
            slide = max(0.0, min(DRAWER_TRAVEL, slide))
        else:
            new = kept_out(g, new, o, handle_of(o, slide))
        g = new
    g = ended(g, x, u, way)
    out[0], out[1], out[2], out[3], out[4] = g[0], g[1], g[2], g[3], g[4]
    out[10] = slide
    for i in range(5, 10):
        out[i] = x[i]
    for i in range(11, x.shape[0]):
        out[i] = x[i]
    if u.shape[0] > 5:
        for i in range(JOINTS):
            out[first + i] = joint(x, u, first, i, g[5])


@njit
def handle_of(o, slide):
    """The middle of the handle, seen as a thing. -> x, y (m), yaw (rad), height (m)"""
    far = HANDLE_X + slide
    return o[0] + far * math.cos(o[2]), o[1] + far * math.sin(o[2]), o[2], o[3] + HANDLE_HEIGHT


@njit
def grasped(g, bar):
    """Whether the handle is between the fingers, which stand across it."""
    if not reaches(g, bar, HEIGHT) or abs(math.sin(g[2] - bar[2])) < 0.7:
        return False
    along, across, _ = seen(g, bar)
    return abs(along) < LENGTH and abs(across) < 0.5 * g[4] - BAR + SLACK


@njit
def kept_out(g, new, o, bar):
    """The gripper where the cabinet and the handle, which do not give way, let it be.

    From above it comes to stand on them; from the side it stops.
    """
    tip = g[3] - TOOL_HEIGHT
    into = inside(new, o, CABINET[0], CABINET[1])
    if into and tip > o[3] + CABINET[2] - GRAZE:
        new = kept_off(new, o[3] + CABINET[2] + TOOL_HEIGHT, 0.0)
    elif into and not inside(g, o, CABINET[0], CABINET[1]):
        new = (g[0], g[1], g[2], new[3], g[4])
    if tip > bar[3] + BAR - GRAZE and inside(new, bar, BAR, LENGTH):
        new = kept_off(new, bar[3] + BAR + TOOL_HEIGHT, 0.0)
    return new


@njit
def inside(g, o, half_x, half_y):
    """Whether a finger is over a rectangle."""
    cos, sin = math.cos(o[2]), math.sin(o[2])
    ax, ay = finger(g, 1.0)
    bx, by = finger(g, -1.0)
    ax, ay, bx, by = ax - o[0], ay - o[1], bx - o[0], by - o[1]
    one = max(abs(cos * ax + sin * ay) - half_x, abs(cos * ay - sin * ax) - half_y)
    two = max(abs(cos * bx + sin * by) - half_x, abs(cos * by - sin * bx) - half_y)
    return min(one, two) < THICK


@njit
def error(x):
    """How much further out the drawer has to be, m. (11,)"""
    return max(OUT - x[10], 0.0)


@njit
def from_handle(x):
    """How far the gripper is from the handle, m. (11,)"""
    bar = handle_of(thing_of(x, 5), max(0.0, min(DRAWER_TRAVEL, x[10])))
    dx, dy, dz = x[0] - bar[0], x[1] - bar[1], x[3] - bar[3]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (11,), (5,), (2,)"""
    return error(x) + 0.1 * from_handle(x) + tilted(x, u, x.shape[0] - 7)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (11,), (2,)"""
    return 5.0 * error(x)
