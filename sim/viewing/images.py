"""Image messages as pixels that a browser shows."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = 4096
"""Longest side that is shown, pixels."""


def pixels(message: Any, heights: bool = False) -> np.ndarray | None:
    """A `sensor_msgs/Image` as red, green and blue; None for what is no image or not known.

    Depths (``32FC1``, m, and ``16UC1``, mm) become grey, the nearest white; NaN and 0 are black.

    Args:
        message: The image.
        heights: Whether its metres are heights: then the highest is white.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = int(message.height), int(message.width)
    data = np.asarray(message.data, np.uint8)
    kinds = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "mono8": 1, "32FC1": 4, "16UC1": 2}
    wide = kinds.get(message.encoding, 0)
    if not (wide and 0 < height <= LARGEST and 0 < width <= LARGEST):
        return None
    step = int(message.step) or wide * width
    if step < wide * width or len(data) < step * height:
        return None
    rows = data[: step * height].reshape(height, step)[:, : wide * width]
    rows = np.ascontiguousarray(rows)
    if message.encoding in ("32FC1", "16UC1"):
        order = ">" if message.is_bigendian else "<"
        kind = "f4" if message.encoding == "32FC1" else "u2"
        depth = rows.view(f"{order}{kind}").astype(float)
        # The nearest is the highest: how far it is below any height that nothing reaches.
        grey = _grey(np.nanmax(depth) + 1.0 - depth if heights else depth)
        return np.repeat(grey[..., None], 3, axis=2)
    coloured = rows.reshape(height, width, wide)
    if message.encoding == "mono8":
        return np.repeat(coloured, 3, axis=2)
    return np.ascontiguousarray(coloured[..., 2::-1] if wide == 3 and message.encoding == "bgr8"
                                else coloured[..., :3])  # fmt: skip


def _grey(depth: np.ndarray) -> np.ndarray:
    """Depths (H, W) as grey, the nearest white. (H, W) uint8"""
    seen = np.isfinite(depth) & (depth > 0)
    if not seen.any():
        return np.zeros(depth.shape, np.uint8)
    near, far = depth[seen].min(), depth[seen].max()
    shade = 255.0 - 200.0 * (depth - near) / max(far - near, 1e-9)
    return np.where(seen, np.nan_to_num(shade, nan=0.0, posinf=0.0, neginf=0.0), 0).astype(np.uint8)
