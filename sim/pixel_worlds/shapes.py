"""`Shapes`: five shapes on a grid, seen from straight above."""

from __future__ import annotations

import numpy as np

from .cells import COLOURS, Grid, put

PIXELS = 10
"""On a side of a cell."""


class Shapes(Grid):
    """The grid from above: a disc, a square, a diamond, a cross and a ring, 10 x 10 pixels each.

    All shapes are as symmetric as the grid, so the frame of a moved scene is the moved frame to the
    last bit. After the block pushing of Kipf, van der Pol and Welling, "Contrastive Learning of
    Structured World Models", ICLR 2020, with other shapes, which a turn does not change.

    Args:
        group: As of `Grid`.
    """

    name = "shapes"
    turns_frames = True

    def frames(self, states: np.ndarray) -> np.ndarray:
        """The view from above on black. (n, 5, 2) -> (n, 3, 50, 50) uint8"""
        states = self.check_states(states)
        out = np.zeros((len(states), *self.frame_shape), np.uint8)
        put(out, np.asarray(states, np.int8), SPRITES, np.zeros(states.shape[:2], np.int8))
        return out


def sprites() -> np.ndarray:
    """Each object's picture, one for each heading; here all alike. (5, 1, 3, 10, 10) uint8"""
    side = np.arange(PIXELS) - (PIXELS - 1) / 2
    x, y = np.abs(side)[None, :], np.abs(side)[:, None]
    away = np.hypot(x, y)
    masks = [
        away <= 4.7,
        np.maximum(x, y) <= 3.6,
        x + y <= 5.1,
        np.minimum(x, y) <= 1.1,
        (away <= 4.9) & (away >= 2.6),
    ]
    drawn = np.stack([mask[None] * colour[:, None, None]
                      for mask, colour in zip(masks, COLOURS, strict=True)])  # fmt: skip
    return drawn[:, None].astype(np.uint8)


SPRITES = sprites()
