"""The analytic model of `block_in_bowl`: a block and a bowl, and what it costs; see `contact`."""

from __future__ import annotations

import math

from numba import njit

from ...robots.gripper import TOOL_HEIGHT
from ...tasks.block_in_bowl import HALF, INSIDE, OUTSIDE, WALL
from ...tasks.push import wrapped
from ..contact import (
    FINGER,
    GRAZE,
    apart,
    away,
    finger,
    held,
    lowest,
    moved,
    narrowest,
    thing_of,
    unopened,
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
from ..things import BOWL_FLOOR, BOWL_HEIGHT


@njit
def step(x, u, p, out):
    """One control period of the model. (15,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, t, o = gripper_of(x), thing_of(x, 5), thing_of(x, 10)
    way = motion(x, u, first)
    for _ in range(PARTS):
        new = commanded(g, way)
        below = floor(t, o)
        low = max(lowest(g, new, t, HALF, HALF, below), lowest_over(g, new, o))
        new = kept_off(new, low, narrowest(g, t, HALF, HALF))
        now = moved(g, new, t, HALF, HALF, below, p)
        o = shoved(new, o)
        if held(g, t, HALF, HALF) and now[3] < o[3] + BOWL_HEIGHT + HALF - GRAZE:
            # It comes over the wall from neither side.
            was, is_ = apart(t, o), apart(now, o)
            if was > OUTSIDE > is_ or was < INSIDE < is_ or (INSIDE < was < OUTSIDE):
                o = (o[0] + now[0] - t[0], o[1] + now[1] - t[1], o[2], o[3])
        g, t = new, now
    g = ended(g, x, u, way)
    out[0], out[1], out[2], out[3], out[4] = g[0], g[1], g[2], g[3], g[4]
    out[5], out[6], out[7], out[8] = t[0], t[1], wrapped(t[2]), t[3]
    out[10], out[11], out[12], out[13] = o[0], o[1], wrapped(o[2]), o[3]
    out[9], out[14] = x[9], x[14]
    for i in range(15, x.shape[0]):
        out[i] = x[i]
    if u.shape[0] > 5:
        for i in range(JOINTS):
            out[first + i] = joint(x, u, first, i, g[5])


@njit
def floor(t, o):
    """Height of the block's middle where it would lie: in the bowl, on its rim, on the table, m."""
    away_from = apart(t, o)
    if away_from < INSIDE:
        return o[3] + BOWL_FLOOR + HALF
    if away_from < OUTSIDE:
        return o[3] + BOWL_HEIGHT + HALF
    return HALF


@njit
def lowest_over(g, new, o):
    """How low the gripper gets because of the bowl's wall, m."""
    if g[3] - TOOL_HEIGHT > o[3] + BOWL_HEIGHT - GRAZE:
        ax, ay = finger(new, 1.0)
        bx, by = finger(new, -1.0)
        one = abs(math.sqrt((ax - o[0]) ** 2 + (ay - o[1]) ** 2) - WALL)
        two = abs(math.sqrt((bx - o[0]) ** 2 + (by - o[1]) ** 2) - WALL)
        if min(one, two) < FINGER:
            return o[3] + BOWL_HEIGHT + TOOL_HEIGHT
    return LOWEST


@njit
def shoved(g, o):
    """The bowl, pushed out of the way of the fingers, from outside or from inside."""
    if g[3] - TOOL_HEIGHT > o[3] + BOWL_HEIGHT - GRAZE:
        return o
    ax, ay = finger(g, 1.0)
    bx, by = finger(g, -1.0)
    px, py = out_of(ax - o[0], ay - o[1])
    qx, qy = out_of(bx - o[0], by - o[1])
    return o[0] + px + qx, o[1] + py + qy, o[2], o[3]


@njit
def out_of(dx, dy):
    """How the bowl moves when a finger is at d from its middle. -> m, m"""
    away_from = math.sqrt(dx * dx + dy * dy)
    deep = FINGER - abs(away_from - WALL)
    if deep <= 0.0:
        return 0.0, 0.0
    share = math.copysign(deep, WALL - away_from) / away_from
    return share * dx, share * dy


@njit
def error(x):
    """Distance of the block from the middle of the bowl's floor, m. (15,)"""
    dx, dy, dz = x[5] - x[10], x[6] - x[11], max(x[8] - x[13] - BOWL_FLOOR - HALF, 0.0)
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (15,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5) + unopened(x, error(x), 0.03) + tilted(x, u, x.shape[0] - 7)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (15,), (2,)"""
    return 5.0 * error(x)
