"""Learning curves: losses over the updates, on a logarithmic scale where all are positive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .canvas import COLOURS, GRID, INK, PALE, Canvas, figure, steps

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 320, 72, 44  # pixels of the panel, and around it


def learning_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    kept: float | None,
    path: Path,
    title: str = "",
) -> Path:
    """Draw curves in one panel.

    Args:
        curves: Name to the updates and the values there.
        kept: The update whose weights are kept; a line marks it. None: none.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    canvas = Canvas(_WIDTH + _LEFT + 24, _HEIGHT + _TOP + 44)
    canvas.text(16, 10, title, INK, 14)
    values = np.array([y for _, ys in curves.values() for y in ys], float)
    values = values[np.isfinite(values)]
    last = max((x for xs, _ in curves.values() for x in xs), default=1.0)
    scaled = _Scale(values)

    def pixel(x: float, y: float) -> tuple[float, float]:
        up = (scaled(y) - scaled.low) / (scaled.high - scaled.low)
        return _LEFT + _WIDTH * x / last, _TOP + _HEIGHT * (1.0 - up)

    for value in scaled.ticks():
        _, at = pixel(0.0, value)
        canvas.draw.line((_LEFT, at, _LEFT + _WIDTH, at), fill=GRID)
        canvas.text(_LEFT - 6, at, figure(value), PALE, anchor="rm")
    for value in steps(0.0, last, 8):
        at, _ = pixel(float(value), scaled.bottom)
        canvas.draw.line((at, _TOP, at, _TOP + _HEIGHT), fill=GRID)
        canvas.text(at, _TOP + _HEIGHT + 5, f"{value:.0f}", PALE, anchor="ma")
    canvas.draw.rectangle((_LEFT, _TOP, _LEFT + _WIDTH, _TOP + _HEIGHT), outline=PALE)
    canvas.text(_LEFT + _WIDTH, _TOP + _HEIGHT + 22, "updates", INK, anchor="ra")
    if kept is not None:
        at, _ = pixel(kept, scaled.bottom)
        canvas.draw.line((at, _TOP, at, _TOP + _HEIGHT), fill=PALE)
        canvas.text(at - 4, _TOP + 4, "kept", PALE, anchor="ra")
    for k, (name, (xs, ys)) in enumerate(curves.items()):
        colour = COLOURS[k % len(COLOURS)]
        points = [pixel(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
        for a, b in zip(points, points[1:], strict=False):
            canvas.draw.line((*a, *b), fill=colour, width=2)
        for x, y in points[:1] if len(points) == 1 else ():
            canvas.draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
        left = _LEFT + 12 + 170 * k
        canvas.draw.line((left, _TOP - 12, left + 18, _TOP - 12), fill=colour, width=2)
        canvas.text(left + 24, _TOP - 12, name, INK, anchor="lm")
    return canvas.save(path)


class _Scale:
    """Values as heights: logarithms where all are positive."""

    def __init__(self, values: np.ndarray) -> None:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0)
        self.logarithmic = low > 0.0
        self.low, self.high = self(low), self(high)
        gap = max(0.05 * (self.high - self.low), 0.02 if self.logarithmic else 1e-6)
        self.low, self.high = self.low - gap, self.high + gap

    def __call__(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    @property
    def bottom(self) -> float:
        """The least value shown."""
        return 10.0**self.low if self.logarithmic else self.low

    def ticks(self) -> list[float]:
        """Values for the axis."""
        if not self.logarithmic:
            return [float(v) for v in steps(self.low, self.high)]
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        found = [m * 10.0**d for d in decades for m in (1.0, 2.0, 5.0)]
        found = [v for v in found if self.low <= math.log10(v) <= self.high]
        return found or [10.0 ** (0.5 * (self.low + self.high))]
