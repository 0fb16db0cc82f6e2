"""`SymmetricEmbedding`: an ordinary network into declared maps, then an equivariant encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.group import Group
from ...symmetry.layers.convolution import Convolution, move
from ...symmetry.layers.flatten import FlattenLinear
from ...symmetry.layers.representation import regular, trivial_of
from ..latent import Latent
from ..world_models.equivariant_mlp import EquivariantMLP, hidden_fields
from .encoder import Encoder, Sizes
from .feature_maps import FeatureMaps, Stage, batch_norm


class SymmetricEmbedding(Encoder):
    """Park et al., "Learning Symmetric Embeddings for Equivariant World Models" (ICML 2022).

    S is an ordinary convolutional network whose maps are declared to be scalar fields on the plane
    in which the group acts; E convolves them with filters that the group ties, down to a small map,
    and reads regular fields off it. With ``pixels="moved"`` S is equivariant to moves of the image
    itself, which is the fully equivariant baseline: right for a camera that looks straight down.

    Args:
        group: Of quarter turns and mirrors.
        image: Channels, rows and columns.
        fields: Regular fields of the latent.
        stages: Convolutions of S: kernel, stride, padding of each; they leave an even side.
        maps: Declared scalar maps.
        sizes: Of the networks.
        looks: Frames that lie on each other in an image.
    """

    def __init__(
        self,
        group: Group,
        image: Sequence[int],
        fields: int = 4,
        stages: Sequence[Stage] = ((4, 2, 1), (4, 2, 1)),
        maps: int = 8,
        sizes: Sizes | None = None,
        looks: int = 1,
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.latent = Latent(regular(group, fields))
        self.maps = FeatureMaps(group, image, maps, stages, s.channels, s.pixels, looks=looks)
        inside, side = trivial_of(group, maps), self.maps.side
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        while side > 5 and side % 2 == 0:
            outside = regular(group, max(1, s.width // 4 // group.order))
            made = Convolution(inside, outside, 4, 2, 1, s.mode, s.banks)
            with torch.no_grad():  # variance 2 / inputs, for ReLU
                made.filters.mul_(math.sqrt(6.0))
            self.convolutions.append(made)
            self.norms.append(batch_norm(outside, s.mode))
            inside, side = outside, side // 2
        hidden = hidden_fields(self.latent.representation, s.width)
        self.lift = FlattenLinear(inside, hidden, side, s.mode, s.banks)
        self.head = EquivariantMLP(hidden, self.latent.representation, s.width, 1, s.mode, s.banks)

    def embed(self, observation: Tensor) -> Tensor:
        """Images to declared maps. (B, C, H, W) -> (B, maps, side, side)"""
        return self.maps(observation)

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """The maps with their pixels moved. (B, maps, side, side)"""
        return move(trivial_of(self.latent.group, self.maps.maps), g, embedding)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """Maps to regular fields. (B, maps, side, side) -> (B, latent.width)"""
        x = embedding
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        return self.head(self.lift(x).relu())
