"""`ImageEstimator`: a trained encoder's folder, asked for a task's state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..nodes.bus.wire import checked
from ..nodes.launching.yaml_loader import InputError
from ..nodes.messages import MessageError
from ..nodes.training.card_file import damaged
from ..nodes.training.onnx_file import open_onnx
from ..sim.task import Task
from .latent_task import is_latent
from .model_card import CARD, ModelCard, check_model_fits, read_model_card

ESTIMATE = "estimate.onnx"
"""The file of an encoder: images -> value, and its deviation where a state is told."""
INPUTS, OUTPUTS = ("images",), ("value", "deviation")
REMEDY = "the same `covary train` again writes it"
"""What to do where that file is gone."""
FLAT = 1e-6
"""Spread of an image's pixels, in its own unit, below which it shows nothing."""


Estimate = Callable[[np.ndarray], Sequence[np.ndarray]]
"""(1, frames * C, H, W) -> value, and deviation of a state, (1, k) each."""


class ImageError(ValueError):
    """An image that tells nothing; one line that says what is wrong with it."""


class ImageEstimator:
    """Runs `estimate.onnx` on images as published; on a GPU the network itself, by torch.

    Args:
        folder: The encoder's.
        task: What it is to be used in.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: No model, or one that is damaged.
        MismatchError: A model of another task.
        ValueError: A model that estimates neither state nor latent.

    Attributes:
        topic: Where its images are published.
        shape: Channels, height, width.
        places: The coordinates of the task's state, or of (latent, goal), that it tells. (k)
        turning: Those of them that are told up to whole turns. (k) bool
        deviation: How far it was off on validation images, root mean square; a latent: from what
            was foretold. (k)
        frames: Images that it sees at once.
    """

    def __init__(self, folder: Path, task: Task, device: str = "cpu") -> None:
        self.folder = Path(folder)
        self.card = read_estimator(self.folder, task)
        self.topic, self.shape = next(iter(self.card.images.items()))
        facts = self.card.facts
        self.latent = is_latent(self.card)
        self.frames, self.deviation = int(facts["frames"]), np.array(facts["deviation"], float)
        if self.latent:
            self.places = list(range(len(self.deviation)))
            self.turning = np.zeros(len(self.places), bool)
        else:
            self.places = [task.state_names.index(name) for name in facts["told"]]
            _, _, angles = task.symmetry.affine("state")
            units = task.state_units or ("",) * len(task.state_names)
            self.turning = np.array([angles[i] or units[i] == "rad" for i in self.places])
        self._run = self._opened() if device == "cpu" else self._graphed(device)
        self._frames: deque[np.ndarray] = deque(maxlen=self.frames)

    def _opened(self) -> Estimate:
        path, wanted = self.folder / ESTIMATE, self.card.files.get(ESTIMATE)
        session = open_onnx(path, wanted, self.folder / CARD, remedy=REMEDY)
        there = [v.name for v in session.get_inputs()]
        outputs = OUTPUTS[:1] if self.latent else OUTPUTS
        if there != list(INPUTS) or {v.name for v in session.get_outputs()} != set(outputs):
            raise InputError(f"it takes {', '.join(there)}: no network that sees images", str(path))
        return lambda images: session.run(outputs, {INPUTS[0]: images})

    def _graphed(self, device: str) -> Estimate:
        from .encoders.graphed_estimate import GraphedEstimate  # torch only where it runs

        return GraphedEstimate(self.folder, self.card, device).run

    def reset(self) -> None:
        """Forget the images so far: another episode."""
        self._frames.clear()

    def check(self, image: np.ndarray) -> np.ndarray:
        """An image as the network takes it. (H, W) or (H, W, C) -> (C, H, W)

        Raises:
            ImageError: It has another shape, is not finite, or shows nothing.
        """
        stacked = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
        if stacked.shape != tuple(self.shape):
            theirs, ours = (_size(s) for s in (stacked.shape, self.shape))
            raise ImageError(f"it is {theirs}; the model sees {ours}")
        stacked = np.ascontiguousarray(stacked, np.float32)
        if not np.isfinite(stacked).all():
            raise ImageError("it is not finite")
        if float(stacked.max() - stacked.min()) < FLAT:
            raise ImageError(f"it shows nothing: all pixels are {stacked.flat[0]:g}")
        return stacked

    def estimate(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What an image tells, and the standard deviation of that. (k,), (k,)

        The first of an episode stands for the one before it too: episodes begin at rest.

        Args:
            image: As published, the next in time. (H, W) or (H, W, C)

        Raises:
            ImageError: The image tells nothing, or the network answers what is not finite.
        """
        self._frames.appendleft(self.check(image))
        while len(self._frames) < self.frames:
            self._frames.append(self._frames[0])
        given = np.concatenate(list(self._frames))[None]
        try:
            value, *told = self._run(given)
        except Exception as error:  # whoever runs it has no one class for this
            raise ImageError(f"the network failed: {' '.join(str(error).split())}") from None
        deviation = told[0][0] if told else self.deviation
        if not (np.isfinite(value).all() and np.isfinite(deviation).all()):
            raise ImageError("the network's answer is not finite")
        return value[0].astype(float), deviation.astype(float)


def read_estimator(folder: Path, task: Task) -> ModelCard:
    """The card of an encoder that tells a task's state, or a latent of it that can be planned in.

    Raises:
        InputError: There is none, or one that tells neither; one line.
        MismatchError: It is of another task.
    """
    card = read_model_card(folder)
    if not card.images or not ("estimates" in card.does or is_latent(card)):
        said = f"it {', '.join(card.does) or 'does nothing'}, and estimates no state from images"
        raise InputError(said, str(Path(folder) / CARD))
    check_model_fits(card, task)
    if reason := _flaw(card, task):
        raise InputError(reason, str(Path(folder) / CARD))
    for name in dict.fromkeys((ESTIMATE, *(n for n in card.files if n.endswith(".onnx")))):
        if not (Path(folder) / name).exists():
            raise InputError(f"there is none; {REMEDY}", f"{folder}/{name}")
        if name in damaged(Path(folder), {name: card.files.get(name, "")}):
            raise InputError(f"truncated or changed since {CARD} was written", f"{folder}/{name}")
    return card


def _flaw(card: ModelCard, task: Task) -> str:
    """What is wrong with an encoder's images and facts, or nothing; a card may be anybody's."""
    for topic in card.images:
        try:
            checked(topic)
        except MessageError as error:
            return f"images: {error}"
    told, off = card.facts.get("told"), card.facts.get("deviation")
    if is_latent(card):
        start = card.facts.get("start")
        count = len(start) if isinstance(start, list) else 0
    elif not isinstance(told, list) or not told or not all(isinstance(name, str) for name in told):
        return "facts: told: no coordinates of the state"
    else:
        count, goal = len(told), task.state_names[task.goal_slice]
        for name in told:
            if name not in task.state_names or name in goal or told.count(name) > 1:
                return f"facts: told: {name!r} is no coordinate of the task that images tell once"
    numbers = off if isinstance(off, list) and len(off) == count else [np.nan]
    if not all(isinstance(v, int | float) and 0 <= v < np.inf for v in numbers):
        return f"facts: deviation: {off} is not one number for each of {count} coordinates"
    if card.facts.get("frames") not in (1, 2):
        return f"facts: frames: {card.facts.get('frames')} is not 1 or 2"
    return ""


def _size(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{width} x {height} x {channels}"
