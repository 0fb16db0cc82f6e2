"""`LatentModel`: an encoder and a transition, and optionally what an image looks like."""

from __future__ import annotations

from torch import Tensor, nn

from ...symmetry.layers.representation import Representation
from ..encoders.encoder import Encoder
from ..latent import Latent
from .transition import LatentTransition, rolled_out


class LatentModel(nn.Module):
    """Encodes what is observed and predicts what comes next, in a latent the group acts on.

    act(g, rollout(z, A)) = rollout(act(g, z), g A) for every element, whatever the weights, where
    the transition is exact.

    Args:
        encoder: Observations to latents.
        transition: Latents to latents.
        decoder: Latents to observations, where there is one.

    Attributes:
        latent: How the group acts on latents.
        action: How it acts on actions.
    """

    def __init__(
        self, encoder: Encoder, transition: LatentTransition, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.transition, self.decoder = encoder, transition, decoder

    @property
    def latent(self) -> Latent:
        """How the group acts on latents."""
        return self.transition.latent

    @property
    def action(self) -> Representation:
        """How it acts on actions."""
        return self.transition.action

    def encode(self, observation: Tensor) -> Tensor:
        """(B, ...) -> (B, latent.width)"""
        return self.encoder(observation)

    def next_latent(self, z: Tensor, a: Tensor) -> Tensor:
        """(B, latent.width), (B, action.width) -> (B, latent.width)"""
        return self.transition.next_latent(z, a)

    def rollout(self, z: Tensor, actions: Tensor) -> Tensor:
        """Latents after each action. (B, w), (B, H, m) -> (B, H, w)"""
        return rolled_out(self.next_latent, z, actions)

    def act_action(self, g: int, actions: Tensor) -> Tensor:
        """Where element g sends actions. (..., action.width)"""
        return self.action.act(g, actions)
