"""Data sets as clouds of points: npz files of points or of transitions, and recorded episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...nodes.launching.yaml_loader import InputError, nearest
from ...symmetry.declaration import SymmetryError
from ...symmetry.discovery.cloud import Cloud, DiscoveryError, cloud
from ...symmetry.part import (
    Angle,
    Part,
    Point3,
    Pose,
    Position,
    Pseudoscalar,
    Pseudovector,
    Quaternion,
    Scalar,
    Vector,
    Vector3,
)
from ...symmetry.part_words import part_of, width_of, word_of
from ..npz_file import npz_arrays

_KEYS = ("points", "state", "action", "next_state", "reward", "episode")
_TRANSITIONS = ("state", "action", "next_state")


@dataclass(frozen=True, eq=False)
class Transitions:
    """What is known of a task's steps.

    Attributes:
        state: (N, n)
        action: (N, m)
        next_state: (N, n)
        reward: (N,) or None
        state_parts: How each part of a state is moved.
        action_parts: How each part of an action is.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    reward: np.ndarray | None
    state_parts: dict[str, Part]
    action_parts: dict[str, Part]


@dataclass(frozen=True, eq=False)
class Given:
    """What was given to be looked at.

    Attributes:
        source: The file or folder.
        cloud: Its points.
        episode: Which samples depend on each other (N,); None: none.
        transitions: None where there are points alone.
        task: The task's name; empty: none is known.
    """

    source: str
    cloud: Cloud
    episode: np.ndarray | None = None
    transitions: Transitions | None = None
    task: str = ""


def read(source: str, state: str, action: str) -> Given:
    """An npz file, or a dataset of episodes.

    Args:
        source: Its path.
        state: How an npz file's states are moved, in words: ``vector+vector``.
        action: How its actions are.

    Raises:
        InputError: It cannot be read, or nothing can be looked for in it; one line.
    """
    path = Path(source)
    if path.is_dir():
        if state or action:
            raise InputError("a dataset's task says how its state is moved", "--state, --action")
        return _dataset(path)
    if not path.exists():
        raise InputError("there is no such file or folder", source)
    return _npz(path, state, action)


def _npz(path: Path, state: str, action: str) -> Given:
    arrays = npz_arrays(path)
    for name in arrays:
        if name not in _KEYS:
            hint = nearest(name, _KEYS) or f"; there are {', '.join(_KEYS)}"
            raise InputError(f"unknown key '{name}'{hint}", str(path))
    episode = arrays.get("episode")
    if "points" in arrays:
        extra = [name for name in (*_TRANSITIONS, "reward") if name in arrays]
        if extra or state or action:
            raise InputError("it holds points: no states, no --state, no --action", str(path))
        made = _checked(path, arrays["points"])
        return Given(str(path), made, _episode(path, episode, len(made)))
    missing = [name for name in _TRANSITIONS if name not in arrays]
    if missing:
        said = f"'{missing[0]}' is missing: points, or state, action and next_state"
        raise InputError(said, str(path))
    for option, word in (("--state", state), ("--action", action)):
        if not word:
            raise InputError(f"{option} is missing: how it is moved, as vector+vector", str(path))
    transitions = Transitions(
        *(_rows(path, name, arrays[name]) for name in _TRANSITIONS),
        _rewards(path, arrays.get("reward")),
        _parts("--state", state),
        _parts("--action", action),
    )
    return given_of(str(path), transitions, _episode(path, episode, len(transitions.state)), "")


def _dataset(path: Path) -> Given:
    from ...control.imitation.demonstrations import DemonstrationsError, read_demonstrations
    from ...nodes.bags.bag import BagError
    from ...nodes.parameters import ParameterError
    from ...nodes.plugin import PluginError

    try:
        seen = read_demonstrations(path, success_only=False)
    except (BagError, DemonstrationsError, ParameterError, PluginError) as error:
        raise InputError(str(error), "command line") from error
    kept = seen.has_next
    symmetry = seen.task.symmetry
    transitions = Transitions(
        seen.state[kept],
        seen.executed[kept],
        seen.next_state[kept],
        None,
        dict(symmetry.state),
        dict(symmetry.action),
    )
    return given_of(str(path), transitions, seen.episode[kept], seen.task_name)


def given_of(source: str, transitions: Transitions, episode: np.ndarray | None, task: str) -> Given:
    """Transitions as points: the state, what a step changes in it, and the action.

    Args:
        source: The file or folder.
        transitions: The steps.
        episode: Which of them depend on each other. (N,)
        task: The task's name, if it is known.

    Raises:
        InputError: They do not fit each other or their parts, or nothing is moved.
    """
    state, action, after = transitions.state, transitions.action, transitions.next_state
    if state.shape != after.shape or len(action) != len(state):
        shapes = f"{state.shape}, {action.shape} and {after.shape}"
        raise InputError(f"state, action and next_state are of shapes {shapes}", source)
    pieces = [
        *_pieces(source, "state", transitions.state_parts, state),
        *_changes(source, transitions.state_parts, state, after),
        *_pieces(source, "action", transitions.action_parts, action),
    ]
    vectors = [(array, free) for array, free, kind in pieces if kind == "points"]
    numbers = [(array, kind == "odd") for array, _, kind in pieces if kind != "points"]
    if not vectors:
        raise InputError("no part is a point, a vector or a direction: no motion acts", source)
    if len({array.shape[2] for array, _ in vectors}) > 1:
        raise InputError("some parts are of the plane and some of space", source)
    points = np.concatenate([array for array, _ in vectors], axis=1)
    free = np.concatenate([np.full(array.shape[1], one) for array, one in vectors])
    scalars = np.concatenate([array for array, _ in numbers], 1) if numbers else None
    odd = np.concatenate([np.full(a.shape[1], one) for a, one in numbers]) if numbers else None
    return Given(source, _checked(source, points, free, scalars, odd), episode, transitions, task)


def _pieces(
    source: str, space: str, parts: dict[str, Part], values: np.ndarray
) -> list[tuple[np.ndarray, bool, str]]:
    """Points (N, k, d), vectors or numbers (N, s) of each part: array, free, kind."""
    start, found = 0, []
    for name, part in parts.items():
        width = width_of(part, 1)
        here = values[:, start : start + width]
        if here.shape[1] < width:
            break
        start += width
        found += _piece(source, f"{space}: {name}", part, here)
    total = sum(width_of(part, 1) for part in parts.values())
    if values.shape[1] != total:
        words = "+".join(word_of(part) for part in parts.values())
        said = f"{space} has {values.shape[1]} coordinates, {words} has {total}"
        raise InputError(said, source)
    return found


def _piece(source: str, name: str, part: Part, x: np.ndarray) -> list[tuple[np.ndarray, bool, str]]:
    rows = len(x)
    if isinstance(part, Position):
        return [(x.reshape(rows, 1, 2), False, "points")]
    if isinstance(part, Pose):
        return [(x[:, None, :2], False, "points"), (_directions(x[:, 2:]), True, "points")]
    if isinstance(part, Angle):
        return [(_directions(x), True, "points")]
    if isinstance(part, Vector):
        return [(x.reshape(rows, -1, 2), True, "points")]
    if isinstance(part, Vector3 | Pseudovector):
        return [(x.reshape(rows, -1, 3), not isinstance(part, Point3), "points")]
    if isinstance(part, Quaternion):
        each = x.reshape(rows, -1, 4)
        return [(each[:, :, 1:], True, "points"), (each[:, :, 0], True, "even")]
    if isinstance(part, Scalar | Pseudoscalar):
        return [(x, True, "odd" if isinstance(part, Pseudoscalar) else "even")]
    raise InputError(f"{name}: nothing is looked for in a {type(part).__name__.lower()}", source)


def _changes(
    source: str, parts: dict[str, Part], state: np.ndarray, after: np.ndarray
) -> list[tuple[np.ndarray, bool, str]]:
    """What a step changes: where points go, how far directions turn, what is added."""
    found = []
    here, there = (_pieces(source, "state", parts, x) for x in (state, after))
    for (now, _, kind), (then, _, _) in zip(here, there, strict=True):
        moved = then - now
        if not np.abs(moved).max(initial=0.0) <= 1e-12:  # what is no number too
            found.append((moved, True, kind))
    return found


def _directions(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _parts(option: str, words: str) -> dict[str, Part]:
    try:
        return {f"part{k}": part_of(word) for k, word in enumerate(words.split("+"))}
    except SymmetryError as error:
        raise InputError(str(error), option) from error


def _checked(source: Path | str, points: np.ndarray, *rest: np.ndarray | None) -> Cloud:
    try:
        return cloud(points, *rest)
    except DiscoveryError as error:
        raise InputError(str(error), str(source)) from error


def _rows(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(f"'{name}' is no array of numbers (N, n): {array.shape}", str(path))
    return array.astype(float)


def _rewards(path: Path, array: np.ndarray | None) -> np.ndarray | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise InputError(f"'reward' is no array of numbers (N,): {array.shape}", str(path))
    return array.astype(float)


def _episode(path: Path, array: np.ndarray | None, rows: int) -> np.ndarray | None:
    if array is not None and array.shape != (rows,):
        raise InputError(f"'episode' is of shape {array.shape}, not ({rows},)", str(path))
    if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("'episode' has rows that are not finite", str(path))
    return array


def symmetry_parts(given: Sequence[Part], centre: np.ndarray | None) -> list[Part]:
    """The parts, about a centre."""
    at = (0.0, 0.0) if centre is None else (float(centre[0]), float(centre[1]))
    kinds = {Position: Position(at), Pose: Pose(at)}
    return [kinds.get(type(part), part) for part in given]


def samples_of(given: Given, most: int, seed: int) -> np.ndarray:
    """Rows that the flow sees: at most so many, evenly of all episodes."""
    count = len(given.cloud)
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 4]).choice(count, most, replace=False))
