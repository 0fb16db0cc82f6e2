"""`ObjectSlots`: an image to one map for each object, and each map by one encoder to its slot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from ...symmetry.group import Group
from ...symmetry.layers.banks import moved_channels
from ...symmetry.layers.convolution import image_sources, move
from ...symmetry.layers.flatten import FlattenLinear
from ...symmetry.layers.representation import regular, trivial_of
from ..latent import Latent
from ..world_models.equivariant_mlp import EquivariantMLP, hidden_fields
from .centring import Centring
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
        centred: Whether what is usual is taken off maps and slots. A map's background, and the
            constant that it becomes in a slot, else outweigh what an object's place changes, and a
            transition hears next to nothing of that.
    """

    def __init__(
        self,
        group: Group,
        image: Sequence[int],
        slots: int,
        fields: int = 2,
        stages: Sequence[Stage] = ((10, 10, 0), (1, 1, 0)),
        sizes: Sizes | None = None,
        centred: bool = False,
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.latent = Latent(regular(group, fields), slots)
        self.maps = FeatureMaps(group, image, slots, stages, s.channels, s.pixels)
        hidden = hidden_fields(self.latent.representation, s.width)
        self.lift = FlattenLinear(trivial_of(group), hidden, self.maps.side, s.mode, s.banks)
        self.head = EquivariantMLP(hidden, self.latent.representation, s.width, 1, s.mode, s.banks)
        self.usual_maps, self.usual_slot = nn.Identity(), nn.Identity()
        if centred:
            pixels = image_sources(trivial_of(group, slots), self.maps.side)
            channels = moved_channels(self.latent.representation)
            self.usual_maps = Centring(pixels if s.pixels == "moved" else _still(pixels))
            self.usual_slot = Centring(_still(channels) if s.mode == "free" else channels)

    def embed(self, observation: Tensor) -> Tensor:
        """Images to maps, of values 1 apart at most. (B, C, H, W) -> (B, slots, side, side)"""
        maps = self.maps(observation).sigmoid()
        return self.usual_maps(maps.flatten(1)).view_as(maps)

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """The maps with their pixels moved. (B, slots, side, side)"""
        return move(trivial_of(self.latent.group, self.latent.slots), g, embedding)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """Maps to slots. (B, slots, side, side) -> (B, latent.width)"""
        each = embedding.flatten(0, 1).unsqueeze(1)
        found = self.usual_slot(self.head(self.lift(each).relu()))
        return found.view(len(embedding), self.latent.width)


def _still(moves: np.ndarray) -> np.ndarray:
    """As many entries, none of which is moved. (order, n) -> (1, n)"""
    return np.arange(moves.shape[1])[None]
