"""`ModelCard`: what a trained encoder or world model is of, and how good it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..nodes.training.card_file import (
    check_format,
    check_names,
    read_card_file,
    write_card_file,
)
from ..sim.built_on import MismatchError, check_acts_in, check_built_on, check_description
from ..sim.task import Task

FORMAT = 1
"""Of the folder and its card; another number is another layout."""
CARD, WEIGHTS = "model.yaml", "weights.safetensors"
"""The files of a model's folder."""


@dataclass(frozen=True)
class ModelCard:
    """The card in a model's folder, `model.yaml`."""

    covary_model: int
    """`FORMAT`."""
    method: str
    """A file of perception/learning, or my_file:MyMethod; its `model_of` builds the network."""
    task: str
    """The task or environment that it was trained on, by its name."""
    symmetry: dict[str, Any]
    """`group`, and of a task's the parts of `state` and `action` by name: what it was built on."""
    mode: Literal["exact", "relaxed", "free"]
    """How strictly."""
    recipe: dict[str, Any]
    """Every parameter of the training."""
    data: dict[str, Any]
    """`path` and `sha256` of what it was learned from, and what the method says of that."""
    seed: int
    """Key of all draws of the training."""
    revision: str
    """Of the program that trained it."""
    parameters: int
    """Numbers that were learned."""
    task_options: dict[str, str | int] = field(default_factory=dict)
    """What the task's class took beside."""
    state_names: tuple[str, ...] = ()
    """The coordinates of a task's state that it is about, in its order. (n)"""
    action_names: tuple[str, ...] = ()
    """(m)"""
    dt: float = 0.0
    """Period of its step, s; 0: it has none."""
    images: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """What it looks at: topic -> channels, height, width."""
    does: tuple[Literal["encodes", "predicts", "plans", "estimates"], ...] = ()
    """What it can be asked for: latents of observations, the next latent or state, a planner's
    rollouts, a task's state out of images."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What `model_of` needs beside the recipe, such as the shape of its input."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the weights that were kept: `step`, `validation_loss`, ...; and its method's own."""
    equivariance: dict[str, float] = field(default_factory=dict)
    """Largest relative error over the group, measured: `before` and `after` training."""
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each file beside the card."""

    def __post_init__(self) -> None:
        check_format("covary_model", self.covary_model, FORMAT)
        for topic, shape in self.images.items():
            if min(shape) < 1:
                raise ValueError(f"images: {topic}: {shape} is no image")
        check_description(self.symmetry)
        check_names(self.files)


def read_model_card(folder: Path) -> ModelCard:
    """The card of a model's folder.

    Raises:
        InputError: There is none, or it is not one that is known here; one line with its place.
    """
    return read_card_file(Path(folder) / CARD, ModelCard, "model")


def write_model_card(folder: Path, card: ModelCard) -> Path:
    """Write a card, whole or not at all."""
    return write_card_file(Path(folder) / CARD, card)


def is_model(folder: Path) -> bool:
    """Whether a folder is a trained model's."""
    return (Path(folder) / CARD).is_file()


def check_model_fits(card: ModelCard, task: Task) -> None:
    """Hold a model against the task that it shall be used in.

    Raises:
        MismatchError: Its state, action, period or symmetry is another; one line.
    """
    who = f"a model of {card.task}"
    if not card.state_names:
        raise MismatchError(f"state: {who} knows no task's state")
    if card.state_names != tuple(task.state_names):
        lacks = [n for n in card.state_names if n not in task.state_names]
        extra = [n for n in task.state_names if n not in card.state_names]
        said = f"it has no {lacks[0]!r}" if lacks else f"it has {extra[0]!r} too" if extra else (
            "in another order")  # fmt: skip
        raise MismatchError(f"state: {who} is not one of {task.name}: {said}")
    if card.action_names or card.dt:
        check_acts_in(card.action_names, card.dt, task, who)
    check_built_on(card.symmetry, task, who)
