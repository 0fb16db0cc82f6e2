"""`StateHead`: the coordinates of a task's state that a latent tells."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ...sim.task import Task
from ...symmetry.layers.linear import Mode
from ..encoders.told_state import ToldState
from ..latent import Latent
from .equivariant_mlp import EquivariantMLP


class StateHead(ToldState):
    """Equivariant layers from a latent to declared parts of a state.

    A moved latent tells the moved state.

    Args:
        task: Whose state.
        places: The coordinates that are told, whole parts. (k)
        source: The latent, under the pixels' part of the symmetry `word`.
        word: Which of the task's symmetry.
        width: Hidden channels, whatever the group.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
    """

    def __init__(
        self,
        task: Task,
        places: Sequence[int],
        source: Latent,
        word: str = "full",
        width: int = 128,
        mode: Mode = "exact",
        banks: int = 2,
    ) -> None:
        super().__init__(task, places, word)
        self.network = EquivariantMLP(source.whole, self.latent.whole, width, 2, mode, banks)

    def forward(self, z: Tensor) -> Tensor:
        """Latents to coordinates of the state, SI units. (B, width) -> (B, k)"""
        return self.decode(self.network(z))

    def tells(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates in units, and (cos, sin) of directions, raw.

        (B, width) -> (B, l), (B, 2 d)
        """
        numbers = self.network(z)
        return self.in_units(numbers), numbers[:, self.linear.shape[0] :]

    def loss(self, z: Tensor, states: Tensor) -> Tensor:
        """Squared error of the numbers, over all of them. (B, width), (B, k) -> ()"""
        return (self.network(z) - self.encode(states)).square().mean()
