"""`Centring`: takes what is usual off maps or latents, as the group allows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

_MOMENTUM = 0.1


class Centring(nn.Module):
    """x minus its mean: of the batch in training, of the batches before in evaluation.

    Batch normalisation without the scale (Ioffe, Szegedy, ICML 2015). The mean is averaged over
    the group's moves of the entries, so the layer commutes with them.

    Args:
        moves: Where the entries come from under each element: moved[g] = x[moves[g]]. One row that
            moves nothing leaves the mean as it is. (order, n)
    """

    moves: Tensor
    usual: Tensor

    def __init__(self, moves: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("moves", torch.from_numpy(np.array(moves)), persistent=False)
        self.register_buffer("usual", torch.zeros(np.shape(moves)[1]))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n) -> (B, n)"""
        mean = self.usual
        if self.training:
            mean = x.mean(0)[self.moves].mean(0)
            self.usual.lerp_(mean.detach(), _MOMENTUM)
        return x - mean
