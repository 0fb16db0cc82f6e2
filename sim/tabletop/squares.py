"""Distances between squares on the table, whatever their yaws."""

from __future__ import annotations

import numpy as np

_ALONG, _ACROSS = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, -1.0, 1.0])


def gap(a: np.ndarray, b: np.ndarray, half_a: float, half_b: float) -> np.ndarray:
    """Free distance between two squares, m; 0 where they touch or overlap.

    Two convex outlines that do not overlap are nearest at a corner of one of them.

    Args:
        a: x, y (m), yaw (rad) of one. (..., 3)
        b: Of the other. (..., 3)
        half_a: Half the width of one, m.
        half_b: Half the width of the other, m.

    Returns:
        (...)
    """
    return np.minimum(_from_corners(a, b, half_a, half_b), _from_corners(b, a, half_b, half_a))


def _from_corners(a: np.ndarray, b: np.ndarray, half_a: float, half_b: float) -> np.ndarray:
    """Least distance of a's corners from b, worked out in b's frame. (..., 3), (..., 3) -> (...)"""
    cos, sin = np.cos(b[..., 2]), np.sin(b[..., 2])
    dx, dy = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
    turn = a[..., 2] - b[..., 2]
    c, s = (half_a * np.cos(turn))[..., None], (half_a * np.sin(turn))[..., None]
    x = (cos * dx + sin * dy)[..., None] + c * _ALONG - s * _ACROSS
    y = (cos * dy - sin * dx)[..., None] + s * _ALONG + c * _ACROSS
    out_x, out_y = np.maximum(np.abs(x) - half_b, 0.0), np.maximum(np.abs(y) - half_b, 0.0)
    return np.sqrt((out_x * out_x + out_y * out_y).min(axis=-1))
