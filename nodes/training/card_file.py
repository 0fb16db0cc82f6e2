"""Cards: the YAML file that says what the trained weights beside it are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..launching.yaml_loader import InputError, dump, load_file, nearest_path
from ..parameters import ParameterError, from_dict

if TYPE_CHECKING:
    from .loop import Training

Card = TypeVar("Card")

_CARDS = {
    "policy.yaml": "a policy; policy:= takes it",
    "model.yaml": "a trained model; model:= or perception:= takes it",
}
"""What a folder is by the card in it."""


def read_card_file(path: Path, cls: type[Card], what: str) -> Card:
    """The card in a file.

    Args:
        path: Where it should lie, in its folder.
        cls: Its frozen dataclass.
        what: What it is the card of, as errors call it: policy, model.

    Raises:
        InputError: There is none, or it is not one that is known here; one line with its place.
    """
    if not path.is_file():
        raise InputError(missing(path, what), str(path.parent))
    root = load_file(path)
    if root is None or not isinstance(root.value, dict):
        raise InputError(f"no {what} card: it must be a mapping", str(path), 1)
    try:
        return from_dict(cls, root.python(), f"{what} card")
    except ParameterError as error:
        entry = root.value.get(error.key.partition(".")[0])
        raise InputError(str(error), str(path), entry.line if entry else 1) from None


def missing(path: Path, what: str) -> str:
    """Why there is no card, and what is in its place.

    Args:
        path: Where it should lie, in its folder.
        what: What it is the card of: policy, model.
    """
    folder = path.parent
    if folder.is_file():
        return f"is a file; name the folder of a {what}"
    if not folder.is_dir():
        beside = [found.parent.name for found in folder.parent.glob(f"*/{path.name}")]
        there = f"; beside it are {', '.join(sorted(beside)[:5])}" if beside else ""
        return f"no {what}: there is no such folder{nearest_path(folder, beside) or there}"
    for name, other in _CARDS.items():
        if name != path.name and (folder / name).is_file():
            return f"no {what} but {other}"
    if (folder / "last").is_dir():
        return "a training that has not ended; the same `covary train` again goes on with it"
    return f"no {what}: there is no {path.name} in it"


def write_card_file(path: Path, card: Any) -> Path:
    """Write a card, whole or not at all."""
    text = dump(_plain(asdict(card)))
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def check_format(key: str, found: int, known: int) -> None:
    """Hold the number of a card's layout to the one that is known.

    Raises:
        ValueError: It is another.
    """
    if found != known:
        raise ValueError(f"{key}: it is {found}; this covary has {known}")


def check_names(files: Iterable[str]) -> None:
    """Hold the files that a card names to its own folder.

    Raises:
        ValueError: One lies elsewhere.
    """
    for name in files:
        if Path(name).name != name or not name.isprintable():
            raise ValueError(f"files: {name!r} does not lie beside the card")


def finished_card(training: Training, name: str, read: Callable[[Path], Any]) -> Any:
    """The card of a training that is over and whose files are all there; else None.

    Args:
        training: It.
        name: Of the card's file.
        read: What reads the card of a folder.
    """
    folder = training.folder
    if not training.done or not (folder / name).is_file():
        return None
    try:
        card = read(folder)
    except InputError:
        return None
    whole = card.metrics.get("steps") == training.steps and are_there(folder, card.files)
    return card if whole else None


def figures_of(training: Training) -> dict[str, float]:
    """What a card says of the weights that are kept, and of the training as a whole."""
    kept = {name: float(value) for name, value in training.best.items() if name != "seconds"}
    rate = training.step / training.seconds if training.seconds else 0.0
    return {
        **{("training_loss" if name == "loss" else name): value for name, value in kept.items()},
        "steps": float(training.step),
        "seconds": round(training.seconds, 3),
        "updates_per_s": round(rate, 1),
    }


def are_there(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether all files that a card names lie in its folder, with the hashes that it says."""
    return all((folder / name).is_file() for name in files) and not damaged(folder, files)


def damaged(folder: Path, files: Mapping[str, str]) -> list[str]:
    """The files that lie beside a card and are not those that it was written with."""
    found = []
    for name, wanted in files.items():
        try:
            held = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError:
            found.append(name)
            continue
        if hashlib.sha256(held).hexdigest() != wanted:
            found.append(name)
    return found


def write_weights(path: Path, state: Mapping[str, Any]) -> str:
    """Write a network's tensors as safetensors, whole or not at all; the file's SHA-256.

    Raises:
        OSError: It cannot be written.
    """
    from safetensors.torch import save

    held = save({k: v.detach().cpu().contiguous() for k, v in state.items()})
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(held)
    partial.replace(path)
    return hashlib.sha256(held).hexdigest()


def _plain(value: Any) -> Any:
    """Tuples as lists, so that any YAML reader reads it."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
