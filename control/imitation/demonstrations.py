"""`Demonstrations`: a dataset's episodes as one set of arrays, for a policy to be fitted to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.bags.bag import bag_file
from ...nodes.bags.dataset import Dataset, Episode, read_episode
from ...nodes.launching.yaml_loader import nearest
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
    task_options: dict[str, str | int]
    """What its class took beside."""
    path: str
    """The dataset's folder."""
    sha256: str
    """Of the bags that were read, by name: the same for the same data wherever it lies."""
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
    """(N, m) what was to be done: the first action of the plan for that very state, so what was
    intended where noise was injected; the command at a tick without a plan."""
    executed: np.ndarray
    """(N, m) what was done: what `next_state` came of."""
    images: dict[str, np.ndarray]
    """(N, C, H, W) by input name, values and type as published (rgb8 is uint8): a batch of them
    becomes float32."""
    inputs: dict[str, ImageInput]
    """What each image is."""
    episode: np.ndarray
    """(N,) which of the E episodes a tick belongs to, 0 .. E-1."""
    seeds: tuple[int, ...] = ()
    """Those that the episodes were drawn by: with another one a policy meets other starts."""

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
            executed=self.executed[rows],
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
    """A dataset as arrays; episodes that were aborted are never among them.

    Args:
        folder: A dataset, a run folder or a folder of bags.
        topic: ``/state`` or ``/ground_truth``; empty: the latter where it was recorded.
        cameras: The images wanted, by the name of their camera: ``heightmap``, ``top``.
        success_only: Whether to leave out the episodes that were no success.
        most: At most so many episodes, the first ones; None: all.

    Raises:
        BagError: No dataset, or an episode cannot be read.
        DemonstrationsError: Nothing is left, the episodes are of different tasks, or what they hold
            is not what is asked for; one line that says what to do.
        PluginError: Their task cannot be loaded.
        ParameterError: Its options do not fit.
    """
    dataset = Dataset(folder, images=bool(cameras))
    reader = _Reader(topic, tuple(cameras))
    left_out = 0
    for path in dataset.bags:
        if most is not None and len(reader.bags) >= most:
            break
        episode = read_episode(path, dataset.images)
        if episode.aborted or (success_only and not episode.success):
            left_out += 1
            continue
        reader.add(episode)
    if not reader.bags:
        if not dataset.bags:
            raise DemonstrationsError(f"{folder}: an empty dataset: there are no episodes in it")
        hint = "; success_only:=false takes failures too" if success_only else ""
        kind = "was a success" if success_only else "came to its end"
        raise DemonstrationsError(f"{folder}: none of its {left_out} episodes {kind}{hint}")
    return reader.demonstrations(folder)


class _Reader:
    """Takes episodes in, one by one, and holds each to the first."""

    def __init__(self, topic: str, cameras: tuple[str, ...]) -> None:
        self.topic, self.cameras = topic, cameras
        self.task: Task | None = None
        self.bags: list[Path] = []
        self.first: dict[str, Any] = {}
        self.seeds: set[int] = set()
        self.rows: dict[str, list[np.ndarray]] = {
            name: []
            for name in ("state", "next_state", "has_next", "action", "executed", "episode")
        }
        self.images: dict[str, list[np.ndarray]] = {name: [] for name in cameras}
        self.inputs: dict[str, ImageInput] = {}

    def add(self, episode: Episode) -> None:
        """Take one episode in."""
        if not self.topic:
            self.topic = "/state" if episode.ground_truth is None else "/ground_truth"
        state, names = observed(episode, self.topic)
        facts = {
            "task": episode.metadata.get("task", ""),
            "options": task_options(episode.metadata),
            "names": names,
            "action names": episode.action_names,
        }
        self.first = self.first or facts
        for what, value in facts.items():
            if value != self.first[what]:
                raise DemonstrationsError(
                    f"{episode.path}: its {what} differ from the first episode's: {_said(value)}, "
                    f"not {_said(self.first[what])}; one policy learns one task"
                )
        self.task = self.task or recorded_task(episode.metadata)
        action = _labels(episode)
        _check_finite(episode, self.topic, state, names)
        _check_finite(episode, "/command", action, episode.action_names)
        following = np.concatenate([state[1:], state[-1:]])
        apart = np.diff(episode.time, append=np.inf)  # in real time a tick may be missing
        has_next = np.abs(apart - self.task.dt) < 0.5 * self.task.dt
        following[~has_next] = state[~has_next]
        # Where the state is the sensors' the plant told how the last period ended.
        final = episode.final_state if self.topic == "/state" else None
        if final is not None and np.isfinite(final).all():
            following[-1], has_next[-1] = final, True
        new = {"state": state, "next_state": following, "has_next": has_next, "action": action}
        new["executed"] = episode.action
        new["episode"] = np.full(len(state), len(self.bags))
        for name, array in new.items():
            self.rows[name].append(array)
        for name in self.cameras:
            self._look(episode, name)
        self.bags.append(episode.path)
        if (seed := episode.metadata.get("seed", "")).isdecimal():
            self.seeds.add(int(seed))

    def _look(self, episode: Episode, name: str) -> None:
        topic = f"/camera/{name}/image_raw"
        if topic not in episode.cameras:
            there = [_camera_name(topic) for topic in episode.cameras]
            hint = nearest(name, there) or f"; there are {', '.join(there)}"
            if not there:
                hint = "; collect again with heightmap:=64 or in_hand:=24"
            raise DemonstrationsError(f"{episode.path}: no images of {name!r} in it{hint}")
        camera = episode.cameras[topic]
        frames = np.ascontiguousarray(camera.frames.transpose(0, 3, 1, 2))
        if not np.isfinite(frames).all():
            raise DemonstrationsError(f"{episode.path}: {topic}: an image that is not finite")
        shape = tuple(map(int, frames.shape[1:]))
        wanted = self.inputs.setdefault(name, ImageInput(topic, (shape[0], shape[1], shape[2])))
        if shape != wanted.shape:
            sizes = f"{_size(shape)}, not {_size(wanted.shape)}"
            raise DemonstrationsError(f"{episode.path}: {topic}: its images are {sizes}")
        self.images[name].append(frames[camera.row])

    def demonstrations(self, folder: Path) -> Demonstrations:
        """All that was taken in."""
        assert self.task is not None
        arrays = {name: _joined(parts) for name, parts in self.rows.items()}
        return Demonstrations(
            task=self.task,
            task_name=self.first["task"],
            task_options=self.first["options"],
            path=str(folder),
            sha256=_hash(self.bags),
            state_topic=self.topic,
            state_names=self.first["names"],
            images={name: _joined(parts) for name, parts in self.images.items()},
            inputs=self.inputs,
            seeds=tuple(sorted(self.seeds)),
            **arrays,
        )


def observed(episode: Episode, topic: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """What a topic said of the state at each tick, and the names of it. (T, n), (n)

    Raises:
        DemonstrationsError: It was not recorded.
    """
    if topic == "/state":
        return episode.state, episode.state_names
    if episode.ground_truth is None:
        hint = "observation:=/state, or collect again with ground_truth:=true"
        raise DemonstrationsError(f"{episode.path}: no {topic} in it; {hint}")
    return episode.ground_truth, episode.ground_truth_names


def _labels(episode: Episode) -> np.ndarray:
    """What was meant for each tick's state: what was executed may be late, or have noise. (T, m)"""
    meant = episode.intended
    if meant is None:
        return episode.action
    return np.where(np.isnan(meant).any(axis=1, keepdims=True), episode.action, meant)


def _check_finite(episode: Episode, topic: str, values: np.ndarray, names: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        tick, column = bad[0]
        raise DemonstrationsError(
            f"{episode.path}: {topic}: {names[column]} is {values[tick, column]} "
            f"at tick {tick} of {len(values)}; nothing can be learned from that"
        )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """All parts as one array; they are given up one by one, since images fill the memory."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for k in range(len(parts)):
        part, parts[k] = parts[k], np.empty(0)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _hash(bags: Sequence[Path]) -> str:
    """SHA-256 over the names of bags and what lies in them."""
    total = hashlib.sha256()
    for path in bags:
        with bag_file(path).open("rb") as file:
            inside = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name} {inside}\n".encode())
    return total.hexdigest()


def _camera_name(topic: str) -> str:
    return topic.removeprefix("/camera/").removesuffix("/image_raw")


def _size(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{width} x {height} x {channels}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items()) or "none"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
