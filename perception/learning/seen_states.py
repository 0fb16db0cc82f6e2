"""`SeenStates`: states of a task, and what a camera or heightmap shows of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...nodes.launching.yaml_loader import InputError
from ...nodes.parameters import from_dict
from ...sim.images import HEIGHTMAP, TOP, Views
from ...sim.sim_parameters import SimParameters
from ...sim.task import Task
from .transitions import Transitions


@dataclass(frozen=True)
class SeenStates:
    """N states, and the image or two of each."""

    task: Task
    state: np.ndarray
    """(N, n), the whole state."""
    images: np.ndarray
    """(N, frames * C, H, W), the newest frame first; colours as uint8, heights as float16."""


def sensed_by(task: Task, options: dict[str, Any], camera: str, pixels: int) -> dict[str, Any]:
    """What to tell the sim node so that it publishes an image.

    Args:
        task: The task.
        options: Its class's.
        camera: ``heightmap`` or ``top``.
        pixels: On a side of a heightmap.

    Raises:
        InputError: There is no such image.
    """
    if camera == TOP:
        return {"camera": True}
    if camera == HEIGHTMAP:
        return {"heightmap": pixels}
    raise InputError(f"camera:={camera}: is none of heightmap, top", "command line")


class Renderer:
    """Shows states of a task as its sim node would publish them.

    Args:
        task: The task.
        sensed: What `sensed_by` says.

    Raises:
        ParameterError: It cannot be seen here, such as for want of a GL library.
    """

    def __init__(self, task: Task, sensed: dict[str, Any]) -> None:
        self.plant = task.plant()
        self.plant.reset(task.initial_state(np.random.default_rng(0)))
        given = from_dict(SimParameters, {"task": task.name, **sensed}, "camera")
        self.views = Views(self.plant, given)
        self.topic = next(iter(self.look(self.plant.state())[1]))

    def look(self, x: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The image of a state. (C, H, W), and all by topic"""
        self.plant.reset(x)
        images = self.views.images((0, 0, 0))
        image = next(iter(images.values()))
        stacked = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
        return stacked, images

    def close(self) -> None:
        """Let the camera go."""
        self.views.close()


def rendered(
    data: Transitions,
    renderer: Renderer,
    count: int,
    frames: int,
    pool: int,
    rng: np.random.Generator,
    moved: bool = False,
    jitter: float = 0.0,
) -> SeenStates:
    """Images of states out of a set, taken in turn until there are `count`.

    Args:
        data: Where states are taken from.
        renderer: What shows them.
        count: How many.
        frames: Images of each; the second shows the period before.
        pool: Pixels on a side that are averaged into one.
        rng: Draws.
        moved: Whether each is moved by a random element of the task's symmetry before it is shown.
        jitter: Standard deviation of noise on all coordinates, as a share of their spread: what is
            seen is then another state, which is the one that is told.
    """
    task = data.task
    before = np.flatnonzero(np.concatenate([[False], data.episode[1:] == data.episode[:-1]]))
    rows = np.arange(len(data)) if frames == 1 else before
    rows = rng.permutation(rows)
    rows = np.resize(rows, count)
    spread, elements = data.state.std(axis=0), task.symmetry.group.order
    images, states = [], np.empty((count, data.state.shape[1]))
    for k, row in enumerate(rows):
        pair = data.state[[row, row - 1][:frames]]
        if moved:
            pair = task.symmetry.act(int(rng.integers(elements)), state=pair)
        if jitter:
            pair = pair + jitter * spread * rng.standard_normal(pair.shape[1])
            pair = task.symmetry.act(0, state=pair)  # angles wrapped
        shown = [small(renderer.look(x)[0], pool) for x in pair]
        images.append(np.concatenate(shown))
        states[k] = pair[0]
    return SeenStates(task, states, np.array(images))


def small(image: np.ndarray, pool: int) -> np.ndarray:
    """An image with squares of pixels averaged, in half the numbers. (C, H, W)"""
    kind = np.uint8 if image.dtype == np.uint8 else np.float16
    if pool > 1:
        c, height, width = image.shape
        blocks = image.reshape(c, height // pool, pool, width // pool, pool).astype(np.float32)
        image = blocks.mean(axis=(2, 4))
    return np.rint(image).astype(kind) if kind is np.uint8 else image.astype(kind)
