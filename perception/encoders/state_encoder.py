"""`StateEncoder`: from images to a task's state, in the representation that the state has."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.task import Task
from ...symmetry.layers.image_encoder import ImageEncoder
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.plain import plain
from ...symmetry.layers.representation import regular, trivial_of
from .told_state import ToldState, told_by_images

QUIET, LOUD = -10.0, 4.0
"""Least and largest logarithm of a variance, in units of the spread."""
WEIGHT = 0.5
"""How much a large variance takes from a sample's gradient: beta of the beta-NLL loss."""


class StateEncoder(ToldState):
    """Images to the parts of a task's state that they tell, and how sure it is of each.

    The latent is the state in numbers on which the group acts by matrices: coordinates from the
    centre that the group leaves in place, in units of their spread, and (cos a, sin a) of angles
    and of joints' own angles. A moved image gives the moved latent, for the elements that permute
    pixels, whatever the parameters (mode `exact`); the variances do not change.

    The goal is asked for, not seen; rates (units that end in ``/s``) need two frames, the newest
    first, each through the same convolutions.

    Args:
        task: Whose state.
        shape: Of an image as published: channels, height, width.
        word: Which of the task's symmetry, at most what permutes pixels.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        width: Hidden channels, whatever the group; taken down to a multiple of its order.
        depth: Hidden layers behind the images.
        maps: Feature maps of the first convolutions.
        frames: Images that it sees at once: 1, or 2.
        pool: Pixels on a side that are averaged into one at first.

    Raises:
        GroupError: A symmetry that the task has not.
        PixelError: Images of a size that cannot be taken.
        ValueError: An image that is not square, or nothing that it could tell.

    Attributes:
        latent: How the group acts on what comes out.
        names: The coordinates of the task's state that it tells. (k)
    """

    def __init__(
        self,
        task: Task,
        shape: tuple[int, int, int],
        word: str = "full",
        mode: Mode = "exact",
        banks: int = 2,
        width: int = 128,
        depth: int = 2,
        maps: int = 16,
        frames: int = 1,
        pool: int = 1,
    ) -> None:
        channels, height, across = shape
        if height != across or height % pool:
            key = "pool" if height == across else "image"
            raise ValueError(f"{key}: {height} x {across} pixels: no square that {pool} divides")
        places = told_by_images(task, frames)
        if not places:
            raise ValueError(f"frames: {frames} of an image tell nothing of {task.name}")
        super().__init__(task, places, word)
        self.channels, self.frames, self.pool = channels, frames, pool
        group = self.symmetry.group
        hidden = regular(group, max(1, width // group.order))
        self.images = ImageEncoder(
            group, channels, height // pool, hidden.width, mode, banks, "world", maps
        )
        self.layers = nn.ModuleList()
        inside = frames * hidden
        for _ in range(depth):
            self.layers.append(Linear(inside, hidden, mode, banks))
            inside = hidden
        self.head = Linear(inside, self.latent.representation, mode, banks)
        self.variance = Linear(inside, trivial_of(group, len(self.blocks)), mode, banks)

    def fit(self, states: np.ndarray, images: np.ndarray) -> None:
        """Take the statistics from the training data.

        Args:
            states: What is told. (N, k)
            images: Those of it, pooled already. (N, C, H, W)
        """
        self.images.fit(images)
        self.fit_states(states)

    def pooled(self, images: Tensor) -> Tensor:
        """Images as published at the size that the convolutions see. (B, C, H, W)"""
        return functional.avg_pool2d(images, self.pool) if self.pool > 1 else images

    def hidden(self, images: Tensor) -> Tensor:
        """What the heads see, from pooled images. (B, frames * C, H, W) -> (B, hidden)"""
        c = self.channels
        found = [self.images(images[:, f * c : (f + 1) * c]) for f in range(self.frames)]
        if self.frames == 2:
            found[1] = found[0] - found[1]  # what has changed
        x = torch.cat(found, dim=1) if len(found) > 1 else found[0]
        for layer in self.layers:
            x = functional.silu(layer(x))
        return x

    def forward(self, images: Tensor) -> Tensor:
        """The latent of images as published, newest frame first. (B, frames * C, H, W)"""
        return self.head(self.hidden(self.pooled(images)))

    def sharpness(self, images: Tensor) -> Tensor:
        """Lengths, at most 1, of the pairs that tell directions: a short one tells none.

        (B, frames * C, H, W) -> (B, len(direct))
        """
        pairs = self.forward(images)[:, self.linear.shape[0] :]
        return pairs.unflatten(1, (len(self.direct), 2)).norm(dim=2).clamp(max=1.0)

    def estimate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What images as published tell, and the standard deviation of that. (B, k), (B, k)"""
        hidden = self.hidden(self.pooled(images))
        deviation = torch.exp(0.5 * self._log_variance(hidden))
        columns, start = [], 0
        for j, block in enumerate(self.blocks):
            size = len(block)
            one = deviation[:, j : j + 1].expand(-1, size)
            if j < len(self.linear_blocks):
                one = one * self.scale[start : start + size]
                start += size
            columns.append(one)
        return self.decode(self.head(hidden)), torch.cat(columns, dim=1)[:, self.told]

    def _log_variance(self, hidden: Tensor) -> Tensor:
        return QUIET + (LOUD - QUIET) * torch.sigmoid(self.variance(hidden))

    def loss(self, images: Tensor, states: Tensor) -> Tensor:
        """Negative log likelihood of each sample, large variances weighed down. (B,)

        The beta-NLL loss of M. Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
        Estimation with Probabilistic Neural Networks" (ICLR 2022, eq. 3), beta one half.

        Args:
            images: Pooled already. (B, frames * C, H, W)
            states: (B, k)
        """
        hidden = self.hidden(images)
        apart = self.head(hidden) - self.encode(states)
        log, total, start = self._log_variance(hidden), 0.0, 0
        for j, block in enumerate(self.blocks):
            size = len(block) if j < len(self.linear_blocks) else 2
            squares = apart[:, start : start + size].square().mean(dim=1)
            likely = 0.5 * (squares * torch.exp(-log[:, j]) + log[:, j])
            total = total + likely * torch.exp(WEIGHT * log[:, j]).detach()
            start += size
        return total / len(self.blocks)  # type: ignore[return-value]

    def errors(self, images: Tensor, states: Tensor) -> Tensor:
        """Squared error of the latent, mean over its numbers, of each sample. (B,)"""
        return (self.head(self.hidden(images)) - self.encode(states)).square().mean(dim=1)

    def penalty(self) -> Tensor:
        """How far the relaxed layers' weights are from equal over the group, the mean. ()"""
        found = [m.penalty() for m in self.modules() if isinstance(m, Linear | ImageEncoder)]
        return torch.stack(found).mean()

    def export(self) -> nn.Module:
        """`estimate` in torch's own layers, which know no group."""
        return _Estimate(self).eval()


class _Estimate(nn.Module):
    """`StateEncoder.estimate` as a module's forward, its layers plain."""

    def __init__(self, encoder: StateEncoder) -> None:
        super().__init__()
        twin = copy.copy(encoder)
        twin._modules = {name: plain(child) for name, child in encoder.named_children()}
        self.encoder = copy.deepcopy(twin)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, frames * C, H, W) -> (B, k), (B, k)"""
        return self.encoder.estimate(images)
