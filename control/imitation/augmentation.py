"""`Augmentation`: batches moved by random elements of a symmetry, images with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ...sim.images import IN_HAND
from ...symmetry.declaration import Symmetry, wrap
from ...symmetry.pixels import Frame, image_plane, pixel_elements, pixel_source


class Augmentation:
    """Moves every row of a batch by an element of its own, drawn uniformly.

    With images only the elements are drawn that move all of them pixel by pixel, since an
    interpolated image is none that a camera takes; `interpolate` draws from all elements.

    Args:
        symmetry: Of the states and actions of the batches.
        images: Names of the images; ``in_hand`` goes with the gripper, all others stay.
        interpolate: Whether to draw elements too that do not permute pixels.
        shift: Images are moved by up to so many pixels along each axis, the edge repeated (the
            random crop of Laskin et al., "Reinforcement Learning with Augmented Data", NeurIPS
            2020).

    Raises:
        ValueError: A negative shift.
    """

    def __init__(
        self,
        symmetry: Symmetry,
        images: Collection[str] = (),
        interpolate: bool = False,
        shift: int = 0,
    ) -> None:
        if shift < 0:
            raise ValueError(f"shift: {shift} must be at least 0")
        self.symmetry, self.shift = symmetry, shift
        group = symmetry.group
        self.frames: dict[str, Frame] = {n: "hand" if n == IN_HAND else "world" for n in images}
        kept = set(group.elements)
        if not interpolate:
            for frame in self.frames.values():
                kept &= set(pixel_elements(group, frame))
        self.elements = np.array(sorted(kept))
        """From which is drawn. (K,)"""
        self._matrices, self._offsets, self._angles = symmetry.affine("state")
        self._actions = symmetry.orbit("action")

    def draw(
        self,
        rng: np.random.Generator,
        state: np.ndarray,
        action: np.ndarray,
        images: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """A batch, each row moved by an element drawn for it.

        Args:
            rng: The draws depend on nothing else.
            state: (B, n)
            action: (B, ..., m); chunks are moved whole.
            images: (B, C, H, W) by name.
        """
        g = self.elements[rng.integers(len(self.elements), size=len(state))]
        state, action, seen = self.moved(g, state, action, images)
        if self.shift:
            by = rng.integers(-self.shift, self.shift + 1, size=(len(state), 2))
            seen = {name: shifted(image, by) for name, image in seen.items()}
        return state, action, seen

    def moved(
        self,
        g: np.ndarray,
        state: np.ndarray,
        action: np.ndarray,
        images: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """The rows of a batch under given elements (B,), as in `draw`."""
        there = np.einsum("bij,bj->bi", self._matrices[g], state) + self._offsets[g]
        there[:, self._angles] = wrap(there[:, self._angles])
        done = np.einsum("bij,b...j->b...i", self._actions[g], action)
        seen = {n: self._image(g, image, self.frames[n]) for n, image in (images or {}).items()}
        return there, done, seen

    def _image(self, g: np.ndarray, image: np.ndarray, frame: Frame) -> np.ndarray:
        group, side = self.symmetry.group, image.shape[-1]
        exact, flat = set(pixel_elements(group, frame)), image.reshape(*image.shape[:2], -1)
        moved = np.empty_like(flat)
        for element in np.unique(g):
            rows = g == element
            if int(element) in exact:
                moved[rows] = flat[rows][..., pixel_source(group, int(element), side, frame)]
            else:
                at, share = _bilinear(image_plane(group, frame)[element], side)
                mixed = (flat[rows][..., at] * share).sum(axis=-2)
                whole = np.issubdtype(flat.dtype, np.integer)
                moved[rows] = np.rint(mixed) if whole else mixed
        return moved.reshape(image.shape)


def shifted(image: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Images moved by whole pixels, down and to the right; the edge is repeated.

    Args:
        image: (B, C, H, W)
        by: (B, 2), rows and columns.
    """
    height, width = image.shape[-2:]
    rows = np.clip(np.arange(height) - by[:, :1], 0, height - 1)
    columns = np.clip(np.arange(width) - by[:, 1:], 0, width - 1)
    batch, channel = np.arange(len(image)), np.arange(image.shape[1])
    return image[
        batch[:, None, None, None],
        channel[:, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]


def _bilinear(plane: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The four pixels that each pixel of the turned image lies between, and their shares.

    What lies outside the image is taken from its edge.

    Returns:
        (4, side * side) flat indices, (4, side * side) float32
    """
    rows, columns = np.mgrid[0:side, 0:side]
    middle = 0.5 * (side - 1)
    at = np.stack([columns - middle, middle - rows], axis=-1).reshape(-1, 2) @ plane
    column = np.clip(at[:, 0] + middle, 0, side - 1)
    row = np.clip(middle - at[:, 1], 0, side - 1)
    left = np.minimum(column.astype(int), max(side - 2, 0))
    upper = np.minimum(row.astype(int), max(side - 2, 0))
    x, y = column - left, row - upper
    corner = upper * side + left
    right, down = (1, side) if side > 1 else (0, 0)
    index = np.stack([corner, corner + right, corner + down, corner + down + right])
    share = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y])
    return index, share.astype(np.float32)
