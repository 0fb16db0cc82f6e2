"""Pictures of an evaluation: where it succeeded from, start by start, and cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...control.success_map import SuccessMap
from .canvas import GRID, INK, PALE, Canvas, figure, steps

GREEN, RED = (44, 140, 60), (200, 60, 50)
SIDE, LEFT, TOP, GAP = 360, 56, 56, 40  # pixels of a panel, and around it
_ACROSS = 3


class Frame:
    """A square panel with axes, from values to pixels.

    Args:
        canvas: What it is drawn on.
        corner: Its upper left, pixels.
        low: Least value along x and y.
        high: Largest.
        names: Of the axes, with units.
    """

    def __init__(
        self,
        canvas: Canvas,
        corner: tuple[int, int],
        low: Sequence[float] | np.ndarray,
        high: Sequence[float] | np.ndarray,
        names: Sequence[str],
    ) -> None:
        self.canvas, self.corner = canvas, corner
        self.low, self.high = np.asarray(low, float), np.asarray(high, float)
        left, top = corner
        for axis in (0, 1):
            for value in steps(self.low[axis], self.high[axis], 6):
                ends = np.array([self.low, self.high])
                ends[:, axis] = value
                a, b = self.pixel(ends[0]), self.pixel(ends[1])
                canvas.draw.line((*a, *b), fill=GRID)
                said = figure(float(value))
                if axis == 0:
                    canvas.text(a[0], top + SIDE + 4, said, PALE, anchor="ma")
                else:
                    canvas.text(left - 6, a[1], said, PALE, anchor="rm")
        canvas.draw.rectangle((left, top, left + SIDE, top + SIDE), outline=PALE)
        canvas.text(left + SIDE, top + SIDE + 18, names[0], INK, anchor="ra")
        canvas.text(left - 40, top - 22, names[1], INK)

    def pixel(self, point: np.ndarray) -> tuple[float, float]:
        """Where a point (2,) is drawn."""
        u, v = (np.asarray(point) - self.low) / (self.high - self.low)
        return self.corner[0] + float(u) * SIDE, self.corner[1] + (1.0 - float(v)) * SIDE

    def box(self, low: Sequence[float], high: Sequence[float]) -> tuple[float, ...]:
        """The pixels of a rectangle: left, top, right, bottom."""
        (a, d), (c, b) = self.pixel(np.asarray(low)), self.pixel(np.asarray(high))
        return a, b, c, d


def starts_map(
    places: dict[str, np.ndarray],
    success: np.ndarray,
    path: Path,
    workspace: float = 0.0,
    title: str = "",
) -> Path:
    """Where things stood at the start of each episode, green for a success and red for a failure.

    Args:
        places: What -> where at the start of each episode, m. (E, 2)
        success: (E,) bool
        path: The PNG file.
        workspace: Radius of the disc about the origin that things start in, m; 0: none is drawn.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    across = min(_ACROSS, max(len(places), 1))
    down = -(-max(len(places), 1) // across)
    wide, high = SIDE + LEFT + GAP, SIDE + TOP + GAP
    canvas = Canvas(across * wide, down * high + 24)
    canvas.text(16, 8, title, INK, 14)
    everything = np.concatenate([*places.values(), np.zeros((1, 2))])
    low, top = everything.min(axis=0), everything.max(axis=0)
    middle = np.zeros(2) if workspace else (low + top) / 2
    half = 1.08 * max(float(np.abs(everything - middle).max()), workspace, 1e-3)
    for k, (name, points) in enumerate(places.items()):
        corner = k % across * wide + LEFT, k // across * high + TOP + 16
        frame = Frame(canvas, corner, middle - half, middle + half, ("x, m", f"{name}: y, m"))
        if workspace:
            box = frame.box((-workspace, -workspace), (workspace, workspace))
            canvas.draw.ellipse(box, outline=PALE)
        for good in (True, False):  # failures are few where it matters, and are not covered
            for point in points[success == good]:
                x, y = frame.pixel(point)
                colour = GREEN if good else RED
                canvas.draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
    return canvas.save(path)


def heat_map(found: SuccessMap, path: Path, title: str = "") -> Path:
    """The rate of each cell, from red (none) over yellow to green (all); white where none began.

    Args:
        found: The map.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    canvas = Canvas(SIDE + LEFT + GAP + 90, SIDE + TOP + GAP + 24)
    canvas.text(16, 8, title, INK, 14)
    axes = found.first, found.second
    half = [(axis[1] - axis[0]) / 2 for axis in axes]
    low = [float(axis[0] - h) for axis, h in zip(axes, half, strict=True)]
    high = [float(axis[-1] + h) for axis, h in zip(axes, half, strict=True)]
    frame = Frame(canvas, (LEFT, TOP + 16), low, high, found.names)
    rate = found.rate
    for i, x in enumerate(found.first):
        for j, y in enumerate(found.second):
            if np.isfinite(rate[i, j]):
                box = frame.box((x - half[0], y - half[1]), (x + half[0], y + half[1]))
                canvas.draw.rectangle(box, fill=heat(float(rate[i, j])))
    left, top = LEFT + SIDE + 24, TOP + 16
    for k in range(SIDE):
        colour = heat(1.0 - k / (SIDE - 1))
        canvas.draw.line((left, top + k, left + 14, top + k), fill=colour)
    for share in (0.0, 0.5, 1.0):
        canvas.text(left + 20, top + (1.0 - share) * SIDE, f"{100 * share:.0f} %", INK, anchor="lm")
    return canvas.save(path)


def heat(share: float) -> tuple[int, int, int]:
    """A colour between red, yellow and green."""
    stops = np.array([[200, 60, 50], [245, 205, 90], [44, 140, 60]], float)
    place = 2.0 * min(max(share, 0.0), 1.0)
    k = min(int(place), 1)
    colour = stops[k] + (place - k) * (stops[k + 1] - stops[k])
    return int(colour[0]), int(colour[1]), int(colour[2])
