"""`Transition`: an equivariant MLP that gives the change of a latent under an action."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...symmetry.layers.linear import Mode
from ...symmetry.layers.representation import Representation
from ..latent import Latent
from .equivariant_mlp import EquivariantMLP, start_at_zero

HEARD = 4.0
"""How much louder an action is than a latent in the first layer: a part of width 4 among 70 is
learned from too late, after the encoder has learned to leave out what an action changes."""


def rolled_out(following: Callable[[Tensor, Tensor], Tensor], z: Tensor, actions: Tensor) -> Tensor:
    """Latents after each of a sequence of actions. (B, w), (B, H, m) -> (B, H, w)"""
    found = []
    for a in actions.unbind(1):
        z = following(z, a)
        found.append(z)
    return torch.stack(found, dim=1)


class LatentTransition(nn.Module, ABC):
    """The next latent, as every transition gives it.

    Attributes:
        latent: How the group acts on latents.
        action: How it acts on actions; where the latent has slots, these are the slots' parts side
            by side, and a permutation of the slots permutes them too.
    """

    latent: Latent
    action: Representation

    @abstractmethod
    def next_latent(self, z: Tensor, a: Tensor) -> Tensor:
        """Latents one step later. (B, latent.width), (B, action.width) -> (B, latent.width)"""

    def rollout(self, z: Tensor, actions: Tensor) -> Tensor:
        """Latents after each of a sequence of actions. (B, w), (B, H, m) -> (B, H, w)"""
        return rolled_out(self.next_latent, z, actions)

    def forward(self, z: Tensor, a: Tensor) -> Tensor:
        """The same as `next_latent`."""
        return self.next_latent(z, a)


class Transition(LatentTransition):
    """z' = z + f(z, a) with an equivariant f (Park et al., ICML 2022, section 4).

    Args:
        latent: How the group acts on latents.
        action: How it acts on actions.
        width: Hidden channels, whatever the group.
        depth: Hidden layers.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        beside: How it acts on what else is heard, where there is anything.
    """

    def __init__(
        self,
        latent: Latent,
        action: Representation,
        width: int = 128,
        depth: int = 2,
        mode: Mode = "exact",
        banks: int = 2,
        beside: Representation | None = None,
    ) -> None:
        super().__init__()
        self.latent, self.action = latent, action
        inside = latent.whole + action + beside if beside else latent.whole + action
        self.change = EquivariantMLP(inside, latent.whole, width, depth, mode, banks)
        start_at_zero(self.change)

    def next_latent(self, z: Tensor, a: Tensor, *beside: Tensor) -> Tensor:
        """(B, latent.width), (B, action.width), (B, beside.width) -> (B, latent.width)"""
        return z + self.change(torch.cat([z, HEARD * a, *beside], dim=-1))
