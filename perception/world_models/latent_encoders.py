"""Encoders of TD-MPC: a task's state, or an image beside it, to a latent of regular fields."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...sim.state_features import StateFeatures
from ...symmetry.layers.image_encoder import ImageEncoder
from ...symmetry.layers.linear import Mode
from ...symmetry.layers.representation import regular
from ..latent import Latent
from .regular_network import RegularNetwork


class FeatureEncoder(nn.Module):
    """A task's state, as equivariant features, to a latent of regular fields.

    Args:
        features: Of the state.
        fields: Regular fields of the latent.
        hidden: Regular fields of the hidden layer.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.

    Attributes:
        latent: How the group acts on what comes out.
    """

    def __init__(
        self, features: StateFeatures, fields: int, hidden: int, mode: Mode, banks: int
    ) -> None:
        super().__init__()
        self.features = features
        inside = features.representation
        self.latent = Latent(regular(inside.group, fields))
        self.network = RegularNetwork(inside, self.latent.whole, [hidden], "elu", mode, banks)

    def forward(self, observation: Tensor) -> Tensor:
        """States in SI units. (B, n) -> (B, latent.width)"""
        return self.network(self.features(observation))


class ImageAndStateEncoder(nn.Module):
    """An image, and what of a state it does not tell (a goal, say), to a latent of regular fields.

    The group's elements must permute the image's pixels. A moved image beside the moved state gives
    the moved latent.

    Args:
        images: Of the same group.
        features: Of the part of the state that is told.
        fields: Regular fields of the latent.
        hidden: Regular fields of the hidden layer.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.

    Attributes:
        latent: How the group acts on what comes out.
    """

    def __init__(
        self,
        images: ImageEncoder,
        features: StateFeatures,
        fields: int,
        hidden: int,
        mode: Mode = "exact",
        banks: int = 2,
    ) -> None:
        super().__init__()
        self.images, self.features = images, features
        inside = images.representation + features.representation
        self.latent = Latent(regular(inside.group, fields))
        self.network = RegularNetwork(inside, self.latent.whole, [hidden], "elu", mode, banks)

    def forward(self, observation: tuple[Tensor, Tensor]) -> Tensor:
        """Images as published and states in SI units, side by side.

        (B, C, H, W), (B, n) -> (B, latent.width)
        """
        image, state = observation
        return self.network(torch.cat([self.images(image), self.features(state)], dim=-1))
