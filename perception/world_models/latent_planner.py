"""`LatentPlanner`: TD-MPC's elite path integral control in a latent, for several states at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...symmetry.declaration import Symmetry
from .tdmpc import TDMPCModel

MOST_STD = 2.0
"""Of the noise at the start of every plan, in scaled actions."""


MOST, LONGEST = 100_000, 1000
"""Samples, and periods or rounds; more is a slip of the finger."""


@dataclass(frozen=True)
class Sampling:
    """How a latent planner samples."""

    samples: int = 512
    """Noisy action sequences in each iteration, whole orbits of them; the policy's come beside."""
    horizon: int = 5
    """Control periods looked ahead."""
    iterations: int = 6
    """Rounds of sampling and fitting to the elites in each plan."""
    elites: int = 64
    """Samples that the mean is fitted to, the best."""
    policy_samples: int = 25
    """Trajectories of the policy prior, the first without noise; whole orbits of the others."""
    sharpness: float = 0.5
    """An elite whose return is d below the best counts exp(-sharpness d), in units of reward."""
    momentum: float = 0.1
    """Share of the mean that an iteration leaves as it was."""

    def __post_init__(self) -> None:
        for name in ("samples", "horizon", "iterations", "elites", "policy_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
            most = LONGEST if name in ("horizon", "iterations") else MOST
            if getattr(self, name) > most:
                raise ValueError(f"{name}: {getattr(self, name)} must be at most {most}")
        if self.elites > self.samples:
            raise ValueError(f"elites: {self.elites} are more than {self.samples} samples")
        if self.sharpness < 0:
            raise ValueError(f"sharpness: {self.sharpness} must not be negative")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: {self.momentum} must be from 0 to below 1")


class LatentPlanner:
    """Elite path integral control as in TD-MPC, each plan from the last one's mean.

    Hansen, Wang, Su, "Temporal Difference Learning for Model Predictive Control" (ICML 2022),
    algorithm 1. With a symmetry the noise of each iteration is closed under the group,
    {mean + A(g) noise_i}, and its spread is one number for all that the group mixes; the first
    policy trajectory has no noise, and that of the others is closed likewise. Then, with an
    equivariant model, plan(gz, g mean) = g plan(z, mean) for every draw ("Equivariant Action
    Sampling", Zhao et al., WAFR 2024, extended from the best sample to averages and iterations);
    an action that is drawn (`explore`) is so in distribution only. Without, samples are
    independent, and the spread is each coordinate's own.

    Args:
        model: What is planned in; an exported one is faster.
        sampling: How.
        symmetry: Whose group closes the noise; None: none.

    Raises:
        ValueError: There are fewer samples than one orbit.
    """

    def __init__(
        self, model: TDMPCModel, sampling: Sampling, symmetry: Symmetry | None = None
    ) -> None:
        self.model, self.sampling = model, sampling
        reference = model.limits.reach
        self._width = width = len(reference)
        self.orbit = self._mix = None
        order = 1
        if symmetry is not None:
            matrices = symmetry.orbit("action")[list(symmetry.distinct_actions())]
            order = len(matrices)
            if sampling.samples < order:
                said = f"{sampling.samples} are less than one orbit of {symmetry.group.name}"
                raise ValueError(f"samples: {said} ({order} actions)")
            mix = torch.zeros(width, width)
            for block in symmetry.blocks("action"):
                rows = torch.tensor(list(block))
                mix[rows[:, None], rows] = 1.0 / len(block)
            self._mix = mix.to(reference)
            self.orbit = torch.tensor(matrices).to(reference) if order > 1 else None
        self._draws = sampling.samples // order
        self._policy_draws = (sampling.policy_samples - 1) // order
        self.count = self._draws * order + 1 + self._policy_draws * order
        """Rollouts in each iteration."""

    def rest(self, batch: int) -> Tensor:
        """The mean of a first plan, in scaled actions: nothing. (B, H, m)"""
        return self.model.limits.reach.new_zeros(batch, self.sampling.horizon, self._width)

    @torch.no_grad()
    def plan(
        self, z: Tensor, mean: Tensor, least_std: float = 0.05, explore: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Plan once from each of some latents; draws are torch's own.

        Args:
            z: (B, w)
            mean: Of the last plans; moved on by a period they are where this one begins. (B, H, m)
            least_std: Least spread of the noise, in scaled actions.
            explore: Whether the action is that of an elite drawn by weight, with noise on it,
                instead of the mean's.

        Returns:
            The scaled actions to do now (B, m), and the plans (B, H, m).
        """
        s, limits = self.sampling, self.model.limits
        mean = torch.cat([mean[:, 1:], torch.zeros_like(mean[:, :1])], dim=1)
        std = torch.full_like(mean, MOST_STD)
        led = self._policy_trajectories(z, least_std)
        actions, weight = mean[:, None], mean.new_ones(len(mean), 1)
        for _ in range(s.iterations):
            noise = self._noise(len(z), self._draws, s.horizon, mean)
            tried = limits.projected(mean[:, None] + std[:, None] * noise)
            tried = torch.cat([tried, led], dim=1)
            best, rows = self.returns(z, tried).topk(min(s.elites, tried.shape[1]), dim=1)
            actions = tried.gather(1, rows[..., None, None].expand(-1, -1, *tried.shape[2:]))
            weight = torch.softmax(s.sharpness * best, dim=1)
            fitted = torch.einsum("bk,bkhm->bhm", weight, actions)
            square = (actions - fitted[:, None]) ** 2
            variance = torch.einsum("bk,bkhm->bhm", weight, square)
            if self._mix is not None:
                variance = variance @ self._mix
            std = variance.sqrt().clamp(least_std, MOST_STD)
            mean = s.momentum * mean + (1.0 - s.momentum) * fitted
        if not explore:
            return limits.projected(mean[:, 0]), mean
        # As torch.multinomial draws, without its look at the values: a graph cannot look.
        drawn = (weight / torch.empty_like(weight).exponential_()).argmax(dim=1)
        first = actions[torch.arange(len(z), device=z.device), drawn, 0]
        return limits.projected(first + std[:, 0] * torch.randn_like(first)), mean

    def returns(self, z: Tensor, actions: Tensor) -> Tensor:
        """Discounted rewards and the value at the end, in units of reward. (B, K, H, m) -> (B, K)

        NaN, of a model that has none, counts as the worst there is.
        """
        model, (batch, count, horizon, width) = self.model, actions.shape
        z = z[:, None].expand(-1, count, -1).reshape(batch * count, -1)
        flat, reached = actions.reshape(batch * count, horizon, width), []
        for t in range(horizon):
            z = model.advanced(z, flat[:, t])
            reached.append(z)
        rewards = model.rewarded(torch.stack(reached, dim=1), flat)  # (B K, H)
        powers = model.discount ** torch.arange(horizon + 1, dtype=rewards.dtype, device=z.device)
        end = model.valued(z, model.chosen(z)).amin(dim=0)
        total = rewards @ powers[:-1] + powers[-1] * end
        return total.nan_to_num(nan=-1e30).view(batch, count)

    def _noise(self, batch: int, draws: int, horizon: int, like: Tensor) -> Tensor:
        """Draws of variance 1, closed under the group. (B, draws |G|, H, m)"""
        base = torch.randn(batch, draws, horizon, self._width, dtype=like.dtype, device=like.device)
        if self.orbit is None:
            return base
        return torch.einsum("gij,bkhj->bkghi", self.orbit, base).flatten(1, 2)

    def _policy_trajectories(self, z: Tensor, std: float) -> Tensor:
        """What the policy prior does over the horizon, by the model. (B, P, H, m)"""
        s, model = self.sampling, self.model
        noise = self._noise(len(z), self._policy_draws, s.horizon, z)
        noise = torch.cat([torch.zeros_like(noise[:, :1]), noise], dim=1) if (
            noise.shape[1]) else z.new_zeros(len(z), 1, s.horizon, self._width)  # fmt: skip
        batch, count = noise.shape[:2]
        z = z[:, None].expand(-1, count, -1).reshape(batch * count, -1)
        found = []
        for t in range(s.horizon):
            a = model.chosen(z) + std * noise[:, :, t].reshape(batch * count, -1)
            found.append(model.limits.projected(a))
            if t + 1 < s.horizon:
                z = model.advanced(z, found[-1])
        return torch.stack(found, dim=1).view(batch, count, s.horizon, -1)
