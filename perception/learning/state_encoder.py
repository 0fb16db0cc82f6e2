"""`StateEncoder`: learns to tell a task's state from images, supervised by recorded states."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ...nodes.training.loop import SPLIT, Training, keyed
from ...nodes.training.onnx_file import write_onnx
from ...nodes.training.recipe import Recipe
from ...sim.built_on import described
from ...sim.camera_view import LARGEST
from ...sim.load_task import load_task
from ...symmetry.declaration import wrap
from ...symmetry.pixels import moved_image, pixel_subgroup
from ..encoders import state_encoder
from ..image_estimator import ESTIMATE, INPUTS, OUTPUTS
from ..model_card import ModelCard
from . import state_model
from .panels import Panel, draw
from .seen_states import Renderer, SeenStates, rendered, sensed_by
from .transitions import Transitions
from .world_learner import WorldLearner

_IMAGES = 11  # of the keys of draws: no other purpose of a training has it
MEASURED = 64
"""Images at which the equivariance error is measured."""


@dataclass(frozen=True)
class _Data:
    """Where the states are from, and how they are seen."""

    transitions: Transitions
    sha256: str

    @property
    def path(self) -> str:
        return self.transitions.path


class StateEncoder(WorldLearner):
    """Fits images to states by the likelihood of a Gaussian whose variance is predicted too.

    Images are rendered from the states when the training begins, so no images have to be recorded.

    Args:
        data: Training, validation and test images.
        transitions: Where their states are from.
        shape: Of an image as published.
        topic: Where it is published.
        parameters: Of the method.
        device: Where tensors live.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(state_model.StateModel.Parameters):
        """What a recipe of a state encoder may say."""

        camera: Literal["heightmap", "top"] = "heightmap"
        """What it looks at: the heightmap, or the camera from above (needs a GL library)."""
        pixels: int = 64
        """On a side of the heightmap."""
        pool: int = 1
        """Pixels on a side that are averaged into one at first."""
        frames: int = 1
        """Images that it sees at once; two tell rates."""
        images: int = 12000
        """Images to render for the training; a fifth as many for validation and test."""
        image_maps: int = 16
        """Feature maps of the first convolutions, whatever the group; twice as many in the last."""
        jitter: float = 0.0
        """Noise on the states that are shown, as a share of their spread."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.frames not in (1, 2):
                raise ValueError(f"frames: {self.frames} must be 1 or 2")
            most = {"images": 1_000_000, "image_maps": 8192, "pool": LARGEST, "pixels": LARGEST}
            for name, limit in most.items():
                if not 1 <= getattr(self, name) <= limit:
                    raise ValueError(f"{name}: {getattr(self, name)} must be from 1 to {limit}")
            if not 0 <= self.jitter <= 10:
                raise ValueError(f"jitter: {self.jitter} must be from 0 to 10")

    def __init__(
        self,
        data: tuple[SeenStates, ...],
        transitions: Transitions,
        shape: tuple[int, int, int],
        topic: str,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(parameters, device)
        p = parameters
        self.fitted, self.validation, self.test = data
        self.transitions, self.shape, self.topic = transitions, shape, topic
        self.network = _network(transitions.task, shape, vars(p))
        self.places = [transitions.task.state_names.index(n) for n in self.network.names]
        self.network.fit(self.fitted.state[:, self.places], self.fitted.images[:, : shape[0]])
        self.fit_by_adam("encoder", self.network)

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training, its states read or made and its images rendered.

        Raises:
            InputError: There is nothing to learn from, or no such image.
            BagError, ParameterError, PluginError, PixelError: Data, task or image cannot be had.
        """
        p = recipe.parameters
        data = state_model.transitions_of(p)
        split = data.split(p.held_out, keyed(p.seed, SPLIT))
        sensed = sensed_by(data.task, data.task_options, p.camera, p.pixels)
        said = json.dumps([data.sha256, sensed, p.images, p.frames], sort_keys=True)
        source = _Data(data, hashlib.sha256(said.encode()).hexdigest())

        def made(device: torch.device) -> StateEncoder:
            renderer, rng = Renderer(data.task, sensed), keyed(p.seed, _IMAGES)
            try:
                image, _ = renderer.look(data.state[0])
                shape = (len(image), *image.shape[1:])
                _network(data.task, shape, vars(p))  # what cannot be is said before the rendering
                counts = (p.images, p.images // 5 + 1, p.images // 5 + 1)
                sets = tuple(
                    rendered(
                        part, renderer, count, p.frames, p.pool, rng,
                        p.augment and not k, 0.0 if k else p.jitter,
                    )
                    for k, (part, count) in enumerate(zip(split, counts, strict=True))
                )  # fmt: skip
            finally:
                renderer.close()
            return cls(sets, data, shape, renderer.topic, p, device)

        try:
            return Training(recipe, source, made)
        except ValueError as error:
            if str(error).startswith(("image: ", "frames: ", "pool: ")):
                raise state_model.InputError(str(error), recipe.name) from None
            raise

    @classmethod
    def model_of(cls, card: ModelCard) -> state_encoder.StateEncoder:
        """The network of a card, without its weights."""
        shape = next(iter(card.images.values()))
        return _network(load_task(card.task, card.task_options), shape, card.recipe)

    def describes(self) -> dict[str, Any]:
        """What the encoder is of."""
        data = self.transitions
        symmetry = data.task.symmetry.restrict(self.parameters.symmetry)
        return {
            "task": data.task_name,
            "task_options": data.task_options,
            "symmetry": described(symmetry.restrict(pixel_subgroup(symmetry))),
            "state_names": tuple(data.task.state_names),
            "dt": data.task.dt,
            "action_names": tuple(data.task.action_names),
            "images": {self.topic: self.shape},
            "does": ("encodes", "estimates"),
            "data": {"episodes": data.episodes, "images": len(self.fitted.images)},
            "facts": {
                "told": list(self.network.names),
                "frames": self.parameters.frames,
                "deviation": [float(d) for d in self._deviation(self.validation)],
                "calibration": self._calibration(),
            },
        }

    @property
    def kept(self) -> state_encoder.StateEncoder:
        """The encoder."""
        return self.network

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch of images."""
        p = self.parameters
        rows = rng.integers(len(self.fitted.images), size=p.batch)
        loss = self.network.loss(*self._batch(self.fitted, rows)).mean()
        return {"loss": self.descend("encoder", loss)}

    def validate(self) -> dict[str, float]:
        """Squared error of the latent on the validation images."""
        found = [self.network.errors(*batch) for batch in self._batches(self.validation)]
        return {"loss": float(torch.cat(found).mean())}

    def equivariance_error(self) -> float:
        """Largest relative error of f(g image) = g f(image), of the latent."""
        network, data = self.network, self.validation
        images = data.images[:: max(1, len(data.images) // MEASURED)][:MEASURED].astype(np.float32)
        group = network.symmetry.group
        network.eval()
        with torch.no_grad():

            def answer(images: np.ndarray) -> np.ndarray:
                hidden = network.hidden(self.tensor(images))
                return network.head(hidden).double().cpu().numpy()

            here = answer(images)
            size = float(np.sqrt(np.mean(np.sum(here**2, axis=1)))) + 1e-12
            worst = 0.0
            for g in group.elements:
                moved = [moved_image(group, g, i.transpose(1, 2, 0)) for i in images]
                there = answer(np.stack(moved).transpose(0, 3, 1, 2))
                apart = there - network.latent.act(g, here)
                worst = max(worst, float(np.sqrt(np.sum(apart**2, axis=1)).max()) / size)
        network.train()
        return worst

    def metrics(self, training: Training) -> dict[str, float]:
        """Root mean square error of each coordinate on test images, in its own unit."""
        found = self._deviation(self.test)
        return {f"test_{name}": float(d) for name, d in zip(self.network.names, found, strict=True)}

    @torch.no_grad()
    def _apart(self, data: SeenStates) -> tuple[np.ndarray, np.ndarray]:
        """Errors of what is told, and the deviations told with it. (N, k), (N, k)"""
        network, found, unsure = self.network, [], []
        pool, network.pool = network.pool, 1  # these images are pooled already
        try:
            for images, _ in self._batches(data):
                estimate, deviation = network.estimate(images)
                found.append(estimate.double().cpu().numpy())
                unsure.append(deviation.double().cpu().numpy())
        finally:
            network.pool = pool
        apart = np.concatenate(found) - data.state[:, self.places]
        turning = self.network.direct
        apart[:, turning] = wrap(apart[:, turning])
        return apart, np.concatenate(unsure)

    def pictures(self, training: Training) -> list[Path]:
        """What test images tell, over what was so: points on a line if all is well."""
        apart, _ = self._apart(self.test)
        true = self.test.state[:, self.places]
        panels = []
        for i, name in enumerate(self.network.names):
            order = np.argsort(true[:, i])
            so, off = true[order, i], apart[order, i]
            panels.append(Panel(name, so, so, so + off, points=True))
        path = training.folder / "told.png"
        return [draw(panels, min(3, len(panels)), path)]

    def _deviation(self, data: SeenStates) -> np.ndarray:
        return np.sqrt(np.mean(self._apart(data)[0] ** 2, axis=0))

    def _calibration(self) -> float:
        """Root mean square of error over deviation, on validation images; 1: as it says."""
        apart, unsure = self._apart(self.validation)
        return float(np.sqrt(np.mean((apart / unsure) ** 2)))

    def exports(self, folder: Path) -> dict[str, str]:
        """What images tell, as a network of plain layers."""
        renderer = Renderer(self.transitions.task, self._sensed())
        try:
            states = self.validation.state[:: max(1, len(self.validation.state) // 16)][:16]
            images = np.stack([renderer.look(x)[0] for x in states]).astype(np.float32)
        finally:
            renderer.close()
        given = self.tensor(np.tile(images, (1, self.parameters.frames, 1, 1)))
        with torch.no_grad():
            expected = [a.cpu().numpy() for a in self.network.estimate(given)]
            sharp = self.network.sharpness(given).cpu().numpy()
            plain = self.network.export().cpu()

        def difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            # Images that hardly show an angle tell it by a short pair: rounding turns that far.
            off = ours - theirs
            if name == OUTPUTS[0]:
                turning = self.network.direct
                off[:, turning] = sharp * wrap(off[:, turning])
            return off

        path, inputs = folder / ESTIMATE, {INPUTS[0]: given.cpu()}
        sizes = {OUTPUTS[0]: float(self.network.scale.max()) if len(self.network.scale) else 1.0}
        return {ESTIMATE: write_onnx(plain, path, inputs, OUTPUTS, expected, difference, sizes)}

    def _sensed(self) -> dict[str, Any]:
        p, data = self.parameters, self.transitions
        return sensed_by(data.task, data.task_options, p.camera, p.pixels)

    def _batches(self, data: SeenStates):
        for start in range(0, len(data.images), 256):
            yield self._batch(data, np.arange(start, min(start + 256, len(data.images))))

    def _batch(self, data: SeenStates, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tensor(data.images[rows]), self.tensor(data.state[rows][:, self.places])


def _network(task: Any, shape: tuple[int, int, int], recipe: Any) -> state_encoder.StateEncoder:
    names = ("mode", "banks", "width", "depth", "frames", "pool")
    return state_encoder.StateEncoder(
        task, shape, recipe["symmetry"], maps=recipe["image_maps"], **{n: recipe[n] for n in names}
    )
