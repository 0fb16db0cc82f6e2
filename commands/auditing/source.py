"""What is audited, as arrays: an npz file, a LeRobot folder, or a folder of bags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...nodes.launching.yaml_loader import InputError, in_a_line, nearest
from ...symmetry.declaration import Symmetry, SymmetryError
from ...symmetry.group import GroupError, group
from ...symmetry.part import Part, Pose, Position, Scalar
from ...symmetry.part_words import part_of, word_of
from ..npz_file import npz_arrays
from .images import Pixels, rows_of

PLACE = "command line"
KEYS = ("state", "action", "label", "next_state", "reward", "episode")
"""Of an npz file."""
CLASSES = 256
"""Different labels at most: each costs a column."""


@dataclass(frozen=True)
class Source:
    """N samples, the rows of an episode one after the other.

    Attributes:
        name: What was typed.
        state: (N, n); of images their pixels.
        action: (N, m), or None.
        label: (N,), or None.
        next_state: (N, n), or None.
        reward: (N,), or None.
        episode: (N,), or None.
        declared: By the task that it is of; None: it is of none that we know.
        task: That task's name, or empty.
        state_names: Of the coordinates, or empty.
        action_names: The same.
        pixels: What the state is the pixels of; None: it is no images.
    """

    name: str
    state: np.ndarray
    action: np.ndarray | None = None
    label: np.ndarray | None = None
    next_state: np.ndarray | None = None
    reward: np.ndarray | None = None
    episode: np.ndarray | None = None
    declared: Symmetry | None = None
    task: str = ""
    state_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    pixels: Pixels | None = None


def read_npz(path: Path, samples: int, seed: int, encoder: Path | None = None) -> Source:
    """The arrays of a file.

    Args:
        path: The file.
        samples: Of images at most so many are taken.
        seed: Of their choice.
        encoder: Of images, a network that tells their features; None: ours.

    Raises:
        InputError: It cannot be read, or holds what is no array of ours; one line.
    """
    if not path.exists():
        raise InputError("no such file", str(path))
    arrays = npz_arrays(path)
    for name in arrays:
        if name not in KEYS:
            hint = nearest(name, KEYS) or f"; known: {', '.join(KEYS)}"
            raise InputError(f"unknown array '{name}'{hint}", str(path))
    if "state" not in arrays or not arrays.keys() & {"action", "label", "next_state"}:
        raise InputError("it needs state, and action, label or next_state", str(path))
    _check(arrays, str(path))
    if arrays["state"].ndim in (3, 4):
        arrays, pixels = rows_of(arrays, str(path), samples, seed, encoder)
        return Source(str(path), **arrays, pixels=pixels)
    if encoder is not None:
        raise InputError("--encoder: the state is no images, (N, H, W) or (N, H, W, C)", str(path))
    return Source(str(path), **arrays)


def _check(arrays: dict[str, np.ndarray], place: str) -> None:
    """That arrays are numbers, finite and of one length; a label or an episode may be a word.

    Raises:
        InputError: Which one is not.
    """
    state = arrays["state"]
    if not 1 <= state.ndim <= 4:
        said = "(samples, coordinates), or images (samples, H, W) or (samples, H, W, C)"
        raise InputError(f"state: its shape is {state.shape}; it must be {said}", place)
    for name, rows in arrays.items():
        words = "US" if name in ("label", "episode") else ""
        if rows.dtype.kind not in "biuf" + words:
            raise InputError(f"{name}: holds what are no numbers but {rows.dtype}", place)
        if rows.ndim == 0 or len(rows) != len(state):
            there = f"{len(rows)} rows" if rows.ndim else "one number"
            raise InputError(f"{name}: {there} beside {len(state)} of the state", place)
        if name in ("label", "reward", "episode") and rows.size != len(rows):
            raise InputError(f"{name}: its shape is {rows.shape}, not ({len(state)},)", place)
        if rows.dtype.kind == "f":
            finite = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
            if not finite.all():
                at, bad = int(np.argmin(finite)), int(np.sum(~finite))
                raise InputError(f"{name}: row {at} is not finite ({bad} such rows)", place)
    classes = len(np.unique(arrays["label"])) if "label" in arrays else 0
    if classes > CLASSES:
        said = f"label: {classes} different ones in {len(state)} rows, at most {CLASSES}"
        raise InputError(f"{said}; numbers to be predicted are an action", place)


def read_dataset(folder: Path) -> Source:
    """The demonstrations of a LeRobot folder, or of a folder of bags.

    Raises:
        InputError: It cannot be read; one line.
    """
    if (folder / "meta" / "info.json").is_file():
        return _lerobot(folder)
    from ...control.imitation.demonstrations import DemonstrationsError, read_demonstrations
    from ...nodes.bags.bag import BagError
    from ...nodes.parameters import ParameterError
    from ...nodes.plugin import PluginError

    try:
        data = read_demonstrations(folder)
    except (BagError, DemonstrationsError, ParameterError, PluginError) as error:
        raise InputError(in_a_line(str(error))) from None
    whole = data.state_names == tuple(data.task.state_names)
    after, reward = None, None
    if whole and data.has_next.all():
        after = data.next_state
        reward = -data.task.running_cost(after, data.executed)
    return Source(
        str(folder),
        data.state,
        data.action,
        next_state=after,
        reward=reward,
        episode=data.episode,
        declared=_seen(data.task.symmetry, data.task.state_names, data.state_names),
        task=data.task_name,
        state_names=data.state_names,
        action_names=tuple(data.task.action_names),
    )


def _lerobot(folder: Path) -> Source:
    """A LeRobotDataset of version 3 (or 2.1): the columns that are numbers."""
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise InputError(f"a LeRobot folder needs {error.name}: pip install pyarrow") from None
    try:
        info = json.loads((folder / "meta" / "info.json").read_text(encoding="utf-8"))
        facts = folder / "meta" / "covary.json"
        ours = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
        files = sorted((folder / "data").rglob("*.parquet"))
        there = info["features"]
        key = "observation.environment_state"
        key = key if key in there else "observation.state"
        wanted = [
            key,
            "action",
            "episode_index",
            *(["next.reward"] if "next.reward" in there else []),
        ]
        for name in wanted:
            if name not in there:
                raise InputError(f"it has no {name}", str(folder))
        tables = [pq.read_table(file, columns=wanted) for file in files]
        columns = {
            name: np.concatenate([_column(table[name]) for table in tables]) for name in wanted
        }
        names = _names(there[key]), _names(there["action"])
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"no LeRobot folder: {type(error).__name__}: {error}"
        raise InputError(in_a_line(said), str(folder)) from None
    declared = None
    if ours.get("task"):
        from ...nodes.parameters import ParameterError
        from ...nodes.plugin import PluginError
        from ...sim.load_task import recorded_task

        try:
            task = recorded_task({k: str(ours[k]) for k in ("task", "task_options") if k in ours})
            declared = _seen(task.symmetry, task.state_names, names[0])
        except (PluginError, ParameterError):  # not here: then --state says it
            declared = None
    reward = columns.get("next.reward")
    if reward is not None and not np.isfinite(reward).all():
        reward = None
    state, episode = columns[key], columns["episode_index"]
    # A row's next state is the row after it; the last row of an episode has none and goes.
    kept = np.append(episode[1:] == episode[:-1], False)
    after = state[np.minimum(np.arange(len(state)) + 1, len(state) - 1)]
    return Source(
        str(folder),
        state[kept],
        columns["action"][kept],
        next_state=after[kept],
        reward=None if reward is None else reward[kept],
        episode=episode[kept],
        declared=declared,
        task=str(ours.get("task", "")),
        state_names=names[0],
        action_names=names[1],
    )


def _column(column: Any) -> np.ndarray:
    rows = column.to_pylist()
    return np.array(rows, float) if isinstance(rows[0], list) else np.array(rows)


def _names(feature: dict[str, Any]) -> tuple[str, ...]:
    names = feature.get("names") or ()
    if isinstance(names, dict):
        names = next(iter(names.values()), ())
    return tuple(str(name) for name in names)


def _seen(symmetry: Symmetry, names: tuple[str, ...], seen: tuple[str, ...]) -> Symmetry | None:
    """The declaration of the parts that are seen whole, in their order; None: they do not fit."""
    if tuple(names) == tuple(seen):
        return symmetry
    parts: dict[str, Part] = {}
    at = 0
    for part, here in symmetry.slices("state").items():
        width = here.stop - here.start
        if tuple(seen[at : at + width]) == tuple(names[here]):
            parts[part] = symmetry.state[part]
            at += width
    if not parts or at != len(seen):
        return None
    return Symmetry(symmetry.group, parts, symmetry.action)


def proposed(
    source: Source, group_word: str, state: str, action: str, centre: tuple[float, float]
) -> Symmetry:
    """The symmetry that is to be audited.

    Args:
        source: The data.
        group_word: Of a group; empty: the declared one.
        state: Words of its parts, joined by +; empty: the declared ones.
        action: The same of the action; a label needs none.
        centre: About which positions and poses are moved, m.

    Raises:
        InputError: A word that is none, or nothing is declared.
    """
    declared = source.declared
    if source.pixels is not None:
        if state not in ("", "image"):
            raise InputError(f"--state: {state}: images are moved as pixels; leave it out", PLACE)
        state = "scalar"  # stands for the pixels, on which no matrix acts
    if declared is None and not (group_word and state and (action or source.action is None)):
        needed = "--group" + ("" if source.pixels is not None else ", --state")
        needed += " and --action" if source.action is not None else ""
        raise InputError(f"no task declares its symmetry; it needs {needed}", source.name)
    try:
        if group_word in ("", "full") and declared is not None:
            acting = declared.group
        else:
            acting = group("trivial" if group_word == "none" else group_word)
    except GroupError as error:
        raise InputError(f"--group: {error}", PLACE) from None
    parts: dict[str, dict[str, Part]] = {}
    for option, words in (("state", state), ("action", action)):
        if words:
            parts[option] = _parts(option, words, centre)
            wrong = [p for p in parts[option].values() if isinstance(p, Pose | Position)]
            if option == "action" and wrong:
                said = f"{word_of(wrong[0])} has a place; an action's parts act by matrices alone"
                raise InputError(f"--action: {said}, such as vector", PLACE)
        elif declared is not None:
            parts[option] = dict(getattr(declared, option))
        else:
            parts[option] = {"none": Scalar()}
    try:
        if declared is not None and acting is declared.group and not state and not action:
            return declared
        symmetry = Symmetry(acting, parts["state"], parts["action"])
        if source.pixels is None and acting.order > 1 and not _moves(symmetry):
            raise InputError(f"--state: {acting.name} moves none of its parts", PLACE)
        widths = {"state": source.state, "action": source.action}
        for space, rows in widths.items():
            if space == "state" and source.pixels is not None:
                continue
            width = symmetry.width(space)  # type: ignore[arg-type]
            shape = np.shape(rows)
            there = 1 if len(shape) == 1 else shape[-1] if shape else width
            if rows is not None and there != width:
                words = "+".join(type(p).__name__.lower() for p in parts[space].values())
                raise InputError(
                    f"{space}: {there} coordinates; {words} under {acting.name} has {width}",
                    source.name,
                )
        return symmetry
    except (GroupError, SymmetryError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from None


def _moves(symmetry: Symmetry) -> bool:
    """Whether any element moves any state."""
    matrices, offsets, _ = symmetry.affine("state")
    still = np.allclose(matrices, np.eye(matrices.shape[-1])) and np.allclose(offsets, 0.0)
    return not still


def _parts(option: str, words: str, centre: tuple[float, float]) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for word in words.split("+"):
        try:
            part = part_of(word.strip(), centre)
        except SymmetryError as error:
            raise InputError(f"--{option}: {error}", PLACE) from None
        name, k = word.strip().partition("(")[0], 1
        while name in found:
            k += 1
            name = f"{word.strip().partition('(')[0]}{k}"
        found[name] = part
    return found
