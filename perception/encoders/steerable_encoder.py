"""`SteerableEncoder`: images on which the group's action is known, to regular fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ...symmetry.group import Group
from ...symmetry.layers.convolution import move
from ...symmetry.layers.image_encoder import ImageEncoder
from ...symmetry.layers.linear import Linear
from ...symmetry.layers.representation import regular, trivial_of
from ..latent import Latent
from .encoder import Encoder, Sizes


class SteerableEncoder(Encoder):
    """Moved pixels give the moved latent: a camera from straight above, a heightmap.

    Convolutions with filters tied by quarter turns and mirrors, then where each map is active
    (`symmetry.layers.image_encoder`). S is the identity: how the group acts on pixels is known.

    Args:
        group: Of quarter turns and mirrors.
        image: Channels, rows and columns.
        fields: Regular fields of the latent.
        sizes: Of the networks.
    """

    def __init__(
        self, group: Group, image: Sequence[int], fields: int = 4, sizes: Sizes | None = None
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.latent, self.channels = Latent(regular(group, fields)), image[0]
        hidden = max(1, s.width // group.order) * group.order
        self.images = ImageEncoder(
            group, image[0], image[1], hidden, s.mode, s.banks, maps=s.channels
        )
        inside = self.images.representation
        self.head = Linear(inside, self.latent.representation, s.mode, s.banks)

    def fit(self, images: np.ndarray) -> None:
        """Take mean and range from the images of the training data. (N, C, H, W)"""
        self.images.fit(images)

    def embed(self, observation: Tensor) -> Tensor:
        """The images themselves, as numbers. (B, C, H, W)"""
        return observation.float()

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """The images with their pixels moved. (B, C, H, W)"""
        return move(trivial_of(self.latent.group, self.channels), g, embedding)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, latent.width)"""
        return self.head(self.images(embedding))
