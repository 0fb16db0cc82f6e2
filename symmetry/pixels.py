"""How a group moves images: quarter turns and mirrors permute the pixels of a square exactly.

An image is seen from above: column 0 at the left (small x), row 0 at the top (large y), so that the
image of a moved scene is the moved image. A camera that only tilts keeps that convention, though
the scene's image is then no longer the moved image to the letter.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

from .declaration import Symmetry
from .group import Group

Frame = Literal["world", "hand"]
"""Whose axes an image has: the world's, or those of a gripper that turns with the scene."""


class PixelError(ValueError):
    """An element or an image for which no exact move exists, with what would."""


def pixel_elements(group: Group, frame: Frame = "world") -> list[int]:
    """The elements that permute the pixels of a square image: quarter turns and their mirrors.

    Those that tilt the plane show a scene from another side: no image of it tells what is seen.
    """
    plane, upright = np.abs(image_plane(group, frame)), np.abs(group.space[:, 2, 2] - 1.0) < 1e-9
    exact = upright & np.isclose(plane, np.round(plane), rtol=0.0, atol=1e-9).all(axis=(1, 2))
    return [int(g) for g in np.flatnonzero(exact)]


def pixel_subgroup(symmetry: Symmetry | Group) -> str:
    """The name of the largest subgroup that moves square images exactly, for `restrict`.

    D8, O2_16 and Oh have D4, C8 and SO2_16 have C4, D6 has D2, D5 and ``reflection`` have
    ``reflection`` (its axis is a row), C5 has ``trivial``.
    """
    group = symmetry.group if isinstance(symmetry, Symmetry) else symmetry
    kept = pixel_elements(group)
    if len(kept) == group.order:
        return group.name
    turns = int(np.sum(group.sign[kept] > 0))
    if turns == len(kept):
        return f"C{turns}" if turns > 1 else "trivial"
    return f"D{turns}" if turns > 1 else "reflection"


def image_plane(group: Group, frame: Frame = "world") -> np.ndarray:
    """How each element that does not tilt it moves the plane of an image. (order, 2, 2)

    An image in the hand goes with the gripper: rotations leave it as it is, and mirrors exchange
    its upper and lower half (y -> -y).
    """
    if frame == "world":
        return np.ascontiguousarray(group.space[:, :2, :2])
    if frame != "hand":
        raise PixelError(f"frame: {frame!r} is none of world, hand")
    planes = np.tile(np.eye(2), (group.order, 1, 1))
    planes[:, 1, 1] = group.sign
    return planes


def pixel_sources(group: Group, side: int, frame: Frame = "world") -> np.ndarray:
    """Which pixel comes to stand at each pixel, row by row: moved[g] = image[sources[g]].

    Args:
        group: A group of `pixel_elements` only.
        side: Pixels on a side.
        frame: Whose axes the image has.

    Returns:
        (order, side * side), flat indices.

    Raises:
        PixelError: Some element is no quarter turn or mirror of one.
    """
    if len(pixel_elements(group, frame)) < group.order:
        raise PixelError(
            f"{group.name} holds turns that do not permute pixels; "
            f"restrict it to {pixel_subgroup(group)}"
        )
    return np.stack([_source(p.tobytes(), side) for p in image_plane(group, frame)])


def pixel_source(group: Group, g: int, side: int, frame: Frame = "world") -> np.ndarray:
    """Which pixel comes to stand at each pixel under one of `pixel_elements`. (side * side,)"""
    return _source(image_plane(group, frame)[g].tobytes(), side)


def moved_image(group: Group, g: int, image: np.ndarray, frame: Frame = "world") -> np.ndarray:
    """Where an element sends an image of the plane, column 0 at the left, row 0 at the top.

    Args:
        group: The group.
        g: One of `pixel_elements`.
        image: (n, n, ...), y upwards.
        frame: Whose axes the image has.
    """
    n = len(image)
    rows, columns = np.divmod(pixel_source(group, g, n, frame), n)
    return image[rows, columns].reshape(image.shape)


@lru_cache(maxsize=256)
def _source(plane: bytes, n: int) -> np.ndarray:
    """Flat index of the pixel that a planar matrix sends to each pixel. (n * n,)"""
    rows, columns = np.mgrid[0:n, 0:n]
    at = np.stack([columns, n - 1 - rows], axis=-1) - 0.5 * (n - 1)  # x, y of each pixel
    source = at @ np.round(np.frombuffer(plane).reshape(2, 2))  # where it came from: A' p
    column = np.rint(source[..., 0] + 0.5 * (n - 1)).astype(int)
    row = n - 1 - np.rint(source[..., 1] + 0.5 * (n - 1)).astype(int)
    found = (row * n + column).ravel()
    found.setflags(write=False)
    return found
