"""`Encoder`: an observation to a declared embedding, and that to a latent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from ...symmetry.layers.linear import Mode
from ..latent import Latent
from .feature_maps import Pixels


@dataclass(frozen=True)
class Sizes:
    """How large the networks of an encoder are.

    Attributes:
        channels: Of the convolutions' hidden maps, whatever the group.
        width: Hidden channels behind them, whatever the group.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        pixels: ``learned``: how the group acts on pixels is; ``moved``: it moves them.
    """

    channels: int = 16
    width: int = 128
    mode: Mode = "exact"
    banks: int = 2
    pixels: Pixels = "learned"


class Encoder(nn.Module, ABC):
    """E after S: S embeds an observation, E takes the embedding to a latent, equivariantly.

    What is declared of S's output is how the group acts on it (`move`); where S is an ordinary
    network that is a wish, which training end to end with an equivariant E and transition brings
    about (Park et al., "Learning Symmetric Embeddings for Equivariant World Models", ICML 2022).
    For E it is the law: encode_embedding(move(g, y)) = latent.act(g, encode_embedding(y)).

    Attributes:
        latent: How the group acts on what comes out.
    """

    latent: Latent

    @abstractmethod
    def embed(self, observation: Tensor) -> Tensor:
        """S: observations to embeddings. (B, ...) -> (B, ...)"""

    @abstractmethod
    def move(self, g: int, embedding: Tensor) -> Tensor:
        """Where element g sends embeddings, as declared. (B, ...)"""

    @abstractmethod
    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """E: embeddings to latents. (B, ...) -> (B, latent.width)"""

    def forward(self, observation: Tensor) -> Tensor:
        """Observations to latents. (B, ...) -> (B, latent.width)"""
        return self.encode_embedding(self.embed(observation))
