"""How equivariant an encoder is: the embedding's error, and the distance-invariance error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..encoders.encoder import Encoder


def embedding_error(encoder: Encoder, still: Tensor, moved: Sequence[Tensor]) -> float:
    """EE: mean over elements of |move(g, S(x)) - S(g x)|, over the mean |S(x)|.

    Park et al., "Learning Symmetric Embeddings for Equivariant World Models" (ICML 2022, section
    5). Alone it misleads: it tells of the declared action only, and not whether E heeds it.

    Args:
        encoder: With S.
        still: Observations. (N, ...)
        moved: Observations of the moved scenes, for each element but the first. (N, ...) each
    """
    if not moved:
        return 0.0
    y = encoder.embed(still)
    size = _size(y)
    errors = [_size(encoder.move(g, y) - encoder.embed(x)) for g, x in enumerate(moved, 1)]
    return float(np.mean(errors) / max(size, 1e-12))


def distance_error(z: Tensor, moved: Sequence[Tensor]) -> float:
    """DIE: mean over elements of | |z - z'| - |f(g s) - f(g s')| |, over the mean |z|.

    It needs no declared action, so it tells of ordinary networks too. The pairs are each latent and
    the next one in the batch.

    Args:
        z: Latents of states. (N, w)
        moved: Latents of the moved states, for each element but the first. (N, w) each
    """
    if not moved:
        return 0.0
    apart = _apart(z)
    errors = [float((apart - _apart(m)).abs().mean()) for m in moved]
    return float(np.mean(errors) / max(_size(z), 1e-12))


def _apart(z: Tensor) -> Tensor:
    return torch.linalg.vector_norm(z - z.roll(1, 0), dim=-1)


def _size(y: Tensor) -> float:
    return float(torch.linalg.vector_norm(y.flatten(1), dim=-1).mean())


def open_loop(predicted: Tensor, true: Tensor) -> list[float]:
    """Root mean square error after each step, over the spread of the true latents.

    1 is what the mean of all latents would do. (N, H, w), (N, H, w)
    """
    spread = (true - true.mean((0, 1))).square().sum(-1).mean()
    errors = (predicted - true).square().sum(-1).mean(0)
    return [float(e) for e in (errors / spread.clamp_min(1e-24)).sqrt()]
