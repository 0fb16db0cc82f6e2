"""Where a tabletop gripper is after commanded velocities, by itself or carried by the arm's joints.

A gripper is five numbers: x, y (m), yaw (rad), height (m), opening (m). All functions are part of
the analytic model of the tabletop tasks; `contact` says what the gripper does to things.
"""

from __future__ import annotations

import math

from numba import njit

from ..robots.arm import PLACE
from ..robots.description import frames
from ..robots.gripper import HAND_HEIGHT, MAX_OPENING, TOOL_HEIGHT
from ..robots.sawyer import SAWYER
from ..tasks.push import wrapped

DT = 0.05
"""Control period, s."""
PARTS = 2
"""Steps of the model in one period: of at most 6.3 mm across each."""
LOWEST = TOOL_HEIGHT + 0.0005
"""Of the gripper, m: its finger tips on the table."""
HIGHEST = 0.5
"""Of the gripper, m."""
_FRAMES = tuple(
    tuple(tuple(map(float, row)) for row in frame)
    for frame in frames(SAWYER, PLACE, (0.0, 0.0, HAND_HEIGHT))
)
_LOW, _HIGH = tuple(map(float, SAWYER.low)), tuple(map(float, SAWYER.high))
JOINTS = len(SAWYER.joints)
"""Of the arm."""


@njit
def gripper_of(x):
    """The gripper in a state. (n,) -> x, y, yaw, height, opening"""
    return x[0], x[1], x[2], x[3], x[4]


@njit
def tool(x, u, first, seconds):
    """The gripper after joint rates. -> x, y (m), yaw (rad), height (m), cosine of its tilt

    Args:
        x: State. (n,)
        u: Rates of the opening (m/s) and of the joints (rad/s). (8,)
        first: Where the joints begin in the state.
        seconds: How long.
    """
    xx, xy, xz = 1.0, 0.0, 0.0  # the axes of the last frame, and where it is
    yx, yy, yz = 0.0, 1.0, 0.0
    zx, zy, zz = 0.0, 0.0, 1.0
    px, py, pz = 0.0, 0.0, 0.0
    for i in range(JOINTS + 1):
        a, b, c = _FRAMES[i][0][3], _FRAMES[i][1][3], _FRAMES[i][2][3]
        px, py, pz = (
            px + xx * a + yx * b + zx * c,
            py + xy * a + yy * b + zy * c,
            pz + xz * a + yz * b + zz * c,
        )
        a, b, c = _FRAMES[i][0][0], _FRAMES[i][1][0], _FRAMES[i][2][0]
        ax, ay, az = xx * a + yx * b + zx * c, xy * a + yy * b + zy * c, xz * a + yz * b + zz * c
        a, b, c = _FRAMES[i][0][1], _FRAMES[i][1][1], _FRAMES[i][2][1]
        bx, by, bz = xx * a + yx * b + zx * c, xy * a + yy * b + zy * c, xz * a + yz * b + zz * c
        a, b, c = _FRAMES[i][0][2], _FRAMES[i][1][2], _FRAMES[i][2][2]
        zx, zy, zz = xx * a + yx * b + zx * c, xy * a + yy * b + zy * c, xz * a + yz * b + zz * c
        if i < JOINTS:
            q = joint(x, u, first, i, seconds)
            cos, sin = math.cos(q), math.sin(q)
            xx, xy, xz = cos * ax + sin * bx, cos * ay + sin * by, cos * az + sin * bz
            yx, yy, yz = cos * bx - sin * ax, cos * by - sin * ay, cos * bz - sin * az
        else:
            xx, xy, xz, yx, yy, yz = ax, ay, az, bx, by, bz
    return px, py, math.atan2(xy + yx, xx - yy), pz, -zz


@njit
def joint(x, u, first, i, seconds):
    """A joint after so many seconds, within its limits, rad."""
    return max(_LOW[i], min(_HIGH[i], x[first + i] + seconds * u[1 + i]))


@njit
def motion(x, u, first):
    """How the gripper is to move in a part of a period: x, y (m), yaw (rad), height, opening (m).

    Args:
        x: State at the period's start. (n,)
        u: Cartesian rates (5,), or rates of the opening and of the arm's joints (8,).
        first: Where the joints begin in the state.
    """
    part = DT / PARTS
    if u.shape[0] > 5:
        px, py, yaw, high, _ = tool(x, u, first, DT)
        turn = wrapped(yaw - x[2]) / PARTS
        return (px - x[0]) / PARTS, (py - x[1]) / PARTS, turn, (high - x[3]) / PARTS, part * u[0]
    return part * u[1], part * u[2], part * u[4], part * u[3], part * u[0]


@njit
def commanded(g, way):
    """The gripper a part of a period after g, where nothing is in its way."""
    high = max(LOWEST, min(HIGHEST, g[3] + way[3]))
    opening = max(0.0, min(MAX_OPENING, g[4] + way[4]))
    return g[0] + way[0], g[1] + way[1], g[2] + way[2], high, opening


@njit
def kept_off(g, lowest, narrowest):
    """The gripper no lower and no narrower than that."""
    return g[0], g[1], g[2], max(g[3], lowest), max(g[4], narrowest)


@njit
def ended(g, x, u, way):
    """The gripper at a period's end, and for how long the arm's joints have moved, s.

    An arm of which something holds the gripper up stays where it was.
    """
    if u.shape[0] > 5 and g[3] > x[3] + PARTS * way[3] + 0.001:
        return x[0], x[1], x[2], x[3], g[4], 0.0
    return g[0], g[1], wrapped(g[2]), g[3], g[4], DT


@njit
def tilted(x, u, first):
    """What it costs that the gripper is not upright, which joint actions alone can bring about."""
    if u.shape[0] > 5:
        return 0.5 * (1.0 - tool(x, u, first, 0.0)[4])
    return 0.0
