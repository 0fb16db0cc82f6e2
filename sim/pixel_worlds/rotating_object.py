"""`RotatingObject`: a coloured, chiral object in space that actions rotate."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

import numpy as np

from ...symmetry.group import group
from ...symmetry.layers.representation import Representation
from .rasteriser import AMBIENT, LIGHT, box, draw_turned
from .world import PixelWorld, WorldError, places

SIDE = 64
"""Pixels on a side of the frame."""
SMALL = 2.0 * math.pi / 30.0
"""Angle of a small turn, rad."""
GROUPS = ("trivial", "T", "O", "I")
AWAY, FOCAL = 4.0, 1.45
"""Of the eye from the object's middle, and its focal length over the frame's width."""
PARTS = (
    ((0.45, 0.0, 0.0), (1.3, 0.4, 0.4), (214, 39, 40)),
    ((0.0, 0.55, 0.0), (0.4, 0.7, 0.4), (44, 160, 44)),
    ((0.0, 0.0, 0.4), (0.3, 0.3, 0.8), (31, 119, 230)),
    ((-0.45, 0.0, 0.0), (0.5, 0.7, 0.25), (255, 200, 20)),
    ((0.0, -0.35, -0.2), (0.25, 0.3, 0.6), (190, 80, 220)),
)
"""Boxes: centre, size, colour."""


class RotatingObject(PixelWorld):
    """An object whose orientation an action changes: R' = a R, a rotation about a fixed axis.

    A state is the rotation R of the object, an action is the rotation a as its nine entries, row by
    row. All of SO(3) acts: R goes to g R and a to g a g', and so does R'; `act` takes the elements
    of a finite group, `turned` any rotation. The eye and the light stand still, so what the group
    does to a frame is not known in closed form. After the teapot of Park et al., "Learning
    Symmetric Embeddings for Equivariant World Models", ICML 2022, with an object of five boxes.

    Actions ``small``: by 2 pi / 30 about any axis; ``large``: any rotation, all alike (Haar).

    Args:
        group: Of which elements `act` speaks: trivial, T, O or I.

    Raises:
        WorldError: Another group.
    """

    name = "rotating_object"
    objects = 1
    state_shape = (3, 3)
    frame_shape = (3, SIDE, SIDE)
    action_words = ("small", "large")
    turns_frames = False

    def __init__(self, group: str = "O") -> None:
        self.group = _group(group)
        products = [np.kron(m, m) for m in self.group.space]
        self.action_part = Representation(self.group, np.stack(products))
        self.triangles = np.concatenate([box(np.array(c), np.array(s)) for c, s, _ in PARTS])
        self.colours = np.repeat(np.array([colour for *_, colour in PARTS], float), 12, axis=0)

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Any orientation, all alike. (n, 3, 3)"""
        return uniform_rotations(rng, n)

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The next orientations. (n, 3, 3), (n, 9) -> (n, 3, 3)

        Raises:
            WorldError: Arrays of another shape.
        """
        states = self.check_states(states)
        turns = self.check_actions(actions, len(states)).astype(float).reshape(-1, 3, 3)
        return turns @ states

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends orientations. (n, 3, 3) -> (n, 3, 3)"""
        if order is not None:
            places(order, 1)
        return self.group.space[g] @ self.check_states(states)

    def turned(
        self, rotation: np.ndarray, states: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where any rotation sends states and actions. (3, 3), (n, 3, 3), (n, 9) -> both"""
        turns = np.asarray(actions, float).reshape(-1, 3, 3)
        moved = rotation @ turns @ rotation.T
        return rotation @ self.check_states(states), moved.reshape(-1, 9).astype(np.float32)

    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """Rotations of the allowed sizes. (n, 9) float32"""
        words = self.check_words(allowed)
        axes = rng.normal(size=(n, 3))
        small = about(axes / np.linalg.norm(axes, axis=1, keepdims=True), SMALL)
        large = uniform_rotations(rng, n)
        chosen = np.array([word == "small" for word in words])[rng.integers(len(words), size=n)]
        return np.where(chosen[:, None, None], small, large).reshape(n, 9).astype(np.float32)

    def frames(self, states: np.ndarray) -> np.ndarray:
        """What the eye sees, on black. (n, 3, 3) -> (n, 3, 64, 64) uint8"""
        states = np.ascontiguousarray(self.check_states(states), float)
        out = np.zeros((len(states), *self.frame_shape), np.uint8)
        draw_turned(self.triangles, self.colours, states, AWAY, FOCAL * SIDE, LIGHT, AMBIENT, out)
        return out


def _group(name: str):
    if name not in GROUPS:
        near = difflib.get_close_matches(str(name), GROUPS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        said = f"group: {name!r} is none of {', '.join(GROUPS)}{hint}"
        raise WorldError(f"rotating_object: {said}")
    return group(name)


def about(axes: np.ndarray, angle: float) -> np.ndarray:
    """Rotations by an angle (rad) about axes of length 1. (n, 3) -> (n, 3, 3)"""
    x, y, z = axes.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * (cross @ cross)


def uniform_rotations(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rotations, all alike: of quaternions uniform on their sphere. (n, 3, 3)"""
    q = rng.normal(size=(n, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return np.stack(rows, axis=-1).reshape(n, 3, 3)
