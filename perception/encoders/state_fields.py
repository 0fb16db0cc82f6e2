"""`StateFields`: a task's raw state to regular fields."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...sim.seen import Seen
from ...sim.state_features import StateFeatures
from ...symmetry.declaration import Symmetry
from ...symmetry.layers.representation import regular
from ..latent import Latent
from ..world_models.equivariant_mlp import EquivariantMLP
from .encoder import Encoder, Sizes


class StateFields(Encoder):
    """Equivariant features of the state, then equivariant layers; S is the identity.

    Args:
        seen: The coordinates, with the task's whole symmetry.
        symmetry: The same restricted to the network's group.
        fields: Regular fields of the latent.
        sizes: Of the networks.
    """

    def __init__(
        self, seen: Seen, symmetry: Symmetry, fields: int = 4, sizes: Sizes | None = None
    ) -> None:
        super().__init__()
        s = sizes or Sizes()
        self.symmetry = symmetry
        self.latent = Latent(regular(symmetry.group, fields))
        self.features = StateFeatures(seen, symmetry)
        self.head = EquivariantMLP(
            self.features.representation,
            self.latent.representation,
            s.width,
            2,
            s.mode,
            s.banks,
        )

    def fit(self, states: np.ndarray) -> None:
        """Take mean and scale from the states of the training data. (N, n)"""
        self.features.fit(states)

    def embed(self, observation: Tensor) -> Tensor:
        """The states themselves. (B, n)"""
        return observation.float()

    def move(self, g: int, embedding: Tensor) -> Tensor:
        """Where the declared symmetry sends states. (B, n)"""
        moved = self.symmetry.act(g, state=embedding.detach().cpu().double().numpy())
        return torch.as_tensor(np.asarray(moved)).to(embedding)

    def encode_embedding(self, embedding: Tensor) -> Tensor:
        """(B, n) -> (B, latent.width)"""
        return self.head(self.features(embedding))
