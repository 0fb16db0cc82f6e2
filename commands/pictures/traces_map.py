"""What a backwards model imagined: the ways that lead to the demonstrated ones, from above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .canvas import INK, PALE, Canvas
from .success_maps import GAP, LEFT, SIDE, TOP, Frame

MOST = 3000
"""Imagined steps that are drawn; of more, so many evenly among them."""
NEAR, FAR = (222, 120, 30), (60, 90, 190)


def traces_map(
    places: Mapping[str, np.ndarray],
    episode: np.ndarray,
    imagined: Mapping[str, tuple[np.ndarray, np.ndarray]],
    step: np.ndarray,
    path: Path,
    title: str = "",
) -> Path:
    """Draw demonstrated ways over the steps that were imagined before them.

    Args:
        places: Name to demonstrated positions, m. (N, 2)
        episode: Which episode each is of. (N,)
        imagined: The same names to where imagined steps begin and end, m. (T, 2), (T, 2)
        step: How many steps before the demonstrated state each begins, from 1. (T,)
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    count = max(len(places), 1)
    canvas = Canvas(count * (SIDE + LEFT + GAP), SIDE + TOP + GAP + 24)
    canvas.text(16, 8, title, INK, 14)
    rows = np.unique(np.linspace(0, len(step) - 1, min(len(step), MOST)).astype(int))
    rows = rows[np.argsort(-step[rows], kind="stable")] if len(rows) else rows
    last = max(int(step.max(initial=1)) - 1, 1)
    for k, (name, points) in enumerate(places.items()):
        begin, end = (array[rows] for array in imagined[name])
        everything = np.concatenate([points, begin, end])
        low, high = everything.min(axis=0), everything.max(axis=0)
        middle, half = (low + high) / 2, 0.54 * max(float((high - low).max()), 1e-3)
        names = ("x, m", f"{name} y, m".strip())
        corner = k * (SIDE + LEFT + GAP) + LEFT, TOP + 16
        frame = Frame(canvas, corner, middle - half, middle + half, names)
        for a, b, number in zip(begin, end, step[rows], strict=True):
            share = (int(number) - 1) / last
            colour = tuple(round(n + share * (f - n)) for n, f in zip(NEAR, FAR, strict=True))
            canvas.draw.line((*frame.pixel(a), *frame.pixel(b)), fill=colour)
        for number in np.unique(episode):
            way = [frame.pixel(point) for point in points[episode == number]]
            canvas.draw.line([value for point in way for value in point], fill=INK)
    said = "black: demonstrated; orange to blue: imagined, one step before it to the most"
    canvas.text(16, SIDE + TOP + GAP + 4, said, PALE)
    return canvas.save(path)


def moving(
    names: Sequence[str], points: np.ndarray, state: np.ndarray
) -> dict[str, tuple[int, int]]:
    """Where the planar points that move stand among the coordinates, by what they are of.

    Args:
        names: Of the coordinates. (n)
        points: x and y of each planar point. (P, 2)
        state: Demonstrated states. (N, n)
    """
    found = {}
    for x, y in points:
        here = state[:, [x, y]]
        if len(here) and float(np.ptp(here, axis=0).max()) > 1e-6:
            found[str(names[x]).removesuffix("x").rstrip("_")] = (int(x), int(y))
    return found
