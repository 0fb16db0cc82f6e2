"""`SEN`: symmetric embeddings and an equivariant world model, by a contrastive loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...nodes.launching.yaml_loader import InputError, nearest
from ...nodes.training.loop import SPLIT, Training, keyed
from ...nodes.training.recipe import Recipe
from ...sim.pixel_worlds.world import PixelWorld, WorldError, load_world
from ..encoders.encoder import Encoder, Sizes
from ..encoders.feature_maps import Stage
from ..encoders.object_slots import ObjectSlots
from ..encoders.rotation_encoder import RotationEncoder
from ..encoders.symmetric_embedding import SymmetricEmbedding
from ..metrics.evaluation import Held, evaluate, held_out
from ..metrics.exactness import rollout_error
from ..metrics.pictures import foreseen
from ..model_card import ModelCard
from ..world_models.equivariant_mlp import relaxation
from ..world_models.graph_transition import GraphTransition
from ..world_models.latent_model import LatentModel
from ..world_models.rotation_transition import RotationTransition
from ..world_models.transition import LatentTransition, Transition
from .losses import LOSSES
from .on_task import on_task
from .task_parameters import TaskParameters
from .world_frames import Moves, WorldFrames
from .world_learner import LARGEST_WIDTH, MOST, WorldLearner

_HELD, _AUGMENTED = 11, 12  # of the keys of draws: no other purpose of a training has them
CONVOLUTIONS: dict[str, tuple[Stage, ...]] = {
    "cells": ((10, 10, 0), (1, 1, 0)),
    "fifths": ((5, 5, 0), (1, 1, 0)),
    "quarters": ((4, 2, 1), (4, 2, 1)),
    "sixteenths": ((8, 4, 2), (4, 2, 1), (4, 2, 1)),
}
"""Kernel, stride and padding of each convolution of S, by the share of the side they leave."""
_MEASURED = 64
EACH_FIRST = 0.3
"""For what share of the updates the loss `each_first` has a hinge for each slot."""
_NO_GROUP = "none"


class SEN(WorldLearner):
    """Park et al., "Learning Symmetric Embeddings for Equivariant World Models" (ICML 2022).

    An ordinary network S embeds frames into what is declared to move as the group says, an
    equivariant encoder E takes that to a latent, and an equivariant transition predicts the next
    one. Trained end to end by a contrastive loss, so no frame is decoded.

    Args:
        training: Transitions that are fitted to.
        validation: What the step is selected on; of the same actions.
        world: What they are of, under the network's group.
        parameters: Of the method.
        device: Where tensors live.
    """

    steepest: float | None = None
    """Length to which a longer gradient is cut."""

    @dataclass(frozen=True, kw_only=True)
    class Parameters(TaskParameters):
        """Of the world, the data and the networks."""

        world_options: dict[str, Any] = field(default_factory=dict)
        """What its class takes."""
        actions: tuple[str, ...] = ()
        """Which actions are trained with, in the world's words; none: all."""
        judged_on: tuple[str, ...] = ()
        """Which actions it is judged on at the end; none: all."""
        episodes: int = 1000
        """Of a random policy, for training; a tenth as many for validation."""
        length: int = 10
        """Steps in each."""
        evaluation: int = 1000
        """Episodes that it is judged on at the end, with all actions."""
        horizon: int = 10
        """Steps in each of those."""
        pixels: Literal["", "learned", "moved"] = ""
        """How the group acts on pixels: learned by S, or taken to be moves of them, which is wrong
        for a tilted camera. In the mode free it concerns augmentation alone. Empty: learned in a
        world, moved in a task, which is seen from straight above."""
        convolutions: Literal["", "cells", "fifths", "quarters", "sixteenths"] = ""
        """What share of a frame's side the first networks leave; empty: as suits the world."""
        channels: int = 16
        """Of their hidden maps, whatever the group."""
        fields: int = 0
        """Regular fields of the latent, of a slot where there are slots; 0: 2 in a slot, 4
        otherwise, 8 of a task."""
        centred: bool = False
        """Whether what is usual is taken off the maps and latents of slots."""
        loss: Literal["code", "paper", "each", "each_first", "softmax"] = "code"
        """Contrastive as the authors' code has it, as their paper prints it, as the code has it
        with a hinge for each slot, that at first and then the code's, or by which of the batch's
        states follows."""
        stretch: int = 1
        """Steps on end that come into a batch together, so that near states are told apart."""
        hinge: float = 1.0
        """Energy from which a negative is far enough."""
        warm_up: float = 0.25
        """Share of the updates over which what an action changes is no loss of the encoder's, and
        again as long over which it comes to be. From the start on, the encoder would leave out what
        cannot be predicted yet, and never take it up again."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.pixels:
                object.__setattr__(self, "pixels", "moved" if self.task else "learned")
            for name in ("episodes", "length", "evaluation", "horizon", "channels"):
                if getattr(self, name) < 1:
                    raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
            if self.episodes * self.length > MOST:
                said = f"{self.episodes} of {self.length} steps are more than {MOST} transitions"
                raise ValueError(f"episodes: {said}")
            if self.evaluation * self.horizon > MOST:
                said = f"{self.evaluation} of {self.horizon} steps are more than {MOST}"
                raise ValueError(f"evaluation: {said}")
            for name in ("channels", "fields"):
                if getattr(self, name) > LARGEST_WIDTH:
                    said = f"{getattr(self, name)} must be at most {LARGEST_WIDTH}"
                    raise ValueError(f"{name}: {said}")
            if self.stretch < 1 or self.length % self.stretch or self.batch % self.stretch:
                said = f"{self.stretch} must divide length ({self.length}) and batch ({self.batch})"
                raise ValueError(f"stretch: {said}")
            if self.task and self.centred:
                raise ValueError("centred: true is for slots; latents of a task have none")
            if self.task and self.stretch > 1:
                raise ValueError(f"stretch: {self.stretch} must be 1 of a task")
            if not 0 <= self.warm_up <= 0.5:
                raise ValueError(f"warm_up: {self.warm_up} must lie within 0 and 0.5")
            for name in ("fields", "hinge"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")

    def __init__(
        self,
        training: WorldFrames,
        validation: WorldFrames,
        world: PixelWorld,
        parameters: Any,
        device: torch.device,
    ) -> None:
        super().__init__(parameters, device)
        self.training, self.validation, self.world = training, validation, world
        self.model = self.network_of(world, parameters).to(device)
        self.modules["model"] = self.model
        self.optimizers["model"] = torch.optim.AdamW(
            self.model.parameters(),
            parameters.learning_rate,
            weight_decay=parameters.weight_decay,
            fused=True,
        )
        self.moves = Moves(world) if parameters.augment else None
        self.early = False  # whether `each_first` still has a hinge for each slot

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """The training of a recipe, in episodes of its world.

        Raises:
            InputError: No such world, option or action, or no such augmentation.
        """
        p = recipe.parameters
        if p.task:
            return on_task(cls).begin(recipe)
        world = world_of(p, recipe.name)
        if p.centred and world.objects == 1:
            said = (
                f"centred: true is for slots, of a world of several objects; {world.name} has one"
            )
            raise InputError(said, recipe.name)
        known = world.turns_frames or p.pixels == "moved"
        if p.augment and not known:
            said = (
                f"augment: how the group acts on frames of {world.name} is not known; "
                "pixels:=moved takes it to be moves of the pixels, which is wrong there"
            )
            raise InputError(said, recipe.name)
        try:
            data = WorldFrames(world, keyed(p.seed, SPLIT), p.episodes, p.length, p.actions)
            count = max(1, p.episodes // 10)
            held = WorldFrames(world, keyed(p.seed, SPLIT, 1), count, p.length, p.actions)
            world.check_words(p.judged_on)
        except WorldError as error:
            raise InputError(f"actions: {error}", recipe.name) from None
        return Training(recipe, data, lambda device: cls(data, held, world, p, device))

    @classmethod
    def model_of(cls, card: ModelCard) -> nn.Module:
        """The network of a card, without its weights."""
        p = cls.Parameters(**{**card.recipe, "out": Path("."), "actions": (), "judged_on": ()})
        if p.task:
            return on_task(cls).model_of(card)
        return cls.network_of(world_of(p, "model.yaml"), p)

    @classmethod
    def network_of(cls, world: PixelWorld, p: Any) -> LatentModel:
        """Encoder and transition as suit a world: slots, a rotation, or maps on the plane."""
        encoder, transition = networks(world, p)
        decoder = cls.decoder_of(encoder.latent.width, world.frame_shape, p)
        return LatentModel(encoder, transition, decoder)

    @classmethod
    def decoder_of(cls, width: int, frame: tuple[int, int, int], p: Any) -> nn.Module | None:
        """What draws frames of latents; none: no frame is decoded."""
        return None

    @property
    def kept(self) -> nn.Module:
        """The model."""
        return self.model

    def update(self, step: int, rng: np.random.Generator) -> dict[str, float]:
        """One batch of transitions."""
        stretch, size = self.parameters.stretch, self.parameters.batch
        first = rng.integers(len(self.training) // stretch, size=size // stretch) * stretch
        batch = self.training.rows((first[:, None] + np.arange(stretch)).ravel())
        if self.moves is not None:
            batch = self.moves.draw(rng, *batch, stretch)
        warm = self.parameters.warm_up * self.parameters.steps
        self.early = step < EACH_FIRST * self.parameters.steps
        loss = self._loss(batch, rng, float(np.clip(step / warm - 1.0, 0.0, 1.0)) if warm else 1.0)
        whole = loss
        if self.parameters.relaxation_penalty:
            whole = loss + self.parameters.relaxation_penalty * relaxation(self.model)
        optimizer = self.optimizers["model"]
        optimizer.zero_grad(set_to_none=True)
        whole.backward()
        if self.steepest is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.steepest)
        optimizer.step()
        return {"loss": float(loss.detach())}

    def validate(self) -> dict[str, float]:
        """The loss on all validation transitions, with the same negatives every time."""
        rng, size, total = np.random.default_rng(0), len(self.validation), 0.0
        self.early = False  # judged by one measure throughout
        for start in range(0, size, self.parameters.batch):
            rows = np.arange(start, min(start + self.parameters.batch, size))
            total += len(rows) * float(self._loss(self.validation.rows(rows), rng))
        return {"loss": total / size}

    def _loss(
        self, batch: tuple[np.ndarray, ...], rng: np.random.Generator, heeded: float = 1.0
    ) -> Tensor:
        """Of a batch; where something is done, `heeded` of the gradient reaches the encoder. ()"""
        before, action, after = (torch.from_numpy(a).to(self.device) for a in batch)
        each = (-1, self.parameters.stretch)
        frames = torch.cat([before.unflatten(0, each), after.unflatten(0, each)[:, -1:]], dim=1)
        seen = self.model.encode(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        z, following = seen[:, :-1].flatten(0, 1), seen[:, 1:].flatten(0, 1)
        now, then = z, following
        if heeded < 1.0:
            slots = self.model.latent.slots
            done = action.unflatten(-1, (slots, -1)).abs().amax(-1, keepdim=True) > 0
            share = torch.where(done, heeded, 1.0).expand(-1, -1, z.shape[-1] // slots).flatten(1)
            now, then = (torch.lerp(x.detach(), x, share) for x in (z, following))
        predicted = self.model.next_latent(now, action)
        return self.objective(z, predicted, then, before, after, rng)

    def objective(
        self,
        z: Tensor,
        predicted: Tensor,
        following: Tensor,
        before: Tensor,
        after: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """The contrastive loss; the negatives are the batch's own latents in another order. ()"""
        p, order = self.parameters, torch.from_numpy(rng.permutation(len(z))).to(z.device)
        slots, loss = self.model.latent.slots, p.loss
        if loss == "each_first":
            loss = "each" if self.early else "code"
        return LOSSES[loss](z, predicted, following, z[order], slots, p.hinge)

    @torch.no_grad()
    def equivariance_error(self) -> float:
        """Of rollouts over five steps, from validation latents, over the network's group."""
        rows = np.linspace(0, len(self.validation) - 1, _MEASURED).astype(int)
        before, action, *_ = self.validation.rows(rows)
        training = self.model.training
        z = self.model.eval().encode(torch.from_numpy(before).to(self.device))
        self.model.train(training)
        actions = torch.from_numpy(action).to(self.device)[:, None].expand(-1, 5, -1)
        return rollout_error(self.model, z, actions)

    def describes(self) -> dict[str, Any]:
        """What the card says of it."""
        return {
            "task": self.world.name,
            "symmetry": {"group": self.world.group.name},
            "images": {"frame": self.world.frame_shape},
            "does": ("encodes", "predicts"),
            "data": {"episodes": self.parameters.episodes, "length": self.parameters.length},
        }

    def held(self) -> Held:
        """What it is judged on: the world's whole group, all actions, seeds of their own."""
        p = self.parameters
        world = load_world(p.world, p.world_options)
        return held_out(world, keyed(p.seed, _HELD), p.evaluation, p.horizon, p.judged_on)

    def metrics(self, training: Training) -> dict[str, float]:
        """Ranks, hard hits, errors of invariance and open-loop error on held-out episodes."""
        self.model.eval()
        return evaluate(self.model, self.held(), (1, self.parameters.horizon))

    def pictures(self, training: Training) -> list[Path]:
        """True frames over the horizon, and those nearest to the predictions."""
        self.model.eval()
        title = f"{self.world.name}: what is foreseen after each step"
        return [foreseen(self.model, self.held(), training.folder / "foreseen.png", title)]


def world_of(p: Any, where: str) -> PixelWorld:
    """A recipe's world under the network's group.

    Raises:
        InputError: There is none, or it does not take an option or a group.
    """
    options = dict(p.world_options)
    if p.symmetry != "full":
        options["group"] = "trivial" if p.symmetry == _NO_GROUP else p.symmetry
    try:
        return load_world(p.world, options)
    except WorldError as error:
        if p.symmetry == "full" or repr(p.symmetry) not in str(error):
            raise InputError(f"world_options: {error}", where) from None
        words = () if "did you mean" in str(error) else ("full", _NO_GROUP)
        raise InputError(f"symmetry: {error}{nearest(p.symmetry, words)}", where) from None


def networks(world: PixelWorld, p: Any) -> tuple[Encoder, LatentTransition]:
    """Encoder and transition as suit a world, of the sizes that a recipe says."""
    sizes = Sizes(p.channels, p.width, p.mode, p.banks, "learned" if p.mode == "free" else p.pixels)
    image = world.frame_shape
    if not world.group.planar or world.state_shape == (3, 3):
        stages = CONVOLUTIONS[p.convolutions or "sixteenths"]
        turned = RotationEncoder(world.group, image, stages, 2 * p.channels, sizes)
        return turned, RotationTransition(turned.latent, p.width, p.mode)
    if world.objects > 1:
        stages = CONVOLUTIONS[p.convolutions or ("cells" if world.turns_frames else "fifths")]
        slots = ObjectSlots(
            world.group, image, world.objects, p.fields or 2, stages, sizes, p.centred
        )
        part = world.action_part
        return slots, GraphTransition(slots.latent, part, p.width, p.mode, p.banks)
    stages = CONVOLUTIONS[p.convolutions or "quarters"]
    maps = SymmetricEmbedding(
        world.group, image, p.fields or 4, stages, sizes=sizes, looks=world.looks
    )
    action = world.action_representation()
    return maps, Transition(maps.latent, action, p.width, p.depth, p.mode, p.banks)
