"""`TDMPCModel`: latent dynamics, reward, values and a policy prior, to plan with in a latent."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from ...sim.seen import seen
from ...sim.state_features import StateFeatures
from ...sim.task import Task
from ...symmetry.layers.linear import Mode
from ...symmetry.layers.plain import plain
from ...symmetry.layers.representation import Representation, from_parts, trivial_of
from ..latent import Latent
from .action_limits import ActionLimits
from .equivariant_mlp import relaxation
from .latent_encoders import FeatureEncoder
from .regular_network import After, RegularNetwork, fields_for, follow, frozen, held

LEAST_FIELDS = 4
"""Regular fields of an equivariant latent: with fewer, what is invariant has too little room."""


class TDMPCModel(nn.Module):
    """The networks of TD-MPC, equivariant where the task is.

    Hansen, Wang, Su, "Temporal Difference Learning for Model Predictive Control" (ICML 2022), with
    encoder, dynamics and policy equivariant, reward and values invariant (Zhao et al., "Can
    Euclidean Symmetry be Leveraged in Reinforcement Learning and Planning?", 2023). Exactly so in
    the mode ``exact``: d(gz, gu) = g d(z, u), pi(gz) = g pi(z), R(gz, gu) = R(z, u),
    Q(gz, gu) = Q(z, u). The latent is made of regular fields. Hidden widths are divided by the root
    of the group's order, so that all modes have about the parameters of an ordinary network.

    It is a `TorchModel`: with `TorchDynamics` any planner plans in its latent. Then a sample costs

        sum_t running_cost(z_{t+1}, u_t) + terminal_cost(z_H),

    in units of the task's cost, where the running costs are not discounted and the terminal one is
    the discounted cost from z_H on, -min(Q1, Q2)(z_H, pi(z_H)). TD-MPC's own planner
    (`latent_planner`) weighs period t with discount^t and the end with discount^H; over 5 periods
    at 0.99 the weights differ by 5 % at most. The paper's reward is one of leaving, R(z, u); a
    task's cost is one of arriving, and so is R(z', u) here. The dynamics say by how much a latent
    changes, since in one control period that is little.

    Args:
        task: The task: limits, action and symmetry. Its whole state is what is observed, unless
            there is another encoder.
        symmetry: Which of the task's symmetry: full, none, or a subgroup.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        latent: Channels of the latent, about.
        width: Hidden channels of an ordinary network with as many parameters.
        encoder_width: The same of the encoder.
        discount: Of a control period.
        encoder: From other observations, such as images; it has `latent`, regular fields of the
            same group.

    Attributes:
        latent: How the group acts on the latent.
        action: How it acts on actions. (m,)
        unit: Cost that is one unit of reward. ()
    """

    unit: Tensor

    def __init__(
        self,
        task: Task,
        symmetry: str = "full",
        mode: Mode = "exact",
        banks: int = 2,
        latent: int = 50,
        width: int = 512,
        encoder_width: int = 256,
        discount: float = 0.99,
        encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        whole = seen(task, task.state_names)
        self.symmetry = whole.restrict(symmetry)
        group = self.symmetry.group
        self.mode: Mode = mode
        self.discount = discount
        hidden, narrow = (fields_for(w, group.order, mode, banks) for w in (width, encoder_width))
        if encoder is None:
            least = LEAST_FIELDS if group.order > 1 and mode != "free" else 1
            fields = max(least, math.ceil(latent / group.order))
            features = StateFeatures(whole, self.symmetry)
            encoder = FeatureEncoder(features, fields, narrow, mode, banks)
        self.encoder = encoder
        self.latent: Latent = encoder.latent  # type: ignore[assignment]
        self.action: Representation = from_parts(self.symmetry, "action")
        self.limits = ActionLimits(task, whole, self.symmetry)
        z, one = self.latent.whole, trivial_of(group)

        def made(
            inside: Representation, outside: Representation, first: After = "elu"
        ) -> RegularNetwork:
            return RegularNetwork(inside, outside, [hidden, hidden], first, mode, banks)

        self.dynamics = made(z + self.action, z)
        self.reward = made(z + self.action, one)
        self.prior = made(z, self.action)
        twins = [made(z + self.action, one, "norm_tanh") for _ in range(2)]
        self.values = nn.ModuleList(twins)
        self.register_buffer("unit", torch.ones(()))
        self.reward.zero_last()
        for value in twins:
            value.zero_last()

    # In scaled actions (`limits`) and units of reward.

    def advanced(self, z: Tensor, a: Tensor) -> Tensor:
        """The next latents. (B, w), (B, m) -> (B, w)"""
        return z + self.dynamics(torch.cat([z, a], dim=-1))

    def rewarded(self, z: Tensor, a: Tensor) -> Tensor:
        """Reward of arriving in z by a. (..., w), (..., m) -> (...)"""
        return self.reward(torch.cat([z, a], dim=-1)).squeeze(-1)

    def valued(self, z: Tensor, a: Tensor) -> Tensor:
        """Both values of doing a in z. (..., w), (..., m) -> (2, ...)"""
        x = torch.cat([z, a], dim=-1)
        return torch.stack([value(x).squeeze(-1) for value in self.values])

    def chosen(self, z: Tensor) -> Tensor:
        """What the policy prior does, within the limits. (..., w) -> (..., m)"""
        return self.limits.squashed(self.prior(z))

    # In the units of the task: a world model, and a `TorchModel`.

    def encode(self, x: Tensor) -> Tensor:
        """The latents of observations. (B, ...) -> (B, w)"""
        return self.encoder(x)

    def next_latent(self, z: Tensor, u: Tensor) -> Tensor:
        """The latents one control period later. (B, w), (B, m) -> (B, w)"""
        return self.advanced(z, self.limits.scaled(u))

    next_state = next_latent

    def rollout(self, z: Tensor, actions: Tensor) -> Tensor:
        """The latents after each action. (B, w), (B, H, m) -> (B, H, w)"""
        found, scaled = [], self.limits.scaled(actions)
        for t in range(actions.shape[1]):
            z = self.advanced(z, scaled[:, t])
            found.append(z)
        return torch.stack(found, dim=1)

    def running_cost(self, x: Tensor, u: Tensor) -> Tensor:
        """Cost of arriving in a latent by u: minus the reward. (K, w), (K, m) -> (K,)"""
        return -self.unit * self.rewarded(x, self.limits.scaled(u))

    def terminal_cost(self, x: Tensor) -> Tensor:
        """Discounted cost from a latent on: -min(Q1, Q2)(z, pi(z)). (K, w) -> (K,)"""
        return -self.unit * self.valued(x, self.chosen(x)).amin(dim=0)

    def policy(self, z: Tensor) -> Tensor:
        """What the policy prior does. (B, w) -> (B, m)"""
        return self.limits.in_units(self.chosen(z))

    @torch.no_grad()
    def proposed(self, x: Tensor, horizon: int) -> Tensor:
        """What the policy prior would do over a horizon, by the model. (1, ...) -> (H, m)"""
        z, found = self.encode(x), []
        for _ in range(horizon):
            a = self.chosen(z)
            found.append(self.limits.in_units(a)[0])
            z = self.advanced(z, a)
        return torch.stack(found)

    # For those who train it or run it.

    def average(self) -> nn.ModuleDict:
        """Exported copies of encoder and values, which `follow` shall keep near."""
        made = {"encoder": plain(self.encoder), "twins": plain(self.values)}
        return copy.deepcopy(nn.ModuleDict(made)).requires_grad_(False)

    def follow(self, average: nn.ModuleDict, share: float) -> None:
        """Move what `average` made towards what there is now."""
        follow(average["encoder"], self.encoder, share)
        follow(average["twins"], self.values, share)

    def held(self):
        """A context in which every matrix is built once; see `regular_network.held`."""
        return held(self)

    def frozen_values(self):
        """A context in which no gradient reaches the values; inside `held`."""
        return frozen(self.values)

    def relaxation(self) -> Tensor:
        """How far relaxed layers are from equivariant ones; see `equivariant_mlp.relaxation`. ()"""
        return relaxation(self)

    def exported(self) -> TDMPCModel:
        """The same of ordinary layers, for planning and not for training."""
        return plain(self)  # type: ignore[return-value]
