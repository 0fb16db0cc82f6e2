"""`ToldFeatures`: what a state model would look at, of the state that a latent tells."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...sim.state_features import StateFeatures, multiple
from ...symmetry.layers.representation import Representation, trivial_of
from ..encoders.told_state import ToldState
from .state_model import HARMONICS

UNSURE = 0.1
"""Length of a told direction below which it counts for little: nobody has said which way."""


class ToldFeatures(nn.Module):
    """Equivariant features of told coordinates: features(rho(g) y) = rho'(g) features(y).

    Points from each other and near each other, and directions by their harmonics, as
    `StateFeatures` has them; a joint's own angle by its harmonics only. No angle is taken of a
    direction, which is a smooth function of the numbers nowhere near none.

    Args:
        told: Whose numbers these are.
    """

    def __init__(self, told: ToldState) -> None:
        super().__init__()
        declared, group = told.seen.symmetry, told.symmetry.group
        _, _, angles = declared.affine("state")
        used, _, _ = told.symmetry.affine("state")
        self.features = StateFeatures(told.seen, told.symmetry)
        self.representation = self.features.representation
        """How the group acts on the features."""
        self.width, self.linear = told.seen.width, told.linear.tolist()
        pair = {i: k for k, i in enumerate(told.direct)}
        self.directions = [pair[int(i)] for i in self.features.directions]
        self.joints = [i for i in told.direct if not angles[i]]
        self.turning = [pair[i] for i in self.joints]
        for i in self.joints:
            one = Representation(group, used[:, i, i][:, None, None])
            for _ in HARMONICS:
                self.representation = self.representation + trivial_of(group) + one

    def fit(self, states: np.ndarray) -> None:
        """Take the statistics from the training data. (N, k)"""
        seen = np.array(states, float)
        seen[:, self.joints] = 0.0
        self.features.fit(seen)

    def forward(self, coordinates: Tensor, directions: Tensor) -> Tensor:
        """Of what is told, in units, and of (cos, sin) as they are told.

        (B, l), (B, 2 d) -> (B, representation.width)
        """
        columns = dict(zip(self.linear, coordinates.unbind(1), strict=True))
        rows = [
            columns[i] if i in columns else torch.zeros_like(directions[:, 0])
            for i in range(self.width)
        ]
        pairs = directions.unflatten(1, (-1, 2))
        pairs = pairs / torch.sqrt(pairs.square().sum(-1, keepdim=True) + UNSURE**2)
        found = [self.features.of_directions(torch.stack(rows, 1), pairs[:, self.directions])]
        for i in self.turning:
            found += [multiple(pairs[:, i], k) for k in HARMONICS]
        return torch.cat(found, dim=1)
