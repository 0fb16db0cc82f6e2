"""`OnnxPolicy`: a trained policy run from its folder by onnxruntime, without torch."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.launching.yaml_loader import InputError, in_a_line, nearest
from ..nodes.training.onnx_file import open_onnx
from .policy import Observation
from .policy_card import CARD, NETWORK, NOISE, STATE, PolicyCard, read_card

OUTPUTS = ("action", "uncertainty")
"""Names of what it gives."""


class ObservationError(ValueError):
    """An observation that the policy was not made for; one line that says what of it."""


class AnswerError(ValueError):
    """A network that gives no answer of the form that it declares; one line."""


class OnnxPolicy:
    """Runs `policy.onnx`; of each answer's chunk it executes as many actions as the card says.

    Attributes:
        card: What the policy is for.
        uncertainty: Of the last answer, in units of the action's limits; NaN before the first.

    Args:
        folder: The policy's folder.
        threads: Of onnxruntime.

    Raises:
        InputError: No policy, a card that is not known, a file that is not the card's, or a network
            that is not what the card says.
    """

    def __init__(self, folder: Path | str, threads: int = 1) -> None:
        self.folder = Path(folder)
        self.card: PolicyCard = read_card(self.folder)
        self.uncertainty = float("nan")
        self._session = _session(self.folder, self.card, threads)
        self._rng = np.random.default_rng(0)
        self._left: deque[np.ndarray] = deque()

    def reset(self, rng: np.random.Generator) -> None:
        """Forget what was planned; the draws of the next episode come from rng."""
        self._left.clear()
        self._rng = rng
        self.uncertainty = float("nan")

    def act(self, observation: Observation) -> np.ndarray:
        """The action for now, in the task's units, not yet projected onto its limits. (m,)

        Raises:
            ObservationError: The observation has not what the policy sees, or is not finite.
            AnswerError: The network fails, or answers with something else than it declares.
        """
        if not self._left:
            self._left.extend(self.plan(observation)[: self.card.execute])
        return self._left.popleft()

    def plan(self, observation: Observation) -> np.ndarray:
        """The whole chunk of actions from now on. (chunk, m)

        Raises:
            ObservationError: The observation has not what the policy sees, or is not finite.
            AnswerError: The network fails, or answers with something else than it declares.
        """
        inputs = {STATE: self._state(observation)}
        for name in self.card.images:
            inputs[name] = self._image(observation, name)
        if self.card.noise:
            drawn = self._rng.standard_normal((1, self.card.noise), dtype=np.float32)
            inputs[NOISE] = drawn
        try:
            action, uncertainty = self._session.run(OUTPUTS, inputs)
        except Exception as error:  # onnxruntime has no one class for what goes wrong
            raise AnswerError(f"{NETWORK}: {in_a_line(str(error))}") from None
        # What a file declares of its outputs, onnxruntime does not hold it to.
        shape = (1, self.card.chunk, len(self.card.action_names))
        if action.shape != shape or uncertainty.shape != (1,):
            shapes = f"{action.shape} and {uncertainty.shape}"
            raise AnswerError(f"{NETWORK}: answers of the shapes {shapes}, not {shape} and (1,)")
        self.uncertainty = float(uncertainty[0])
        return action[0].astype(float)

    def _state(self, observation: Observation) -> np.ndarray:
        state = np.asarray(self._seen(observation, STATE), np.float32)
        names = self.card.state_names
        if state.shape != (len(names),):
            raise ObservationError(
                f"observation: the state has the shape {state.shape}; the policy sees "
                f"{len(names)} coordinates: {', '.join(names)}"
            )
        if not np.isfinite(state).all():
            name = names[int(np.argmin(np.isfinite(state)))]
            raise ObservationError(f"observation: {name} is not finite")
        return state[None]

    def _image(self, observation: Observation, name: str) -> np.ndarray:
        image = np.asarray(self._seen(observation, name), np.float32)
        stacked = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
        shape = tuple(self.card.images[name].shape)
        if stacked.shape != shape:
            wanted = (*shape[1:], shape[0]) if shape[0] > 1 else shape[1:]
            raise ObservationError(
                f"observation: the image {name!r} has the shape {image.shape}; "
                f"the policy sees {wanted}"
            )
        if not np.isfinite(stacked).all():
            raise ObservationError(f"observation: the image {name!r} is not finite")
        return np.ascontiguousarray(stacked[None])

    def _seen(self, observation: Observation, name: str) -> np.ndarray:
        if name not in observation:
            there = ", ".join(observation) or "nothing"
            raise ObservationError(
                f"observation: the policy sees {name!r}; there is {there}"
                f"{nearest(name, observation)}"
            )
        return observation[name]


def _session(folder: Path, card: PolicyCard, threads: int) -> Any:
    """The network, loaded if it is the file that the card was written for.

    Raises:
        InputError: It is not there, was changed, or is not what the card says.
    """
    path = folder / NETWORK
    session = open_onnx(path, card.files.get(NETWORK), folder / CARD, threads)
    there = {i.name: tuple(i.shape[1:]) for i in session.get_inputs()}
    meant = {STATE: (len(card.state_names),)}
    meant |= {name: tuple(image.shape) for name, image in card.images.items()}
    meant |= {NOISE: (card.noise,)} if card.noise else {}
    outputs = {o.name: tuple(o.shape[1:]) for o in session.get_outputs()}
    given = {"action": (card.chunk, len(card.action_names)), "uncertainty": ()}
    for what, found, said in (("takes", there, meant), ("gives", outputs, given)):
        for name in dict.fromkeys([*said, *found]):
            if found.get(name) != said.get(name):
                theirs, ours = (f"{m[name]}" if name in m else "none" for m in (found, said))
                raise InputError(f"it {what} {name}: {theirs}; its card says {ours}", str(path))
    return session
