"""`RushHour`: vehicles on a grid that move relative to the way they head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...symmetry.layers.representation import permuting
from .cells import CELLS, COLOURS, OBJECTS, Grid, put
from .shapes import PIXELS

MOVES = ("forward", "left", "back", "right")
"""Move k leads k quarter turns counterclockwise from the heading."""


class RushHour(Grid):
    """Five vehicles seen from above, each with a heading that it keeps.

    A state holds cell and heading of each, a direction 0 to 3 of right, up, left, down. An action
    moves one vehicle forward, left, back or right, as seen from it: turns change no action, mirrors
    exchange left and right. Vehicles are as symmetric as arrows, so the frame of a moved scene is
    the moved frame to the last bit. After "Rush Hour" of Park et al., "Learning Symmetric
    Embeddings for Equivariant World Models", ICML 2022.

    Args:
        group: As of `Grid`.
    """

    name = "rush_hour"
    state_shape = (OBJECTS, 3)
    ends = (CELLS, CELLS, 4)
    action_words = MOVES
    turns_frames = True

    def __init__(self, group: str = "C4") -> None:
        super().__init__(group)
        kept, mirrored = np.arange(4), np.array([0, 3, 2, 1])
        rows = [kept if sign > 0 else mirrored for sign in self.group.sign]
        self.action_part = permuting(self.group, np.stack(rows))

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Every arrangement alike, and every heading. (n, 5, 3) int8"""
        headings = rng.integers(4, size=(n, OBJECTS, 1), dtype=np.int8)
        return np.concatenate([super().initial(rng, n), headings], axis=-1)

    def directions(self, states: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Which way each chosen entry of an action leads. (n, 5, 3), (n,) -> (n,)"""
        return (states[np.arange(len(states)), chosen // 4, 2] + chosen) % 4

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states. (n, 5, 3) -> (n, 5, 3) int8"""
        out = super().act(g, states, order)
        out[..., 2] = self.turned[g][out[..., 2]]
        return out

    def frames(self, states: np.ndarray) -> np.ndarray:
        """The view from above on black. (n, 5, 3) -> (n, 3, 50, 50) uint8"""
        states = np.asarray(self.check_states(states), np.int8)
        out = np.zeros((len(states), *self.frame_shape), np.uint8)
        put(out, states, SPRITES, states[..., 2])
        return out


def sprites() -> np.ndarray:
    """Each vehicle's picture for each heading. (5, 4, 3, 10, 10) uint8"""
    side = np.arange(PIXELS) - (PIXELS - 1) / 2
    x, y = side[None, :], np.abs(side)[:, None]
    body = (y <= 3.0 - 0.5 * np.maximum(x, 0.0)) & (np.abs(x) <= 4.6)
    window = body & (x >= 0.4) & (x <= 2.6) & (y <= 2.0)
    right = np.zeros((OBJECTS, 3, PIXELS, PIXELS), np.uint8)
    right[:, :, body] = COLOURS[:, :, None]
    right[:, :, window] = 255 - (255 - right[:, :, window]) // 3
    return np.stack([np.rot90(right, k, axes=(2, 3)) for k in range(4)], axis=1)


SPRITES = sprites()
