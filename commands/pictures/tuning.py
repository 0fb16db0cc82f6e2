"""A tuning in pictures: cost over the trials, and all trials as lines across their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .canvas import COLOURS, GRID, INK, PALE, Canvas, figure, steps

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 640, 260, 72, 44, 84  # pixels of a panel, and around it
_GOOD, _BAD = np.array((20, 90, 160)), np.array((225, 225, 225))


def tuning_picture(trials: Sequence[Any], space: Mapping[str, Any], path: Path, title: str) -> Path:
    """Draw trials: above their costs and the best so far, below a line through each one's values.

    Args:
        trials: With `number`, `values`, `cost`; one of infinite cost is a cross at the top.
        space: The range of each parameter.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    canvas = Canvas(_WIDTH + _LEFT + 40, 2 * _HEIGHT + _TOP + _GAP + 48)
    canvas.text(16, 10, title, INK, 14)
    costs = np.array([trial.cost for trial in trials])
    finite = costs[np.isfinite(costs)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    # A few trials that went all wrong are not to flatten the others.
    high = min(high, float(np.median(finite)) + 4.0 * (float(np.median(finite)) - low)) or high
    margin = 0.06 * max(high - low, 1e-9)
    low, high = low - margin, high + margin
    _costs(canvas, trials, costs, low, high)
    _lines(canvas, trials, costs, space)
    return canvas.save(path)


def _costs(
    canvas: Canvas, trials: Sequence[Any], costs: np.ndarray, low: float, high: float
) -> None:
    last = max((trial.number for trial in trials), default=1) or 1

    def pixel(number: float, cost: float) -> tuple[float, float]:
        up = min(max((cost - low) / (high - low), 0.0), 1.0)
        return _LEFT + _WIDTH * number / last, _TOP + _HEIGHT * (1.0 - up)

    for value in steps(low, high):
        _, at = pixel(0, float(value))
        canvas.draw.line((_LEFT, at, _LEFT + _WIDTH, at), fill=GRID)
        canvas.text(_LEFT - 6, at, figure(float(value)), PALE, anchor="rm")
    for value in sorted({round(value) for value in steps(0, last, 8)}):
        at, _ = pixel(float(value), low)
        canvas.text(at, _TOP + _HEIGHT + 5, str(value), PALE, anchor="ma")
    canvas.draw.rectangle((_LEFT, _TOP, _LEFT + _WIDTH, _TOP + _HEIGHT), outline=PALE)
    canvas.text(_LEFT + _WIDTH, _TOP + _HEIGHT + 20, "trial", INK, anchor="ra")
    best, before = np.inf, None
    for trial, cost in zip(trials, costs, strict=True):
        x, y = pixel(trial.number, cost)
        if cost > high:  # beyond the panel, or it came to nothing
            canvas.draw.line((x - 3, y - 3, x + 3, y + 3), fill=PALE)
            canvas.draw.line((x - 3, y + 3, x + 3, y - 3), fill=PALE)
        else:
            canvas.draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=PALE)
        best = min(best, cost)
        if np.isfinite(best):
            here = pixel(trial.number, best)
            if before is not None:
                canvas.draw.line((*before, here[0], before[1]), fill=COLOURS[0], width=2)
                canvas.draw.line((here[0], before[1], *here), fill=COLOURS[0], width=2)
            before = here


def _lines(
    canvas: Canvas, trials: Sequence[Any], costs: np.ndarray, space: Mapping[str, Any]
) -> None:
    """A line a trial across the parameters' ranges; the better, the bluer, the best in orange."""
    top, names = _TOP + _HEIGHT + _GAP, list(space)
    across = np.linspace(_LEFT, _LEFT + _WIDTH, len(names)) if len(names) > 1 else [_LEFT + 320]
    order = np.argsort(costs, kind="stable")[::-1]  # the best is drawn last
    for place, k in enumerate(order):
        if not np.isfinite(costs[k]):
            continue
        share = place / max(len(order) - 1, 1)
        colour = tuple(int(c) for c in _BAD + share**2 * (_GOOD - _BAD))
        is_best = place == len(order) - 1
        points = [
            (x, top + _HEIGHT * (1.0 - space[name].place(trials[k].values[name])))
            for x, name in zip(across, names, strict=True)
        ]
        fill, width = (COLOURS[1], 3) if is_best else (colour, 1)
        for a, b in zip(points, points[1:], strict=False):
            canvas.draw.line((*a, *b), fill=fill, width=width)
        if len(points) == 1 or is_best:
            for x, y in points:
                canvas.draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=fill)
    for k, (x, name) in enumerate(zip(across, names, strict=True)):
        found = space[name]
        canvas.draw.line((x, top, x, top + _HEIGHT), fill=INK)
        ends = (found.choices[0], found.choices[-1]) if found.choices else (found.low, found.high)
        low, high = (end if isinstance(end, str) else figure(float(end)) for end in ends)
        canvas.text(x, top - 5, high, PALE, anchor="md")
        canvas.text(x, top + _HEIGHT + 5, low, PALE, anchor="ma")
        canvas.text(x, top + _HEIGHT + (20 if k % 2 == 0 else 33), name, INK, anchor="ma")
