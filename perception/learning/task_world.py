"""`TaskWorld`: a task as a pixel world, so that the same is learned of its images as of those."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ...sim.pixel_worlds.world import PixelWorld, WorldError
from ...sim.seen import seen
from ...sim.task import Task
from ...symmetry.layers.representation import from_parts
from ...symmetry.motion import check_continuous, drawn, under
from ..encoders.told_state import seen_in_pixels
from ..world_models.task_latent import Sight
from .seen_states import Renderer, small
from .transitions import Transitions
from .world_frames import Moves

BYTES = 255.0


class TaskWorld(PixelWorld):
    """A task as its plant simulates it and its sim node shows it, from straight above.

    A state is the task's; of two frames also the one a period before, behind it. An action is
    scaled: the middle of the limits is 0, their reach 1. Heights become bytes by `level`. The group
    is what of the task's permutes pixels.

    Args:
        task: The task.
        shape: Of an image as published: channels, height, width.
        sight: How images are seen.
        word: Which of the task's symmetry.
        renderer: What shows states; None: nothing is looked at.
        level: What one step of a frame stands for, in the image's own unit.

    Raises:
        GroupError: A symmetry that the task has not.
        WorldError: Images that are not square, or that `pool` does not divide.
    """

    name = "task"
    objects = 1
    action_words: tuple[str, ...] = ()
    turns_frames = True

    def __init__(
        self,
        task: Task,
        shape: Sequence[int],
        sight: Sight,
        word: str = "full",
        renderer: Renderer | None = None,
        level: float = 1.0,
    ) -> None:
        channels, height, width = shape
        if height != width or height % sight.pool:
            said = f"{height} x {width} pixels: no square that {sight.pool} divides"
            raise WorldError(f"{'pool' if height == width else 'image'}: {said}")
        self.task, self.shape, self.sight, self.level = task, tuple(shape), sight, level
        self.renderer = renderer
        self.symmetry = seen_in_pixels(task.symmetry, word)
        self.group = self.symmetry.group
        self.action_part = from_parts(self.symmetry, "action")
        self.seen = seen(task, task.state_names)
        self.width = len(task.state_names)
        self.state_shape = (sight.frames * self.width,)
        side = height // sight.pool
        self.frame_shape = (sight.frames * channels, side, side)
        self._plant: Any = None

    def in_units(self, actions: np.ndarray) -> np.ndarray:
        """Scaled actions as the task takes them. (..., m)"""
        return np.asarray(actions, float) * self.seen.reach + self.seen.middle

    def scaled(self, actions: np.ndarray) -> np.ndarray:
        """The task's actions, scaled. (..., m) float32"""
        return ((np.asarray(actions, float) - self.seen.middle) / self.seen.reach).astype(
            np.float32
        )

    def initial(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """The task's own starts, at rest. (n, frames * w)"""
        x = np.stack([self.task.initial_state(rng) for _ in range(n)])
        return np.tile(x, self.sight.frames)

    def step(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """What the plant makes of them. (n, frames * w), (n, m) -> (n, frames * w)"""
        states = self.check_states(states)
        actions = self.in_units(self.check_actions(actions, len(states)))
        plant = self._plant = self._plant or self.task.plant()
        ticks, found = round(self.task.dt / self.task.physics_dt), np.empty_like(states, float)
        for i, (x, u) in enumerate(zip(states[:, : self.width], actions, strict=True)):
            plant.reset(x)
            for _ in range(ticks):
                plant.apply(u)
                plant.step()
            found[i, : self.width] = plant.state()
        found[:, self.width :] = states[:, : found.shape[1] - self.width]
        return found

    def frames(self, states: np.ndarray) -> np.ndarray:
        """What is seen of them, the newest first. (n, frames * w) -> (n, frames * C, H, W) uint8"""
        states = self.check_states(states)
        found = np.empty((len(states), *self.frame_shape), np.uint8)
        for i, row in enumerate(states):
            seen_now = [self.image(x) for x in row.reshape(self.sight.frames, -1)]
            found[i] = self.bytes_of(np.concatenate(seen_now))
        return found

    def image(self, x: np.ndarray) -> np.ndarray:
        """What is seen of one state of the task, in its own unit. (n,) -> (C, H, W)"""
        assert self.renderer is not None
        return small(self.renderer.look(x)[0], self.sight.pool).astype(np.float32)

    def bytes_of(self, image: np.ndarray) -> np.ndarray:
        """An image by the level of this world. (..., H, W) -> uint8"""
        return np.clip(np.rint(image / self.level), 0.0, BYTES).astype(np.uint8)

    def act(self, g: int, states: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
        """Where element g sends states. (n, frames * w)"""
        states = self.check_states(states)
        rows = states.reshape(len(states), self.sight.frames, self.width)
        return self.symmetry.act(g, state=rows).reshape(states.shape)

    def random_actions(
        self, rng: np.random.Generator, n: int, allowed: Sequence[str] = ()
    ) -> np.ndarray:
        """Uniform within the limits. (n, m) float32"""
        self.check_words(allowed)
        low, high = self.task.limits.bound()
        u = rng.uniform(low, high, (n, len(low)))
        return self.scaled(self.task.limits.project(u))


class TaskFrames:
    """Stretches of a task, frame by frame; what a training is of.

    Args:
        world: The task's.
        data: The stretches.
        length: Periods of each row, of which the first is seen.
        rng: Draws a goal for every image: what a camera shows of it must tell nothing of the scene,
            and it is asked for beside.

    Attributes:
        starts: The transitions at which rows begin. (R,)
        states: Of the task, each once. (F, w)
        first: At which of them each transition begins; it ends at the next one. (N,)
        actions: Scaled. (N, m)
    """

    def __init__(
        self, world: TaskWorld, data: Transitions, length: int, rng: np.random.Generator
    ) -> None:
        self.world, self.data, self.length = world, data, length
        self.starts = rng.permutation(data.windows(length))  # what is near in time, far in a batch
        self.first = np.arange(len(data)) + data.episode
        self.states = np.empty((len(data) + data.episodes, data.state.shape[1]))
        self.states[self.first + 1] = data.next_state  # but for the last ones written over
        self.states[self.first] = data.state
        starts = np.append(0, self.first[1:][np.diff(data.episode) > 0])
        self._before = np.maximum(np.arange(len(self.states)) - 1, 0)
        self._before[starts] = starts  # they begin at rest
        task, goal = world.task, world.task.goal_slice
        shown = self.states.copy()
        shown[:, goal] = [task.initial_state(rng)[goal] for _ in shown]
        self._shown = np.stack([world.bytes_of(world.image(x)) for x in shown])
        self.actions = world.scaled(data.action)

    def __len__(self) -> int:
        return len(self.starts)

    def frames(self, at: np.ndarray) -> np.ndarray:
        """What is seen at some of the states. (n,) -> (n, frames * C, H, W) uint8"""
        if self.world.sight.frames == 1:
            return self._shown[at]
        return np.concatenate([self._shown[at], self._shown[self._before[at]]], axis=1)

    def world_states(self, at: np.ndarray) -> np.ndarray:
        """The same as states of the world. (...,) -> (..., frames * w)"""
        if self.world.sight.frames == 1:
            return self.states[at]
        return np.concatenate([self.states[at], self.states[self._before[at]]], axis=-1)

    def rows(self, chosen: np.ndarray) -> tuple[np.ndarray, ...]:
        """Rows by number.

        Frames, actions and frames after them; states (n, length + 1, w) and actions (n, length, m).
        """
        row = self.starts[chosen]
        at, ahead = self.first[row], np.arange(self.length + 1)
        states = self.states[at[:, None] + ahead].astype(np.float32)
        actions = self.actions[row[:, None] + ahead[:-1]]
        return self.frames(at), actions[:, 0], self.frames(at + 1), states, actions


class TaskMoves(Moves):
    """The same for rows that tell states and later actions too."""

    world: TaskWorld

    def draw(  # type: ignore[override]
        self,
        rng: np.random.Generator,
        before: np.ndarray,
        first: np.ndarray,
        after: np.ndarray,
        states: np.ndarray,
        actions: np.ndarray,
        stretch: int = 1,
    ) -> tuple[np.ndarray, ...]:
        """What `TaskFrames.rows` gives, each row moved by an element of its own."""
        drawn = rng.integers(self.world.group.order, size=len(first))
        moved = np.empty_like(states), np.empty_like(actions)
        for g in self.world.group.elements:
            here = drawn == g
            moved[0][here] = self.world.symmetry.act(g, state=states[here])
            moved[1][here] = self.world.act_action(g, actions[here])
        return *self.moved(drawn, before, first, after), *moved


def level_of(renderer: Renderer, states: np.ndarray) -> float:
    """What one of 255 steps shall stand for: colours are bytes, heights reach from 0 to the most.

    Args:
        renderer: What shows states.
        states: Some. (N, n)
    """
    images = [renderer.look(x)[0] for x in states]
    if images[0].dtype == np.uint8:
        return 1.0
    return max(float(np.max(images)), 1e-6) / BYTES


def turned(data: Transitions, length: int, rng: np.random.Generator) -> Transitions:
    """Pieces of stretches, each moved by an element of its own of the task's whole symmetry.

    That is drawn from the continuous group for which a declared one stands. What of it permutes
    pixels changes nothing for exact networks; the rest they learn from this.

    Args:
        data: The stretches.
        length: Periods of a piece.
        rng: Draws.
    """
    starts = np.flatnonzero(np.diff(data.episode, prepend=-1))
    within = (np.arange(len(data)) - starts[data.episode]) // length
    _, piece = np.unique(np.stack([data.episode, within], 1), axis=0, return_inverse=True)
    piece, symmetry = piece.reshape(-1), data.task.symmetry
    count = int(piece[-1]) + 1
    elements = rng.integers(symmetry.group.order, size=count)
    if word := symmetry.group.sample_of:
        with suppress(ValueError):  # some part goes with the finite group only
            check_continuous(symmetry, word)
            symmetry = under(symmetry, [drawn(word, rng) for _ in range(count)])
            elements = 1 + np.arange(count)
    state, action, following = data.state.copy(), data.action.copy(), data.next_state.copy()
    for k in range(count):
        here, g = piece == k, int(elements[k])
        state[here] = symmetry.act(g, state=state[here])
        action[here] = symmetry.act(g, action=action[here])
        following[here] = symmetry.act(g, state=following[here])
    return replace(data, state=state, action=action, next_state=following, episode=piece)


def some_of(data: Transitions, count: int, rng: np.random.Generator) -> Transitions:
    """Whole stretches of a set, drawn until there are about `count` transitions."""
    if len(data) <= count:
        return data
    order = rng.permutation(data.episodes)
    lengths = np.bincount(data.episode)[order]
    return data.of(order[: max(3, int(np.searchsorted(np.cumsum(lengths), count)))])
