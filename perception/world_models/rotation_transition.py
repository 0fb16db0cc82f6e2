"""`RotationTransition`: a latent that is a rotation matrix, turned by an action that is one."""

from __future__ import annotations

import torch
from torch import Tensor

from ...symmetry.group import Group
from ...symmetry.layers.linear import Mode
from ...symmetry.layers.representation import Representation
from ..latent import Latent
from .equivariant_mlp import EquivariantMLP, start_at_zero
from .transition import LatentTransition


def conjugation(group: Group) -> Representation:
    """How rotations act on a matrix, row by row, that is itself a rotation: a -> g a g^-1."""
    r = group.space
    return Representation(group, (r[:, :, None, :, None] * r[:, None, :, None, :]).reshape(
        group.order, 9, 9))  # fmt: skip


class RotationTransition(LatentTransition):
    """z' = a z, the product of matrices, on which all rotations act: (g a g^-1) (g z) = g (a z).

    There is nothing to learn in it (Park et al., ICML 2022, "MatMul"). ``relaxed`` adds a free
    network's correction, which starts at zero; ``free`` is that network alone, z + f(z, a).

    Args:
        latent: `matrix_representation`'s, column by column.
        width: Hidden channels of the network.
        mode: ``exact``, ``relaxed`` or ``free``.
    """

    def __init__(self, latent: Latent, width: int = 128, mode: Mode = "exact") -> None:
        super().__init__()
        self.latent, self.mode = latent, mode
        self.action = conjugation(latent.group)
        self.change = None
        if mode != "exact":
            inside = latent.whole + self.action
            self.change = EquivariantMLP(inside, latent.whole, width, 2, "free")
            start_at_zero(self.change)

    def next_latent(self, z: Tensor, a: Tensor) -> Tensor:
        """(B, 9) by columns, (B, 9) by rows -> (B, 9) by columns"""
        free = z if self.change is None else self.change(torch.cat([z, a], dim=-1))
        if self.mode == "free":
            return z + free
        columns, matrix = z.unflatten(-1, (3, 3)), a.unflatten(-1, (3, 3))
        turned = (columns @ matrix.mT).flatten(-2)
        return turned if self.change is None else turned + free
