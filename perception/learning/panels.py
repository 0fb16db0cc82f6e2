"""Small charts side by side: what was foretold or told, over what was so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, GAP, TITLE = 220, 140, 24, 16
"""Of a panel, between two, and of the line above it, in pixels."""
TRUE, TOLD = (110, 110, 110), (200, 60, 40)
"""Colours of what was so, and of what was foretold or told."""


@dataclass(frozen=True)
class Panel:
    """One chart: two curves over one axis, or points."""

    title: str
    across: np.ndarray
    """(N,)"""
    true: np.ndarray
    """(N,), drawn in grey."""
    told: np.ndarray
    """(N,), drawn in red."""
    points: bool = False
    """Whether what was told is points."""


def draw(panels: Sequence[Panel], columns: int, path: Path) -> Path:
    """Draw panels row by row as a PNG file.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    from PIL import Image, ImageDraw

    rows = -(-len(panels) // columns)
    size = (columns * (WIDTH + GAP) + GAP, rows * (HEIGHT + TITLE + GAP) + GAP)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    for k, panel in enumerate(panels):
        left = GAP + (k % columns) * (WIDTH + GAP)
        top = GAP + (k // columns) * (HEIGHT + TITLE + GAP) + TITLE
        both = np.concatenate([panel.true, panel.told])
        low, high = float(np.min(both)), float(np.max(both))
        pen.text((left, top - TITLE), f"{panel.title}  {low:.3g} .. {high:.3g}", fill=(0, 0, 0))
        pen.rectangle((left, top, left + WIDTH, top + HEIGHT), outline=(220, 220, 220))
        first, last = float(np.min(panel.across)), float(np.max(panel.across))
        x = left + WIDTH * (panel.across - first) / max(last - first, 1e-12)
        for values, colour in ((panel.true, TRUE), (panel.told, TOLD)):
            y = top + HEIGHT * (1.0 - (values - low) / max(high - low, 1e-12))
            places = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
            if panel.points and colour == TOLD:
                pen.point(places, fill=colour)
            else:
                pen.line(places, fill=colour, width=2)
    partial = path.with_name(f"{path.name}.partial")
    image.save(partial, "PNG")
    partial.replace(path)
    return path
