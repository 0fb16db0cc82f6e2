"""Charts of a dataset: a histogram of each action, and a map of where things were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .canvas import COLOURS, GRID, INK, PALE, Canvas, figure, steps

_BINS = 40
_PANEL_W, _PANEL_H, _MARGIN = 300, 170, 16  # pixels
_MAP = 640  # pixels


def action_histograms(actions: np.ndarray, names: Sequence[str], path: Path) -> Path:
    """One panel for each coordinate of the action.

    Args:
        actions: All that was commanded. (N, m)
        names: (m)
        path: The PNG file.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    across = min(3, len(names))
    down = -(-len(names) // across)
    canvas = Canvas(across * _PANEL_W + _MARGIN, down * _PANEL_H + 40)
    canvas.text(_MARGIN, 10, f"actions of {len(actions)} ticks", INK, 14)
    for k, name in enumerate(names):
        x, y = _MARGIN + k % across * _PANEL_W, 36 + k // across * _PANEL_H
        _histogram(canvas, x, y, actions[:, k], f"{name}", COLOURS[k % len(COLOURS)])
    return canvas.save(path)


def _histogram(canvas: Canvas, x: int, y: int, values: np.ndarray, name: str, colour) -> None:
    width, height = _PANEL_W - _MARGIN, _PANEL_H - 52
    good = values[np.isfinite(values)]
    low, high = (float(good.min()), float(good.max())) if len(good) else (0.0, 0.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(good, _BINS, (low, high))
    base, top = y + 16 + height, max(int(counts.max()), 1)
    mean, spread = (good.mean(), good.std()) if len(good) else (0.0, 0.0)
    canvas.text(x, y, name, INK)
    canvas.text(x + width, y, f"{figure(mean)} +- {figure(spread)}", PALE, anchor="ra")
    bar = width / _BINS
    for k, count in enumerate(counts):
        if count:
            tall = max(1.0, height * count / top)
            box = (x + k * bar, base - tall, x + (k + 1) * bar - 1, base)
            canvas.draw.rectangle(box, fill=colour)
    canvas.draw.line((x, base, x + width, base), fill=PALE)
    for value in steps(low, high, 5):
        at = x + width * (value - low) / (high - low)
        canvas.draw.line((at, base, at, base + 3), fill=PALE)
        canvas.text(at, base + 5, figure(float(value)), PALE, anchor="ma")


def workspace_map(places: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> Path:
    """Where things were at the start (a ring) and at the end (a dot) of each episode, from above.

    Args:
        places: Name to positions at the start and at the end, m. (E, 2), (E, 2)
        path: The PNG file.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    everything = np.concatenate([array for pair in places.values() for array in pair])
    everything = everything[np.isfinite(everything).all(axis=1)]
    middle, half = np.zeros(2), 0.1
    if len(everything):
        middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
        half = max(float(np.abs(everything - middle).max()) * 1.08, 1e-3)
    canvas = Canvas(_MAP + 80 + 130, _MAP + 80)
    canvas.text(_MARGIN, 10, "from above, m: start (ring), end (dot)", INK, 14)
    left, top = 56, 36

    def pixel(point: np.ndarray) -> tuple[float, float]:
        u, v = (point - middle + half) / (2 * half)
        return left + float(u) * _MAP, top + (1.0 - float(v)) * _MAP

    for axis in (0, 1):
        for value in steps(middle[axis] - half, middle[axis] + half, 8):
            ends = np.tile(middle, (2, 1)) + [[-half], [half]]
            ends[:, axis] = value
            a, b = pixel(ends[0]), pixel(ends[1])
            canvas.draw.line((*a, *b), fill=GRID)
            if axis == 0:
                canvas.text(a[0], top + _MAP + 6, figure(float(value)), PALE, anchor="ma")
            else:
                canvas.text(left - 6, a[1], figure(float(value)), PALE, anchor="rm")
    for k, (name, (starts, ends)) in enumerate(places.items()):
        colour = COLOURS[k % len(COLOURS)]
        pale = tuple(int(170 + 85 * c / 255) for c in colour)
        whole = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
        pairs = [(pixel(a), pixel(b)) for a, b in zip(starts[whole], ends[whole], strict=True)]
        for a, b in pairs:
            canvas.draw.line((*a, *b), fill=pale)
        for (ax, ay), (bx, by) in pairs:
            canvas.draw.ellipse((ax - 3, ay - 3, ax + 3, ay + 3), outline=colour)
            canvas.draw.ellipse((bx - 3, by - 3, bx + 3, by + 3), fill=colour)
        y = top + 8 + 18 * k
        canvas.draw.ellipse((left + _MAP + 16, y, left + _MAP + 24, y + 8), fill=colour)
        canvas.text(left + _MAP + 30, y - 2, name, INK)
    return canvas.save(path)


def positions(names: Sequence[str], states: np.ndarray) -> dict[str, np.ndarray]:
    """The planar positions in states (E, n), by what they are of: coordinates `NAME_x`, `NAME_y`.

    Velocities are none, whose names say so.
    """
    found = {}
    for name in names:
        stem = name.removesuffix("_x")
        if stem == name or f"{stem}_y" not in names or "vel" in stem:
            continue
        found[stem] = states[:, [list(names).index(name), list(names).index(f"{stem}_y")]]
    return found
