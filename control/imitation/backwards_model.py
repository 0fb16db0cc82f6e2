"""`BackwardsModel`: which action and which state came before a state, each as a Gaussian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...sim.seen import Seen
from ...sim.state_features import StateFeatures
from ...symmetry.declaration import Symmetry
from ...symmetry.layers.arrangement import arranged
from ...symmetry.layers.linear import Linear, Mode
from ...symmetry.layers.representation import Representation, regular, trivial_of

Spread = Literal["published", "deviation"]
"""How far actions are drawn from their mean, v being the model's variance:
``published`` (-scale log v) v, the authors' code, in which a variance stands where a standard
deviation belongs (its scales, 1 to 40, only make sense so); ``deviation`` scale sqrt(v)."""


@dataclass(frozen=True)
class Draws:
    """How actions are drawn about their mean, so that traces leave the demonstrations."""

    spread: Spread = "published"
    """Which width."""
    scale: float = 10.0
    """Of the width."""
    least: float = 0.0
    """The least standard deviation, in units of the limits. Where the demonstrator is a function of
    the state, the model is sure of the action, and the width of either kind is next to nothing."""
    persistence: float = 0.0
    """Correlation of two draws of a trace, one after the other. With none (as published) a trace is
    a random walk, and leads away by the square root of its steps only."""
    state: float = 1.0
    """Scale of the state's deviation. Its coordinates are drawn one by one, and what holds between
    them (a velocity, and the way made by it) holds for their mean only."""


PUBLISHED = Draws()
LOG_VARIANCE = (-10.0, 0.5)
"""Where the learned soft bounds of a logarithm of a variance start."""
BOUNDS_WEIGHT = 0.01
"""Of the bounds' distance in the loss."""


class Gaussian(nn.Module):
    """Mean and log-variance of a vector on which the group acts by matrices.

    Where actions are among the input a part of the mean is linear in them: they hardly vary beside
    what the state tells, and hidden layers alone do not find what they do. A variance belongs to a
    block of coordinates that the group mixes. Variances are kept within
    bounds that are learned too: Chua et al., "Deep Reinforcement Learning in a Handful of Trials
    using Probabilistic Dynamics Models" (NeurIPS 2018), appendix A.1.

    Args:
        inside: How the group acts on the input.
        parts: How it acts on each part of the output.
        blocks: The coordinates of each block of the output.
        mode: Of the layers.
        width: Hidden channels.
        depth: Hidden layers.
        acted: How the group acts on the actions that end the input; None: there are none.
    """

    to_blocks: Tensor
    order: Tensor

    def __init__(
        self,
        inside: Representation,
        parts: list[Representation],
        blocks: tuple[tuple[int, ...], ...],
        mode: Mode,
        width: int,
        depth: int,
        acted: Representation | None = None,
    ) -> None:
        super().__init__()
        group = inside.group
        hidden = regular(group, max(1, width // group.order))
        outside, order = arranged(parts)
        self.acted = acted.width if acted else 0
        self.direct = Linear(acted, outside, mode, bias=False) if acted else None
        self.layers = nn.ModuleList()
        for _ in range(depth):
            self.layers.append(Linear(inside, hidden, mode))
            inside = hidden
        self.mean = Linear(hidden, outside, mode)
        self.log_variance = Linear(hidden, trivial_of(group, len(blocks)), mode)
        self.bounds = nn.Parameter(torch.tensor([[low] * len(blocks) for low in LOG_VARIANCE]))
        member = np.zeros((len(blocks), outside.width))
        for i, block in enumerate(blocks):
            member[i, list(block)] = 1.0
        self.register_buffer("to_blocks", torch.tensor(member).float(), persistent=False)
        self.register_buffer("order", torch.tensor(np.argsort(order)), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance. (B, inside) -> (B, d), (B, d)"""
        direct = self.direct(x[:, -self.acted :]) if self.direct is not None else 0.0
        for layer in self.layers:
            x = functional.silu(layer(x))
        low, high = self.bounds
        log = high - functional.softplus(high - self.log_variance(x))
        log = low + functional.softplus(log - low)
        return (direct + self.mean(x))[:, self.order], log @ self.to_blocks

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Negative log-likelihood, but for constants, and the price of wide bounds. ()"""
        mean, log = self(x)
        surprise = ((mean - target).square() * torch.exp(-log) + log).mean()
        return surprise + BOUNDS_WEIGHT * (self.bounds[1] - self.bounds[0]).sum()


class TransitionModel(nn.Module):
    """What the models of transitions share: features of a state, units, normalisation.

    Args:
        seen: The coordinates of the state, with the task's whole symmetry.
        symmetry: The same under the group that the model has.
    """

    middle: Tensor
    reach: Tensor
    scale: Tensor
    order: Tensor

    def __init__(self, seen: Seen, symmetry: Symmetry) -> None:
        super().__init__()
        self.seen = seen
        self.features = StateFeatures(seen, symmetry)
        group = symmetry.group
        acts, moves = symmetry.orbit("action"), symmetry.affine("state")[0]
        self.actions = [
            Representation(group, acts[:, here, here])
            for here in symmetry.slices("action").values()
        ]
        self.states = [
            Representation(group, moves[:, here, here])
            for here in symmetry.slices("state").values()
        ]
        self.state_blocks = _blocks(seen.symmetry.affine("state")[0])
        self.acted, order = arranged(self.actions)
        """How the group acts on an action."""
        self.given = self.features.representation + self.acted
        """How the group acts on a state's features and an action."""
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.register_buffer("middle", torch.tensor(seen.middle).float(), persistent=False)
        self.register_buffer("reach", torch.tensor(seen.reach).float(), persistent=False)
        self.register_buffer("scale", torch.ones(seen.width))

    def fit_normaliser(self, state: np.ndarray, next_state: np.ndarray) -> None:
        """Take the statistics of transitions. (N, n), (N, n)"""
        self.features.fit(np.concatenate([state, next_state]))
        moved = self.seen.symmetry.difference("state", state, next_state)
        scale = np.ones(self.seen.width)
        for block in self.state_blocks:
            here = list(block)
            scale[here] = max(float(np.sqrt(np.mean(moved[:, here] ** 2))), 1e-6)
        self.scale.copy_(torch.tensor(scale))

    def feature(self, state: np.ndarray) -> Tensor:
        """Of states (N, n)."""
        return self.features(self.tensor(state))

    def unit(self, action: np.ndarray) -> Tensor:
        """Actions (N, m) in units of their limits."""
        return (self.tensor(action) - self.middle) / self.reach

    def steps(self, later: np.ndarray, earlier: np.ndarray) -> Tensor:
        """Differences of states in units of a typical step. (N, n)"""
        return self.tensor(self.seen.symmetry.difference("state", later, earlier)) / self.scale

    def joined(self, feature: Tensor, unit: Tensor) -> Tensor:
        """A state's features and an action, as `given` has them."""
        return torch.cat([feature, unit[:, self.order]], dim=1)

    def tensor(self, array: np.ndarray) -> Tensor:
        """As float32 where the model is."""
        return torch.as_tensor(array).float().to(self.middle.device)


class BackwardsModel(TransitionModel):
    """p(a | s') p(s | s', a): what was done, and where from, to arrive in a state.

    Source: Park and Wong, "Robust Imitation of a Few Demonstrations with a Backwards Model"
    (NeurIPS 2022). Where they predict the vector s - s', here the difference of states is taken as
    the symmetry has it, angles the short way round; under the mode `exact` both parts are
    equivariant: p(g a | g s') = p(a | s').

    Args:
        seen: The coordinates of the state, with the task's whole symmetry.
        symmetry: The same under the group that the model has.
        mode: How strictly.
        width: Hidden channels.
        depth: Hidden layers.
        unseen: Coordinates of s' that it does not look at: velocities that tell which action was
            done, so that no other could be imagined.
    """

    def __init__(
        self,
        seen: Seen,
        symmetry: Symmetry,
        mode: Mode = "free",
        width: int = 128,
        depth: int = 3,
        unseen: Sequence[int] = (),
    ) -> None:
        super().__init__(seen, symmetry)
        self.unseen = list(unseen)
        before, blocks = self.features.representation, seen.symmetry.blocks("action")
        self.action = Gaussian(before, self.actions, blocks, mode, width, depth)
        self.difference = Gaussian(
            self.given, self.states, self.state_blocks, mode, width, depth, self.acted
        )

    def loss(self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray) -> Tensor:
        """Of both parts, for transitions. (N, n), (N, m), (N, n) -> ()"""
        seen, u = self.arrived(next_state), self.unit(action)
        came = self.difference.loss(self.joined(seen, u), self.steps(state, next_state))
        return self.action.loss(seen, u) + came

    def arrived(self, next_state: np.ndarray) -> Tensor:
        """Features of what it looks at in states (N, n)."""
        if self.unseen:
            next_state = np.array(next_state, float)
            next_state[:, self.unseen] = 0.0
        return self.feature(next_state)

    @torch.no_grad()
    def step(
        self,
        next_state: np.ndarray,
        noise: np.ndarray,
        rng: np.random.Generator,
        draws: Draws = PUBLISHED,
        project: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw what came before states.

        Actions are drawn wider than the model is sure of, for there traces leave the
        demonstrations.

        Args:
            next_state: (N, n)
            noise: Standard normal draws of the actions. (N, m)
            rng: Of the state's draws.
            draws: What the actions' draws are made into.
            project: Brings actions (N, m) within the limits, before the state is asked for.

        Returns:
            States (N, n), not wrapped, and actions (N, m), both in the task's units; how sure the
            model is, the mean log-variance of the state (N,).
        """
        seen = self.arrived(next_state)
        mean, log = self.action(seen)
        if draws.spread == "published":
            wide = (draws.scale * -log * torch.exp(log)).clamp(min=1e-12)
        else:
            wide = draws.scale * torch.exp(0.5 * log)
        u = mean + wide.clamp(min=draws.least) * self.tensor(noise)
        action = (self.middle + self.reach * u).double().cpu().numpy()
        if project is not None:
            action = project(action)
            u = self.unit(action)
        moved, log = self.difference(self.joined(seen, u))
        moved = (moved + draws.state * torch.exp(0.5 * log) * self._normal(rng, moved)) * self.scale
        state = np.asarray(next_state, float) + moved.double().cpu().numpy()
        return state, action, log.mean(1).double().cpu().numpy()

    def _normal(self, rng: np.random.Generator, like: Tensor) -> Tensor:
        draws = rng.standard_normal(tuple(like.shape), dtype=np.float32)
        return torch.as_tensor(draws).to(like.device)


def _blocks(matrices: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """The finest split of the coordinates of a state that the group does not mix."""
    reached = np.any(np.abs(matrices) > 1e-12, axis=0)
    linked: np.ndarray = np.logical_or(reached, np.transpose(reached))
    left, blocks = set(range(len(linked))), []
    while left:
        block = {min(left)}
        while (
            grown := {int(j) for i in block for j in np.flatnonzero(linked[i])} | block
        ) != block:
            block = grown
        blocks.append(tuple(sorted(block)))
        left -= block
    return tuple(blocks)
