"""`FeatureMaps`: convolutions from images to maps on the plane, free or tied by moves of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...symmetry.group import Group
from ...symmetry.layers.convolution import Convolution
from ...symmetry.layers.linear import Mode
from ...symmetry.layers.representation import Representation, regular, trivial_of
from ...symmetry.layers.steerable import FieldBatchNorm

Pixels = Literal["learned", "moved"]
"""Whether the group's action on pixels is learned, or taken to be moves of the pixels."""
Stage = tuple[int, int, int]
"""Kernel, stride and padding of a convolution."""
_LOUDER = 5.0
"""How much louder a difference of frames is than a frame."""


class FeatureMaps(nn.Module):
    """Images to scalar maps: what the group does to a map is to move its pixels.

    ``learned`` is an ordinary network, of which that is only declared. ``moved`` makes it true for
    moves of the image's own pixels: right for a camera that looks straight down, wrong (extrinsic)
    for any other; the last maps are then means over the group.

    Args:
        group: The group; for ``moved`` one of quarter turns and mirrors.
        image: Channels, rows and columns; square.
        maps: How many come out.
        stages: The convolutions, with ReLU between them.
        channels: Of the hidden maps, whatever the group.
        pixels: ``learned`` or ``moved``.
        normalised: Whether batch normalisation follows each hidden convolution.
        looks: Frames that lie on each other in an image, the latest last. Of the earlier ones it
            sees how they differ from it, louder: what moved shows in few values, and little, and
            among two frames as they are it was not found.

    Attributes:
        side: Pixels on a side of the maps.

    Raises:
        ValueError: The image is not square.
    """

    def __init__(
        self,
        group: Group,
        image: Sequence[int],
        maps: int,
        stages: Sequence[Stage],
        channels: int = 16,
        pixels: Pixels = "learned",
        normalised: bool = True,
        looks: int = 1,
    ) -> None:
        super().__init__()
        if image[1] != image[2]:
            raise ValueError(f"images of {image[1]} x {image[2]} pixels; they must be square")
        self.group, self.maps, self.pixels, self.side = group, maps, pixels, image[1]
        self.looks = looks
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        inside = trivial_of(group, image[0])
        for stage, (kernel, stride, padding) in enumerate(stages):
            last = stage == len(stages) - 1
            outside = trivial_of(group, maps if last else channels)
            if pixels == "moved":
                outside = regular(group, maps if last else max(1, channels // group.order))
            self.convolutions.append(_convolution(inside, outside, kernel, stride, padding))
            if not last:
                self.norms.append(batch_norm(outside) if normalised else nn.Identity())
            self.side = (self.side + 2 * padding - kernel) // stride + 1
            inside = outside

    def forward(self, images: Tensor) -> Tensor:
        """Bytes or their values to maps. (B, C, H, W) -> (B, maps, side, side)"""
        # Channels last: few channels of many pixels are convolved two to four times as fast so.
        x = images.to(torch.float32, copy=True, memory_format=torch.channels_last).mul_(1.0 / 255.0)
        if self.looks > 1:
            *earlier, last = x.chunk(self.looks, dim=1)
            for frame in earlier:
                frame.sub_(last).mul_(_LOUDER)
        for convolution, norm in zip(self.convolutions[:-1], self.norms, strict=True):
            x = functional.relu(norm(convolution(x)))
        x = self.convolutions[-1](x)
        if self.pixels == "moved":
            x = x.unflatten(1, (self.maps, self.group.order)).mean(2)
        return x


def batch_norm(outside: Representation, mode: Mode = "exact") -> nn.Module:
    """Of feature maps: without it latents hardly differ at first, and training stands still."""
    return FieldBatchNorm(outside, mode) if outside.fields else nn.BatchNorm2d(outside.width)


def _convolution(
    inside: Representation, outside: Representation, kernel: int, stride: int, padding: int
) -> nn.Module:
    """Free where the output is scalar maps; starts with variance 2 / inputs, for ReLU."""
    if outside.fields and outside.group.order > 1:
        made: nn.Module = Convolution(inside, outside, kernel, stride, padding)
        with torch.no_grad():
            made.filters.mul_(math.sqrt(6.0))  # type: ignore[operator]
        return made
    plain = nn.Conv2d(inside.width, outside.width, kernel, stride, padding)
    nn.init.kaiming_normal_(plain.weight, nonlinearity="relu")
    return plain
