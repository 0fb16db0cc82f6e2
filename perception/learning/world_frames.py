"""`WorldFrames`: episodes of a pixel world as batches of frames, moved by its group where asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ...sim.pixel_worlds.world import PixelWorld, Transitions, transitions
from ...symmetry.pixels import pixel_sources

_KEPT = 512 * 2**20
"""Bytes up to which all frames are drawn once and kept; beyond, each when it is asked for."""


class WorldFrames:
    """Episodes of a random policy, frame by frame; what a training is of.

    Args:
        world: The world.
        rng: Source of chance.
        episodes: How many.
        length: Steps in each.
        actions: The words of those that the policy may use; none: all.

    Attributes:
        path: What they are called.
        sha256: Of states and actions.

    Raises:
        WorldError: A word that the world does not know, or numbers below 1.
    """

    def __init__(
        self,
        world: PixelWorld,
        rng: np.random.Generator,
        episodes: int,
        length: int,
        actions: Sequence[str] = (),
    ) -> None:
        self.world = world
        self.made: Transitions = transitions(world, rng, episodes, length, actions)
        of = f" with {', '.join(actions)} only" if actions else ""
        self.path = f"{episodes} episodes of {length} steps in {world.name}{of}"
        total = hashlib.sha256(np.ascontiguousarray(self.made.states).tobytes())
        total.update(np.ascontiguousarray(self.made.actions).tobytes())
        self.sha256 = total.hexdigest()
        self._kept: np.ndarray | None = None
        count = episodes * (length + 1)
        if count * int(np.prod(world.frame_shape)) <= _KEPT:
            states = self.made.states.reshape(count, *world.state_shape)
            drawn = [world.frames(states[i : i + 1000]) for i in range(0, count, 1000)]
            self._kept = np.concatenate(drawn).reshape(episodes, length + 1, *world.frame_shape)

    def __len__(self) -> int:
        return self.made.count

    def frames(self, episodes: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(n,), (n,) -> (n, C, H, W) uint8"""
        if self._kept is not None:
            return self._kept[episodes, times]
        return self.made.frames(self.world, episodes, times)

    def rows(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Transitions by number: frames, actions, frames after them."""
        e, t = np.divmod(chosen, self.made.actions.shape[1])
        return self.frames(e, t), self.made.actions[e, t], self.frames(e, t + 1)


class Moves:
    """Group-augmented replay: the rows of a batch moved by elements that are drawn for them.

    Args:
        world: Whose group; its elements must be quarter turns and mirrors of frames.

    Raises:
        PixelError: They are not.
    """

    def __init__(self, world: PixelWorld) -> None:
        self.world = world
        self.sources = pixel_sources(world.group, world.frame_shape[1])

    def draw(
        self,
        rng: np.random.Generator,
        before: np.ndarray,
        actions: np.ndarray,
        after: np.ndarray,
        stretch: int = 1,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B, C, H, W), (B, m), (B, C, H, W), and the same moved, each stretch by one element."""
        drawn = rng.integers(self.world.group.order, size=len(actions) // stretch)
        return self.moved(drawn.repeat(stretch), before, actions, after)

    def moved(
        self, drawn: np.ndarray, before: np.ndarray, actions: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same, each row by a given element. (B,), ..."""
        found = np.empty_like(before), np.empty_like(actions), np.empty_like(after)
        for g in self.world.group.elements:
            rows = np.flatnonzero(drawn == g)
            for out, frames in ((found[0], before), (found[2], after)):
                flat = frames[rows].reshape(*rows.shape, frames.shape[1], len(self.sources[g]))
                out[rows] = flat[:, :, self.sources[g]].reshape(len(rows), *frames.shape[1:])
            found[1][rows] = self.world.act_action(g, actions[rows])
        return found
