"""Pictures of an audit: a ternary plot of its elements, a timeline, and its worst frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .canvas import COLOURS, GRID, INK, PALE, Canvas

CORNERS = ("correct", "incorrect", "extrinsic")
_SIDE, _LEFT, _TOP = 420, 70, 70  # pixels of the triangle, and around it
_BINS = 60


def ternary(
    whole: Mapping[str, float], elements: Mapping[str, Mapping[str, Any]], path: Path, title: str
) -> Path:
    """Each element as a point of a triangle: correct above, incorrect and extrinsic at its feet.

    Args:
        whole: The three degrees over all elements; a ring.
        elements: The same of each.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    canvas = Canvas(_SIDE + 2 * _LEFT + 120, _SIDE + _TOP + 30)
    canvas.text(16, 10, title, INK, 14)
    height = _SIDE * np.sqrt(0.75)
    feet = np.array(
        [[_LEFT + _SIDE / 2, _TOP], [_LEFT, _TOP + height], [_LEFT + _SIDE, _TOP + height]]
    )

    def pixel(shares: Sequence[float]) -> tuple[float, float]:
        x, y = np.asarray(shares, float) @ feet
        return float(x), float(y)

    for k in (0.25, 0.5, 0.75):
        for a, b in (
            ((k, 1 - k, 0), (k, 0, 1 - k)),
            ((1 - k, k, 0), (0, k, 1 - k)),
            ((1 - k, 0, k), (0, 1 - k, k)),
        ):
            canvas.draw.line((*pixel(a), *pixel(b)), fill=GRID)
    canvas.draw.polygon([tuple(f) for f in feet], outline=PALE)
    canvas.text(feet[0, 0], feet[0, 1] - 8, CORNERS[0], INK, anchor="ms")
    canvas.text(feet[1, 0], feet[1, 1] + 6, CORNERS[1], INK, anchor="ma")
    canvas.text(feet[2, 0], feet[2, 1] + 6, CORNERS[2], INK, anchor="ma")
    for k, (name, shares) in enumerate(list(elements.items())):
        x, y = pixel([shares[c] for c in CORNERS])
        colour = COLOURS[k % len(COLOURS)]
        canvas.draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
        if k < 24:
            at = _TOP + 14 * k
            canvas.draw.ellipse(
                (_LEFT + _SIDE + 40, at - 4, _LEFT + _SIDE + 48, at + 4), fill=colour
            )
            canvas.text(_LEFT + _SIDE + 56, at, name, INK, anchor="lm")
    x, y = pixel([whole[c] for c in CORNERS])
    canvas.draw.ellipse((x - 9, y - 9, x + 9, y + 9), outline=INK, width=2)
    return canvas.save(path)


def timeline(steps: Sequence[Sequence[float] | None], path: Path, title: str) -> Path:
    """The three degrees by the position within the episode, one upon the other.

    Args:
        steps: correct, incorrect, extrinsic of each position; None: nothing was looked at there.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    width, height = 640, 240
    canvas = Canvas(width + _LEFT + 24, height + _TOP + 44)
    canvas.text(16, 10, title, INK, 14)
    rows = np.array([[np.nan] * 3 if row is None else row for row in steps], float)
    bins = np.array_split(np.arange(len(rows)), min(_BINS, len(rows)))
    for k, some in enumerate(bins):
        seen = rows[some][~np.isnan(rows[some]).any(axis=1)]
        if not len(seen):
            continue
        left, right = (_LEFT + width * (k + d) / len(bins) for d in (0, 1))
        low = _TOP + height
        for share, colour in zip(seen.mean(axis=0), (COLOURS[2], COLOURS[3], GRID), strict=True):
            top = low - height * max(float(share), 0.0)
            canvas.draw.rectangle((left, top, right, low), fill=colour)
            low = top
    canvas.draw.rectangle((_LEFT, _TOP, _LEFT + width, _TOP + height), outline=PALE)
    for share in (0.0, 0.5, 1.0):
        at = _TOP + (1.0 - share) * height
        canvas.text(_LEFT - 6, at, f"{100 * share:.0f} %", PALE, anchor="rm")
    canvas.text(_LEFT, _TOP + height + 6, "0", PALE)
    canvas.text(_LEFT + width, _TOP + height + 6, f"{len(rows) - 1}", PALE, anchor="ra")
    canvas.text(_LEFT + width, _TOP + height + 22, "control period", INK, anchor="ra")
    for k, (name, colour) in enumerate(zip(CORNERS, (COLOURS[2], COLOURS[3], GRID), strict=True)):
        at = _LEFT + 110 * k
        canvas.draw.rectangle((at, _TOP - 20, at + 12, _TOP - 8), fill=colour, outline=PALE)
        canvas.text(at + 18, _TOP - 14, name, INK, anchor="lm")
    return canvas.save(path)


def worst_frames(frames: Sequence[Mapping[str, Any]], path: Path, title: str) -> Path:
    """Frames from above: where things stand, where the element sends them, and the actions.

    Args:
        frames: Up to six. Each with `title`, `here` and `there` (points, (P, 2), m), and `said` and
            `expected`, the planar action at gx as the data have it and as g sends it, or None.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    side, frames = 240, list(frames)[:6]
    words = "pale: the frame; dark: moved; green: its action, moved; red: the data's"
    canvas, corners = _tiled(len(frames), side, side + 50, title, words)
    for frame, (left, top) in zip(frames, corners, strict=True):
        points = np.concatenate([frame["here"], frame["there"]])
        half = 1.4 * max(float(np.abs(points).max()), 1e-9)

        def pixel(p: np.ndarray, left=left, top=top, half=half) -> tuple[float, float]:
            u, v = np.asarray(p) / half
            return left + side * (0.5 + 0.5 * float(u)), top + side * (0.5 - 0.5 * float(v))

        canvas.draw.rectangle((left, top, left + side, top + side), outline=PALE)
        canvas.text(left, top - 16, frame["title"], INK)
        for set_, colour, size in (("here", PALE, 4), ("there", INK, 5)):
            for point in frame[set_]:
                x, y = pixel(point)
                canvas.draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        longest = max(
            (float(np.linalg.norm(frame[n])) for n in ("said", "expected") if frame[n] is not None),
            default=0.0,
        )
        for name, colour in (("expected", COLOURS[2]), ("said", COLOURS[3])):
            if frame[name] is not None and longest > 0.0:
                start = frame["there"][0]
                end = start + 0.5 * half * np.asarray(frame[name]) / longest
                canvas.draw.line((*pixel(start), *pixel(end)), fill=colour, width=2)
    return canvas.save(path)


def worst_images(frames: Sequence[Mapping[str, Any]], path: Path, title: str) -> Path:
    """Moved images, each beside the one that is nearest to it.

    Args:
        frames: Up to six. Each with `title`, `there` and `beside` (H, W, C), and `expected` and
            `said`, their labels in words.
        path: The PNG file.
        title: What it is of.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    side, frames = 120, list(frames)[:6]
    words = "left: moved, with what it should be; right: the nearest there is"
    canvas, corners = _tiled(len(frames), 2 * side, side + 60, title, words)
    for frame, (left, top) in zip(frames, corners, strict=True):
        canvas.text(left, top - 16, frame["title"], INK)
        for j, (image, words) in enumerate((("there", "expected"), ("beside", "said"))):
            at = left + j * side
            canvas.paste(at, top, _enlarged(frame[image], side - 6))
            canvas.text(at, top + side - 2, str(frame[words]), INK)
    return canvas.save(path)


def _tiled(
    count: int, width: int, height: int, title: str, words: str
) -> tuple[Canvas, list[tuple[int, int]]]:
    """A picture for tiles of a width, three a row, and where each begins (left, top)."""
    gap, across = 30, min(3, max(count, 1))
    down = -(-max(count, 1) // across)
    canvas = Canvas(across * (width + gap) + gap, down * height + 70)
    canvas.text(16, 8, title, INK, 14)
    canvas.text(16, 28, words, INK)
    return canvas, [
        (gap + k % across * (width + gap), 70 + k // across * height) for k in range(count)
    ]


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """As (side, side, 3) bytes, from least to most; grey where there are not three colours."""
    image = np.asarray(image, float)
    image = image if image.shape[2] == 3 else image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    low, high = image.min(), max(image.max(), image.min() + 1e-9)
    rows, columns = (np.arange(side) * size // side for size in image.shape[:2])
    return (255.0 * (image - low) / (high - low))[rows][:, columns].astype(np.uint8)
