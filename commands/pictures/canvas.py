"""`Canvas`: a white PNG to draw charts and images on, with a scale from values to pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

INK, PALE, GRID = (40, 40, 40), (150, 150, 150), (228, 228, 228)
COLOURS = (
    *((31, 119, 180), (214, 90, 30), (44, 140, 60), (170, 50, 60)),
    *((120, 90, 170), (130, 90, 60), (200, 100, 170), (0, 150, 160)),
)
"""What tells things apart; of more things some share one."""


class Canvas:
    """A picture in the making.

    Args:
        width: Pixels.
        height: Pixels.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
    """

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self.width, self.height = width, height
        self._image = Image.new("RGB", (width, height), "white")
        self.draw: Any = ImageDraw.Draw(self._image)
        self._fonts = {size: ImageFont.load_default(size) for size in (11, 14)}

    def text(
        self, x: float, y: float, text: str, colour: Any = INK, size: int = 11, anchor: str = "la"
    ) -> None:
        """A line of text; `anchor` as Pillow has it: l, m, r and a, m, d of the point."""
        self.draw.text((x, y), text, fill=colour, font=self._fonts[size], anchor=anchor)

    def paste(self, x: int, y: int, pixels: np.ndarray) -> None:
        """An image (H, W, 3) uint8, its upper left corner at a point."""
        from PIL import Image

        self._image.paste(Image.fromarray(np.ascontiguousarray(pixels)), (x, y))

    def save(self, path: Path) -> Path:
        """Write it as PNG.

        Raises:
            OSError: It cannot be written.
        """
        self._image.save(path, format="PNG")
        return path


def steps(low: float, high: float, most: int = 6) -> np.ndarray:
    """Round values between two, at most so many."""
    span = max(high - low, 1e-12)
    step = 10.0 ** math.floor(math.log10(span / most))
    factors = (1, 2, 5, 10)
    step *= next((f for f in factors if span / (f * step) <= most), 10)
    first = math.ceil(low / step - 1e-9)
    return step * np.arange(first, math.floor(high / step + 1e-9) + 1)


def figure(value: float) -> str:
    """A value on an axis."""
    return f"{value:.3g}" if abs(value) > 1e-9 else "0"
