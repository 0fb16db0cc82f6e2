"""`RotationEncoder`: an image to a rotation matrix, on which every rotation acts from the left."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.group import Group
from ...symmetry.layers.representation import Representation
from ..latent import Latent
from .encoder import Encoder, Sizes
from .feature_maps import FeatureMaps, Stage


def matrix_representation(group: Group) -> Representation:
    """How rotations act on the three columns of a matrix, from the left. Width 9."""
    return 3 * Representation(group, group.space)


class RotationEncoder(Encoder):
    """Two vectors of an ordinary network, made orthonormal; E is the identity.

    The latent is the matrix column by column, (x, y, x cross y): Gram-Schmidt commutes with
    rotations, so all of SO(3) acts on it exactly, the declared finite group among it. After Park et
    al. (ICML 2022), section on SO(3), and Zhou et al., "On the Continuity of Rotation
    Representations in Neural Networks" (CVPR 2019). In the mode ``free`` nine numbers come out as
    they are: an ordinary encoder.

    Args:
        group: Of rotations of space, such as O or I.
        image: Channels, rows and columns.
        stages: Convolutions: kernel, stride, padding of each.
        maps: Of the last of them.
        sizes: Of the networks.
    """

    def __init__(
        self,
        group: Group,
        image: Sequence[int],
        stages: Sequence[Stage] = ((4, 2, 1), (4, 2, 1), (4, 2, 1)),
        maps: int = 32,
        sizes: Sizes | None = None,
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.free = s.mode == "free"
        self.latent = Latent(matrix_representation(group))
        self.maps = FeatureMaps(group, image, maps, stages, s.channels, normalised=False)
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Flatten(),
            nn.BatchNorm1d(maps * self.maps.side**2),  # without it training stands still at first
            nn.Linear(maps * self.maps.side**2, s.width),
            nn.ReLU(),
            nn.Linear(s.width, 9 if self.free else 6),
        )

    def embed(self, observation: Tensor) -> Tensor:
        """Images to two vectors, in the mode free to three. (B, C, H, W) -> (B, 6 or 9)"""
        return self.head(self.maps(observation))

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """The vectors turned. (B, 6 or 9)"""
        matrix = embedding.new_tensor(self.latent.group.space[g])
        return (embedding.unflatten(-1, (-1, 3)) @ matrix.T).flatten(-2)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """Two vectors to the columns of a rotation matrix. (B, 6) -> (B, 9)"""
        if self.free:
            return embedding
        return gram_schmidt(embedding.unflatten(-1, (2, 3))).flatten(-2)


def gram_schmidt(vectors: Tensor) -> Tensor:
    """The columns of the rotation that two vectors say. (..., 2, 3) -> (..., 3, 3), row a column"""
    x = functional.normalize(vectors[..., 0, :], dim=-1)
    y = vectors[..., 1, :]
    y = functional.normalize(y - (x * y).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-2)
