"""`ForwardModel`: which state comes after a state and an action, learned from demonstrations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...sim.seen import Seen
from ...symmetry.declaration import Symmetry
from ...symmetry.layers.linear import Mode
from .backwards_model import Gaussian, TransitionModel


class ForwardModel(TransitionModel):
    """s' - s as a Gaussian of s and a, equivariant by the same word as the backwards model.

    It judges what that one imagines: a transition that it does not lead back to is not believed.

    Args:
        seen: The coordinates of the state, with the task's whole symmetry.
        symmetry: The same under the group that the model has.
        mode: How strictly.
        width: Hidden channels.
        depth: Hidden layers.
    """

    def __init__(
        self, seen: Seen, symmetry: Symmetry, mode: Mode = "free", width: int = 128, depth: int = 3
    ) -> None:
        super().__init__(seen, symmetry)
        self.difference = Gaussian(
            self.given, self.states, self.state_blocks, mode, width, depth, self.acted
        )

    def loss(self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray) -> Tensor:
        """For transitions. (N, n), (N, m), (N, n) -> ()"""
        given = self.joined(self.feature(state), self.unit(action))
        return self.difference.loss(given, self.steps(next_state, state))

    @torch.no_grad()
    def next_state(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The mean. (N, n), (N, m) -> (N, n), not wrapped"""
        moved, _ = self.difference(self.joined(self.feature(state), self.unit(action)))
        return np.asarray(state, float) + (moved * self.scale).double().cpu().numpy()
