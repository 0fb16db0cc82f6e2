"""Triangles drawn with a depth buffer, in perspective and flatly shaded; Numba, no GL."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

LIGHT = np.array([-0.4, 0.75, -0.55]) / np.linalg.norm([-0.4, 0.75, -0.55])
"""Where light comes from, in the eye's frame."""
AMBIENT = 0.45
"""Brightness of a face that the light does not reach."""


@dataclass(frozen=True)
class Eye:
    """A pinhole camera.

    Attributes:
        position: Where it is. (3,)
        look_at: What it sees in the middle; z stays upright. (3,)
        focal: Focal length over the image's width.
    """

    position: tuple[float, float, float]
    look_at: tuple[float, float, float]
    focal: float

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points in its frame: x right, y up, z away from it. (..., 3) -> (..., 3)"""
        return (np.asarray(points, float) - self.position) @ self._axes().T

    def _axes(self) -> np.ndarray:
        """Right, up and ahead, in the world, as rows. (3, 3)"""
        ahead = np.subtract(self.look_at, self.position).astype(float)
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, ahead), ahead])

    def ground(self, side: int) -> np.ndarray:
        """Where each pixel of a square image meets the plane z = 0. (side, side, 2)

        Raises:
            ValueError: A pixel looks above the horizon.
        """
        at = (np.arange(side) + 0.5) / side - 0.5
        x, y = np.meshgrid(at, -at)
        rays = np.stack([x, y, np.full_like(x, self.focal)], axis=-1) @ self._axes()
        if rays[..., 2].max() >= 0.0:
            raise ValueError("a pixel looks above the horizon")
        far = self.position[2] / -rays[..., 2:]
        return (self.position + far * rays)[..., :2]


def box(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The twelve triangles of a box, counterclockwise from outside. -> (12, 3, 3)"""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = np.asarray(centre, float) + 0.5 * np.asarray(size, float) * signs
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    return np.array([corners[[q[0], q[k], q[k + 1]]] for q in quads for k in (1, 2)])


@njit(cache=True)
def draw(triangles, colours, focal, light, ambient, out, depth):
    """Draw triangles over what is there; those that show their backs are left out.

    Args:
        triangles: In the eye's frame, counterclockwise from outside, in front of it. (t, 3, 3)
        colours: (t, 3), 0 to 255.
        focal: In pixels.
        light: Direction towards it, of length 1. (3,)
        ambient: Brightness without it, 0 to 1.
        out: The image. (3, H, W) uint8
        depth: Distance of what is there, along z; infinity where there is nothing. (H, W)
    """
    height, width = depth.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        # The frame (right, up, away) is left-handed: the outward normal is v x u there.
        nx, ny, nz = vy * uz - vz * uy, vz * ux - vx * uz, vx * uy - vy * ux
        if nx * a[0] + ny * a[1] + nz * a[2] >= 0.0:
            continue
        size = np.sqrt(nx * nx + ny * ny + nz * nz)
        lit = max(0.0, (nx * light[0] + ny * light[1] + nz * light[2]) / size)
        bright = ambient + (1.0 - ambient) * lit
        ax, ay = 0.5 * width + focal * a[0] / a[2], 0.5 * height - focal * a[1] / a[2]
        bx, by = 0.5 * width + focal * b[0] / b[2], 0.5 * height - focal * b[1] / b[2]
        cx, cy = 0.5 * width + focal * c[0] / c[2], 0.5 * height - focal * c[1] / c[2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        left = max(0, int(np.floor(min(ax, bx, cx) - 0.5)))
        right = min(width - 1, int(np.ceil(max(ax, bx, cx) - 0.5)))
        top = max(0, int(np.floor(min(ay, by, cy) - 0.5)))
        bottom = min(height - 1, int(np.ceil(max(ay, by, cy) - 0.5)))
        for row in range(top, bottom + 1):
            y = row + 0.5
            for column in range(left, right + 1):
                x = column + 0.5
                p = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                q = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                r = 1.0 - p - q
                if p < 0.0 or q < 0.0 or r < 0.0:
                    continue
                away = 1.0 / (p / a[2] + q / b[2] + r / c[2])  # 1 / z is linear in the image
                if away < depth[row, column]:
                    depth[row, column] = away
                    for k in range(3):
                        out[k, row, column] = int(bright * colours[t, k] + 0.5)


@njit(cache=True)
def draw_turned(triangles, colours, turns, away, focal, light, ambient, out):
    """One image for each turn of the same triangles about their origin.

    Args:
        triangles: In a frame with x right, y up and z towards the eye. (t, 3, 3)
        colours: (t, 3), 0 to 255.
        turns: Rotation matrices. (n, 3, 3)
        away: Distance of the origin from the eye.
        focal: In pixels.
        light: Direction towards it, in the eye's frame. (3,)
        ambient: As of `draw`.
        out: (n, 3, H, W) uint8, filled with the background.
    """
    depth = np.empty(out.shape[2:])
    moved = np.empty_like(triangles)
    for n in range(turns.shape[0]):
        for t in range(triangles.shape[0]):
            for k in range(3):
                for i in range(3):
                    value = 0.0
                    for j in range(3):
                        value += turns[n, i, j] * triangles[t, k, j]
                    moved[t, k, i] = value if i < 2 else away - value
        depth[:] = np.inf
        draw(moved, colours, focal, light, ambient, out[n], depth)
