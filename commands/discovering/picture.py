"""A picture of discovered elements: on circles in the plane, as axes times angles in space."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..pictures.canvas import COLOURS, GRID, INK, PALE, Canvas

_SIDE, _TOP = 360, 40  # pixels of a panel, and above it
_BINS = 72


def elements_picture(matrices: np.ndarray, ideal: np.ndarray, title: str, path: Path) -> Path:
    """Draw what was found, and the elements that it was taken for.

    Args:
        matrices: Found elements. (N, d, d)
        ideal: Those of the group. (m, d, d)
        title: What it is of.
        path: The PNG file.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
        OSError: The file cannot be written.
    """
    if matrices.shape[1] == 3:
        return _space(matrices, ideal, title, path)
    plain = np.linalg.det(matrices) > 0
    known = np.linalg.det(ideal) > 0
    panels = [("rotations, by their angle", plain, known)]
    if (~plain).any():
        panels.append(("mirrors, by twice the angle of their line", ~plain, ~known))
    canvas = Canvas(len(panels) * _SIDE, _SIDE + _TOP)
    canvas.text(12, 10, title, INK, 14)
    for k, (name, seen, wanted) in enumerate(panels):
        _circle(canvas, k * _SIDE, name, matrices[seen], ideal[wanted], COLOURS[k])
    return canvas.save(path)


def _angle(matrices: np.ndarray) -> np.ndarray:
    return np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])


def _circle(
    canvas: Canvas, left: int, name: str, seen: np.ndarray, ideal: np.ndarray, colour: tuple
) -> None:
    centre, inner = np.array([left + _SIDE / 2, _TOP + _SIDE / 2]), 0.2 * _SIDE
    counts, edges = np.histogram(_angle(seen), _BINS, (-np.pi, np.pi))
    box = (*(centre - inner), *(centre + inner))
    for angle in _angle(ideal):
        way = np.array([np.cos(angle), -np.sin(angle)])
        canvas.draw.line((*(centre + inner * way), *(centre + 2.2 * inner * way)), fill=GRID)
    for count, a, b in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            out = inner * (1.0 + count / counts.max())
            ring = [(inner, a), (out, a), (out, b), (inner, b)]
            corners = [tuple(centre + r * np.array([np.cos(t), -np.sin(t)])) for r, t in ring]
            canvas.draw.polygon(corners, fill=colour)
    canvas.draw.ellipse(box, outline=PALE)
    canvas.text(left + 12, _TOP + _SIDE - 20, f"{name}; n = {len(seen)}", INK)


def _space(matrices: np.ndarray, ideal: np.ndarray, title: str, path: Path) -> Path:
    """Axis times angle, seen from the front and from above."""
    canvas = Canvas(2 * _SIDE, _SIDE + _TOP)
    canvas.text(12, 10, title, INK, 14)
    found, wanted = _logarithms(matrices), _logarithms(ideal)
    scale = 0.42 * _SIDE / np.pi
    for k, (a, b, name) in enumerate([(0, 2, "x, z"), (0, 1, "x, y")]):
        centre = np.array([k * _SIDE + _SIDE / 2, _TOP + _SIDE / 2])
        box = (*(centre - scale * np.pi), *(centre + scale * np.pi))
        canvas.draw.ellipse(box, outline=GRID)
        for points, size, colour in ((wanted, 5, PALE), (found, 1, COLOURS[0])):
            for point in points:
                at = centre + scale * np.array([point[a], -point[b]])
                canvas.draw.ellipse((*(at - size), *(at + size)), outline=colour)
        said = f"axis times angle: {name}; the circle is half a turn"
        canvas.text(k * _SIDE + 12, _TOP + _SIDE - 20, said, INK)
    return canvas.save(path)


def _logarithms(matrices: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(matrices).as_rotvec()
