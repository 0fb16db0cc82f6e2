"""`Correction`: what was foretold of a latent, corrected by what is seen of it."""

from __future__ import annotations

from torch import Tensor, nn

from ...symmetry.layers.linear import Linear


class Correction(nn.Module):
    """z = foretold + (share + K) (seen - foretold), with a K that commutes with the group.

    A Kalman filter in its steady state (R. Kalman, "A New Approach to Linear Filtering and
    Prediction Problems", 1960), whose gain is learned instead of computed from covariances.

    Args:
        share: Of the identity.
        gain: K, without a bias.
    """

    def __init__(self, share: float, gain: Linear) -> None:
        super().__init__()
        self.share, self.gain = share, gain

    def forward(self, foretold: Tensor, seen: Tensor) -> Tensor:
        """(B, w), (B, w) -> (B, w)"""
        apart = seen - foretold
        return foretold + self.share * apart + self.gain(apart)
