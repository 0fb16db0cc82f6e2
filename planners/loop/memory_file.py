"""A planner's memory as a file: arrays under the names of its fields, and which task it is of."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...sim.task import Task

_LARGEST = 1e100
"""Of a number that a planner remembers: its square is one too."""
_ABOUT = "about"


class MemoryFileError(ValueError):
    """A file that cannot be read or is of something else; one line."""


class Moment(NamedTuple):
    """When a memory was written: the episode and its time, s."""

    episode: int = -1
    time: float = -1.0


def task_hash(task: Task) -> str:
    """What plans of a task hang on, as a number: states, actions, limits and control period."""
    limits = [f"{name} {limit}" for name, limit in task.limits.parts.items()]
    parts = [f"{name} {part}" for name, part in task.symmetry.state.items()]
    told = [task.name, task.dt, *task.state_names, *task.action_names, *limits, *parts]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def restored(file: str, planner: Any) -> tuple[Any, Moment]:
    """A planner's memory from a file and when it was left; a fresh one if there is none yet.

    Raises:
        MemoryFileError: The file holds something else, or could never be written.
    """
    fresh = planner.initial_memory(0)
    if not file:
        return fresh, Moment()
    if not is_dataclass(fresh):
        raise MemoryFileError(f"the planner's memory is a {type(fresh).__name__}, no dataclass")
    path = Path(file)
    if path.exists():
        return load_memory(path, fresh, planner.task)
    if not path.absolute().parent.is_dir():
        raise MemoryFileError(f"no folder {path.absolute().parent}")
    return fresh, Moment()


def save_memory(path: Path, memory: Any, task: Task, moment: Moment | None = None) -> None:
    """Write a memory, whole or not at all; no pickle.

    Args:
        path: Ends in .npz.
        memory: A dataclass of arrays and numbers, or of such dataclasses.
        task: What it is of.
        moment: When it was left.

    Raises:
        MemoryFileError: It cannot be written.
    """
    at = moment or Moment()
    about = {"task": task.name, "task_sha256": task_hash(task), "kind": type(memory).__name__}
    about |= {"episode": at.episode, "time": at.time}
    arrays = {_ABOUT: np.array(json.dumps(about)), **_arrays(memory, "")}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        beside.replace(path)
    except OSError as error:
        raise MemoryFileError(f"{path}: cannot be written ({error.strerror})") from error


def load_memory(path: Path, like: Any, task: Task) -> tuple[Any, Moment]:
    """Read a memory and when it was left.

    Args:
        path: From `save_memory`.
        like: A fresh memory of the same planner. An array with no rows there may have any number. A
            memory inside that does not fit stays fresh, and then nothing is told of the moment.
        task: What it must be of.

    Raises:
        MemoryFileError: There is none, or it is of another task or planner.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop(_ABOUT)))
        told = {name: about[name] for name in ("task", "task_sha256", "kind")}
        moment = Moment(int(about["episode"]), float(about["time"]))
    except FileNotFoundError as error:
        raise MemoryFileError(f"{path}: there is no such file") from error
    except Exception as error:  # somebody's file may fail in any way, a huge array's size too
        raise MemoryFileError(f"{path}: is no planner's memory") from error
    if told["task"] != task.name:
        raise MemoryFileError(f"{path}: is of task {told['task']}, not of {task.name}")
    if told["task_sha256"] != task_hash(task):
        raise MemoryFileError(f"{path}: is of another {task.name}: its states or limits differ")
    if told["kind"] != type(like).__name__:
        raise MemoryFileError(
            f"{path}: holds a {told['kind']}, where this planner has a {type(like).__name__}"
        )
    for field in fields(like):
        inner = getattr(like, field.name)
        if is_dataclass(inner):
            try:
                like = replace(like, **{field.name: _filled(inner, arrays, f"{field.name}.", path)})
            except MemoryFileError:
                moment = Moment()
    return _filled(like, arrays, "", path), moment


def _arrays(memory: Any, prefix: str) -> dict[str, np.ndarray]:
    found = {}
    for field in fields(memory):
        value = getattr(memory, field.name)
        if is_dataclass(value):
            found |= _arrays(value, f"{prefix}{field.name}.")
        elif isinstance(value, np.ndarray | float | int | np.number):
            found[prefix + field.name] = np.asarray(value)
    return found


def _filled(like: Any, arrays: dict[str, np.ndarray], prefix: str, path: Path) -> Any:
    changes = {}
    for field in fields(like):
        value, name = getattr(like, field.name), prefix + field.name
        if not is_dataclass(value) and isinstance(value, np.ndarray | float | int | np.number):
            stored, wanted = arrays.get(name), np.asarray(value)
            if stored is None:
                text = f"{path}: has no {name}; it is of another planner or an older version"
                raise MemoryFileError(text)
            if not _fits(stored, wanted):
                raise MemoryFileError(
                    f"{path}: has shape {stored.shape} for {name}, where this planner has "
                    f"{wanted.shape}"
                )
            flaw = _flaw(stored, wanted, 64 if field.name == "seed" else 62)
            if flaw:
                raise MemoryFileError(f"{path}: {name} {flaw}")
            stored = stored.astype(wanted.dtype if wanted.dtype.kind == "f" else stored.dtype)
            changes[field.name] = stored if isinstance(value, np.ndarray) else stored.item()
    return replace(like, **changes)


def _flaw(stored: np.ndarray, wanted: np.ndarray, bits: int) -> str:
    """What is wrong with numbers of the right shape, or nothing.

    What is finite in a fresh memory always is; a time before the first plan, say, is not.
    """
    if wanted.dtype.kind in "iu":
        if stored.dtype.kind not in "iu" or any(not 0 <= n < 2**bits for n in stored.flat):
            return "is no count"
    elif np.isfinite(wanted).all() and not (np.abs(stored) < _LARGEST).all():
        return "holds what is no number, or one beyond all use"
    return ""


def _fits(stored: np.ndarray, wanted: np.ndarray) -> bool:
    if stored.dtype.kind not in "fiub" or stored.ndim != wanted.ndim:
        return False
    if wanted.ndim and not len(wanted):  # it may have grown, and its plans may be longer
        return stored.shape[-1] == wanted.shape[-1]
    return stored.shape == wanted.shape
