"""`LearnedDynamics`: a trained model's folder as a planner's model of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.launching.yaml_loader import InputError
from ..nodes.parameters import ParameterError
from ..nodes.training.card_file import missing
from ..nodes.training.onnx_file import open_onnx
from ..sim.built_on import MismatchError
from ..sim.function_dynamics import FunctionDynamics
from ..sim.task import Task
from .latent_task import LatentTask, is_latent
from .model_card import CARD, ModelCard, check_model_fits, is_model, read_model_card

STEP = "step.onnx"
"""The file of a model that foretells the task's state: state, action -> next."""
INPUTS, OUTPUTS = ("state", "action"), ("next",)
PLANS, PREDICTS = "plans", "predicts"
"""What a card says of models that a planner can use."""


class LearnedDynamics(FunctionDynamics):
    """A learned next state, run by onnxruntime; the costs are the task's own.

    A folder whose card says ``predicts`` has one; `of` also knows those that plan in a latent. Of a
    model of images the state is (latent, goal), and the task a `LatentTask`.

    Args:
        task: The task.
        folder: The model's.
        card: Its card, if it has been read already.

    Raises:
        InputError: The folder is damaged.
        ValueError: What it answers is no state of the task.
    """

    def __init__(self, task: Task, folder: Path, card: ModelCard | None = None) -> None:
        self.folder, self.latent = Path(folder), isinstance(task, LatentTask)
        self.card = card or read_model_card(self.folder)
        file, known, where = self.folder / STEP, self.card.files.get(STEP), self.folder / CARD
        session = open_onnx(file, known, where, remedy="the same `covary train` again writes it")
        goal = task.goal_slice

        def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
            given = dict(zip(INPUTS, (x.astype(np.float32), u.astype(np.float32)), strict=True))
            found = session.run(OUTPUTS, given)[0].astype(float)
            found[:, goal] = x[:, goal]  # in float32 it would be another one
            return found

        super().__init__(task, step, str(folder))

    @staticmethod
    def of(task: Task, folder: str) -> Any:
        """The `Dynamics` of a model's folder; latent models that plan for themselves too.

        Raises:
            ParameterError: It is no model's, not one of this task, or none that a planner can use.
        """
        place = Path(folder)
        try:
            if not is_model(place):
                raise ParameterError(f"model: {folder}: {missing(place / CARD, 'model')}", "model")
            card = read_model_card(place)
            check_model_fits(card, task)
            if is_latent(card):
                return LearnedDynamics(LatentTask(task, place, card), place, card)
            if PLANS in card.does:
                from ..sim.torch_dynamics import TorchDynamics  # torch only where it runs
                from .model_folder import load_model

                return TorchDynamics(task, load_model(place, card), folder)
            if PREDICTS in card.does:
                return LearnedDynamics(task, place, card)
        except (InputError, MismatchError) as error:
            raise ParameterError(f"model: {folder}: {error}", "model") from None
        except ModuleNotFoundError as error:
            said = f"model: {folder}: it needs {error.name}: pip install 'covary[learn]'"
            raise ParameterError(said, "model") from None
        except ValueError as error:
            raise ParameterError(" ".join(str(error).split()), "model") from None
        said = f"{', '.join(card.does) or 'does nothing'}: no model that a planner can roll out"
        raise ParameterError(f"model: {folder}: {said}", "model")
