"""`Demonstrations`: a dataset's episodes as one set of arrays, for a policy to be fitted to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...nodes.bags.dataset import Dataset, Episode
from ...sim.load_task import recorded_task, task_options
from ...sim.task import Task
from ..policy_card import ImageInput


class DemonstrationsError(ValueError):
    """Data that nothing can be learned from; one line that says why."""


@dataclass(frozen=True)
class Demonstrations:
    """N ticks of E episodes, the episodes one after the other, each in the order of time."""

    task: Task
    """What was demonstrated."""
    task_name: str
    """As launch files name it."""
    task_options: dict[str, str]
    """What its class took beside."""
    path: str
    """The dataset's folder."""
    sha256: str
    """Of all bags, by name: the same for the same data wherever it lies."""
    state_topic: str
    """Where the states come from."""
    state_names: tuple[str, ...]
    """(n)"""
    state: np.ndarray
    """(N, n)"""
    next_state: np.ndarray
    """(N, n) of the tick after it; the last tick of an episode repeats its own where what came
    after was not recorded."""
    has_next: np.ndarray
    """(N,) bool, whether it was."""
    action: np.ndarray
    """(N, m) what was to be done: the intended action where noise was injected."""
    images: dict[str, np.ndarray]
    """(N, C, H, W) float32 by input name, as published."""
    inputs: dict[str, ImageInput]
    """What each image is."""
    episode: np.ndarray
    """(N,) which of the E episodes a tick belongs to, 0 .. E-1."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return int(self.episode[-1]) + 1 if len(self.episode) else 0

    def of(self, episodes: Sequence[int]) -> Demonstrations:
        """Some of the episodes, numbered anew in their order here."""
        chosen = np.zeros(self.episodes, bool)
        chosen[list(episodes)] = True
        rows = chosen[self.episode]
        _, numbers = np.unique(self.episode[rows], return_inverse=True)
        return replace(
            self,
            state=self.state[rows],
            next_state=self.next_state[rows],
            has_next=self.has_next[rows],
            action=self.action[rows],
            images={name: image[rows] for name, image in self.images.items()},
            episode=numbers,
        )

    def split(
        self, fraction: float, rng: np.random.Generator
    ) -> tuple[Demonstrations, Demonstrations]:
        """Training and validation, by whole episodes; at least one episode in each.

        Raises:
            DemonstrationsError: There are fewer than two episodes.
        """
        if self.episodes < 2:
            raise DemonstrationsError(
                f"{self.path}: one episode cannot be split into training and validation"
            )
        held_out = min(max(round(fraction * self.episodes), 1), self.episodes - 1)
        order = rng.permutation(self.episodes)
        return self.of(sorted(order[held_out:])), self.of(sorted(order[:held_out]))

    def chunks(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The actions from each tick on, and which of them the episode still had.

        Returns:
            (N, length, m), after the episode's end its last action; (N, length) bool.
        """
        at = np.arange(len(self))[:, None] + np.arange(length)
        last = np.searchsorted(self.episode, self.episode, side="right")[:, None] - 1
        return self.action[np.minimum(at, last)], at <= last


def read_demonstrations(
    folder: Path,
    topic: str = "",
    cameras: Sequence[str] = (),
    success_only: bool = True,
    most: int | None = None,
) -> Demonstrations:
    """A dataset as arrays.

    Args:
        folder: A dataset, a run folder or a folder of bags.
        topic: ``/state`` or ``/ground_truth``; empty: the latter where it was recorded.
        cameras: The images wanted, by the name of their camera: ``heightmap``, ``top``.
        success_only: Whether to leave out the episodes that were no success.
        most: At most so many episodes, the first ones; None: all.

    Raises:
        BagError: No dataset, or an episode cannot be read.
        DemonstrationsError: Nothing is left, or the episodes are of different tasks.
    """
    raise NotImplementedError


def observed(episode: Episode, topic: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """What a topic said of the state at each tick, and the names of it. (T, n), (n)"""
    raise NotImplementedError


_ = (Dataset, hashlib, recorded_task, task_options)
