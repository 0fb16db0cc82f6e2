"""`Decoder`: a latent to the image that it was encoded from, by an ordinary network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

_FACTORS = (8, 10, 4, 5, 2, 1)


class Decoder(nn.Module):
    """A hidden layer, a small map and one transposed convolution; it knows no group.

    Args:
        width: Of the latent.
        image: Channels, rows and columns; square.
        hidden: Channels of the hidden layer.
        maps: Of the small map.
    """

    def __init__(self, width: int, image: Sequence[int], hidden: int = 128, maps: int = 16) -> None:
        super().__init__()
        factor = next(f for f in _FACTORS if image[1] % f == 0)
        side = image[1] // factor
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Linear(hidden, maps * side * side),
            nn.Unflatten(1, (maps, side, side)),
            nn.ReLU(),
            nn.ConvTranspose2d(maps, image[0], factor, factor),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Latents to images of values 0 .. 255. (B, width) -> (B, C, H, W)"""
        return 255.0 * self.layers(z).sigmoid()
