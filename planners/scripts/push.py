"""Script of push: round the box to a face, and along the arcs that bring it to its pose.

A push along the inward normal of a face, at a point beside its middle, moves the box on an arc: its
middle goes along the normal and turns by (p x n) / c^2 a metre, p being the point of contact and c
the box's greatest moment over its greatest force (the quasi-static model of sim/tasks/push.py). Of
all pairs of arcs from a fixed set the quickest that ends near the goal is begun, and chosen anew in
every period from the state alone: nothing is remembered. All is worked out in the box's frame, with
a set that the mirrors map onto itself; so a moved scene gets the moved action.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...sim.tasks.push import CORNER, HALF_X, HALF_Y, RADIUS, SPEED, TURNING
from ...symmetry.declaration import wrap

OFFSETS = np.array([-0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8])
"""Where a face may be pushed, over half its length from its middle."""
LENGTHS = np.array([0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.10, 0.13, 0.16, 0.20, 0.25, 0.30])
"""Of arcs, m."""
LEAST = 0.015
"""Shortest arc that another one follows, m."""
CLEAR = 0.012
"""How far from the box the pusher goes round it, m."""
BESIDE = 0.012
"""How far beside a contact it may begin to push, m; it slides there meanwhile."""
PUSHING = 0.16
"""Speed of the pusher while it pushes, m/s: then the box slides on by less than 3 mm."""
AGAIN = 0.4
"""What it costs to let go of the box and to come to another contact, beside the way there, s."""
PER_METRE = 120.0
"""What is left to the goal costs, s/m of corner distance."""
THERE = 0.008
"""Corner distance at which the box is left alone, m."""

# Contacts in the box's frame, those of one face after those of another. (C, 2), (C, 2), (C,)
NORMALS = np.repeat([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], len(OFFSETS), axis=0)
TANGENTS = np.stack([-NORMALS[:, 1], NORMALS[:, 0]], axis=-1)
_DEEP, _WIDE = (np.abs(v) @ [HALF_X, HALF_Y] for v in (NORMALS, TANGENTS))
_POINTS = (_WIDE * np.tile(OFFSETS, 4))[:, None] * TANGENTS - _DEEP[:, None] * NORMALS
TURNS = (_POINTS[:, 0] * NORMALS[:, 1] - _POINTS[:, 1] * NORMALS[:, 0]) / TURNING**2
"""How far the box turns in a push at each contact, rad/m. (C,)"""
PLACES = _POINTS - RADIUS * NORMALS
"""The pusher's centre at each contact, m. (C, 2)"""
OUT = np.array([HALF_X, HALF_Y]) + RADIUS + CLEAR
"""Half sizes of the rectangle on which the pusher goes round the box, m."""


def action(task: Any, x: np.ndarray) -> np.ndarray:
    """Velocity of the pusher, m/s. (8,) -> (2,)"""
    cos, sin = math.cos(x[4]), math.sin(x[4])
    to_box = np.array([[cos, sin], [-sin, cos]])
    pusher, goal = to_box @ (x[0:2] - x[2:4]), to_box @ (x[5:7] - x[2:4])
    yaw = float(wrap(np.float64(x[7] - x[4])))
    if left(goal[0], goal[1], yaw) <= THERE:
        return np.zeros(2)
    contact, length = chosen(pusher, goal, yaw)
    gap = PLACES[contact] - pusher
    beside, before = float(gap @ TANGENTS[contact]), float(gap @ NORMALS[contact])
    if abs(beside) <= BESIDE and -0.01 <= before <= 1.5 * CLEAR:
        velocity = pushed(pusher, contact, length, beside, before)
    else:
        velocity = on_the_way(pusher, PLACES[contact] - CLEAR * NORMALS[contact])
    return to_box.T @ velocity


def left(x: Any, y: Any, yaw: Any) -> Any:
    """Root mean square distance of the box's corners from their places, m; as in the task's cost.

    Args:
        x: Of the goal in the box's frame, m.
        y: The same.
        yaw: How far the goal is turned, rad.
    """
    return np.sqrt(x * x + y * y + 2.0 * CORNER**2 * (1.0 - np.cos(yaw)))


def arcs() -> np.ndarray:
    """Where the box is after each push, in its frame before: x, y, yaw. (C, L, 3)"""
    turn = TURNS[:, None] * LENGTHS
    chord = LENGTHS * np.sinc(0.5 * turn / np.pi)
    cos, sin = np.cos(0.5 * turn), np.sin(0.5 * turn)
    nx, ny = NORMALS[:, :1], NORMALS[:, 1:]
    return np.stack([chord * (cos * nx - sin * ny), chord * (sin * nx + cos * ny), turn], axis=-1)


def seconds(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """From places a to places b round the box, s. (..., 2), (..., 2) -> (...)"""
    whole = 4.0 * OUT.sum()
    apart = np.abs(_along(a) - _along(b)) % whole
    return np.minimum(apart, whole - apart) / SPEED


def _along(places: np.ndarray) -> np.ndarray:
    """Where places (..., 2) are on the rectangle round the box, m from the middle of +x."""
    x, y = places[..., 0], places[..., 1]
    aside = np.abs(x) * OUT[1] >= np.abs(y) * OUT[0]
    on_x = np.where(x > 0, y, 2.0 * OUT.sum() - y)
    on_y = np.where(y > 0, OUT.sum() - x, 3.0 * OUT.sum() + x)
    return np.where(aside, on_x, on_y)


def _motion(places: np.ndarray, contacts: Any) -> np.ndarray:
    """How the pusher moves with its contact, for each metre of the box's middle. (..., 2)"""
    turned = np.stack([-places[..., 1], places[..., 0]], axis=-1)
    return NORMALS[contacts] + TURNS[contacts, None] * turned


ARCS = arcs()
PUSH_S = np.linalg.norm(_motion(PLACES, slice(None)), axis=-1)[:, None] * LENGTHS / PUSHING
"""How long each push takes, s. (C, L)"""
NEXT_S = AGAIN + seconds(PLACES[:, None], PLACES)[..., None] + PUSH_S
"""From the end of a push at one contact to the end of one at another, s. (C, C, L)"""


def chosen(pusher: np.ndarray, goal: np.ndarray, yaw: float) -> tuple[int, float]:
    """The contact to begin with, and how far to push there, m.

    Args:
        pusher: In the box's frame, m. (2,)
        goal: The same. (2,)
        yaw: How far the goal is turned in that frame, rad.
    """
    cos, sin = np.cos(ARCS[..., 2]), np.sin(ARCS[..., 2])
    dx, dy = goal[0] - ARCS[..., 0], goal[1] - ARCS[..., 1]
    x, y, turn = cos * dx + sin * dy, cos * dy - sin * dx, yaw - ARCS[..., 2]  # after one push
    here = np.abs(PLACES - pusher).max(axis=-1) <= BESIDE
    spent = np.where(here, 0.0, AGAIN + seconds(pusher, PLACES))[:, None] + PUSH_S
    once = spent + PER_METRE * left(x, y, turn)
    after = left(*(v[..., None, None] - ARCS[..., k] for k, v in enumerate((x, y, turn))))
    twice = spent + (NEXT_S[:, None] + PER_METRE * after).min(axis=(-2, -1))
    cost = np.minimum(once, np.where(LENGTHS >= LEAST, twice, np.inf))
    contact, length = np.unravel_index(int(np.argmin(cost)), cost.shape)
    return int(contact), float(LENGTHS[length])


def pushed(
    pusher: np.ndarray, contact: int, length: float, beside: float, before: float
) -> np.ndarray:
    """Velocity of a push that has `length` (m) to go, in the box's frame, m/s. (2,)

    Args:
        pusher: In the box's frame, m. (2,)
        contact: Which.
        length: How far the box has to go, m.
        beside: How far the contact is along the face, m.
        before: And into it, m.
    """
    way = _motion(pusher, contact)
    speed = min(PUSHING, 0.02 + 5.0 * length) / float(np.hypot(*way))
    closing = 4.0 * max(before, 0.0) * NORMALS[contact]
    return speed * way + closing + 3.0 * beside * TANGENTS[contact]


def on_the_way(pusher: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Velocity round the box to a place beside it, in its frame, m/s. (2,), (2,) -> (2,)"""
    inside = OUT - np.abs(pusher)
    if inside.min() > 1e-3:  # away from the face first
        axis = int(np.argmin(inside))
        aim = pusher.copy()
        aim[axis] = math.copysign(OUT[axis] + 0.002, pusher[axis])
        if inside[axis] < 0.006 and np.hypot(*(there - aim)) < 0.05:
            aim = 0.5 * (aim + there)
    else:
        way = around(pusher, there)
        passed = len(way) > 1 and np.hypot(*(way[0] - pusher)) < 0.01
        aim = way[1] if passed else way[0]
    gap = aim - pusher
    return gap * min(SPEED / max(float(np.hypot(*gap)), 1e-9), 20.0)


def around(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """The shortest way from a to b (2,) round the box: the corners of the rectangle, and b."""
    if not crosses(a, b):
        return [b]
    corners = (OUT - 1e-3) * [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
    ways = []
    for first in range(4):
        for step in (1, -1):
            way = [corners[first]]
            while crosses(way[-1], b) and len(way) < 4:
                way.append(corners[(first + step * len(way)) % 4])
            if not crosses(a, way[0]):
                ways.append([*way, b])
    lengths = [np.linalg.norm(np.diff([a, *way], axis=0), axis=-1).sum() for way in ways]
    return ways[int(np.argmin(lengths))] if ways else [b]


def crosses(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the segment from a to b (2,) goes through the rectangle round the box."""
    low, high = 0.0, 1.0
    for p, q, half in zip(a, b, OUT - 1.1e-3, strict=True):
        if abs(q - p) < 1e-12:
            if abs(p) >= half:
                return False
            continue
        ends = (-half - p) / (q - p), (half - p) / (q - p)
        low, high = max(low, min(ends)), min(high, max(ends))
    return low < high
