"""A folder of recorded episodes as arrays on the control tick, read one by one when asked for.

A dataset is ``FOLDER/bags/episode_000017/`` (rosbag2 folders, named by the number of the attempt)
beside ``FOLDER/dataset.yaml``, its card. The bags of a run folder are read just as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..launching.key_values import is_file
from ..launching.yaml_loader import InputError, load_file
from .bag import BagError
from .cameras import Camera, camera_topics, cameras_of
from .reader import Bag, Recording, TopicArrays, read_bag

CARD = "dataset.yaml"
"""The dataset's card, in its folder."""
FORMAT = 1
"""Of the folder and its card; another number is another layout."""
BAGS = "bags"
"""The folder of the bags, in the dataset's folder."""
_PLAN = "/plan"
_TICKS = ("/state", "/command", "/ground_truth", "/cost")


@dataclass(frozen=True)
class Episode:
    """One episode on the control tick: T ticks, each with the state and the command it got.

    All values are float64 as they were recorded. Row t of `reward` and `near` tells of the period
    that began with row t of `state` and in which row t of `action` was executed.
    """

    path: Path
    """Its bag."""
    number: int
    """Of its attempt: with the seed the key of everything in it."""
    metadata: dict[str, str]
    """task, task_options, engine, seed, model_sha256, ... as text."""
    success: bool
    """Whether it was one."""
    aborted: bool
    """Whether it was never brought to its end."""
    time: np.ndarray
    """(T,) simulated time of each tick, s, as the stamps have it."""
    state: np.ndarray
    """(T, n) what `/state` said."""
    state_names: tuple[str, ...]
    """(n)"""
    final_state: np.ndarray | None
    """(n,) what `/state` would have said at the end of the last period; None: not recorded."""
    ground_truth: np.ndarray | None
    """(T, k) what `/ground_truth` said; None: not recorded."""
    ground_truth_names: tuple[str, ...]
    """(k)"""
    action: np.ndarray
    """(T, m) the `/command` that was given for that very state."""
    action_names: tuple[str, ...]
    """(m)"""
    reward: np.ndarray
    """(T,) minus the task's running cost of each period; NaN where none was recorded."""
    near: np.ndarray
    """(T,) bool, whether the period ended within the task's thresholds."""
    done: np.ndarray
    """(T,) bool, true at the last tick."""
    cameras: dict[str, Camera]
    """Image topic to its images."""
    model: str | None
    """MJCF text that was simulated."""
    camera_topics: tuple[str, ...] = ()
    """The image topics of the bag, whether images were read or not."""

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def intended(self) -> np.ndarray | None:
        """(T, m) the first action of the plan made from that very state; None: none was recorded.

        It is what the planner meant, whatever a delay or noise made of it; NaN at a tick without a
        plan. The plans are read when this is asked for, since most have no need of them.

        Raises:
            BagError: They cannot be read.
        """
        return _first_actions(self)


class Dataset:
    """The episodes of a folder, in the order of their numbers; an episode is read when asked for.

    `len`, ``dataset[k]`` and iteration go over all that are there. What cannot be read raises in
    ``dataset[k]``; iteration leaves it out where `on_unreadable` takes the line about it, and
    raises where there is none.

    Args:
        folder: A dataset, a run folder, or a folder of bags.
        images: Whether to read the images too.
        on_unreadable: Called with one line for each episode that iteration leaves out.

    Attributes:
        card: What `dataset.yaml` says; empty where there is none.
        bags: The episodes' bags.

    Raises:
        BagError: There are no bags, or the card is no card.
    """

    def __init__(
        self,
        folder: Path,
        images: bool = True,
        on_unreadable: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.images = images
        self.on_unreadable = on_unreadable
        self.bags = bags_in(self.folder)
        self.card = read_card(self.folder)
        if not self.bags and not self.card:
            if not self.folder.exists():
                raise BagError(f"{folder}: no dataset: there is no such folder")
            raise BagError(f"{folder}: no dataset: there are no bags in it")

    def __len__(self) -> int:
        return len(self.bags)

    def __getitem__(self, k: int) -> Episode:
        return read_episode(self.bags[k], self.images)

    def __iter__(self) -> Iterator[Episode]:
        for path in self.bags:
            try:
                episode = read_episode(path, self.images)
            except (BagError, OSError) as error:
                if self.on_unreadable is None:
                    raise
                self.on_unreadable(str(error))
                continue
            yield episode

    def unreadable(self) -> dict[Path, str]:
        """Every bag that cannot be read, and why, in a line. All of them are read for it."""
        found = {}
        for path in self.bags:
            try:
                read_episode(path, self.images)
            except (BagError, OSError) as error:
                found[path] = str(error)
        return found


def is_dataset(folder: Path) -> bool:
    """Whether a folder has a dataset's card."""
    return is_file(Path(folder) / CARD)


def bags_in(folder: Path) -> list[Path]:
    """The closed bags of a dataset, a run folder or a folder of bags, by number."""
    root = folder / BAGS if (folder / BAGS).is_dir() else folder
    found = {file.parent for file in root.glob("*/*.mcap") if file.parent.suffix != ".open"}
    return sorted(found, key=lambda path: (number_in(path.name), path.name))


def number_in(name: str) -> int:
    """The episode's number in a bag's name, `episode_000017`; -1 where there is none."""
    digits = name.rpartition("_")[2]
    return int(digits) if name.startswith("episode_") and digits.isdecimal() else -1


def read_card(folder: Path) -> dict[str, Any]:
    """The card of a dataset, empty where there is none.

    Raises:
        BagError: The file is no card, or one of a format that is not known here.
    """
    path = Path(folder) / CARD
    if not is_file(path):
        return {}
    try:
        root = load_file(path)
    except InputError as error:
        raise BagError(str(error)) from None
    if root is None or not isinstance(root.value, dict):
        raise BagError(f"{path}: no dataset card: it must be a mapping")
    found = root.value.get("covary_dataset")
    if found is not None and (type(found.value) is not int or found.value != FORMAT):
        said = f"covary_dataset is {found.text or 'no number'}, and this covary reads {FORMAT}"
        raise BagError(f"{path}:{found.line}: {said}")
    return root.python()


def read_episode(path: Path, images: bool = True) -> Episode:
    """One episode as arrays.

    Args:
        path: Its bag.
        images: Whether to read the images too.

    Raises:
        BagError: Not a bag, never closed, damaged, or without a tick that has state and command.
    """
    bag = Bag(path)
    there = camera_topics(bag.types)
    cameras = there if images else {}
    recording = read_bag(bag, {*_TICKS, *cameras, *cameras.values()})
    if not len(recording.time):
        raise BagError(f"{path}: no tick in it has both a /state and a /command")
    ticks = _stamps(recording)
    try:
        truth, truth_names = _ground_truth(recording, ticks)
        reward, near, final = _costs(recording, ticks)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        # A bag brings its own definitions, so a topic's messages may be anything.
        raise BagError(f"{path}: its /ground_truth or /cost is none: {error}") from None
    done = np.zeros(len(ticks), dtype=bool)
    done[-1] = True
    facts = bag.metadata
    text = facts.get("episode", "")
    return Episode(
        path=Path(path),
        number=int(text) if text.isdecimal() else number_in(Path(path).name),
        metadata=facts,
        success=facts.get("success") == "true",
        aborted=facts.get("aborted") == "true",
        time=recording.time,
        state=recording.state,
        state_names=recording.state_names,
        final_state=final,
        ground_truth=truth,
        ground_truth_names=truth_names,
        action=recording.action,
        action_names=recording.action_names,
        reward=reward,
        near=near,
        done=done,
        cameras=cameras_of(bag, recording.topics, cameras, ticks),
        model=recording.model,
        camera_topics=tuple(there),
    )


def _stamps(recording: Recording) -> np.ndarray:
    """Stamps of the ticks, ns. (T,)"""
    topics = recording.topics
    return np.intersect1d(topics["/state"]["header.stamp"], topics["/command"]["header.stamp"])


def _rows(topic: TopicArrays, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which ticks have a message of that stamp, and which one: two index arrays."""
    stamps, first = np.unique(topic["header.stamp"], return_index=True)
    _, at, row = np.intersect1d(ticks, stamps, return_indices=True)
    return at, first[row]


def _ground_truth(
    recording: Recording, ticks: np.ndarray
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    topic = recording.topics.get("/ground_truth")
    if topic is None:
        return None, ()
    at, row = _rows(topic, ticks)
    values = np.full((len(ticks), topic["value"].shape[1]), np.nan)
    values[at] = topic["value"][row]
    return values, tuple(map(str, topic["name"][0]))


def _first_actions(episode: Episode) -> np.ndarray | None:
    """The first action of each tick's plan, in the order of the episode's own names. (T, m)"""
    bag = Bag(episode.path)
    if _PLAN not in bag.types:
        return None
    row = {int(round(t * 1e9)): k for k, t in enumerate(episode.time)}
    actions = np.full(episode.action.shape, np.nan)
    for message in bag.messages({_PLAN}):
        plan = bag.decode(message)
        try:
            stamp = plan.header.stamp.sec * 1_000_000_000 + plan.header.stamp.nanosec
            if stamp not in row or not plan.points:
                continue
            first = plan.points[0]
            values = first.velocities if len(first.velocities) else first.effort
            place = [list(plan.joint_names).index(name) for name in episode.action_names]
            actions[row[stamp]] = values[place]
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            # A bag brings its own definitions, so a topic's messages may be anything.
            raise BagError(f"{episode.path}: its /plan is none: {error}") from None
    return actions


def _costs(
    recording: Recording, ticks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Rewards (T,), whether each period ended within the thresholds (T,), the final state (n,)."""
    reward, near = np.full(len(ticks), np.nan), np.zeros(len(ticks), dtype=bool)
    topic = recording.topics.get("/cost")
    if topic is None:
        return reward, near, None
    at, row = _rows(topic, ticks)
    reward[at], near[at] = -topic["cost"][row], topic["success"][row]
    final = np.asarray(topic["final"][-1], dtype=np.float64)
    return reward, near, final if final.shape == recording.state.shape[1:] else None
