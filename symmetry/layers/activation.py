"""Activations that commute with the group: pointwise on permuted channels, by norm on others."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .representation import Representation, RepresentationError


class Pointwise(nn.Module):
    """One function on every channel, which commutes with permutations of the channels.

    Args:
        inside: How the group acts; it has to permute the channels (regular fields, scalars).
        function: Of one number; torch's, or a module.

    Raises:
        RepresentationError: Some element mixes channels or changes a sign.
    """

    def __init__(
        self, inside: Representation, function: Callable[[Tensor], Tensor] = functional.relu
    ) -> None:
        super().__init__()
        if inside.permutation is None:
            raise RepresentationError(
                f"a pointwise function does not commute with {inside}, whose channels are not "
                "permuted alone; use regular fields, or NormGate"
            )
        self.inside = self.outside = inside
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function of every channel. (..., width)"""
        return self.function(x)


class NormGate(nn.Module):
    """Each copy of each piece times a number between 0 and 1 that its length decides.

    y = x sigmoid(a |x| + b), with an a and a b for each copy: all matrices are orthogonal, so the
    length does not change. A norm activation (Worrall, Garbin, Turmukhambetov, Brostow, "Harmonic
    Networks", CVPR 2017; Weiler, Cesa, "General E(2)-Equivariant Steerable CNNs", NeurIPS 2019),
    for vectors and signs, on which no pointwise function commutes.

    Args:
        inside: How the group acts; any representation.
    """

    def __init__(self, inside: Representation) -> None:
        super().__init__()
        self.inside = self.outside = inside
        copies = sum(piece.copies for piece in inside.pieces)
        self.slope = nn.Parameter(torch.ones(copies))
        self.shift = nn.Parameter(torch.zeros(copies))

    def forward(self, x: Tensor) -> Tensor:
        """The gated vectors. (..., width)"""
        parts, start, first = [], 0, 0
        for piece in self.inside.pieces:
            part = x[..., start : start + piece.width].unflatten(-1, (piece.copies, piece.size))
            own = slice(first, first + piece.copies)
            length = torch.linalg.vector_norm(part, dim=-1)
            gate = torch.sigmoid(self.slope[own] * length + self.shift[own])
            parts.append((part * gate.unsqueeze(-1)).flatten(-2))
            start, first = start + piece.width, first + piece.copies
        return torch.cat(parts, dim=-1)
