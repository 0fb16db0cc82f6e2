"""`Grid`: objects on 5 x 5 cells that move one at a time, blocked by walls and by each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from ...nodes.launching.yaml_loader import nearest
from ...symmetry.group import Group, group
from ...symmetry.layers.representation import permuting
from .world import PixelWorld, WorldError, places

CELLS = 5
OBJECTS = 5
GROUPS = ("trivial", "reflection", "C2", "C4", "D2", "D4")
"""The groups that move the grid into itself."""
DIRECTIONS = ("right", "up", "left", "down")
"""Direction k is k quarter turns counterclockwise from the first: a turn rolls them by +1."""
STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
COLOURS = np.array(
    [[214, 39, 40], [44, 160, 44], [31, 119, 230], [255, 200, 20], [190, 80, 220]], np.uint8
)
"""Of each object, RGB."""


class Grid(PixelWorld):
    """Five different objects on five by five cells; an action moves one of them by one cell.

    A state holds the cell of each object, x to the right and y up, 0 to 4. An action is one-hot:
    object i to direction k is entry ``4 i + k``. What would leave the grid, or enter a cell where
    an object stands, stays. The group turns and mirrors the grid about its middle; of an object's
    four entries it permutes the directions (under C4 the regular representation).

    Args:
        group: trivial, reflection, C2, C4, D2 or D4.

    Raises:
        WorldError: Another group.
    """

    objects = OBJECTS
    state_shape: tuple[int, ...] = (OBJECTS, 2)
    ends: tuple[int, ...] = (CELLS, CELLS)
    """What each number of an object's state is below."""
    frame_shape = (3, 50, 50)
    action_words: tuple[str, ...] = DIRECTIONS
    turns_frames = False

    def __init__(self, group: str = "C4") -> None:
        self.group = grid_group(self.name, group)
        self.turned = _directions(self.group)
        self.action_part = permuting(self.group, self.turned)

    def check_states(self, states: np.ndarray) -> np.ndarray:
        """As of `PixelWorld`; nor may an object stand outside: it would be drawn over other memory.

        Raises:
            WorldError: It has another shape, or an object stands off the grid.
        """
        states = super().check_states(states)
        if states.size and not ((states >= 0) & (states < self.ends)).all():
            raise WorldError(f"{self.name}: an object stands off the grid, or heads nowhere")
        return states

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Every arrangement alike. (n, 5, 2) int8"""
        cells = np.argsort(rng.random((n, CELLS * CELLS)), axis=1)[:, :OBJECTS]
        return np.stack([cells % CELLS, cells // CELLS], axis=-1).astype(np.int8)

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The next states. (n, 5, 2), (n, 20) -> (n, 5, 2) int8

        Raises:
            WorldError: Arrays of another shape.
        """
        states = self.check_states(states)
        chosen = np.argmax(self.check_actions(actions, len(states)), axis=1)
        out = np.array(states, np.int8)
        moved_by(out, chosen // 4, self.directions(states, chosen))
        return out

    def directions(self, states: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Which way each chosen entry of an action leads. (n, ...), (n,) -> (n,)"""
        return chosen % 4

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states. (n, 5, 2) -> (n, 5, 2) int8"""
        states = self.check_states(states)
        out = np.array(states, np.int8)
        out[..., :2] = _turned_cells(self.group.plane[g], states[..., :2])
        return out if order is None else out[:, places(order, OBJECTS)]

    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """One object to one of the allowed directions, all alike. (n, 20) float32"""
        words = [self.action_words.index(word) for word in self.check_words(allowed)]
        entry = 4 * rng.integers(OBJECTS, size=n) + rng.choice(words, size=n)
        actions = np.zeros((n, 4 * OBJECTS), np.float32)
        actions[np.arange(n), entry] = 1.0
        return actions


def grid_group(world: str, name: str) -> Group:
    """The group of a name, if it moves the grid into itself.

    Raises:
        WorldError: It does not.
    """
    if name not in GROUPS:
        hint = nearest(str(name), GROUPS)
        raise WorldError(f"{world}: group: {name!r} is none of {', '.join(GROUPS)}{hint}")
    return group(name)


def _directions(group: Group) -> np.ndarray:
    """``[g, k]``: the direction to which g sends direction k. (order, 4)"""
    there = np.einsum("gij,kj->gki", group.plane, STEPS)
    return np.abs(there[:, :, None] - STEPS).sum(-1).argmin(-1)


def _turned_cells(matrix: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Cells moved about the grid's middle. (2, 2), (..., 2) -> (..., 2)"""
    middle = (CELLS - 1) / 2
    return np.round((cells - middle) @ matrix.T + middle).astype(np.int8)


@njit(cache=True)
def moved_by(states, chosen, directions):
    """Move one object in each state, in place. (n, k, 2 or 3) int8, (n,), (n,)"""
    for n in range(states.shape[0]):
        i, way = chosen[n], directions[n]
        x = states[n, i, 0] + (1 if way == 0 else (-1 if way == 2 else 0))
        y = states[n, i, 1] + (1 if way == 1 else (-1 if way == 3 else 0))
        if x < 0 or y < 0 or x >= CELLS or y >= CELLS:
            continue
        free = True
        for j in range(states.shape[1]):
            if j != i and states[n, j, 0] == x and states[n, j, 1] == y:
                free = False
        if free:
            states[n, i, 0], states[n, i, 1] = x, y


@njit(cache=True)
def put(out, states, sprites, headings):
    """Lay the sprite of each object, one for each heading, into the object's cell.

    Args:
        out: Frames to draw into. (n, C, H, W)
        states: Cells first. (n, k, 2 or 3)
        sprites: (k, headings, C, p, p)
        headings: Of each object. (n, k)
    """
    p = sprites.shape[-1]
    for n in range(states.shape[0]):
        for i in range(states.shape[1]):
            left, top = p * states[n, i, 0], p * (CELLS - 1 - states[n, i, 1])
            for c in range(out.shape[1]):
                for row in range(p):
                    for column in range(p):
                        value = sprites[i, headings[n, i], c, row, column]
                        out[n, c, top + row, left + column] = value
