"""The analytic model of `peg_in_hole`: a peg and its hole, and what it costs; see `contact`."""

from __future__ import annotations

import math

from numba import njit

from ...tasks.push import wrapped
from ..contact import (
    GRAZE,
    SIDE,
    apart,
    away,
    held,
    lowest,
    moved,
    narrowest,
    pushed,
    reaches,
    thing_of,
)
from ..gripper_motion import (
    JOINTS,
    PARTS,
    commanded,
    ended,
    gripper_of,
    joint,
    kept_off,
    motion,
    tilted,
)
from ..things import HOLE_DEPTH, HOLE_HALF, HOLE_OUTER, PEG_HALF


@njit
def step(x, u, p, out):
    """One control period of the model. (15,), (5,), (2,) -> out; joint actions: 7 more, (8,)"""
    first = x.shape[0] - 7  # of the arm's joints, where they are the action
    g, t, o = gripper_of(x), thing_of(x, 5), thing_of(x, 10)
    half, high, deep = PEG_HALF[0], PEG_HALF[2], HOLE_DEPTH / 2
    way = motion(x, u, first)
    for _ in range(PARTS):
        new = commanded(g, way)
        below, middle = foot(t, o) + high, (o[0], o[1], o[2], o[3] + deep)
        low = lowest(g, new, t, half, high, below)
        low = max(low, lowest(g, new, middle, HOLE_OUTER, deep, deep))
        new = kept_off(new, low, narrowest(g, t, half, high))
        now = moved(g, new, t, half, high, below, p)
        if reaches(new, middle, deep):
            then = pushed(g, new, middle, HOLE_OUTER, p)
            o = (then[0], then[1], then[2], o[3])
        if held(g, t, half, high) and now[3] < o[3] + HOLE_DEPTH + high - GRAZE:
            # It comes through the wall from neither side.
            if foot(now, o) > o[3] + GRAZE and apart(now, o) < HOLE_OUTER + half:
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
def foot(t, o):
    """Height of the peg's foot where it would stand: in the hole, on the block, on the table, m."""
    cos, sin = math.cos(o[2]), math.sin(o[2])
    dx, dy = t[0] - o[0], t[1] - o[1]
    aside = max(abs(cos * dx + sin * dy), abs(cos * dy - sin * dx))
    turn = t[2] - o[2]
    turn -= SIDE * math.floor(turn / SIDE + 0.5)
    if aside + PEG_HALF[0] * (math.cos(turn) + abs(math.sin(turn))) < HOLE_HALF:
        return o[3]
    if aside < HOLE_OUTER + PEG_HALF[0]:
        return o[3] + HOLE_DEPTH
    return 0.0


@njit
def error(x):
    """Distance of the peg from its place in the hole, m. (15,)"""
    dx, dy, dz = x[5] - x[10], x[6] - x[11], x[8] - x[13] - PEG_HALF[2]
    return math.sqrt(dx * dx + dy * dy + dz * dz)


@njit
def running_cost(x, u, p):
    """Metres to go, and a little for being away from what is to be moved. (15,), (5,), (2,)"""
    return error(x) + 0.1 * away(x, 5) + tilted(x, u, x.shape[0] - 7)


@njit
def terminal_cost(x, p):
    """Five times the metres to go. (15,), (2,)"""
    return 5.0 * error(x)
