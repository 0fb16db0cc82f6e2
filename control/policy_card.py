"""`PolicyCard`: what a trained policy is for, what it was made from, and how good it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..nodes.launching.yaml_loader import nearest
from ..nodes.parameters import ParameterError
from ..nodes.training.card_file import (
    check_format,
    check_names,
    read_card_file,
    write_card_file,
)
from ..sim.built_on import MismatchError, check_acts_in, check_built_on, check_description
from ..sim.symmetry_claim import claimed
from ..sim.task import Task

FORMAT = 1
"""Of the folder and its card; another number is another layout."""
CARD, NETWORK, WEIGHTS = "policy.yaml", "policy.onnx", "weights.safetensors"
"""The files of a policy's folder."""
CLAIM = "symmetry.yaml"
"""Beside them the symmetry file that it was trained with, if there was one."""
STATE, NOISE = "state", "noise"
"""Names of the network's inputs that are no images."""
INPUTS = (STATE, NOISE)


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
        check_format("covary_policy", self.covary_policy, FORMAT)
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
        check_description(self.symmetry)
        check_names(self.files)


def read_card(folder: Path) -> PolicyCard:
    """The card of a policy's folder.

    Raises:
        InputError: There is none, or it is not one that is known here; one line with its place.
    """
    return read_card_file(Path(folder) / CARD, PolicyCard, "policy")


def write_card(folder: Path, card: PolicyCard) -> Path:
    """Write a card, whole or not at all."""
    return write_card_file(Path(folder) / CARD, card)


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
    check_acts_in(card.action_names, card.dt, task, who)
    if CLAIM in card.files:
        try:
            task, _ = claimed(task, str(folder / CLAIM))
        except ParameterError as error:
            raise MismatchError(str(error)) from None
    check_built_on(card.symmetry, task, who)
    return task
