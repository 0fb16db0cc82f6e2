"""Layer normalisation that commutes with permutations of the channels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .representation import Representation, RepresentationError

_EPSILON = 1e-5


class Norm(nn.Module):
    """Channels to mean 0 and variance 1, then one scale and one shift for each field.

    Layer normalisation (Ba, Kiros, Hinton, arXiv 1607.06450, eq. 3) with the affine part tied over
    the group. A permutation changes neither a mean nor a variance of the channels it permutes.

    Args:
        inside: How the group acts; it has to permute the channels.
        over: ``"vector"``: statistics of the whole vector; ``"field"``: of each field by itself,
            over the group, which keeps only how a field varies from element to element.

    Raises:
        RepresentationError: Some element mixes channels or changes a sign, or a field that should
            be normalised by itself has one channel.
    """

    def __init__(self, inside: Representation, over: Literal["vector", "field"] = "vector") -> None:
        super().__init__()
        if inside.permutation is None:
            raise RepresentationError(
                f"{inside} is not made of permuted channels alone, whose mean no element changes"
            )
        if over == "field" and any(piece.size == 1 for piece in inside.pieces):
            raise RepresentationError(f"{inside} has a field of one channel, its own mean")
        self.inside = self.outside = inside
        self.over = over
        copies = sum(piece.copies for piece in inside.pieces)
        self.weight = nn.Parameter(torch.ones(copies))
        self.bias = nn.Parameter(torch.zeros(copies))

    def _channels(self, values: Tensor) -> Tensor:
        """A value for each field, as one for each channel: copies, whose gradient is a sum."""
        parts, first = [], 0
        for piece in self.inside.pieces:
            own = values[first : first + piece.copies, None]
            parts.append(own.expand(-1, piece.size).reshape(-1))
            first += piece.copies
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised vectors. (..., width)"""
        weight, bias = self._channels(self.weight), self._channels(self.bias)
        if self.over == "vector":
            return functional.layer_norm(x, (self.inside.width,), weight, bias, _EPSILON)
        parts, start = [], 0
        for piece in self.inside.pieces:
            part = x[..., start : start + piece.width].unflatten(-1, (piece.copies, piece.size))
            parts.append(functional.layer_norm(part, (piece.size,), eps=_EPSILON).flatten(-2))
            start += piece.width
        return torch.cat(parts, dim=-1) * weight + bias
