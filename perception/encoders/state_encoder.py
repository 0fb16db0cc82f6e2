"""`StateEncoder`: from images to a task's state, in the representation that the state has."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.seen import seen
from ...sim.state_features import blocks_of, centre_of, harmonic_of
from ...sim.task import Task
from ...symmetry.layers.image_encoder import ImageEncoder
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.plain import plain
from ...symmetry.layers.representation import Representation, regular, trivial_of
from ...symmetry.pixels import pixel_subgroup
from ..latent import Latent

LEAST = 1e-3
"""Smallest spread that is taken for one (SI units)."""
QUIET, LOUD = -10.0, 4.0
"""Least and largest logarithm of a variance, in units of the spread."""
WEIGHT = 0.5
"""How much a large variance takes from a sample's gradient: beta of the beta-NLL loss."""


class StateEncoder(nn.Module):
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

    centre: Tensor
    mean: Tensor
    scale: Tensor
    linear: Tensor
    told: Tensor

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
        super().__init__()
        channels, height, across = shape
        if height != across or height % pool:
            raise ValueError(f"image: {height} x {across} pixels: no square that {pool} divides")
        self.channels, self.frames, self.pool = channels, frames, pool
        places = told_by_images(task, frames)
        if not places:
            raise ValueError(f"frames: {frames} of an image tell nothing of {task.name}")
        self.names = tuple(task.state_names[i] for i in places)
        self.seen = seen(task, self.names)
        symmetry = self.seen.restrict(word)
        self.symmetry = symmetry.restrict(pixel_subgroup(symmetry))
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
        self._declare(task, places)
        self.head = Linear(inside, self.latent.representation, mode, banks)
        self.variance = Linear(inside, trivial_of(group, len(self.blocks)), mode, banks)

    def _declare(self, task: Task, places: list[int]) -> None:
        """Which coordinates are told by matrices, which by directions, and how the group acts."""
        declared, group = self.seen.symmetry, self.symmetry.group
        whole, offsets, angles = declared.affine("state")
        used, used_offsets, _ = self.symmetry.affine("state")
        units = task.state_units or ("",) * len(task.state_names)
        blocks = blocks_of(whole, np.ones(len(places), bool))
        turns = [
            len(b) == 1 and (bool(angles[b[0]]) or units[places[b[0]]] == "rad") for b in blocks
        ]
        self.linear_blocks = [b for b, turn in zip(blocks, turns, strict=True) if not turn]
        self.direct = [b[0] for b, turn in zip(blocks, turns, strict=True) if turn]
        self.blocks = [*self.linear_blocks, *([i] for i in self.direct)]
        """Of the coordinates that it tells, in the latent's order; each has one variance."""
        parts = [Representation(group, used[:, b][:, :, b]) for b in self.linear_blocks]
        for i in self.direct:
            one = used[:, [i]][:, :, [i]]
            parts += harmonic_of(group, one, used_offsets[:, [i]], 1)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        self.latent = Latent(total)
        flat = [i for b in self.linear_blocks for i in b]
        self.register_buffer("linear", torch.tensor(flat, dtype=torch.int64), persistent=False)
        middle = torch.tensor(centre_of(whole, offsets, angles)[flat]).float()
        self.register_buffer("centre", middle, persistent=False)
        order = np.argsort([*flat, *self.direct])
        self.register_buffer("told", torch.tensor(order), persistent=False)
        self.register_buffer("mean", torch.zeros(len(flat)))
        self.register_buffer("scale", torch.ones(len(flat)))

    def fit(self, states: np.ndarray, images: np.ndarray) -> None:
        """Take the statistics from the training data.

        Args:
            states: What is told. (N, k)
            images: Those of it, pooled already. (N, C, H, W)
        """
        self.images.fit(images)
        whole, _, _ = self.seen.symmetry.affine("state")
        there = np.asarray(states, float)[:, self.linear.cpu().numpy()]
        there = there - self.centre.double().cpu().numpy()
        start = 0
        for block in self.linear_blocks:
            here, moved = slice(start, start + len(block)), whole[:, block][:, :, block]
            mean = moved.mean(axis=0) @ there[:, here].mean(axis=0)
            spread = float(np.sqrt(np.mean((there[:, here] - mean) ** 2)))
            self.mean[here] = torch.tensor(mean).float()
            self.scale[here] = max(spread, LEAST)
            start = here.stop

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

    def encode(self, states: Tensor) -> Tensor:
        """The latent that belongs to a state. (B, k) -> (B, latent.width)"""
        found = [(states[:, self.linear] - self.centre - self.mean) / self.scale]
        for i in self.direct:
            found += [torch.cos(states[:, i : i + 1]), torch.sin(states[:, i : i + 1])]
        return torch.cat(found, dim=1)

    def decode(self, latent: Tensor) -> Tensor:
        """The state that a latent stands for, angles in (-pi, pi]. (B, width) -> (B, k)"""
        n = self.linear.shape[0]
        found = [latent[:, :n] * self.scale + self.mean + self.centre]
        for i in range(len(self.direct)):
            pair = latent[:, n + 2 * i : n + 2 * i + 2]
            found.append(torch.atan2(pair[:, 1:], pair[:, :1]))
        return torch.cat(found, dim=1)[:, self.told]

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


def told_by_images(task: Task, frames: int) -> list[int]:
    """The coordinates of a task's state that so many images can tell: not its goal, not rates."""
    units = task.state_units or ("",) * len(task.state_names)
    found = []
    for name, here in task.symmetry.slices("state").items():
        rates = any(units[i].endswith("/s") for i in range(here.start, here.stop))
        if name != task.goal and not (rates and frames == 1):
            found += range(here.start, here.stop)
    return found
