"""How a gripper moves things, by velocities alone: the analytic model of the tabletop tasks.

A gripper is five numbers, see `gripper_motion`; a thing is four: x, y (m), yaw (rad), height of its
frame (m). The gripper does as commanded, within its range and above what it stands on. What is
between the closed fingers moves with it; what the closing fingers meet is turned and centred
between them; what else they meet is pushed over the table, quasi-statically (`tasks.push`); and
what nothing holds falls on what is below. There are no masses, velocities or tilts.

All contact is worked out in the frame of a thing or of the gripper, where a turn of the world
changes nothing and a mirror exchanges the fingers: no branch looks along a world axis, and no
finger comes first.
"""

from __future__ import annotations

import math

from numba import njit

from ..robots.gripper import FRICTION, HALF_FINGER, TOOL_HEIGHT
from ..tasks.push import clipped, moved_box
from .gripper_motion import DT, LOWEST, PARTS, commanded, ended, gripper_of, kept_off, motion

FINGER = 0.008
"""Radius of the disc that a finger is for what it pushes from outside, m: 20 x 12 mm across."""
THICK = HALF_FINGER[1]
"""From a finger's pad to its middle, m."""
PAD = HALF_FINGER[0]
"""Half the length of a pad, m."""
PRESSED = 0.001
"""A thing is held if the fingers are open by no more than its width and this, m."""
SLACK = 0.003
"""By how much fingers of the plant may be found inside a thing that is between them, m."""
GRAZE = 0.002
"""A finger whose tip is less than this below a thing's top passes over it, m."""
RELEASED = 0.07
"""Opening at which a thing has been let go, with some to spare, m."""
FALL = 1.0
"""How fast a thing falls, m/s: the mean over the first 0.2 m."""
SIDE = 0.5 * math.pi
"""A square thing turned by this is the same, rad."""


@njit
def thing_of(x, at):
    """The thing whose coordinates begin at `at`. (n,) -> x, y, yaw, height"""
    return x[at], x[at + 1], x[at + 2], x[at + 3]


@njit
def seen(g, t):
    """A thing in the gripper's frame: along the pads, across them (m), yaw modulo a quarter."""
    cos, sin = math.cos(g[2]), math.sin(g[2])
    dx, dy = t[0] - g[0], t[1] - g[1]
    turn = t[2] - g[2]
    return cos * dx + sin * dy, cos * dy - sin * dx, turn - SIDE * math.floor(turn / SIDE + 0.5)


@njit
def reaches(g, t, high):
    """Whether the fingers' pads and a thing, half as high as `high`, are beside each other."""
    tip = g[3] - TOOL_HEIGHT
    return tip < t[3] + high - GRAZE and tip + 2.0 * HALF_FINGER[2] > t[3] - high


@njit
def extent(turn, half):
    """How far a square reaches across, from its middle, where the pads are. m"""
    cos, sin = math.cos(turn), abs(math.sin(turn))
    return min(half * (cos + sin), (half + PAD * sin) / cos)


@njit
def allowed_turn(turn, half, room):
    """The turn of a square, made no larger than fits into that much room to each side, rad."""
    corner = 0.25 * math.pi
    if room < half * math.sqrt(2.0):
        corner = math.asin(min(max(room, half) / (half * math.sqrt(2.0)), 1.0)) - 0.25 * math.pi
    across = math.sqrt(room * room + PAD * PAD)
    face = math.acos(min(half / across, 1.0)) - math.atan2(PAD, room)
    return clipped(turn, max(corner, max(face, 0.0)))


@njit
def between(g, t, half, high):
    """Whether a square thing is between the fingers."""
    if not reaches(g, t, high):
        return False
    along, across, turn = seen(g, t)
    room = 0.5 * g[4] - extent(turn, half) + SLACK
    return abs(along) < half + 0.5 * PAD and abs(across) < room


@njit
def stuck(turn, half):
    """Whether a square between closing fingers does not turn: they hold it by two corners.

    The line between the corners is then within the pads' friction cones, and both are on the pads.
    """
    aside = 0.25 * math.pi - abs(turn)
    return math.tan(aside) < FRICTION and half * math.sqrt(2.0) * math.sin(aside) < PAD


@njit
def width(g, t, half):
    """How wide the fingers are open that press a square thing between them, m."""
    _, _, turn = seen(g, t)
    if stuck(turn, half):
        return 2.0 * extent(turn, half)
    return 2.0 * half


@njit
def held(g, t, half, high):
    """Whether a square thing is between the fingers, and they press it."""
    return between(g, t, half, high) and g[4] <= width(g, t, half) + PRESSED


@njit
def carried(g, new, t):
    """A thing that moves with the gripper from g to new."""
    turn = new[2] - g[2]
    cos, sin = math.cos(turn), math.sin(turn)
    dx, dy = t[0] - g[0], t[1] - g[1]
    return (
        new[0] + cos * dx - sin * dy,
        new[1] + sin * dx + cos * dy,
        t[2] + turn,
        t[3] + new[3] - g[3],
    )


@njit
def squeezed(g, t, half):
    """A thing between the fingers, turned and centred as far as they leave it no room."""
    along, across, turn = seen(g, t)
    room = 0.5 * g[4]
    left = turn if stuck(turn, half) else allowed_turn(turn, half, room)
    free = max(room - extent(left, half), 0.0)
    cos, sin = math.cos(g[2]), math.sin(g[2])
    there = clipped(across, free)
    return (
        g[0] + cos * along - sin * there,
        g[1] + sin * along + cos * there,
        t[2] + left - turn,
        t[3],
    )


@njit
def finger(g, side):
    """Where the middle of a finger is, m: side 1 to the gripper's left, -1 to its right."""
    away = side * (0.5 * g[4] + THICK)
    return g[0] - away * math.sin(g[2]), g[1] + away * math.cos(g[2])


@njit
def depth(lx, ly, half):
    """How deep a finger is in a square, in whose frame it is at l: depth (m), normal, contact."""
    rx, ry = clipped(lx, half), clipped(ly, half)
    ex, ey = lx - rx, ly - ry
    away = math.sqrt(ex * ex + ey * ey)
    if away > 0.0:
        return FINGER - away, -ex / away, -ey / away, rx, ry
    if abs(lx) > abs(ly):
        side = math.copysign(1.0, lx)
        return FINGER + half - abs(lx), -side, 0.0, side * half, ly
    side = math.copysign(1.0, ly)
    return FINGER + half - abs(ly), 0.0, -side, lx, side * half


@njit
def pushed(g, new, t, half, p):
    """A square thing on the table, pushed out of the fingers' way.

    One finger sticks to it or slides along it (`moved_box`); two at once push along their normals,
    with the least motion that clears both, in the metric of the limit surface.
    """
    cos, sin = math.cos(t[2]), math.sin(t[2])
    ratio = p[1] * half * math.sqrt(2.0)
    ax, ay = finger(new, 1.0)
    bx, by = finger(new, -1.0)
    reach = half * math.sqrt(2.0) + FINGER
    first = (ax - t[0]) ** 2 + (ay - t[1]) ** 2 > reach * reach
    if first and (bx - t[0]) ** 2 + (by - t[1]) ** 2 > reach * reach:
        return t
    lx, ly = cos * (ax - t[0]) + sin * (ay - t[1]), cos * (ay - t[1]) - sin * (ax - t[0])
    mx, my = cos * (bx - t[0]) + sin * (by - t[1]), cos * (by - t[1]) - sin * (bx - t[0])
    d, nx, ny, rx, ry = depth(lx, ly, half)
    e, ox, oy, sx, sy = depth(mx, my, half)
    if d <= 0.0 and e <= 0.0:
        return t
    if d > 0.0 and e > 0.0:
        # Motion (v, w) of least |v|^2 + (ratio w)^2 with n.v + (r x n) w = depth at both.
        n, o = (rx * ny - ry * nx) / ratio, (sx * oy - sy * ox) / ratio
        mixed = nx * ox + ny * oy + n * o
        one, two = 1.0 + n * n, 1.0 + o * o
        whole = one * two - mixed * mixed
        if whole > 0.01:
            f, h = (two * d - mixed * e) / whole, (one * e - mixed * d) / whole
            if f >= 0.0 and h >= 0.0:
                vx, vy = f * nx + h * ox, f * ny + h * oy
                return (
                    t[0] + cos * vx - sin * vy,
                    t[1] + sin * vx + cos * vy,
                    t[2] + (f * n + h * o) / ratio,
                    t[3],
                )
    # One of them clears both.
    if d >= e:
        wx, wy = finger(g, 1.0)
        wx, wy = ax - wx, ay - wy
    else:
        wx, wy = finger(g, -1.0)
        wx, wy, lx, ly = bx - wx, by - wy, mx, my
    shape = (p[0], ratio, half, half, FINGER)
    vx, vy, turn = moved_box(lx, ly, cos * wx + sin * wy, cos * wy - sin * wx, shape)
    return t[0] + cos * vx - sin * vy, t[1] + sin * vx + cos * vy, t[2] + turn, t[3]


@njit
def over(g, t, half):
    """Whether a finger is over a square thing."""
    cos, sin = math.cos(t[2]), math.sin(t[2])
    ax, ay = finger(g, 1.0)
    bx, by = finger(g, -1.0)
    ax, ay, bx, by = ax - t[0], ay - t[1], bx - t[0], by - t[1]
    one = max(abs(cos * ax + sin * ay), abs(cos * ay - sin * ax))
    two = max(abs(cos * bx + sin * by), abs(cos * by - sin * bx))
    return min(one, two) < half + THICK


@njit
def lowest(g, new, t, half, high, below):
    """How low the gripper gets on its way from g to new because of a square thing, m.

    Args:
        g: The gripper.
        new: Where it would be.
        t: The thing.
        half: Half its width, m.
        high: Half its height, m.
        below: Height of the thing's frame where it would stand, m.
    """
    if held(g, t, half, high):
        return g[3] - max(t[3] - below, 0.0)
    if g[3] - TOOL_HEIGHT > t[3] + high - GRAZE and over(new, t, half):
        return t[3] + high + TOOL_HEIGHT
    return LOWEST


@njit
def narrowest(g, t, half, high):
    """How far the fingers close because of a square thing, m."""
    if between(g, t, half, high):
        return min(width(g, t, half), g[4])
    return 0.0


@njit
def moved(g, new, t, half, high, below, p):
    """A square thing while the gripper goes from g to new.

    Args:
        g: The gripper.
        new: Where it then is.
        t: The thing.
        half: Half its width, m.
        high: Half its height, m.
        below: Height of the thing's frame where it would stand, m.
        p: The model's parameters. (2,)
    """
    if held(g, t, half, high):
        return squeezed(new, carried(g, new, t), half)
    if between(g, t, half, high):
        t = squeezed(new, t, half)
    elif reaches(new, t, high):
        t = pushed(g, new, t, half, p)
    return t[0], t[1], t[2], fallen(t[3], below)


@njit
def fallen(height, below):
    """The height of what nothing holds, a part of a period later, m."""
    if height <= below:
        return height
    return max(below, height - FALL * DT / PARTS)


@njit
def apart(t, o):
    """How far two things are from each other, seen from above, m."""
    return math.sqrt((t[0] - o[0]) ** 2 + (t[1] - o[1]) ** 2)


@njit
def bumped(t, now, o, wide, top):
    """A thing that another one, carried from t to now, runs into: it moves as that one does.

    Args:
        t: What is carried, before.
        now: The same, after.
        o: What stands there.
        wide: Their middles' distance at which they touch, m.
        top: Height of the carried thing's frame from which on it is clear, m.
    """
    if now[3] < top - GRAZE and apart(now, o) < min(wide, apart(t, o)):
        return o[0] + now[0] - t[0], o[1] + now[1] - t[1], o[2], o[3]
    return o


@njit
def under(t, o, wide, high):
    """Height of a block's frame where it would stand: on the other one if that is within `wide`.

    Both are `high` from their frames to their tops and bottoms, m.
    """
    if apart(t, o) < wide:
        return o[3] + 2.0 * high
    return high


@njit
def one_after(x, u, p, first, half, high):
    """Gripper and block after a control period, where there is one block and nothing else.

    Args:
        x: State. (n,)
        u: Action. (m,)
        p: The model's parameters. (2,)
        first: Where the arm's joints begin in the state, if they are the action.
        half: Half the block's width, m.
        high: Half its height, m.
    """
    g, t = gripper_of(x), thing_of(x, 5)
    way = motion(x, u, first)
    for _ in range(PARTS):
        new = commanded(g, way)
        low, narrow = lowest(g, new, t, half, high, high), narrowest(g, t, half, high)
        new = kept_off(new, low, narrow)
        t = moved(g, new, t, half, high, high, p)
        g = new
    return ended(g, x, u, way), t


@njit
def two_after(x, u, p, first, half, high):
    """Gripper and blocks after a control period, where there are two alike; see `one_after`.

    One stands on the other where its middle is over it, and is kept above it while it is carried.
    """
    g, t, o = gripper_of(x), thing_of(x, 5), thing_of(x, 10)
    way = motion(x, u, first)
    for _ in range(PARTS):
        new = commanded(g, way)
        low_t = lowest(g, new, t, half, high, under(t, o, 2.0 * half, high))
        low_o = lowest(g, new, o, half, high, under(o, t, 2.0 * half, high))
        narrow = max(narrowest(g, t, half, high), narrowest(g, o, half, high))
        new = kept_off(new, max(low_t, low_o), narrow)
        a = moved(g, new, t, half, high, under(t, o, half, high), p)
        b = moved(g, new, o, half, high, under(o, t, half, high), p)
        one, two = held(g, t, half, high), held(g, o, half, high)
        if one and not two:
            b = bumped(t, a, b, 2.0 * half, o[3] + 2.0 * high)
        if two and not one:
            a = bumped(o, b, a, 2.0 * half, t[3] + 2.0 * high)
        g, t, o = new, a, b
    return ended(g, x, u, way), t, o


@njit
def unopened(x, apart, near):
    """What it costs not to have let go of a thing, once it is in its place, m.

    Args:
        x: State. (n,)
        apart: How far the thing is from its place, m.
        near: From how near on it counts; in the place itself, wholly, m.
    """
    return 0.5 * max(RELEASED - x[4], 0.0) * max(1.0 - apart / near, 0.0)


@njit
def away(x, at):
    """How far the gripper is from the thing whose coordinates begin there, m."""
    dx, dy, dz = x[0] - x[at], x[1] - x[at + 1], x[3] - x[at + 3]
    return math.sqrt(dx * dx + dy * dy + dz * dz)
