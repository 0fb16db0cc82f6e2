"""`Blocks`: five blocks on a grid, seen in perspective from one side."""

from __future__ import annotations

from functools import cache

import numpy as np
from numba import njit

from .cells import CELLS, COLOURS, OBJECTS, Grid
from .rasteriser import AMBIENT, LIGHT, Eye, box, draw

SIDE = 50
"""Pixels on a side of the frame."""
EYE = Eye((5.6, -4.2, 6.0), (2.0, 1.95, 0.1), 1.22)
BLOCK = 0.8
"""Side of a block; a cell has 1."""
FLOOR, LINES, SKY = (225, 225, 220), (170, 170, 165), (255, 255, 255)


class Blocks(Grid):
    """The grid as `shapes` has it, its objects blocks of different colours, seen from a corner.

    The group moves the blocks, not the eye: what it does to the frame is not known in closed form.
    After the 3-D blocks of Kipf, van der Pol and Welling, "Contrastive Learning of Structured World
    Models", ICLR 2020, used by Park et al., "Learning Symmetric Embeddings for Equivariant World
    Models", ICML 2022. Each block is drawn once for each cell, with a depth buffer; a frame lays
    the pictures over each other, the farthest first, which gives the very same image.

    Args:
        group: As of `Grid`.
    """

    name = "blocks"

    def frames(self, states: np.ndarray) -> np.ndarray:
        """The view from the corner. (n, 5, 2) -> (n, 3, 50, 50) uint8"""
        states = self.check_states(states)
        out = np.empty((len(states), *self.frame_shape), np.uint8)
        cells = CELLS * states[..., 1].astype(np.int64) + states[..., 0]
        compose(out, cells, *pictures())
        return out


def block(object_: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of a block in the eye's frame, and their colours. (12, 3, 3), (12, 3)"""
    solid = box(np.array([x, y, BLOCK / 2]), np.full(3, BLOCK))
    return EYE.seen(solid), np.tile(COLOURS[object_], (12, 1))


def floor() -> tuple[np.ndarray, np.ndarray]:
    """Triangles of the tiles and of what shows between them. (t, 3, 3), (t, 3)"""
    middle = (CELLS - 1) / 2
    made = [box(np.array([middle, middle, -0.1]), np.array([CELLS + 0.1, CELLS + 0.1, 0.1]))]
    colours = [np.tile(LINES, (12, 1))]
    for x in range(CELLS):
        for y in range(CELLS):
            made.append(box(np.array([x, y, -0.05]), np.array([0.9, 0.9, 0.1])))
            colours.append(np.tile(FLOOR, (12, 1)))
    return EYE.seen(np.concatenate(made)), np.concatenate(colours)


def picture(triangles: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image of triangles, and where it shows any. (3, 50, 50) uint8, (50, 50) bool"""
    image = np.zeros((3, SIDE, SIDE), np.uint8)
    image[:] = np.array(SKY, np.uint8)[:, None, None]
    depth = np.full((SIDE, SIDE), np.inf)
    draw(triangles, colours.astype(float), EYE.focal * SIDE, LIGHT, AMBIENT, image, depth)
    return image, np.isfinite(depth)


@cache
def pictures() -> tuple[np.ndarray, ...]:
    """The empty grid, each block in each cell, where those show, their frames, and the order.

    A block can hide another only if it is nearer to the eye in y, or as near in y and nearer in x:
    a plane between their rows or columns has the eye on the nearer one's side.
    """
    empty, _ = picture(*floor())
    cells = [(x, y) for y in range(CELLS) for x in range(CELLS)]
    drawn = np.zeros((OBJECTS, len(cells), 3, SIDE, SIDE), np.uint8)
    shows = np.zeros((len(cells), SIDE, SIDE), bool)
    spans = np.zeros((len(cells), 4), np.int64)
    for c, (x, y) in enumerate(cells):
        for i in range(OBJECTS):
            drawn[i, c], shows[c] = picture(*block(i, x, y))
        rows, columns = np.nonzero(shows[c])
        spans[c] = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    away = [(abs(y - EYE.position[1]), abs(x - EYE.position[0])) for x, y in cells]
    nearness = np.empty(len(cells), np.int64)
    nearness[sorted(range(len(cells)), key=lambda c: away[c], reverse=True)] = range(len(cells))
    return empty, drawn, shows, spans, nearness


@njit(cache=True)
def compose(out, cells, empty, drawn, shows, spans, nearness):
    """Lay each object's picture over the empty grid, the farthest first.

    Args:
        out: (n, 3, H, W) uint8
        cells: Of each object, its number. (n, k)
        empty: (3, H, W)
        drawn: (k, 25, 3, H, W)
        shows: (25, H, W)
        spans: Rows and columns within which it shows. (25, 4)
        nearness: Rank of each cell, the farthest has 0. (25,)
    """
    k = cells.shape[1]
    order = np.empty(k, np.int64)
    for n in range(cells.shape[0]):
        out[n] = empty
        for i in range(k):  # sorted by insertion
            cell = cells[n, i]
            j = i
            while j > 0:
                other = order[j - 1]
                if nearness[cells[n, other]] <= nearness[cell]:
                    break
                order[j] = other
                j -= 1
            order[j] = i
        for j in range(k):
            i = order[j]
            cell = cells[n, i]
            for row in range(spans[cell, 0], spans[cell, 1]):
                for column in range(spans[cell, 2], spans[cell, 3]):
                    if shows[cell, row, column]:
                        for c in range(3):
                            out[n, c, row, column] = drawn[i, cell, c, row, column]
