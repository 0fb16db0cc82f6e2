"""Distances between squares on the table, whatever their yaws."""

from __future__ import annotations

import math

from numba import njit


@njit
def gap(a, b, half_a, half_b):
    """Free distance between two squares, m; 0 where they touch or overlap.

    Two convex outlines that do not overlap are nearest at a corner of one of them.

    Args:
        a: x, y (m), yaw (rad) of one, and perhaps more.
        b: Of the other.
        half_a: Half the width of one, m.
        half_b: Half the width of the other, m.
    """
    return min(from_corners(a, b, half_a, half_b), from_corners(b, a, half_b, half_a))


@njit
def from_corners(a, b, half_a, half_b):
    """Least distance of a's corners from b, worked out in b's frame, m."""
    cos, sin = math.cos(b[2]), math.sin(b[2])
    dx, dy = a[0] - b[0], a[1] - b[1]
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    turn = a[2] - b[2]
    c, s = half_a * math.cos(turn), half_a * math.sin(turn)
    least = 1e9
    for along in range(2):
        for across in range(2):
            u, v = 2.0 * along - 1.0, 2.0 * across - 1.0
            out_x = max(abs(x + u * c - v * s) - half_b, 0.0)
            out_y = max(abs(y + u * s + v * c) - half_b, 0.0)
            least = min(least, out_x * out_x + out_y * out_y)
    return math.sqrt(least)
