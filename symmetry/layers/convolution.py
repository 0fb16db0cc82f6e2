"""`Convolution`: 1x1 and spatial group convolutions on square images, and pooling that commutes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..group import Group
from ..pixels import Frame, PixelError, image_plane, pixel_sources
from .banks import Banks, moved_channels
from .linear import Mode
from .representation import Representation


class Convolution(Banks):
    """A convolution of images whose pixels the group permutes, onto regular fields.

    From channels that no element changes it is the lifting convolution, from regular fields the
    group convolution (Cohen, Welling, "Group Equivariant Convolutional Networks", ICML 2016,
    eqs. 10 and 11): filter h is the field's filter, its pixels turned and its channels moved by h.
    Quarter turns and mirrors of a filter are permutations of its entries, so nothing is
    interpolated, and the layer is equivariant up to rounding.

    Args:
        inside: How the group acts on the channels of the input.
        outside: Regular fields.
        kernel: Pixels on a side of a filter; 1 is a map at each pixel.
        stride: Pixels from one place of the filter to the next.
        padding: Rows of zeros around the image; None keeps its size (at stride 1).
        mode: ``exact``, ``relaxed`` or ``free``; see `Banks`.
        banks: Of the relaxed mode.
        bias: Whether there is one.
        frame: Whose axes the images have.

    Raises:
        PixelError: The group holds more than quarter turns and mirrors, or the kernel is even and
            no padding is given.
        RepresentationError: `inside` is not made of channels that change places, or `outside` not
            of regular fields.
    """

    def __init__(
        self,
        inside: Representation,
        outside: Representation,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        mode: Mode = "exact",
        banks: int = 2,
        bias: bool = True,
        frame: Frame = "world",
    ) -> None:
        if padding is None and kernel % 2 == 0:
            raise PixelError(f"kernel: {kernel} is even, so padding must be given")
        super().__init__(inside, outside, image_sources(inside, kernel, frame), mode, banks, bias)
        self.kernel, self.stride = kernel, stride
        self.frame: Frame = frame
        self.padding = kernel // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        """Images to feature maps. (B, inside.width, H, W) -> (B, outside.width, H', W')

        Raises:
            PixelError: Of this size the places of the filter are not symmetric; only if the mode
                is not `free`.
        """
        if self.mode != "free":
            check_size(
                self.inside.group, x.shape, self.kernel, self.stride, self.padding, self.frame
            )
        weight = self.matrix().view(-1, self.inside.width, self.kernel, self.kernel)
        return functional.conv2d(x, weight, self.bias(), self.stride, self.padding)

    def export(self) -> nn.Conv2d:
        """The layer as it stands as an ordinary `nn.Conv2d`, which knows no group."""
        plain = nn.Conv2d(
            self.inside.width,
            self.outside.width,
            self.kernel,
            self.stride,
            self.padding,
            bias=self.shifts is not None,
        ).to(self.filters.device, self.filters.dtype)
        self.fill(plain)
        return plain


class MaxPool(nn.Module):
    """The largest value of each square of pixels, channel by channel; commutes with pixel moves.

    Args:
        group: The group that moves the pixels.
        size: Pixels on a side of a square.
        frame: Whose axes the images have.
    """

    def __init__(self, group: Group, size: int = 2, frame: Frame = "world") -> None:
        super().__init__()
        self.group, self.size = group, size
        self.frame: Frame = frame

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / size, W / size)

        Raises:
            PixelError: The squares do not tile an image of this size.
        """
        check_size(self.group, x.shape, self.size, self.size, 0, self.frame)
        return functional.max_pool2d(x, self.size)

    def export(self) -> nn.MaxPool2d:
        """The same from torch."""
        return nn.MaxPool2d(self.size)


def image_sources(inside: Representation, side: int, frame: Frame = "world") -> np.ndarray:
    """Where an image's entries come from when it is moved: moved[g] = image[sources[g]].

    Args:
        inside: How the group acts on the channels.
        side: Pixels on a side.
        frame: Whose axes the image has.

    Returns:
        (order, width * side * side), flat indices, channel by channel.

    Raises:
        PixelError: Some element does not permute pixels.
        RepresentationError: Some element mixes channels.
    """
    channels, pixels = moved_channels(inside), pixel_sources(inside.group, side, frame)
    sources = channels[:, :, None] * side * side + pixels[:, None, :]
    return sources.reshape(inside.group.order, -1)


def move(inside: Representation, g: int, x: Tensor, frame: Frame = "world") -> Tensor:
    """Where element g sends images or feature maps, pixels and channels. (B, width, n, n)"""
    sources = torch.from_numpy(image_sources(inside, x.shape[-1], frame)[g]).to(x.device)
    return x.flatten(1)[:, sources].view_as(x)


def check_size(
    group: Group,
    shape: tuple[int, ...],
    kernel: int,
    stride: int,
    padding: int,
    frame: Frame = "world",
) -> None:
    """Hold the size of images (..., H, W) to what a strided filter maps onto itself.

    Raises:
        PixelError: Moved, the places of the filter would be others; one line.
    """
    if group.order == 1:
        return
    height, width = shape[-2:]
    if height != width and np.any(np.abs(image_plane(group, frame)[:, 0, 1]) > 0.5):
        raise PixelError(f"images are {height} x {width}; {group.name} needs square ones")
    for size in (height, width):
        if (size + 2 * padding - kernel) % stride:
            raise PixelError(
                f"images of {size} pixels do not map onto themselves under a filter of {kernel} "
                f"with stride {stride} and padding {padding}; take "
                f"{size - (size + 2 * padding - kernel) % stride} pixels, or stride 1"
            )
