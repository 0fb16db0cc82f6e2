"""`LatentPrior`: the policy prior of a trained model as somebody who proposes to a planner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.launching.yaml_loader import InputError
from ..nodes.parameters import ParameterError
from ..sim.built_on import MismatchError
from ..sim.task import Task
from .model_card import check_model_fits, read_model_card

HORIZON = 64
"""Control periods of a proposal; a planner takes as many as it looks ahead, or rolls on from
there."""
METHODS = ("tdmpc",)
"""Whose models have a policy prior."""


class LatentPrior:
    """Says what a model's policy prior would do, rolled out in the model's own latent.

    Args:
        task: The planner's.
        folder: A model's that was trained by one of `METHODS`.

    Raises:
        ParameterError: It is none, or not one of this task.
    """

    def __init__(self, task: Task, folder: str) -> None:
        self._folder = Path(folder)
        try:
            self._card = read_model_card(self._folder)
            check_model_fits(self._card, task)
        except (InputError, MismatchError) as error:
            raise ParameterError(f"policy: {folder}: {error}", "policy") from None
        if self._card.method not in METHODS:
            said = f"a model by {self._card.method} has no policy that could propose"
            raise ParameterError(f"policy: {folder}: {said}", "policy")
        self._model: Any = None

    def actions(self, state: np.ndarray) -> np.ndarray:
        """What the prior would do from a state (n,) on. (HORIZON, m)"""
        import torch  # only where it runs

        if self._model is None:  # not for a mere check of parameters
            from .model_folder import load_model

            model: Any = load_model(self._folder, self._card)
            self._model = model.exported()
        x = torch.as_tensor(np.asarray(state, float), dtype=torch.float32)[None]
        return self._model.proposed(x, HORIZON).numpy().astype(float)
