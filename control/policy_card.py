"""`PolicyCard`: what a trained policy is for, what it was made from, and how good it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..nodes.launching.yaml_loader import InputError, dump, load_file, nearest
from ..nodes.parameters import ParameterError, from_dict
from ..sim.symmetry_claim import claimed
from ..sim.task import Task
from ..symmetry.declaration import Symmetry
from ..symmetry.group import GroupError

FORMAT = 1
"""Of the folder and its card; another number is another layout."""
CARD, NETWORK, WEIGHTS = "policy.yaml", "policy.onnx", "weights.safetensors"
"""The files of a policy's folder."""
CLAIM = "symmetry.yaml"
"""Beside them the symmetry file that it was trained with, if there was one."""
STATE, NOISE = "state", "noise"
"""Names of the network's inputs that are no images."""
INPUTS = (STATE, NOISE)


class MismatchError(ValueError):
    """A policy and a task that do not fit; one line that says what of them does not."""


@dataclass(frozen=True)
class ImageInput:
    """One image that a policy looks at."""

    topic: str
    """Where it is published."""
    shape: tuple[int, int, int]
    """Channels, height, width."""


@dataclass(frozen=True)
class PolicyCard:
    """The card in a policy's folder, `policy.yaml`."""

    covary_policy: int
    """`FORMAT`."""
    task: str
    """The task it was trained on, as launch files name it."""
    task_options: dict[str, str | int]
    """What the task's class took beside."""
    state_topic: Literal["/state", "/ground_truth"]
    """Where its state comes from."""
    state_names: tuple[str, ...]
    """The coordinates of the task's state that it sees, in the order of its input. (n)"""
    images: dict[str, ImageInput]
    """The images that it sees, by the names of its inputs."""
    action_names: tuple[str, ...]
    """(m)"""
    dt: float
    """Control period that it was trained for, s."""
    chunk: int
    """Actions in each answer."""
    execute: int
    """How many of them are executed before it is asked again."""
    noise: int
    """Normal draws that each answer takes; 0: none."""
    symmetry: dict[str, Any]
    """`group`, and the parts of `state` and `action` by name: what it was built on."""
    mode: Literal["exact", "relaxed", "free"]
    """How strictly."""
    method: str
    """A file of control/imitation."""
    recipe: dict[str, Any]
    """Every parameter of the training."""
    data: dict[str, Any]
    """`path`, `sha256`, `episodes`, `ticks` and `seeds` of the demonstrations."""
    seed: int
    """Key of all draws of the training."""
    revision: str
    """Of the program that trained it."""
    parameters: int
    """Numbers that were learned."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the weights that were kept: `step`, `validation_loss`, `training_loss`, ..."""
    equivariance: dict[str, float] = field(default_factory=dict)
    """Largest relative error over the group, measured: `before` and `after` training, and the
    drift of each relaxed layer as `drift/LAYER`."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file beside the card."""

    def __post_init__(self) -> None:
        if self.covary_policy != FORMAT:
            raise ValueError(f"covary_policy: it is {self.covary_policy}; this covary has {FORMAT}")
        if self.chunk < 1 or not 1 <= self.execute <= self.chunk:
            raise ValueError(f"execute: {self.execute} is not within 1 and the chunk, {self.chunk}")
        if self.dt <= 0:
            raise ValueError(f"dt: {self.dt:g} s is no period")
        if self.noise < 0:
            raise ValueError(f"noise: {self.noise} must not be negative")
        for name in ("state_names", "action_names"):
            words = getattr(self, name)
            if not words or len(set(words)) < len(words):
                raise ValueError(f"{name}: {', '.join(words) or 'none'}: no names, each once")
        for name, image in self.images.items():
            if name in INPUTS or min(image.shape) < 1:
                raise ValueError(f"images: {name}: {image.shape} is no image beside the state")
        self._check_symmetry()
        for name in self.files:
            if Path(name).name != name or not name.isprintable():
                raise ValueError(f"files: {name!r} does not lie beside the card")

    def _check_symmetry(self) -> None:
        group = self.symmetry.get("group", "trivial")
        if not isinstance(group, str):
            raise ValueError(f"symmetry: group: {group!r} is no name of a group")
        for space in ("state", "action"):
            parts = self.symmetry.get(space, {})
            if not (isinstance(parts, dict) and all(isinstance(p, str) for p in parts.values())):
                raise ValueError(f"symmetry: {space}: {parts!r} is no mapping of parts")


def read_card(folder: Path) -> PolicyCard:
    """The card of a policy's folder.

    Raises:
        InputError: There is none, or it is not one that is known here; one line with its place.
    """
    path = Path(folder) / CARD
    if not path.is_file():
        raise InputError(f"no policy: there is no {CARD} in it", str(folder))
    root = load_file(path)
    if root is None or not isinstance(root.value, dict):
        raise InputError("no policy card: it must be a mapping", str(path), 1)
    try:
        return from_dict(PolicyCard, root.python(), "policy card")
    except ParameterError as error:
        entry = root.value.get(error.key.partition(".")[0])
        raise InputError(str(error), str(path), entry.line if entry else 1) from None


def write_card(folder: Path, card: PolicyCard) -> Path:
    """Write a card, whole or not at all."""
    path = Path(folder) / CARD
    text = dump(_plain(asdict(card)))
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def described(symmetry: Symmetry) -> dict[str, Any]:
    """A symmetry as the card states it: its group, and the kind of each part."""
    return {
        "group": symmetry.group.name,
        "state": {name: repr(part) for name, part in symmetry.state.items()},
        "action": {name: repr(part) for name, part in symmetry.action.items()},
    }


def check_fit(card: PolicyCard, task: Task, folder: Path) -> Task:
    """Hold a policy against the task that it shall act in.

    Args:
        card: Of the policy.
        task: The task.
        folder: Of the policy, where its symmetry file lies, if it has one.

    Returns:
        The task, declared as that file says.

    Raises:
        MismatchError: Its observation, action, control period or symmetry is another; one line.
    """
    who = f"a policy for {card.task}"
    for name in card.state_names:
        if name not in task.state_names:
            hint = nearest(name, task.state_names)
            raise MismatchError(f"observation: {who} sees {name!r}, {task.name} has none{hint}")
    if card.state_topic == "/state":
        told = task.sensed_state()[0]
        for name in card.state_names:
            if name not in told:
                raise MismatchError(
                    f"observation: {who} sees {name!r}, which no sensor of {task.name} tells"
                )
    if card.action_names != tuple(task.action_names):
        theirs, ours = ", ".join(card.action_names), ", ".join(task.action_names)
        raise MismatchError(f"action: {who} moves {theirs}; {task.name} has {ours}")
    if abs(card.dt - task.dt) > 1e-9:
        raise MismatchError(
            f"control period: {who} acts every {card.dt:g} s; {task.name} every {task.dt:g} s"
        )
    group = card.symmetry.get("group", "trivial")
    if CLAIM in card.files:
        try:
            task, _ = claimed(task, str(folder / CLAIM))
        except ParameterError as error:
            raise MismatchError(str(error)) from None
    try:
        here = described(task.symmetry.restrict("none" if group == "trivial" else group))
    except GroupError:
        raise MismatchError(
            f"symmetry: {who} is built on {group}; {task.name} has {task.symmetry.group.name}"
        ) from None
    for space in ("state", "action"):
        there: Mapping[str, str] = card.symmetry.get(space, {})
        for name, part in there.items():
            if here[space].get(name) != part:
                said = here[space].get(name, "none")
                raise MismatchError(
                    f"symmetry: {who} has the {space} part {name} as {part}; "
                    f"in {task.name} it is {said}"
                )
    return task


def _plain(value: Any) -> Any:
    """Tuples as lists, so that any YAML reader reads it."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
