"""Equivariant flatten: from feature maps to vectors of regular fields, without pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..pixels import Frame, PixelError
from .banks import Banks
from .convolution import image_sources
from .linear import Mode
from .representation import Representation, regular


class Flatten(nn.Module):
    """Stacks {h^-1 I : h in G} of a feature map I on the group's axis, so that no place is lost.

    Channel ``j * order + h`` is entry j of h^-1 I, its pixels and its channels moved. Of the map
    g I this is entry j of (g^-1 h)^-1 I: g moves channel h to gh, so each entry has become a
    regular field (called action restriction by Wang et al., "The Surprising Effectiveness of
    Equivariant Models in Domains with Latent Symmetry", ICLR 2023).

    Args:
        inside: How the group acts on the channels of the map.
        side: Pixels on a side of it.
        frame: Whose axes the images have.

    Raises:
        PixelError: The group holds more than quarter turns and mirrors.
        RepresentationError: `inside` is not made of channels that change places.
    """

    sources: Tensor

    def __init__(self, inside: Representation, side: int, frame: Frame = "world") -> None:
        super().__init__()
        self.inside, self.side = inside, side
        self.outside = regular(inside.group, inside.width * side * side)
        back = image_sources(inside, side, frame)[inside.group.inverse]  # of h^-1
        self.register_buffer("sources", torch.tensor(back.T.reshape(-1)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside.width, side, side) -> (B, outside.width)

        Raises:
            PixelError: The map has another size.
        """
        check_side(x, self.side)
        return x.flatten(1)[:, self.sources]

    def export(self) -> nn.Module:
        """The same as a choice of entries, which knows no group."""
        return Chosen(self.sources)


class Chosen(nn.Module):
    """Entries of a flattened array, in a fixed order."""

    entries: Tensor

    def __init__(self, entries: Tensor) -> None:
        super().__init__()
        self.register_buffer("entries", entries.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, n)"""
        return x.flatten(1)[:, self.entries]


class FlattenLinear(Banks):
    """`Flatten` and the linear layer behind it, in one matrix of the map's own size.

    All copies h^-1 I hold the same numbers, so a linear map onto regular fields needs but one: y_h
    = psi . h^-1 I is every equivariant map, at 1 / order of the parameters and of the work that
    the two layers would take.

    Args:
        inside: How the group acts on the channels of the map.
        outside: Regular fields.
        side: Pixels on a side of the map.
        mode: ``exact``, ``relaxed`` or ``free``; see `Banks`.
        banks: Of the relaxed mode.
        bias: Whether there is one.
        frame: Whose axes the images have.

    Raises:
        PixelError: The group holds more than quarter turns and mirrors.
        RepresentationError: `inside` is not made of channels that change places, or `outside` not
            of regular fields.
    """

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        side: int,
        mode: Mode = "exact",
        banks: int = 2,
        bias: bool = True,
        frame: Frame = "world",
    ) -> None:
        super().__init__(inside, outside, image_sources(inside, side, frame), mode, banks, bias)
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside.width, side, side) -> (B, outside.width)

        Raises:
            PixelError: The map has another size.
        """
        check_side(x, self.side)
        return functional.linear(x.flatten(1), self.matrix(), self.bias())

    def export(self) -> nn.Sequential:
        """The layer as it stands as `nn.Flatten` and `nn.Linear`, which know no group."""
        inputs = self.inside.width * self.side**2
        plain = nn.Linear(inputs, self.outside.width, self.shifts is not None)
        plain = plain.to(self.filters.device, self.filters.dtype)
        self.fill(plain)
        return nn.Sequential(nn.Flatten(), plain)


def check_side(x: Tensor, side: int) -> None:
    """Hold feature maps (B, C, H, W) to a size.

    Raises:
        PixelError: They have another.
    """
    if tuple(x.shape[-2:]) != (side, side):
        height, width = x.shape[-2:]
        raise PixelError(
            f"the feature map is {height} x {width}; this layer is for {side} x {side}"
        )
