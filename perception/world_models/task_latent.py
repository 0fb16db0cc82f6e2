"""`TaskLatent`: a latent model of a task's images, with a head that tells the task's state."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.layers.plain import plain
from ..encoders.encoder import Encoder
from .action_limits import ActionLimits
from .latent_model import LatentModel
from .state_head import StateHead
from .told_features import ToldFeatures
from .transition import Transition


@dataclass(frozen=True)
class Sight:
    """How images as published become what the encoder sees: bytes, newest frame first."""

    frames: int = 1
    """Images at once."""
    pool: int = 1
    """Pixels on a side that are averaged into one."""


class TaskLatent(LatentModel):
    """A `LatentModel` in the units of a task: images as published, actions within its limits.

    `next_latent` and `rollout` take scaled actions, as latent models of this room do; exported
    networks take what a launch has.

    Args:
        encoder: Of bytes.
        transition: Of scaled actions.
        decoder: To bytes, where there is one.
        head: Latents to coordinates of the state.
        limits: Of the task's actions.
        sight: How the images are seen.
        heard: What the transition hears of what the head tells; None: it knows the latent alone.
    """

    level: Tensor
    transition: Transition

    def __init__(
        self,
        encoder: Encoder,
        transition: Transition,
        decoder: nn.Module | None,
        head: StateHead,
        limits: ActionLimits,
        sight: Sight,
        heard: ToldFeatures | None = None,
    ) -> None:
        super().__init__(encoder, transition, decoder)
        self.head, self.limits, self.sight, self.heard = head, limits, sight, heard
        self.register_buffer("level", torch.ones(()))
        """What one of 255 steps of a frame stands for, in the image's own unit."""

    @property
    def frames(self) -> int:
        """Images that it sees at once."""
        return self.sight.frames

    def fit(self, level: float, frames: np.ndarray, states: np.ndarray) -> None:
        """Take the statistics from the training data.

        Args:
            level: What one step of a frame stands for.
            frames: (N, frames * C, H, W) uint8
            states: What is told of each. (N, k)
        """
        self.level.fill_(level)
        self.head.fit_states(states)
        if self.heard is not None:
            self.heard.fit(states)
        if hasattr(self.encoder, "fit"):
            self.encoder.fit(self._changes(torch.from_numpy(frames)))  # type: ignore[operator]

    def encode(self, observation: Tensor) -> Tensor:
        """Latents of frames, the newest first. (B, frames * C, H, W) -> (B, width)"""
        return self.encoder(self._changes(observation))

    def next_latent(self, z: Tensor, a: Tensor) -> Tensor:
        """(B, latent.width), (B, action.width) -> (B, latent.width)"""
        if self.heard is None:
            return self.transition.next_latent(z, a)
        return self.transition.next_latent(z, a, self.heard(*self.head.tells(z)))

    def _changes(self, frames: Tensor) -> Tensor:
        """Of two frames the newer, and how the older differs from it: little, but what tells rates.

        (B, frames * C, H, W), the same
        """
        if self.sight.frames == 1:
            return frames
        now, before = frames.float().chunk(2, dim=1)
        return torch.cat([now, before - now], dim=1)

    def estimate(self, images: Tensor) -> Tensor:
        """The latents of images as published. (B, frames * C, H, W) -> (B, width)"""
        if self.sight.pool > 1:
            images = functional.avg_pool2d(images, self.sight.pool)
        return self.encode((images / self.level).round().clamp(0.0, 255.0))

    def export(self) -> nn.Module:
        """`estimate` in torch's own layers, which know no group."""
        return _Estimate(self._plain()).eval()

    def export_step(self) -> nn.Module:
        """Latents and goals one period later, side by side; actions in their units."""
        return _Step(self._plain()).eval()

    def export_head(self) -> nn.Module:
        """The coordinates that latents tell: in units, and (cos, sin) of directions, raw."""
        return _Told(self._plain()).eval()

    def _plain(self) -> TaskLatent:
        twin = copy.copy(self)
        twin._modules = {name: child and plain(child) for name, child in self._modules.items()}
        return copy.deepcopy(twin)


class _Estimate(nn.Module):
    def __init__(self, model: TaskLatent) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(B, frames * C, H, W) -> (B, width)"""
        return (self.model.estimate(images),)


class _Step(nn.Module):
    def __init__(self, model: TaskLatent) -> None:
        super().__init__()
        self.model, self.width = model, model.latent.width

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """(B, width + g), (B, m) -> (B, width + g)"""
        z, goal = state[:, : self.width], state[:, self.width :]
        return torch.cat([self.model.next_latent(z, self.model.limits.scaled(action)), goal], dim=1)


class _Told(nn.Module):
    def __init__(self, model: TaskLatent) -> None:
        super().__init__()
        self.head = model.head

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """(B, width) -> (B, l), (B, 2 d)"""
        # No angle: where one jumps, rounding is as large as a turn.
        return self.head.tells(latent)
