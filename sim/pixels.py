"""Images as they come over topics, as arrays, and what to type so that they come."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nodes.node import ANY

_KINDS = {"32FC1": ("f4", 1), "rgb8": ("u1", 3), "mono8": ("u1", 1), "16UC1": ("u2", 1)}


def pixels_of(message: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image: (H, W) of one value each, or (H, W, C).

    Raises:
        ValueError: An encoding that is not known here, or too few bytes.
    """
    if message.encoding not in _KINDS:
        raise ValueError(f"its encoding {message.encoding!r} is none of {', '.join(_KINDS)}")
    kind, values = _KINDS[message.encoding]
    kind = (">" if message.is_bigendian else "<") + kind
    size = np.dtype(kind).itemsize * values
    height, width, step = message.height, message.width, message.step
    if step < size * width or len(message.data) < step * height:
        raise ValueError(f"{len(message.data)} bytes are too few for {width} x {height}")
    rows = np.asarray(message.data[: step * height], np.uint8).reshape(height, step)
    pixels = np.ascontiguousarray(rows[:, : size * width]).view(kind)
    return pixels.reshape((height, width) if values == 1 else (height, width, values))


def words_for(topic: str, shape: tuple[int, int, int] | None) -> str:
    """What to type so that our sim node publishes an image."""
    name = topic.removeprefix("/camera/").partition("/")[0]
    if name == "top":
        return "camera:=true"
    if name in ("heightmap", "in_hand"):
        return f"{name}:={shape[2] if shape else f'64{ANY}'}"
    return f"cameras:={{{name}: {{...}}}}"
