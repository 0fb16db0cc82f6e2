"""`CameraView` and `HeightmapView`: where an image is taken from, as plain data; needs no GL."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

Triple = tuple[float, float, float]

LARGEST = 4096
"""Most pixels on a side of an image."""


@dataclass(frozen=True)
class CameraView:
    """A pinhole camera with square pixels that looks at a point.

    Raises:
        ValueError: Sizes or angles out of range, or a direction that says nothing.
    """

    position: Triple
    """Where it is, m, in the world."""
    look_at: Triple = (0.0, 0.0, 0.0)
    """The point in the middle of the image, m."""
    up: Triple | None = None
    """What points up in the image; not given: z, and y for a camera that looks straight down."""
    fovy_deg: float = 45.0
    """Field of view from the upper to the lower edge, degrees."""
    width: int = 128
    """Pixels."""
    height: int = 128
    """Pixels."""
    depth: bool = True
    """Whether it measures distances beside colours."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if not 1 <= getattr(self, name) <= LARGEST:
                raise ValueError(f"{name}: {getattr(self, name)} is not between 1 and {LARGEST}")
        if not 0 < self.fovy_deg < 170:
            raise ValueError(f"fovy_deg: {self.fovy_deg:g} is not above 0 and below 170")
        ahead = np.subtract(self.look_at, self.position)
        if not np.linalg.norm(ahead) > 1e-9:
            raise ValueError("look_at: it is where the camera is")
        if self.up is not None and not np.linalg.norm(np.cross(ahead, self.up)) > 1e-9:
            raise ValueError(f"up: {list(self.up)} is the direction in which it looks")

    def axes(self) -> np.ndarray:
        """Its axes in the world as columns: right, down, ahead (ROS's optical frame). (3, 3)"""
        ahead = _unit(np.subtract(self.look_at, self.position))
        up = self.up
        if up is None:
            up = (0.0, 0.0, 1.0) if math.hypot(ahead[0], ahead[1]) > 1e-6 else (0.0, 1.0, 0.0)
        right = _unit(np.cross(ahead, up))
        return np.column_stack([right, np.cross(ahead, right), ahead])

    def intrinsics(self) -> np.ndarray:
        """The camera matrix K, pixels; (0, 0) is the centre of the top left pixel. (3, 3)"""
        focal = 0.5 * self.height / math.tan(0.5 * math.radians(self.fovy_deg))
        cx, cy = 0.5 * (self.width - 1), 0.5 * (self.height - 1)
        return np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Column, row and depth (m) of points of the world. (..., 3) -> (..., 3)"""
        seen = (np.asarray(points, float) - self.position) @ self.axes()
        depth = seen[..., 2:]
        return np.concatenate([(seen @ self.intrinsics().T)[..., :2] / depth, depth], axis=-1)

    def turned(self, tilt_deg: float = 0.0, roll_deg: float = 0.0) -> CameraView:
        """The same camera, turned where it stands.

        Args:
            tilt_deg: About its right axis: positive looks further up.
            roll_deg: About its optical axis, afterwards: positive turns what is seen to the left.
        """
        axes = self.axes() @ _tilt_and_roll(tilt_deg, roll_deg)
        distance = math.dist(self.look_at, self.position)
        look_at = np.add(self.position, distance * axes[:, 2])
        return replace(self, look_at=triple(look_at), up=triple(-axes[:, 1]))


@dataclass(frozen=True)
class HeightmapView:
    """Parallel rays onto a square: a heightmap, each pixel the height over the square's plane, m.

    Unturned it is seen from straight above: row 0 has the largest y, column 0 the smallest x.

    Raises:
        ValueError: Sizes out of range.
    """

    pixels: int = 64
    """On a side."""
    extent: float = 0.5
    """Side of the square, m."""
    centre: Triple = (0.0, 0.0, 0.0)
    """Middle of the square, m; heights are measured from there."""
    right: Triple = (1.0, 0.0, 0.0)
    """Unit vector along the rows."""
    up: Triple = (0.0, 1.0, 0.0)
    """Unit vector against the columns."""
    ceiling: float = math.inf
    """Where the rays begin above the square, m: nothing higher is seen, and what reaches higher is
    cut off there."""

    def __post_init__(self) -> None:
        if not 1 <= self.pixels <= LARGEST:
            raise ValueError(f"pixels: {self.pixels} is not between 1 and {LARGEST}")
        if not 0 < self.extent < math.inf:
            raise ValueError(f"extent: {self.extent:g} is not above 0")
        right, up = np.array(self.right), np.array(self.up)
        if not np.allclose([right @ right, up @ up, right @ up], [1, 1, 0], atol=1e-9):
            raise ValueError("up: it and right are no unit vectors at a right angle")

    def axes(self) -> np.ndarray:
        """Its axes in the world as columns: right, down, ahead (ROS's optical frame). (3, 3)"""
        (a, b, c), (u, v, w) = self.right, self.up
        return np.array([[a, -u, c * v - b * w], [b, -v, a * w - c * u], [c, -w, b * u - a * v]])

    def intrinsics(self) -> np.ndarray:
        """Pixels per metre and the centre's pixel, in the places of a camera matrix. (3, 3)"""
        scale, centre = self.pixels / self.extent, 0.5 * (self.pixels - 1)
        return np.array([[scale, 0.0, centre], [0.0, scale, centre], [0.0, 0.0, 1.0]])

    def turned(self, tilt_deg: float = 0.0, roll_deg: float = 0.0) -> HeightmapView:
        """The same square turned about its middle.

        Args:
            tilt_deg: About its right axis.
            roll_deg: About the axis of its rays, afterwards: positive turns what is seen to the
                left.
        """
        axes = self.axes() @ _tilt_and_roll(tilt_deg, roll_deg)
        return replace(self, right=triple(axes[:, 0]), up=triple(-axes[:, 1]))


def _tilt_and_roll(tilt_deg: float, roll_deg: float) -> np.ndarray:
    """A turn about right, then about ahead, in the axes right, down, ahead. (3, 3)"""
    c, s = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    c, s = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    return tilt @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def triple(vector: np.ndarray) -> Triple:
    """Three coordinates as plain numbers. (3,)"""
    x, y, z = map(float, vector)
    return x, y, z
