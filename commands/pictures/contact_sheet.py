"""A contact sheet: the first, the middle and the last image of some episodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...nodes.bags.cameras import Camera
from ...nodes.bags.dataset import Episode
from .canvas import GRID, INK, PALE, Canvas

MOST = 12
"""Episodes on a sheet."""
_SIDE, _GAP, _LABEL, _ACROSS = 128, 4, 22, 2  # pixels; episodes side by side


def contact_sheet(episodes: Sequence[Episode], topic: str, path: Path) -> Path:
    """Draw the images of one camera.

    Args:
        episodes: At most `MOST` of them.
        topic: The camera's image topic.
        path: The PNG file.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    shown = [episode for episode in episodes if topic in episode.cameras]
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    wide, high = 3 * (_SIDE + _GAP) + 12, _SIDE + _LABEL
    canvas = Canvas(across * wide + 12, down * high + 40)
    canvas.text(12, 10, f"{topic}: first, middle and last image", INK, 14)
    for place, episode in enumerate(shown):
        x, y = 12 + place % across * wide, 36 + place // across * high
        camera = episode.cameras[topic]
        result = "success" if episode.success else "failure"
        said = f"episode {episode.number}, {result}, {len(episode)} ticks"
        canvas.text(x, y, said, PALE)
        for column, frame in enumerate((0, (len(camera.frames) - 1) // 2, -1)):
            pixels = _scaled(visible(camera, frame))
            left, top = x + column * (_SIDE + _GAP), y + 16
            canvas.paste(left, top, pixels)
            canvas.draw.rectangle((left - 1, top - 1, left + _SIDE, top + _SIDE), outline=GRID)
    return canvas.save(path)


def visible(camera: Camera, frame: int) -> np.ndarray:
    """A frame as people see it: colours as they are, heights and depths shaded. (H, W, 3) uint8"""
    pixels = camera.frames[frame]
    if pixels.shape[-1] >= 3:
        colours = pixels[..., :3]
        return colours[..., ::-1] if camera.encoding.startswith("bgr") else colours
    if camera.encoding in ("mono8", "8UC1"):
        return np.repeat(pixels, 3, axis=-1)
    return shaded(pixels[..., 0].astype(np.float64))


def shaded(field: np.ndarray) -> np.ndarray:
    """A field of heights or depths, lit from the upper left; black where there is none.

    Args:
        field: (H, W), NaN and infinities where nothing is.

    Returns:
        (H, W, 3) uint8.
    """
    there = np.isfinite(field)
    if not there.any():
        return np.zeros((*field.shape, 3), np.uint8)
    low, high = field[there].min(), field[there].max()
    level = np.where(there, (np.where(there, field, low) - low) / max(high - low, 1e-9), 0.0)
    # Slopes are exaggerated as if the highest thing were as tall as a tenth of the image.
    down, right = np.gradient(level * max(field.shape) / 10.0)
    normal = np.stack([-right, -down, np.ones_like(level)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = normal @ (np.array([-1.0, -1.0, 2.0]) / np.sqrt(6.0))
    dark, bright = np.array([40.0, 60.0, 110.0]), np.array([250.0, 240.0, 210.0])
    colour = dark + (bright - dark) * level[..., None] ** 0.4
    colour *= (0.35 + 0.8 * np.clip(light, 0.0, 1.0))[..., None]
    return np.where(there[..., None], np.clip(colour, 0, 255), 0).astype(np.uint8)


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Whole pixels made as large as fits, or left out, so that nothing is smeared."""
    height, width = pixels.shape[:2]
    out = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    scale = _SIDE / max(height, width)
    scale = float(int(scale)) if scale >= 1 else scale
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    rows = np.minimum((np.arange(h) / scale).astype(int), height - 1)
    columns = np.minimum((np.arange(w) / scale).astype(int), width - 1)
    out[:h, :w] = pixels[rows][:, columns]
    return out
