"""What a network says of the action: one value, a Gaussian, a mixture of them, or a flow."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.declaration import Symmetry
from ...symmetry.layers.arrangement import arranged
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.representation import Representation, trivial_of

HeadName = Literal["deterministic", "gaussian", "mixture", "flow"]
COMPONENTS = 5
"""Of a mixture."""
EULER_STEPS, FLOW_SAMPLES = 8, 4
"""Steps from noise to action, and how many actions are drawn to see how far they differ."""
LOG_DEVIATION = (-5.0, 2.0)
"""Bounds of the logarithm of a standard deviation, in units of the action's limits."""


class Head(nn.Module):
    """From hidden regular fields to a chunk of actions, in units of the action's limits.

    Args:
        hidden: How the group acts on the input.
        declared: The task's whole symmetry: a deviation belongs to a block of coordinates that it
            mixes, whatever subgroup the network has.
        symmetry: The network's.
        chunk: Actions in an answer.
        mode: Of the layers.
        banks: Of relaxed ones.
    """

    noise = 0
    """Normal draws that an answer takes."""
    draws = 0
    """Numbers that the loss of one sample takes: normal draws, the last one uniform."""
    to_blocks: Tensor

    def __init__(
        self,
        hidden: Representation,
        declared: Symmetry,
        symmetry: Symmetry,
        chunk: int,
        mode: Mode,
        banks: int,
    ) -> None:
        super().__init__()
        self.hidden, self.symmetry, self.chunk = hidden, symmetry, chunk
        self.mode, self.banks = mode, banks
        self.width = symmetry.width("action")
        blocks = declared.blocks("action")
        member = np.zeros((len(blocks), self.width))
        for i, block in enumerate(blocks):
            member[i, list(block)] = 1.0
        self.register_buffer("to_blocks", torch.tensor(member).float(), persistent=False)

    def actions(self, copies: int = 1) -> tuple[Representation, np.ndarray]:
        """How chunks of actions move, rearranged, and where each of their numbers came from."""
        whole = self.symmetry.orbit("action")
        parts = [
            Representation(self.symmetry.group, whole[:, s, s])
            for s in self.symmetry.slices("action").values()
        ]
        return arranged(parts * (self.chunk * copies))

    def invariants(self, count: int) -> Representation:
        """Numbers that no element changes."""
        return trivial_of(self.symmetry.group, count)

    def deviations(self, logs: Tensor) -> Tensor:
        """A logarithm a block as one a coordinate, within bounds. (..., blocks) -> (..., m)"""
        return (logs @ self.to_blocks).clamp(*LOG_DEVIATION)

    @abstractmethod
    def forward(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """(B, hidden), (B, noise) -> actions (B, chunk, m), uncertainty (B,)"""

    @abstractmethod
    def loss(self, hidden: Tensor, target: Tensor, mask: Tensor, draw: Tensor) -> Tensor:
        """Of each sample; target (B, chunk, m), mask (B, chunk), draw (B, draws) -> (B,)"""


class Deterministic(Head):
    """One chunk, fitted by squared error."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        outside, order = self.actions()
        self.out = Linear(self.hidden, outside, self.mode, self.banks)
        _buffer(self, "order", np.argsort(order))

    def forward(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Uncertainty is 0: it does not know any."""
        action = self.out(hidden)[:, self.order].unflatten(1, (self.chunk, self.width))
        return action, 0.0 * action[:, 0, 0]

    def loss(self, hidden: Tensor, target: Tensor, mask: Tensor, draw: Tensor) -> Tensor:
        """Mean square over the numbers that the episode still had."""
        return _mean((self(hidden, draw)[0] - target).square(), mask)


class Gaussian(Head):
    """A Gaussian for each action, of one deviation a block; it answers with the mean."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        outside, order = self.actions()
        self.out = Linear(
            self.hidden,
            self.invariants(self.chunk * len(self.to_blocks)) + outside,
            self.mode,
            self.banks,
        )
        _buffer(self, "order", self.chunk * len(self.to_blocks) + np.argsort(order))

    def split(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log deviations. (B, chunk, m) both"""
        out = self.out(hidden)
        mean = out[:, self.order].unflatten(1, (self.chunk, self.width))
        logs = out[:, : self.chunk * len(self.to_blocks)].unflatten(1, (self.chunk, -1))
        return mean, self.deviations(logs)

    def forward(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Uncertainty is the root of the sum of the first action's variances."""
        mean, log = self.split(hidden)
        return mean, torch.sqrt(torch.exp(2.0 * log[:, 0]).sum(-1))

    def loss(self, hidden: Tensor, target: Tensor, mask: Tensor, draw: Tensor) -> Tensor:
        """Negative log likelihood, a number's."""
        mean, log = self.split(hidden)
        return _mean(_surprise(mean, log, target), mask)


class Mixture(Head):
    """Several Gaussian chunks with weights that no element changes; it answers with the likeliest.

    A component goes with the scene, so at a state that an element leaves in place each is as
    symmetric as the state: left or right there is the flow's to choose.
    """

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        blocks, k = len(self.to_blocks), COMPONENTS
        outside, order = self.actions(copies=k)
        self.fixed = k * (1 + self.chunk * blocks)
        self.out = Linear(self.hidden, self.invariants(self.fixed) + outside, self.mode, self.banks)
        _buffer(self, "order", self.fixed + np.argsort(order))

    def split(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights (B, K), means and log deviations (B, K, chunk, m)."""
        out, k = self.out(hidden), COMPONENTS
        weights = functional.log_softmax(out[:, :k], dim=-1)
        logs = out[:, k : self.fixed].unflatten(1, (k, self.chunk, -1))
        means = out[:, self.order].unflatten(1, (k, self.chunk, self.width))
        return weights, means, self.deviations(logs)

    def forward(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Uncertainty is that of the whole mixture: within the components and between them."""
        weights, means, logs = self.split(hidden)
        best = functional.one_hot(weights.argmax(-1), COMPONENTS).to(means)
        action = (best[:, :, None, None] * means).sum(1)
        share, first = weights.exp()[..., None], means[:, :, 0]
        middle = (share * first).sum(1, keepdim=True)
        spread = (share * (torch.exp(2.0 * logs[:, :, 0]) + (first - middle).square())).sum((1, 2))
        return action, torch.sqrt(spread)

    def loss(self, hidden: Tensor, target: Tensor, mask: Tensor, draw: Tensor) -> Tensor:
        """Negative log likelihood of the chunk, a number's."""
        weights, means, logs = self.split(hidden)
        each = _surprise(means, logs, target[:, None]) * mask[:, None, :, None]
        together = torch.logsumexp(weights - each.sum((2, 3)), dim=1)
        return -together / (self.width * mask.sum(1)).clamp(min=1.0)


class Flow(Head):
    """Noise carried to a chunk of actions by a learned velocity, in a few Euler steps.

    Flow matching on straight lines: x_t = (1 - t) noise + t action, and the network learns its
    velocity, action - noise (Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023).
    The noise moves with the scene: f(g x, g noise) = g f(x, noise).
    """

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        actions, order = self.actions()
        self.size = self.chunk * self.width
        self.noise, self.draws = FLOW_SAMPLES * self.size, self.size + 1
        _buffer(self, "into", order)
        _buffer(self, "order", np.argsort(order))
        inside = self.hidden + actions + self.invariants(5)
        self.layers = nn.ModuleList(
            [
                Linear(inside, self.hidden, self.mode, self.banks),
                Linear(self.hidden, self.hidden, self.mode, self.banks),
            ]
        )
        self.out = Linear(self.hidden, actions, self.mode, self.banks)

    def velocity(self, hidden: Tensor, x: Tensor, time: Tensor) -> Tensor:
        """Of the flow at x (B, chunk m) and time (B, 1) between 0 and 1. (B, chunk m)"""
        waves = [time - 0.5]
        waves += [wave(k * math.pi * time) for k in (1, 2) for wave in (torch.sin, torch.cos)]
        y = torch.cat([hidden, x[:, self.into], *waves], dim=1)
        for layer in self.layers:
            y = functional.silu(layer(y))
        return self.out(y)[:, self.order]

    def forward(self, hidden: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Answers with the first of its draws; uncertainty is how far all of them differ."""
        x = noise.reshape(-1, self.size)
        repeated = hidden[:, None].expand(-1, FLOW_SAMPLES, -1).reshape(-1, hidden.shape[1])
        for step in range(EULER_STEPS):
            time = torch.full_like(x[:, :1], step / EULER_STEPS)
            x = x + self.velocity(repeated, x, time) / EULER_STEPS
        drawn = x.reshape(-1, FLOW_SAMPLES, self.chunk, self.width)
        first = drawn[:, :, 0]
        apart = (first - first.mean(1, keepdim=True)).square().sum((1, 2)) / (FLOW_SAMPLES - 1)
        return drawn[:, 0], torch.sqrt(apart)

    def loss(self, hidden: Tensor, target: Tensor, mask: Tensor, draw: Tensor) -> Tensor:
        """Mean square of the velocity's error at a time drawn uniformly."""
        noise, time = draw[:, : self.size], draw[:, self.size :]
        goal = target.flatten(1)
        found = self.velocity(hidden, (1.0 - time) * noise + time * goal, time)
        off = (found - (goal - noise)).square()
        return _mean(off.unflatten(1, (self.chunk, self.width)), mask)


HEADS: dict[HeadName, type[Head]] = {
    "deterministic": Deterministic,
    "gaussian": Gaussian,
    "mixture": Mixture,
    "flow": Flow,
}


def _surprise(mean: Tensor, log: Tensor, target: Tensor) -> Tensor:
    """Negative log density of each number, but for a constant."""
    return 0.5 * ((target - mean) * torch.exp(-log)).square() + log


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, chunk, m) over the actions that are there. (B,)"""
    return (values.mean(-1) * mask).sum(1) / mask.sum(1).clamp(min=1.0)


def _buffer(module: nn.Module, name: str, values: np.ndarray) -> None:
    module.register_buffer(name, torch.tensor(values), persistent=False)
