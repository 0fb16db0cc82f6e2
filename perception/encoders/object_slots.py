"""`ObjectSlots`: an image to one map for each object, and each map by one encoder to its slot."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ...symmetry.group import Group
from ...symmetry.layers.convolution import move
from ...symmetry.layers.flatten import FlattenLinear
from ...symmetry.layers.representation import regular, trivial_of
from ..latent import Latent
from ..world_models.equivariant_mlp import EquivariantMLP, hidden_fields
from .encoder import Encoder, Sizes
from .feature_maps import FeatureMaps, Stage


class ObjectSlots(Encoder):
    """As many maps as objects, each declared to turn with the plane; one encoder for all of them.

    Which object is on which map is learned; a permutation of the maps is one of the slots, by
    construction. After the slots of Kipf, van der Pol, Welling, "Contrastive Learning of Structured
    World Models" (ICLR 2020), with the declared action of Park et al. (ICML 2022).

    Args:
        group: Of quarter turns and mirrors: what it does to a map is to move its pixels.
        image: Channels, rows and columns.
        slots: Objects.
        fields: Regular fields of a slot.
        stages: Convolutions: kernel, stride, padding of each.
        sizes: Of the networks.
    """

    def __init__(
        self,
        group: Group,
        image: Sequence[int],
        slots: int,
        fields: int = 2,
        stages: Sequence[Stage] = ((10, 10, 0), (1, 1, 0)),
        sizes: Sizes | None = None,
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.latent = Latent(regular(group, fields), slots)
        self.maps = FeatureMaps(group, image, slots, stages, s.channels, s.pixels)
        hidden = hidden_fields(self.latent.representation, s.width)
        self.lift = FlattenLinear(trivial_of(group), hidden, self.maps.side, s.mode, s.banks)
        self.head = EquivariantMLP(hidden, self.latent.representation, s.width, 1, s.mode, s.banks)

    def embed(self, observation: Tensor) -> Tensor:
        """Images to maps within 0 and 1. (B, C, H, W) -> (B, slots, side, side)"""
        return self.maps(observation).sigmoid()

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """The maps with their pixels moved. (B, slots, side, side)"""
        return move(trivial_of(self.latent.group, self.latent.slots), g, embedding)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """Maps to slots. (B, slots, side, side) -> (B, latent.width)"""
        each = embedding.flatten(0, 1).unsqueeze(1)
        found = self.head(self.lift(each).relu())
        return found.view(len(embedding), self.latent.width)
