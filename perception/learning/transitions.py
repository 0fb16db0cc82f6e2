"""`Transitions`: states, actions and what came of them, from recordings or from random motion."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.bags.dataset import Dataset, Episode, read_episode
from ...nodes.launching.yaml_loader import InputError
from ...nodes.plugin import PluginError
from ...sim.load_task import load_task, recorded_task, task_options
from ...sim.task import Task

LENGTH = 50
"""Control periods of one stretch of random motion."""
HOLDS = (1, 2, 4, 8)
"""For how many periods a random action is held; drawn anew each time."""


@dataclass(frozen=True)
class Transitions:
    """N control periods of E stretches, each stretch in the order of time."""

    task: Task
    task_name: str
    """As launch files name it."""
    task_options: dict[str, Any]
    path: str
    """Where they are from."""
    sha256: str
    state: np.ndarray
    """(N, n), the whole state."""
    action: np.ndarray
    """(N, m) what was done."""
    next_state: np.ndarray
    """(N, n)"""
    episode: np.ndarray
    """(N,) which stretch, 0 .. E-1; within one, row t + 1 begins where row t ended."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def episodes(self) -> int:
        """Number of stretches."""
        return int(self.episode[-1]) + 1 if len(self) else 0

    def of(self, episodes: np.ndarray) -> Transitions:
        """Some of the stretches, numbered anew."""
        rows = np.isin(self.episode, episodes)
        _, numbers = np.unique(self.episode[rows], return_inverse=True)
        return replace(
            self,
            state=self.state[rows],
            action=self.action[rows],
            next_state=self.next_state[rows],
            episode=numbers,
        )

    def split(self, share: float, rng: np.random.Generator) -> tuple[Transitions, ...]:
        """Training, validation and test, by whole stretches; `share` of them in each but the first.

        Raises:
            InputError: There are fewer than three stretches.
        """
        if self.episodes < 3:
            said = "too few episodes to keep some for validation and test"
            raise InputError(f"{said}: {self.episodes}, at least 3 are needed", self.path)
        each = min(max(round(share * self.episodes), 1), (self.episodes - 1) // 2)
        order = rng.permutation(self.episodes)
        return self.of(order[2 * each :]), self.of(order[:each]), self.of(order[each : 2 * each])

    def windows(self, length: int) -> np.ndarray:
        """The rows at which `length` periods of one stretch begin. (W,)"""
        last = np.arange(len(self)) + length - 1
        inside = last < len(self)
        rows = np.flatnonzero(inside)
        return rows[self.episode[rows] == self.episode[rows + length - 1]]


def recorded(folder: Path) -> Transitions:
    """All episodes of a dataset that came to their end or not, successes or not.

    Raises:
        BagError: No dataset, or an episode cannot be read.
        InputError: The whole state was not recorded, or the episodes are of different tasks.
    """
    dataset = Dataset(folder, images=False)
    parts, first, made = [], None, None
    for path in dataset.bags:
        episode = read_episode(path, False)
        facts = (episode.metadata.get("task", ""), task_options(episode.metadata))
        if first is None:
            first, made = facts, recorded_task(episode.metadata)
        if facts != first:
            said = f"its task is {facts[0]}, not {first[0]}; one model learns one task"
            raise InputError(said, str(path))
        assert made is not None
        parts.append(_whole(episode, made))
    parts = [part for part in parts if len(part[0])]
    if first is None or made is None or not parts:
        raise InputError("there are no episodes in it", str(folder))
    return _joined(made, first[0], first[1], str(folder), parts)


def _whole(episode: Episode, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, actions and next states of an episode."""
    state, names = episode.state, episode.state_names
    if task.sensed:
        if episode.ground_truth is None:
            said = "no /ground_truth in it; collect again with ground_truth:=true"
            raise InputError(said, str(episode.path))
        state, names = episode.ground_truth, episode.ground_truth_names
    if names != tuple(task.state_names):
        raise InputError(f"its states are not those of {task.name}", str(episode.path))
    following = np.concatenate([state[1:], state[-1:]])
    there = np.abs(np.diff(episode.time, append=np.inf) - task.dt) < 0.5 * task.dt
    final = None if task.sensed else episode.final_state
    if final is not None and np.isfinite(final).all():
        following[-1], there[-1] = final, True
    there &= np.isfinite(state).all(1) & np.isfinite(following).all(1)
    there &= np.isfinite(episode.action).all(1)
    return state[there], episode.action[there], following[there]


def interacted(
    name: str, options: dict[str, Any], count: int, rng: np.random.Generator
) -> Transitions:
    """About `count` periods of random motion of a task's plant, from the task's own starts.

    Actions are uniform within the limits and held for one to eight periods.

    Raises:
        ParameterError, PluginError: The task cannot be had, or moves to where nothing is finite.
    """
    task = load_task(name, options)
    plant, ticks = task.plant(), round(task.dt / task.physics_dt)
    low, high = task.limits.bound()
    parts = []
    for _ in range(max(3, -(-count // LENGTH))):
        plant.begin(rng)
        states, actions, left = [plant.state()], [], 0
        u = task.safe_action()
        for _ in range(LENGTH):
            if left == 0:
                u = task.limits.project(rng.uniform(low, high))
                left = int(rng.choice(HOLDS))
            left -= 1
            for _ in range(ticks):
                plant.apply(u)
                plant.step()
            states.append(plant.state())
            actions.append(u)
        x = np.array(states)
        if not np.isfinite(x).all():
            said = "its states do not stay finite, in random motion from its starts"
            raise PluginError(f"task {name!r}: {said}", True, "task")
        parts.append((x[:-1], np.array(actions), x[1:]))
    return _joined(task, name, options, f"random motion of {name}", parts)


def both(one: Transitions | None, other: Transitions | None) -> Transitions:
    """Two sets as one; one of them may not be there."""
    if one is None or other is None:
        found = one or other
        assert found is not None
        return found
    parts = [
        (s.state[rows], s.action[rows], s.next_state[rows])
        for s in (one, other)
        for e in range(s.episodes)
        for rows in [s.episode == e]
    ]
    path = f"{one.path} and {other.path}"
    return _joined(one.task, one.task_name, one.task_options, path, parts)


def _joined(task: Task, name: str, options: dict[str, Any], path: str, parts: list) -> Transitions:
    state, action, following = (np.concatenate([p[i] for p in parts]) for i in range(3))
    episode = np.repeat(np.arange(len(parts)), [len(p[0]) for p in parts])
    total = hashlib.sha256()
    for array in (state, action, following, episode):
        total.update(np.ascontiguousarray(array).tobytes())
    return Transitions(
        task, name, dict(options), path, total.hexdigest(), state, action, following, episode
    )
