"""`ReacherPixels`: the two-link arm of the task `reacher`, seen in two frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from ...nodes.launching.yaml_loader import nearest
from ...symmetry.layers.representation import from_parts
from ..numba_dynamics import NumbaDynamics
from ..tasks.reacher import LENGTH, TORQUE, Reacher
from .cells import grid_group
from .rasteriser import Eye
from .world import PixelWorld, WorldError, places

SIDE = 64
"""Pixels on a side of a frame."""
EYE = Eye((0.12, -0.85, 1.0), (0.0, -0.03, 0.0), 1.2)
"""The tilted view's."""
FIXED_GOAL = (0.25, 0.25)
"""m"""
WARM_UP = 50
"""Steps of chance before a start."""
FLOOR, UPPER, LOWER, GOAL = (35, 40, 50), (40, 110, 230), (250, 170, 30), (50, 190, 80)
HALF_WIDTH, GOAL_RADIUS = 0.035, 0.05
"""Of a link and of the goal's disc, m."""


class ReacherPixels(PixelWorld):
    """The arm's dynamics, and frames of it one control period apart: the last one, then this one.

    A state holds two states of `Reacher`, before and now; an action is its two torques, N m. The
    group turns and mirrors the plane about the shoulder; torques and rates change their sign under
    mirrors, and turns do not touch them. Seen from the ``top``, the frame of a moved scene is the
    moved frame (to one step of 255: edges are smooth); a ``tilted`` eye sees the plane from one
    side, and what the group does to its frames is not known. Starts: at rest, then 50 random steps.
    The limited action set of Park et al., "Learning Symmetric Embeddings for Equivariant World
    Models", ICML 2022, is ``elbow_positive``.

    Args:
        group: trivial, reflection, C2, C4, D2 or D4.
        view: ``tilted`` or ``top``.
        goal: ``fixed`` at (0.25, 0.25) m, as the authors have it, until the group moves it;
            ``random`` as in the task; either way it is drawn.

    Raises:
        WorldError: Another group, view or goal.
    """

    name = "reacher_pixels"
    objects = 1
    state_shape = (2, 6)
    frame_shape = (6, SIDE, SIDE)
    looks = 2
    action_words = ("elbow_positive", "elbow_negative")

    def __init__(self, group: str = "D4", view: str = "tilted", goal: str = "fixed") -> None:
        self.group = grid_group(self.name, group)
        for word, value, known in (
            ("view", view, ("tilted", "top")),
            ("goal", goal, ("fixed", "random")),
        ):
            if value not in known:
                said = f"{value!r} is none of {', '.join(known)}{nearest(str(value), known)}"
                raise WorldError(f"{self.name}: {word}: {said}")
        self.task = Reacher()
        self.goal, self.turns_frames = goal, view == "top"
        self.symmetry = self.task.symmetry.restrict(group)
        self.action_part = from_parts(self.symmetry, "action")
        self.dynamics = NumbaDynamics(self.task)
        self.ground = EYE.ground(SIDE) if view == "tilted" else seen_from_top(self.task.extent)
        self.grain = _grain(self.ground)

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """The arm anywhere, after some random steps. (n, 2, 6)"""
        now = np.zeros((n, 6))
        now[:, 0], now[:, 1] = rng.uniform(-math.pi, math.pi, n), rng.uniform(-2.5, 2.5, n)
        now[:, 4:6] = FIXED_GOAL
        if self.goal == "random":
            direction, distance = rng.uniform(-math.pi, math.pi, n), rng.uniform(0.12, 0.45, n)
            now[:, 4:6] = (distance * [np.cos(direction), np.sin(direction)]).T
        states = np.stack([now, now], axis=1)
        for _ in range(WARM_UP):
            states = self.step(states, self.random_actions(rng, n))
        return states

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """The next states. (n, 2, 6), (n, 2) -> (n, 2, 6)

        Raises:
            WorldError: Arrays of another shape.
        """
        now = self.check_states(states)[:, 1]
        following = self.dynamics.next_state(now, self.check_actions(actions, len(now)))
        return np.stack([now, following], axis=1)

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states. (n, 2, 6) -> (n, 2, 6)"""
        if order is not None:
            places(order, 1)
        return self.symmetry.act(g, state=self.check_states(states))

    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """Torques, all alike within their limits; the elbow's sign as allowed. (n, 2) float32"""
        words = self.check_words(allowed)
        actions = rng.uniform(-TORQUE, TORQUE, (n, 2))
        signs = np.array([1.0 if word == "elbow_positive" else -1.0 for word in words])
        actions[:, 1] = np.abs(actions[:, 1]) * signs[rng.integers(len(words), size=n)]
        return actions.astype(np.float32)

    def frames(self, states: np.ndarray) -> np.ndarray:
        """Before and now. (n, 2, 6) -> (n, 6, 64, 64) uint8"""
        rows = np.ascontiguousarray(self.check_states(states), float).reshape(-1, 6)
        out = np.empty((len(rows), 3, SIDE, SIDE), np.uint8)
        draw_arms(rows, LENGTH, self.ground, self.grain, out)
        return out.reshape(-1, *self.frame_shape)


def seen_from_top(extent: float) -> np.ndarray:
    """The plane's point under each pixel of a square of `extent` m about the origin. (S, S, 2)"""
    at = (np.arange(SIDE) - (SIDE - 1) / 2) * (extent / SIDE)
    x, y = np.meshgrid(at, -at)
    return np.stack([x, y], axis=-1)


def _grain(ground: np.ndarray) -> np.ndarray:
    """How wide a pixel is on the plane, m: the root of its area there. (S, S)"""
    down, along = np.gradient(ground, axis=(0, 1))
    return np.sqrt(np.abs(along[..., 0] * down[..., 1] - along[..., 1] * down[..., 0]))


@njit(cache=True)
def covered(x, y, wide, ax, ay, bx, by, radius):
    """How much of a pixel at a point a rod with round ends covers, 0 to 1; edges are smooth."""
    mx, my, reach = x - 0.5 * (ax + bx), y - 0.5 * (ay + by), radius + wide
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    if mx * mx + my * my > 0.5 * length + 2.0 * reach * reach:  # at least (l / 2 + reach)^2
        return 0.0
    along = 0.0 if length == 0.0 else ((x - ax) * dx + (y - ay) * dy) / length
    along = max(0.0, min(1.0, along))
    ex, ey = x - ax - along * dx, y - ay - along * dy
    return max(0.0, min(1.0, (radius - math.sqrt(ex * ex + ey * ey)) / wide + 0.5))


@njit(cache=True)
def draw_arms(states, length, ground, grain, out):
    """Goal and arm on the plane, their edges as smooth as a pixel is wide.

    Args:
        states: (n, 6)
        length: Of a link, m.
        ground: The plane's point under each pixel. (H, W, 2), m
        grain: Width of each pixel there. (H, W), m
        out: (n, 3, H, W) uint8
    """
    for n in range(states.shape[0]):
        q1, q2 = states[n, 0], states[n, 0] + states[n, 1]
        ex, ey = length * math.cos(q1), length * math.sin(q1)
        tx, ty = ex + length * math.cos(q2), ey + length * math.sin(q2)
        gx, gy = states[n, 4], states[n, 5]
        for row in range(out.shape[2]):
            for column in range(out.shape[3]):
                x, y, wide = ground[row, column, 0], ground[row, column, 1], grain[row, column]
                goal = covered(x, y, wide, gx, gy, gx, gy, GOAL_RADIUS)
                upper = covered(x, y, wide, 0.0, 0.0, ex, ey, HALF_WIDTH)
                lower = covered(x, y, wide, ex, ey, tx, ty, HALF_WIDTH)
                for c in range(3):
                    value = FLOOR[c] + goal * (GOAL[c] - FLOOR[c])
                    value += upper * (UPPER[c] - value)
                    value += lower * (LOWER[c] - value)
                    out[n, c, row, column] = int(value + 0.5)
