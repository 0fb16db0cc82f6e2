"""`LatentObserver`: a task's latent from what images show, by the model that foretells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..nodes.training.onnx_file import open_onnx
from .latent_task import CORRECT, CORRECTED, STATE, LatentTask
from .model_card import CARD, ModelCard
from .observer import FLOOR, Estimate, Steps

Correct = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Latents that were foretold and that are seen to what is taken for true. (w,), (w,) -> (w,)"""


def correction(folder: Path, card: ModelCard) -> Correct:
    """What a model's folder corrects latents by.

    Raises:
        InputError: The folder is damaged.
    """
    remedy = "the same `covary train` again writes it"
    file, known = folder / CORRECT, card.files.get(CORRECT)
    session = open_onnx(file, known, folder / CARD, remedy=remedy)

    def corrected(*latents: np.ndarray) -> np.ndarray:
        rows = (latent[None].astype(np.float32) for latent in latents)
        return session.run([STATE], dict(zip(CORRECTED, rows, strict=True)))[0][0].astype(float)

    return corrected


class LatentObserver:
    """What is foretold, corrected by what is seen instead, with a fixed gain.

    That is a Kalman filter in its steady state (R. Kalman, 1960). It goes with the group as the
    model does: a moved episode gives moved latents. A period without an image adds as much variance
    as one is foretold wrongly by, until the next image.

    Args:
        task: With (latent, goal) as its state.
        model: What comes next.
        correct: What corrects.
        deviation: Of what is seen from what was foretold, root mean square. (w)

    Attributes:
        task: The same.
        places: The coordinates that are seen: the latent. (w)
        turning: None of them. (w) bool
        state: Latent and goal; None before the first image. (w + g,)
        drifts: Yes, as what is learned does.
    """

    drifts = True

    def __init__(
        self, task: LatentTask, model: Steps, correct: Correct, deviation: np.ndarray
    ) -> None:
        self.task, self.model, self._correct = task, model, correct
        self.places = list(range(task.latent_width))
        self.turning = np.zeros(task.latent_width, bool)
        self._usual = np.maximum(deviation, FLOOR)
        self._spread = np.zeros(len(task.state_names))
        self._spread[self.places] = self._usual
        self.reset()

    def reset(self) -> None:
        """Forget everything: another episode."""
        self.state: np.ndarray | None = None
        self._growth = 1.0  # of the standard deviations, since the last image

    def update(
        self,
        goal: np.ndarray,
        action: np.ndarray,
        value: np.ndarray,
        deviation: np.ndarray,
        limit: float = np.inf,
    ) -> Estimate:
        """Take in a latent; above an anomaly of `limit` only that the period has passed.

        Args:
            goal: As it is told now. (g,)
            action: What was done in the period that has just ended; of no use at first. (m,)
            value: The image's latent. (w,)
            deviation: Not looked at: that of `deviation` above holds for all images.
            limit: Of the anomaly.
        """
        anomaly, latent = float("nan"), np.asarray(value, float)
        if self.state is not None:
            foretold = self.ahead(self.state, action)[self.places]
            apart = latent - foretold
            anomaly = float(np.sqrt(np.mean((apart / (self._growth * self._usual)) ** 2)))
            if anomaly > limit:
                self._alone(foretold, goal)
                return self._estimate(anomaly)
            latent = self._correct(foretold, latent)
        self.state, self._growth = np.concatenate([latent, goal]), 1.0
        return self._estimate(anomaly)

    def skip(self, action: np.ndarray) -> None:
        """Let a period pass without an image. (m,)"""
        if self.state is not None:
            foretold = self.ahead(self.state, action)
            self._alone(foretold[self.places], foretold[len(self.places) :])

    def ahead(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Latent and goal one period after others. (w + g,), (m,) -> (w + g,)"""
        return np.asarray(self.model.next_state(state[None], action[None]))[0]

    def _alone(self, foretold: np.ndarray, goal: np.ndarray) -> None:
        """Take what was foretold for what is so."""
        self.state = np.concatenate([foretold, goal])
        self._growth = float(np.sqrt(self._growth**2 + 1.0))

    def _estimate(self, anomaly: float) -> Estimate:
        assert self.state is not None
        return Estimate(self.state.copy(), self._growth * self._spread, anomaly)

    def apart(self, value: np.ndarray, state: np.ndarray) -> np.ndarray:
        """A latent, minus what a state has in its place. (w,)"""
        return value - state[self.places]
