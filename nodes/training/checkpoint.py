"""Checkpoints: tensors as safetensors, facts as YAML, in a folder that is replaced whole or not."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..launching.yaml_loader import InputError, dump, load_file

FORMAT = 1
"""Of the folder; another number is another layout."""
LAST = "last"
"""The checkpoint's folder in the training's."""
_FACTS = "checkpoint.yaml"
_PARTIAL, _PREVIOUS = ".last.partial", ".last.previous"


@dataclass
class Checkpoint:
    """All that a training needs to go on as if nothing had happened."""

    facts: dict[str, Any]
    """Plain values: step, recipe, hash of the data, ..."""
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Tensors by name, file by file: modules, optimizers, memory, best."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in the place of the one before, which is there until this one is whole.

    Raises:
        OSError: It cannot be written; the one before is still there.
    """
    from safetensors.torch import save

    partial, last, previous = folder / _PARTIAL, folder / LAST, folder / _PREVIOUS
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    hashes = {}
    for name, tensors in checkpoint.tensors.items():
        held = {key: t.detach().cpu().contiguous() for key, t in tensors.items()}
        hashes[name] = _write(partial / f"{name}.safetensors", save(held))
    facts = {"covary_training": FORMAT, **checkpoint.facts, "files": hashes}
    _write(partial / _FACTS, dump(facts).encode())
    # A folder cannot take a full one's place at once: in between it is the previous that counts.
    if last.exists():
        shutil.rmtree(previous, ignore_errors=True)
        last.rename(previous)
    partial.rename(last)
    shutil.rmtree(previous, ignore_errors=True)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The checkpoint of a training's folder; None where there is none.

    Raises:
        InputError: There is one that is not whole, or no checkpoint of this program; in one line.
    """
    places = [folder / LAST, folder / _PREVIOUS]
    there = [place for place in places if place.is_dir()]
    if not there:
        return None
    for place in there:
        try:
            return _read(place)
        except InputError:
            if place is there[-1]:
                raise
    return None


def _read(place: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = place / _FACTS
    if not path.is_file():
        raise InputError(f"no checkpoint: it is not there; {remedy(place)}", str(path))
    root = load_file(path)
    facts = root.python() if root is not None else None
    if not isinstance(facts, dict) or not isinstance(facts.get("files"), dict):
        raise InputError(f"no checkpoint: its end is missing; {remedy(place)}", str(path), 1)
    if facts.get("covary_training") != FORMAT:
        said = f"covary_training is {facts.get('covary_training')}, and this covary reads {FORMAT}"
        raise InputError(said, str(path), 1)
    tensors = {}
    for name, wanted in facts.pop("files").items():
        if not name.isidentifier():  # it would name something outside of the folder
            raise InputError(f"files: {name!r} is no name of a file of ours", str(path), 1)
        file = place / f"{name}.safetensors"
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != wanted:
                size = f"{len(data)} bytes"
                said = f"damaged or cut off ({size} that are not those that were written)"
                raise InputError(f"{said}; {remedy(place)}", str(file))
            tensors[name] = load(data)
        except (OSError, SafetensorError) as error:
            said = getattr(error, "strerror", None) or error
            raise InputError(f"{said}; {remedy(place)}", str(file)) from None
    return Checkpoint(facts, tensors)


def remedy(place: Path) -> str:
    """What a person can do about a checkpoint that is of no use."""
    return f"put {place} back, or train anew into another out:="


def _write(path: Path, data: bytes) -> str:
    """Write a file through to the disk; its SHA-256."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first entry in which two mappings differ, as a person reads it; None: they are equal."""
    for name in dict.fromkeys([*now, *before]):
        if before.get(name) != now.get(name):
            was, is_ = (_said(name, m) for m in (before, now))
            return f"was begun with {was}, not {is_}"
    return None


def _said(name: str, mapping: Mapping[str, Any]) -> str:
    if name not in mapping:
        return f"no {name}"
    value = mapping[name]
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        value = f"[{', '.join(map(str, value))}]"
    return f"{name}:={value}"
