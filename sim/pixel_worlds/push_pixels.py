"""`PushPixels`: the task `push` by its quasi-static model, seen as a heightmap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mujoco
import numpy as np

from ...symmetry.layers.representation import from_parts
from ..camera_view import HeightmapView
from ..heightmap import draw
from ..numba_dynamics import NumbaDynamics
from ..tasks.push import HALF_X, HALF_Y, HEIGHT, RADIUS, SPEED, Push
from .cells import DIRECTIONS, grid_group
from .world import PixelWorld, places

SIDE = 64
"""Pixels on a side of the frame."""
LEVEL = 0.0002
"""Height of one step of 255, m: the frame ends at 51 mm, just above the box's mark."""
FRONT_SIZE, FRONT_PLACE = (0.01, 0.01, 0.0005), (0.07, 0.0, 0.025)
"""The mark on the box's front: half sizes and place on it, m."""
NEAR = 0.03
"""Largest gap between pusher and box at a start, m."""
WITHIN = 0.25
"""Radius of the disc in which boxes start, m."""


class PushPixels(PixelWorld):
    """A pusher and a box on a table; the frame is the heightmap that the task's plant would give.

    A state is one of `Push`, an action the pusher's velocity, m/s. The group turns and mirrors the
    table about its middle, and the frame with it. The goal has no height: it is not to be seen, and
    no part of what a model of this world can learn. Starts are not the task's: the box is anywhere
    within 0.25 m of the middle, the pusher within 30 mm of the box, so that chance pushes it.

    Actions: a direction of the disc |u| <= 0.25 within 45 degrees of a word's.

    Args:
        group: trivial, reflection, C2, C4, D2 or D4.

    Raises:
        WorldError: Another group.
    """

    name = "push_pixels"
    objects = 1
    state_shape = (8,)
    frame_shape = (1, SIDE, SIDE)
    action_words = DIRECTIONS
    turns_frames = True

    def __init__(self, group: str = "D4") -> None:
        self.group = grid_group(self.name, group)
        self.task = Push()
        self.symmetry = self.task.symmetry.restrict(group)
        self.action_part = from_parts(self.symmetry, "action")
        self.dynamics = NumbaDynamics(self.task)
        self.view = HeightmapView(SIDE, self.task.extent)

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """A box with the pusher near it. (n, 8)"""
        x = np.zeros((n, 8))
        direction, away = rng.uniform(-math.pi, math.pi, n), WITHIN * np.sqrt(rng.random(n))
        x[:, 2:4] = (away * [np.cos(direction), np.sin(direction)]).T
        x[:, 4] = rng.uniform(-math.pi, math.pi, n)
        x[:, 0:2] = x[:, 2:4] + _beside(rng, x[:, 4])
        direction, away = rng.uniform(-math.pi, math.pi, n), 0.1 * np.sqrt(rng.random(n))
        x[:, 5:7] = (away * [np.cos(direction), np.sin(direction)]).T
        x[:, 7] = rng.uniform(-math.pi, math.pi, n)
        return x

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The next states. (n, 8), (n, 2) -> (n, 8)

        Raises:
            WorldError: Arrays of another shape.
        """
        states = self.check_states(states)
        return self.dynamics.next_state(states, self.check_actions(actions, len(states)))

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states. (n, 8) -> (n, 8)"""
        if order is not None:
            places(order, 1)
        return self.symmetry.act(g, state=self.check_states(states))

    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """Velocities, uniform in the allowed quarters of the disc. (n, 2) float32"""
        words = np.array([DIRECTIONS.index(word) for word in self.check_words(allowed)])
        quarter = words[rng.integers(len(words), size=n)]
        angle = 0.5 * math.pi * (quarter + rng.uniform(-0.5, 0.5, n))
        speed = SPEED * np.sqrt(rng.random(n))
        return (speed * [np.cos(angle), np.sin(angle)]).T.astype(np.float32)

    def frames(self, states: np.ndarray) -> np.ndarray:
        """Heights, 0.2 mm a step. (n, 8) -> (n, 1, 64, 64) uint8"""
        heights = self.heightmaps(states)
        return np.clip(np.rint(heights / LEVEL), 0, 255).astype(np.uint8)[:, None]

    def heightmaps(self, states: np.ndarray) -> np.ndarray:
        """What `Heightmap` gives of the plant in these states, m. (n, 8) -> (n, 64, 64) float32"""
        states = np.asarray(self.check_states(states), float)
        kinds = np.array([mujoco.mjtGeom.mjGEOM_SPHERE] + 2 * [mujoco.mjtGeom.mjGEOM_BOX], np.int64)
        sizes = np.array([(RADIUS, 0.0, 0.0), (HALF_X, HALF_Y, 0.025), FRONT_SIZE])
        cos, sin = np.cos(states[:, 4]), np.sin(states[:, 4])
        positions = np.empty((len(states), 3, 3))
        positions[:, 0, :2], positions[:, 0, 2] = states[:, 0:2], 0.022
        positions[:, 1, :2], positions[:, 1, 2] = states[:, 2:4], HEIGHT
        ahead = FRONT_PLACE[0] * np.stack([cos, sin], axis=-1)
        positions[:, 2, :2], positions[:, 2, 2] = states[:, 2:4] + ahead, HEIGHT + FRONT_PLACE[2]
        matrices = np.zeros((len(states), 3, 9))
        matrices[:, :, [0, 4, 8]] = 1.0
        for k, value in ((0, cos), (1, -sin), (3, sin), (4, cos)):
            matrices[:, 1:, k] = value[:, None]
        axes = self.view.axes().T * [[1.0], [-1.0], [-1.0]]
        centre, pixel = np.array(self.view.centre), self.view.extent / SIDE
        out = np.empty((len(states), SIDE, SIDE), np.float32)
        for n in range(len(states)):
            here = (kinds, sizes, positions[n], matrices[n])
            draw(*here, centre, axes, pixel, self.view.ceiling, out[n])
        return out


def _beside(rng: np.random.Generator, yaw: np.ndarray) -> np.ndarray:
    """Places from the box's middle, 1 to 30 mm clear of a side of it. (n,) -> (n, 2), m"""
    n = len(yaw)
    clear = RADIUS + rng.uniform(0.001, NEAR, n)
    end = rng.random(n) < HALF_Y / (HALF_X + HALF_Y)  # of the rim, the ends' share
    side = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    across = rng.uniform(-1.0, 1.0, n)
    x = np.where(end, side * (HALF_X + clear), across * HALF_X)
    y = np.where(end, across * HALF_Y, side * (HALF_Y + clear))
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
