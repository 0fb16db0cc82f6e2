"""`LatentTask`: a task as a latent model of its images knows it, so that planners can plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.launching.yaml_loader import InputError
from ..nodes.training.onnx_file import open_onnx
from ..sim.task import Task
from ..symmetry.declaration import Symmetry
from ..symmetry.group import Group
from ..symmetry.layers.representation import regular
from .model_card import CARD, WEIGHTS, ModelCard, read_model_card

LATENT = ("encodes", "predicts", "plans")
"""What the card of a latent model of a task's images says that it does."""
LARGEST = 8192
"""Fields of a latent; more is a slip."""
TOLD = "told.onnx"
"""The file that tells a task's coordinates from its latents."""
CORRECT, CORRECTED = "correct.onnx", ("foretold", "seen")
"""The file that corrects a latent that was foretold, and what it takes."""
STATE = "latent"
"""Coordinates of latents are called ``latent.0``, ``latent.1``, ..."""


def is_latent(card: ModelCard) -> bool:
    """Whether a model encodes a task's images into a latent in which can be planned."""
    return card.does == LATENT and bool(card.images)


def same_model(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights; one of them may hold none."""
    try:
        a, b = (read_model_card(folder).files.get(WEIGHTS) for folder in (one, other))
    except InputError:
        return False
    return a is not None and a == b


@dataclass(frozen=True, eq=False)
class Given:
    """A part of a symmetry whose matrices, offsets and angles are written down."""

    of: tuple[np.ndarray, np.ndarray, np.ndarray]
    """(order, d, d), (order, d), (d,) bool"""

    @property
    def linear(self) -> bool:
        """Whether it acts by a matrix alone."""
        return not (self.of[1].any() or self.of[2].any())

    def width(self, group: Group) -> int:
        """Number of coordinates."""
        return len(self.of[2])

    def matrices(self, group: Group) -> np.ndarray:
        """(order, d, d)"""
        return self.of[0]

    def offsets(self, group: Group) -> np.ndarray:
        """(order, d)"""
        return self.of[1]

    def angles(self, group: Group) -> np.ndarray:
        """(d,) bool"""
        return self.of[2]


class LatentTask(Task):
    """A task whose state is (latent, goal), at its own costs of what the latent tells.

    The latent is of regular fields of the part of the task's group that permutes pixels, which is
    the group of this task. It cannot be simulated: only planned in.

    Args:
        task: The task.
        folder: The model's.
        card: Its card, of this task.

    Raises:
        InputError: The folder is damaged, or its card does not say what it needs to.
    """

    def __init__(self, task: Task, folder: Path, card: ModelCard) -> None:
        self.task, self.folder = task, Path(folder)
        fields, told, directions, start = _facts(card, self.folder)
        file, known = self.folder / TOLD, card.files.get(TOLD)
        remedy = "the same `covary train` again writes it"
        self._session = open_onnx(file, known, self.folder / CARD, remedy=remedy)
        word = card.symmetry.get("group", "trivial")
        used = task.symmetry.restrict("none" if word == "trivial" else word)
        group, goal = used.group, task.goal_slice
        latent = regular(group, fields)
        self.latent_width, self._start = latent.width, start
        if len(start) != latent.width:
            said = f"facts: start: {len(start)} numbers for {fields} fields of {group.name}"
            raise InputError(said, str(self.folder / CARD))
        none = np.zeros((group.order, latent.width)), np.zeros(latent.width, bool)
        state: dict[str, Any] = {STATE: Given((latent.matrices, *none))}
        if task.goal:
            a, b, angles = used.affine("state")
            state[task.goal] = Given((a[:, goal, goal], b[:, goal], angles[goal]))
        action = {
            name: Given((a[:, here, here], b[:, here], angles[here]))
            for a, b, angles in [used.affine("action")]
            for name, here in used.slices("action").items()
        }
        self.symmetry = Symmetry(group, state, action)
        self._told, self._directions = (
            [task.state_names.index(name) for name in names] for names in (told, directions)
        )
        names = [f"{STATE}.{i}" for i in range(latent.width)]
        self.name, self.goal = task.name, task.goal  # type: ignore[misc]
        self.state_names = (*names, *task.state_names[goal])  # type: ignore[misc]
        units = task.state_units[goal] if task.state_units else ()
        self.state_units = (*("",) * len(names), *units)  # type: ignore[misc]
        for what in ("dt", "action_names", "action_units", "action_interface", "switching"):
            setattr(self, what, getattr(task, what))
        for what in ("limits", "rates", "accelerations"):
            setattr(self, what, getattr(task, what))

    def told(self, x: np.ndarray) -> np.ndarray:
        """The task's state that (latent, goal) tells. (..., w + g) -> (..., n)"""
        x = np.asarray(x, float)
        rows = x.reshape(-1, x.shape[-1])
        given = {STATE: rows[:, : self.latent_width].astype(np.float32)}
        found = np.zeros((len(rows), len(self.task.state_names)))
        told, pairs = self._session.run(["told", "directions"], given)
        found[:, self._told] = told
        found[:, self._directions] = np.arctan2(pairs[:, 1::2], pairs[:, ::2])
        found[:, self.task.goal_slice] = rows[:, self.latent_width :]
        return found.reshape(*x.shape[:-1], -1)

    def running_cost(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The task's own, of what x tells. (..., w + g), (..., m) -> (...)"""
        return self.task.running_cost(self.told(x), u)

    def terminal_cost(self, x: np.ndarray) -> np.ndarray:
        """The task's own, of what x tells. (..., w + g) -> (...)"""
        return self.task.terminal_cost(self.told(x))

    def success(self, x: np.ndarray) -> np.ndarray:
        """Whether what x tells is a success. (..., w + g) -> (...) bool"""
        return self.task.success(self.told(x))

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A latent that was seen in training, with a goal of the task's starts. (w + g,)"""
        return np.append(self._start, self.task.initial_state(rng)[self.task.goal_slice])

    def safe_action(self) -> np.ndarray:
        """The task's. (m,)"""
        return self.task.safe_action()

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """There is none: a latent cannot be simulated.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a latent tells no physics")

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """There is none: only images tell a latent.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("physics tells no latent")

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The task's. (k,)"""
        return self.task.goal_from_pose(x, y, yaw)


def _facts(card: ModelCard, folder: Path) -> tuple[int, list[str], list[str], np.ndarray]:
    """Fields of the latent, what it tells, and a latent; a card may be anybody's.

    Raises:
        InputError: They are not what they must be.
    """
    facts, where = card.facts, str(folder / CARD)
    fields, start = facts.get("fields"), facts.get("start")
    if not (isinstance(fields, int) and 1 <= fields <= LARGEST):
        raise InputError(f"facts: fields: {fields!r} is no number of fields", where)
    names: list[list[str]] = []
    for what in ("told", "directions"):
        told = facts.get(what)
        if not isinstance(told, list) or not all(name in card.state_names for name in told):
            raise InputError(f"facts: {what}: no coordinates of the task", where)
        names.append(told)
    numbers = start if isinstance(start, list) and start else [None]
    if not all(isinstance(v, int | float) and np.isfinite(v) for v in numbers):
        raise InputError("facts: start: no finite numbers", where)
    return fields, *names, np.array(start, float)  # type: ignore[return-value]
