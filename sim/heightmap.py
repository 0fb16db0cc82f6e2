"""`Heightmap`: how high everything is, seen by parallel rays; exact, and without any GL library."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import mujoco
import numpy as np
from numba import njit

from .camera_view import HeightmapView
from .plant import Plant

TOOL = "tool"
"""The site of a gripper that an in-hand image goes with."""
IN_HAND_EXTENT = 0.12
"""Side of an in-hand image, m."""
IN_HAND_CEILING = 0.045
"""An in-hand image is what would be seen from just under the palm, this far above the tool, m."""

_HIDDEN_FROM = 3
"""Geoms of this group and above are not drawn, as in MuJoCo's viewer."""
_MARK = re.compile(r"goal(_\d+)?")
"""The bodies that show where the goal is."""

_PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)
_SPHERE = int(mujoco.mjtGeom.mjGEOM_SPHERE)
_CAPSULE = int(mujoco.mjtGeom.mjGEOM_CAPSULE)
_ELLIPSOID = int(mujoco.mjtGeom.mjGEOM_ELLIPSOID)
_CYLINDER = int(mujoco.mjtGeom.mjGEOM_CYLINDER)
_BOX = int(mujoco.mjtGeom.mjGEOM_BOX)


class HeightmapError(ValueError):
    """A scene that has no heightmap; one line."""


class Heightmap:
    """Heights of a plant's visible shapes over a square, whatever its engine.

    Shapes are solid and exact: planes, boxes, spheres, capsules, cylinders and ellipsoids. The mark
    of the goal has no height and is not drawn; a plane is seen from its upper side only. Where
    there is nothing at all the world's plane z = 0 is seen. Pixel centres lie symmetrically about
    the square's middle, so quarter turns and mirrors of the scene about it permute the pixels.

    Args:
        plant: What it looks at: always the plant's present state.
        view: The square.
        site: The square goes with the site of this name and turns with its yaw, the view being in
            the frame of the site; empty: it stands still.

    Raises:
        HeightmapError: There is no such site, or a visible shape of another kind.
    """

    def __init__(self, plant: Plant, view: HeightmapView, site: str = "") -> None:
        self.plant, self.view = plant, view
        self._site = -1
        model = plant.model
        if site:
            self._site = int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, site))
            if self._site < 0:
                raise HeightmapError(f"{plant.task.name} has no site called {site!r}")
        self._geoms = _visible(model)
        self._kinds = np.ascontiguousarray(model.geom_type[self._geoms], np.int64)

    def now(self) -> HeightmapView:
        """The square in the world, at present."""
        if self._site < 0:
            return self.view
        self.plant.place()
        x, y, z = map(float, self.plant.data.site_xpos[self._site])
        along = self.plant.data.site_xmat[self._site].reshape(3, 3)[:2, 0]
        c, s = map(float, along / np.linalg.norm(along))
        view = self.view
        (cx, cy, cz), (rx, ry, rz), (ux, uy, uz) = view.centre, view.right, view.up
        return replace(
            view,
            centre=(x + c * cx - s * cy, y + s * cx + c * cy, z + cz),
            right=(c * rx - s * ry, s * rx + c * ry, rz),
            up=(c * ux - s * uy, s * ux + c * uy, uz),
        )

    def image(self, view: HeightmapView | None = None) -> np.ndarray:
        """Heights over the square, m; row 0 is its upper edge. (pixels, pixels) float32

        Args:
            view: What `now` gives, by a caller that has asked.
        """
        view = view or self.now()
        self.plant.place()
        data = self.plant.data
        axes = view.axes().T * [[1.0], [-1.0], [-1.0]]  # rows: right, up, towards the viewer
        out = np.empty((view.pixels, view.pixels), np.float32)
        draw(
            self._kinds,
            self.plant.model.geom_size[self._geoms],
            data.geom_xpos[self._geoms],
            data.geom_xmat[self._geoms],
            np.array(view.centre),
            axes,
            view.extent / view.pixels,
            view.ceiling,
            out,
        )
        return out


def in_hand(plant: Plant, pixels: int) -> Heightmap:
    """What the gripper has below and between its fingers, turned as it is; heights from the tool.

    It is seen from the palm: the fingers are cut off there, and the arm above is not in the way.

    Raises:
        HeightmapError: The plant has no site `tool`, or a visible shape that has no heights.
    """
    view = HeightmapView(pixels, IN_HAND_EXTENT, ceiling=IN_HAND_CEILING)
    return Heightmap(plant, view, TOOL)


def _visible(model: mujoco.MjModel) -> np.ndarray:
    """The geoms that are drawn."""
    found = []
    for geom in range(model.ngeom):
        material = int(model.geom_matid[geom])
        alpha = model.geom_rgba[geom, 3] if material < 0 else model.mat_rgba[material, 3]
        marked = _MARK.fullmatch(model.body(int(model.geom_bodyid[geom])).name)
        if model.geom_group[geom] >= _HIDDEN_FROM or alpha == 0 or marked:
            continue
        kind = int(model.geom_type[geom])
        if kind not in (_PLANE, _SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX):
            name = model.geom(geom).name or f"number {geom}"
            word = mujoco.mjtGeom(kind).name.removeprefix("mjGEOM_").lower()
            raise HeightmapError(f"the geom {name} is a {word}, and those have no heights here")
        found.append(geom)
    return np.array(found, np.int64)


# The kernel: every function in the square's frame, x right, y up, z towards the viewer.


@njit(cache=True)
def draw(kinds, sizes, positions, matrices, centre, axes, pixel, ceiling, out):
    """Heights of the first surfaces that rays from the ceiling down meet.

    Args:
        kinds: Of each geom. (g,)
        sizes: (g, 3), m.
        positions: In the world. (g, 3), m.
        matrices: Its axes in the world as columns. (g, 9)
        centre: Of the square, in the world. (3,), m.
        axes: The square's in the world, as rows: right, up, towards the viewer. (3, 3)
        pixel: Side of a pixel, m.
        ceiling: Where the rays begin, m.
        out: Filled. (n, n) float32
    """
    n = out.shape[0]
    middle = 0.5 * (n - 1)
    out[:] = -np.inf
    turn = np.empty((3, 3))
    for g in range(len(kinds)):
        kind, size = kinds[g], sizes[g]
        x, y, z = inside(axes, positions[g], centre)
        for i in range(3):
            for k in range(3):
                m = matrices[g]
                # In this order quarter turns and mirrors give the same bits.
                turn[i, k] = axes[i, 0] * m[k] + axes[i, 1] * m[3 + k] + axes[i, 2] * m[6 + k]
        wide, tall = reach(kind, size, turn)
        first, last = span(x, wide, pixel, middle, n)
        top, bottom = span(-y, tall, pixel, middle, n)
        for i in range(top, bottom + 1):
            dy = (middle - i) * pixel - y
            for j in range(first, last + 1):
                dx = (j - middle) * pixel - x
                low, high = chord(kind, size, turn, dx, dy)
                if low > high or z + low > ceiling:
                    continue
                height = np.float32(min(z + high, ceiling))
                if height > out[i, j]:
                    out[i, j] = height
    # Where there is nothing: the world's plane z = 0.
    for i in range(n):
        for j in range(n):
            if out[i, j] == -np.inf:
                out[i, j] = 0.0
                if axes[2, 2] > 1e-9:
                    dx, dy = (j - middle) * pixel, (middle - i) * pixel
                    up = dx * axes[0, 2] + dy * axes[1, 2] + centre[2]
                    out[i, j] = -up / axes[2, 2]


@njit(cache=True)
def inside(axes, point, centre):
    """A point of the world in the square's frame. (3, 3), (3,), (3,) -> three coordinates, m."""
    x, y, z = point[0] - centre[0], point[1] - centre[1], point[2] - centre[2]
    return (
        axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z,
        axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z,
        axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z,
    )


@njit(cache=True)
def span(centre, wide, pixel, middle, n):
    """The pixels of a row that may see something `wide` to both sides of a coordinate, m."""
    if wide == np.inf:
        return 0, n - 1
    first = math.floor((centre - wide) / pixel + middle)
    last = math.ceil((centre + wide) / pixel + middle)
    return int(max(min(first, n), 0)), int(min(max(last, -1), n - 1))


@njit(cache=True)
def reach(kind, size, turn):
    """Half the width and half the height of a geom in the image, m."""
    a, b, c = size[0], size[1], size[2]
    if kind == _SPHERE:
        return a, a
    if kind == _PLANE:
        if a <= 0.0 or b <= 0.0:  # endless
            return np.inf, np.inf
        c = 0.0
    elif kind != _BOX and kind != _ELLIPSOID:  # the box around it
        c = b + a if kind == _CAPSULE else b
        b = a
    return (
        abs(turn[0, 0]) * a + abs(turn[0, 1]) * b + abs(turn[0, 2]) * c,
        abs(turn[1, 0]) * a + abs(turn[1, 1]) * b + abs(turn[1, 2]) * c,
    )


@njit(cache=True)
def slab(low, high, start, rate, half):
    """What is left of a ray's part where |start + rate t| <= half."""
    if abs(rate) < 1e-9:
        return (low, high) if abs(start) <= half else (1.0, 0.0)
    one, two = (-half - start) / rate, (half - start) / rate
    return max(low, min(one, two)), min(high, max(one, two))


@njit(cache=True)
def quadric(a, b, c):
    """Where a t^2 + 2 b t + c <= 0, for a >= 0."""
    if a < 1e-16:  # along the axis of a cylinder
        return (-np.inf, np.inf) if c <= 0.0 else (1.0, 0.0)
    square = b * b - a * c
    if square < 0.0:
        return 1.0, 0.0
    root = math.sqrt(square)
    return (-b - root) / a, (-b + root) / a


@njit(cache=True)
def chord(kind, size, turn, dx, dy):
    """Lower and upper end of a vertical ray within a geom, from its middle, m; 1, 0: it misses.

    Args:
        kind: Of the geom.
        size: (3,), m.
        turn: The geom's axes as columns. (3, 3)
        dx: The ray's place, from the geom's middle, m.
        dy: The same.
    """
    if kind == _SPHERE:
        return quadric(1.0, 0.0, dx * dx + dy * dy - size[0] * size[0])
    # The ray in the geom's frame: start + rate t.
    ax, ay, az = (
        turn[0, 0] * dx + turn[1, 0] * dy,
        turn[0, 1] * dx + turn[1, 1] * dy,
        turn[0, 2] * dx + turn[1, 2] * dy,
    )
    rx, ry, rz = turn[2, 0], turn[2, 1], turn[2, 2]
    low, high = -np.inf, np.inf
    if kind == _BOX:
        low, high = slab(low, high, ax, rx, size[0])
        low, high = slab(low, high, ay, ry, size[1])
        return slab(low, high, az, rz, size[2])
    if kind == _PLANE:
        if rz < 1e-9:
            return 1.0, 0.0
        high = -az / rz
        if size[0] > 0.0 and size[1] > 0.0:
            if abs(ax + rx * high) > size[0] or abs(ay + ry * high) > size[1]:
                return 1.0, 0.0
        return low, high
    if kind == _ELLIPSOID:
        ax, ay, az = ax / size[0], ay / size[1], az / size[2]
        rx, ry, rz = rx / size[0], ry / size[1], rz / size[2]
        return quadric(
            rx * rx + ry * ry + rz * rz,
            ax * rx + ay * ry + az * rz,
            ax * ax + ay * ay + az * az - 1.0,
        )
    radius, half = size[0], size[1]
    across = ax * ax + ay * ay - radius * radius
    low, high = quadric(rx * rx + ry * ry, ax * rx + ay * ry, across)
    if low <= high:
        low, high = slab(low, high, az, rz, half)
    if kind == _CAPSULE:  # and a ball at either end
        for end in (-half, half):
            below, above = quadric(
                1.0, ax * rx + ay * ry + (az - end) * rz, across + (az - end) ** 2
            )
            if below <= above:
                low, high = (min(low, below), max(high, above)) if low <= high else (below, above)
    return low, high
