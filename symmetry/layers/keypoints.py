"""`Keypoints`: where on an image each feature map is active, as regular fields."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..pixels import Frame, image_plane
from .flatten import check_side
from .representation import Representation, RepresentationError, regular


class Keypoints(nn.Module):
    """The mean place of each feature map under its softmax over the pixels, and its mean value.

    The spatial softmax of Levine, Finn, Darrell, Abbeel, "End-to-End Training of Deep Visuomotor
    Policies" (JMLR 2016, section 5.1). The place p of channel h is told in the frame that h has
    turned, as h^-1 p: of a moved image channel gh has the place g p, and (gh)^-1 g p = h^-1 p, so
    that both coordinates are regular fields. No entry of an image is lost to pooling, and a place
    is told more finely than by pixels.

    Args:
        inside: Regular fields.
        side: Pixels on a side of the maps.
        frame: Whose axes the images have.

    Raises:
        RepresentationError: `inside` holds more than regular fields.
    """

    coordinates: Tensor

    def __init__(self, inside: Representation, side: int, frame: Frame = "world") -> None:
        super().__init__()
        if not inside.fields:
            raise RepresentationError(f"keypoints are read off regular fields, not off {inside}")
        self.inside, self.side = inside, side
        self.outside = regular(inside.group, 3 * inside.fields)
        """x of all fields, y of all fields (1 at the edge of the image), values of all fields."""
        rows, columns = np.mgrid[0:side, 0:side] - 0.5 * (side - 1)
        at = np.stack([columns, -rows], axis=-1).reshape(-1, 2) / (0.5 * side)
        turned = np.stack([at @ plane for plane in image_plane(inside.group, frame)])  # h^-1 p
        coordinates = torch.tensor(turned.transpose(2, 0, 1)).float()  # (2, order, pixels)
        self.register_buffer("coordinates", coordinates, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside.width, side, side) -> (B, outside.width)

        Raises:
            PixelError: The maps have another size.
        """
        check_side(x, self.side)
        return places(x, self.coordinates)

    def export(self) -> nn.Module:
        """The same as a plain module, which knows no group."""
        return Places(self.coordinates)


class Places(nn.Module):
    """Mean places and values of feature maps, in given coordinates."""

    coordinates: Tensor

    def __init__(self, coordinates: Tensor) -> None:
        super().__init__()
        self.register_buffer("coordinates", coordinates.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, n, n) -> (B, 3 C)"""
        return places(x, self.coordinates)


def places(x: Tensor, coordinates: Tensor) -> Tensor:
    """(B, C, n, n), (2, order, n n) -> (B, 3 C)"""
    maps = x.flatten(2)
    shares = maps.softmax(dim=-1)
    fields = shares.unflatten(1, (-1, coordinates.shape[1]))  # (B, fields, order, pixels)
    across, up = ((fields * c).sum(dim=-1).flatten(1) for c in coordinates)
    return torch.cat([across, up, (shares * maps).sum(dim=-1)], dim=1)
