"""`ImageEncoder`: from images as published to regular fields, equivariant to moves of pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..group import Group
from ..pixels import Frame, PixelError
from .convolution import Convolution
from .keypoints import Keypoints
from .linear import Linear, Mode
from .representation import regular, trivial_of

SMALLEST, LARGEST = 6, 16
"""Pixels on a side of the last feature map."""


class ImageEncoder(nn.Module):
    """Convolutions that halve the side down to 16 pixels, then where each feature map is active.

    For 64 pixels: 64 -> 32 with filters of 6 pixels, -> 16 with filters of 4, one more of 3, then
    `Keypoints` and a linear layer. An even filter with stride 2 maps an even side onto itself, so
    that is exact, and costs a third of convolutions with pooling between them. Hidden channels are
    regular fields of the group, as many in all whatever the group, so the modes have equal width.
    A moved image gives the moved output: channel h of a field goes to channel gh.

    Args:
        group: One whose elements permute pixels: ``symmetry.restrict(pixel_subgroup(symmetry))``.
        channels: Of the image: 1 for heights or distances, 3 for colours.
        size: Pixels on a side.
        width: Channels of the output, a multiple of the group's order.
        mode: ``exact``, ``relaxed`` or ``free``.
        banks: Of the relaxed mode.
        frame: ``world``, or ``hand`` for an image that goes with the gripper.
        maps: Feature maps of the first convolutions, whatever the group; the last has twice as
            many.

    Raises:
        PixelError: The group holds more than quarter turns and mirrors, or images of this size
            cannot be halved down to a small map.
        ValueError: The width is no multiple of the order.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        group: Group,
        channels: int,
        size: int = 64,
        width: int = 128,
        mode: Mode = "exact",
        banks: int = 2,
        frame: Frame = "world",
        maps: int = 32,
    ) -> None:
        super().__init__()
        if width % group.order:
            raise ValueError(f"width: {width} is no multiple of the {group.order} of {group.name}")
        self.representation = regular(group, width // group.order)
        self.register_buffer("centre", torch.zeros(channels, 1, 1))
        self.register_buffer("scale", torch.ones(channels, 1, 1))
        halvings, side = _halvings(size), size
        self.convolutions = nn.ModuleList()
        inside = trivial_of(group, channels)
        for stage in range(halvings + 1):
            wanted = maps if stage < halvings else 2 * maps
            outside = regular(group, max(1, wanted // group.order))
            kernel, stride, padding = (3, 1, 1)
            if stage < halvings:
                kernel, stride, padding = (6, 2, 2) if stage == 0 else (4, 2, 1)
                side //= 2
            self.convolutions.append(
                Convolution(inside, outside, kernel, stride, padding, mode, banks, frame=frame)
            )
            inside = outside
        with torch.no_grad():  # variance 2 / inputs, for ReLU (He et al., ICCV 2015, eq. 10)
            for convolution in self.convolutions:
                convolution.filters.mul_(math.sqrt(6.0))  # type: ignore[operator]
        self.keypoints = Keypoints(inside, side, frame)
        self.linear = Linear(self.keypoints.outside, self.representation, mode, banks)

    def fit(self, images: Any) -> None:
        """Set what is taken off and what is multiplied, a number each for every channel.

        Args:
            images: Those of the training, as published: an array or a tensor. (N, C, H, W)
        """
        seen = torch.as_tensor(np.asarray(images[:: max(1, len(images) // 2000)])).float()
        low, high = seen.amin((0, 2, 3)), seen.amax((0, 2, 3))
        span = torch.where(high > low, high - low, torch.full_like(high, 4.0))
        self.centre.copy_(seen.mean((0, 2, 3)).view_as(self.centre))
        self.scale.copy_((4.0 / span).view_as(self.scale))

    def forward(self, images: Tensor) -> Tensor:
        """Images as published to regular fields. (B, C, H, W) -> (B, width)"""
        x = (images - self.centre) * self.scale
        last = len(self.convolutions) - 1
        for stage, convolution in enumerate(self.convolutions):
            x = convolution(x) if stage == last else functional.relu(convolution(x))
        return functional.relu(self.linear(self.keypoints(x)))

    def penalty(self) -> Tensor:
        """Of the relaxed layers, the mean. ()"""
        layers = [*self.convolutions, self.linear]
        return torch.stack([layer.penalty() for layer in layers]).mean()  # type: ignore[operator]

    def drift(self) -> dict[str, float]:
        """How far each layer is from the nearest equivariant one, relative; 0 for exact ones."""
        layers = {f"convolution_{i}": layer for i, layer in enumerate(self.convolutions)}
        layers["linear"] = self.linear
        return {name: layer.drift() for name, layer in layers.items()}  # type: ignore[operator]

    def export(self) -> nn.Sequential:
        """The encoder as it stands in torch's own layers, which know no group."""
        made: list[nn.Module] = [Affine(self.centre, self.scale)]
        for convolution in self.convolutions:
            made += [convolution.export(), nn.ReLU()]  # type: ignore[operator]
        made[-1] = self.keypoints.export()  # instead of the last one's ReLU
        return nn.Sequential(*made, self.linear.export(), nn.ReLU())


class Affine(nn.Module):
    """(x - centre) * scale, channel by channel.

    Not part of the first convolution, whose padding is zero behind it, not before.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, centre: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre.clone())
        self.register_buffer("scale", scale.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)"""
        return (x - self.centre) * self.scale


def _halvings(size: int) -> int:
    """How often a side is halved.

    Raises:
        PixelError: It is odd before it is small.
    """
    side, count = size, 0
    while side > LARGEST and side % 2 == 0:
        side, count = side // 2, count + 1
    if not SMALLEST <= side <= LARGEST:
        raise PixelError(
            f"images of {size} pixels: halving gives {side}, which is not within {SMALLEST} and "
            f"{LARGEST}; take 64, or another multiple of a power of two"
        )
    return count
