"""What the dials do to what is sensed: cameras, noise, mirrored images; a key settles each draw."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..symmetry.declaration import Symmetry, wrap
from .camera_view import CameraView, HeightmapView, triple
from .dials import Dials
from .task import Task

_STATE, _IMAGE, _LABEL = 1, 2, 3  # what is drawn for

Key = tuple[int, int, int]
"""Seed of the run, number of the episode, physics ticks since its start."""


def state_noise(task: Task, dials: Dials, key: Key) -> np.ndarray:
    """What is added to the state in a period, alike in all directions; the goal is told. (n,)"""
    noise = dials.observation_noise * _drawn(_STATE, key).normal(size=len(task.state_names))
    noise[task.goal_slice] = 0.0
    return noise


def seen_state(task: Task, x: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """A state (n,) with noise (n,), its angles within [-pi, pi)."""
    seen = x + noise
    angles = angles_of(task.symmetry)
    seen[angles] = wrap(seen[angles])
    return seen


def state_as_sensed(task: Task, dials: Dials, x: np.ndarray, key: Key) -> np.ndarray:
    """What /state says of a state, before the parts that no sensor tells are left out. (n,)"""
    return seen_state(task, x, state_noise(task, dials, key)) if dials.observation_noise else x


View = TypeVar("View", CameraView, HeightmapView)


def dialled_view(view: View, dials: Dials) -> View:
    """A view that stands still, as its dials turn it.

    A camera goes on an arc about the world's x through the origin, from above towards -y, and goes
    on looking at the same point of the turned scene; a heightmap is turned about its own middle.
    """
    if not (dials.camera_tilt or dials.camera_roll):
        return view
    if isinstance(view, HeightmapView):
        return view.turned(dials.camera_tilt, dials.camera_roll)
    c, s = (f(math.radians(dials.camera_tilt)) for f in (math.cos, math.sin))
    turn = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    moved = replace(
        view,
        position=triple(turn @ view.position),
        look_at=triple(turn @ view.look_at),
        up=triple(turn @ -view.axes()[:, 1]),
    )
    return moved.turned(roll_deg=dials.camera_roll)


def image_noise(dials: Dials, shape: tuple[int, ...], key: Key, view: int = 0) -> np.ndarray:
    """Noise of one image, in shares of full scale or in m; `view` tells cameras apart."""
    return dials.observation_noise * _drawn(_IMAGE, key, view, 1).normal(size=shape)


def is_mirrored(dials: Dials, key: Key, view: int = 0) -> bool:
    """Whether left and right of an image are exchanged."""
    return bool(_drawn(_IMAGE, key, view).uniform() < dials.mirrored_image)


def noisy_image(image: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
    """Colours (H, W, 3) uint8 or depths (H, W) in m, with noise."""
    if noise is None:
        return image
    if image.dtype == np.uint8:
        return np.clip(np.rint(image + 255.0 * noise), 0, 255).astype(np.uint8)
    return (image + noise).astype(image.dtype)


def seen_image(image: np.ndarray, dials: Dials, key: Key, view: int = 0) -> np.ndarray:
    """An image as it is published. (H, W, ...)"""
    if dials.mirrored_image and is_mirrored(dials, key, view):
        image = image[:, ::-1]
    noise = image_noise(dials, image.shape, key, view) if dials.observation_noise else None
    return np.ascontiguousarray(noisy_image(image, noise))


def is_flipped(dials: Dials, seed: int, episode: int) -> bool:
    """Whether an episode's result is told inverted, if it starts on that side."""
    return bool(_drawn(_LABEL, (seed, episode, 0)).uniform() < dials.label_flip)


def angles_of(symmetry: Symmetry) -> np.ndarray:
    """Which coordinates of the state are angles. (n,) bool"""
    return np.concatenate([part.angles(symmetry.group) for part in symmetry.state.values()])


def _drawn(what: int, key: Key, *more: int) -> np.random.Generator:
    return np.random.default_rng([what, *key, *more])
