"""Distances between squares on the table, whatever their yaws."""

from __future__ import annotations

import numpy as np

_SIGNS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])


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
    nearest = np.minimum(_from_corners(a, b, half_a, half_b), _from_corners(b, a, half_b, half_a))
    return nearest


def _from_corners(a: np.ndarray, b: np.ndarray, half_a: float, half_b: float) -> np.ndarray:
    """Least distance of a's corners from b. (..., 3), (..., 3) -> (...)"""
    corners = a[..., None, :2] + _turned(_SIGNS * half_a, a[..., 2])
    inside = _turned(corners - b[..., None, :2], -b[..., 2])
    out = np.maximum(np.abs(inside) - half_b, 0.0)
    return np.sqrt(np.sum(out**2, axis=-1)).min(axis=-1)


def _turned(points: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Points (..., P, 2) turned by yaw (...)."""
    cos, sin = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    px, py = points[..., 0], points[..., 1]
    return np.stack([cos * px - sin * py, sin * px + cos * py], axis=-1)
