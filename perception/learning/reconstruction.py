"""`Reconstruction`: the same latents and predictions, held to the frames that they decode to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from ..world_models.decoder import Decoder
from .losses import energy
from .sen import SEN


class Reconstruction(SEN):
    """An autoencoder whose predicted latents decode to the next frame.

    L = |D(z) - o|^2 + |D(z + T(z, a)) - o'|^2 over the frames' mean variance, and `latent_weight`
    times H(z + T(z, a), E(S(o'))). The second way of Kipf et al. (ICLR 2020, section 3) to train a
    latent model, beside the contrastive one; the decoder knows no group.
    """

    @dataclass(frozen=True, kw_only=True)
    class Parameters(SEN.Parameters):
        """Of a training by reconstruction."""

        usual: ClassVar[str] = "rush_hour"

        latent_weight: float = 0.1
        """Of the distance of a prediction from the latent of what followed."""

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.latent_weight < 0:
                raise ValueError(f"latent_weight: {self.latent_weight} must not be negative")

    @classmethod
    def decoder_of(cls, width: int, frame: tuple[int, int, int], p: Any) -> Decoder:
        """An ordinary one."""
        return Decoder(width, frame, p.width)

    def objective(
        self,
        z: Tensor,
        predicted: Tensor,
        following: Tensor,
        before: Tensor,
        after: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Both frames, and the latent that the prediction should be. ()"""
        decode = self.model.decoder
        assert decode is not None
        spread = before.float().var((0, 2, 3)).mean().clamp_min(1.0)
        loss = (decode(z) - before).square().mean() + (decode(predicted) - after).square().mean()
        near = energy(predicted, following, self.model.latent.slots).mean()
        return loss / spread + self.parameters.latent_weight * near
