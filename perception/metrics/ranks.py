"""Ranks of what came next among what might have: Hits@k, mean reciprocal rank, hard hits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_AT_ONCE = 512
"""Rows of the table of distances."""


def ranks(predicted: Tensor, true: Tensor) -> Tensor:
    """Rank of each true latent among all of them, by distance from its prediction; 1: nearest.

    What is as far as the true one counts half, so that a latent that tells nothing apart is not
    taken for a good one. (N, w), (N, w) -> (N,)
    """
    found = []
    for start in range(0, len(predicted), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        distance = torch.cdist(predicted[here], true)
        own = distance[torch.arange(len(distance)), torch.arange(len(distance)) + start][:, None]
        found.append(_rank(distance, own, itself=1))
    return torch.cat(found)


def hard_ranks(predicted: Tensor, true: Tensor, near: Tensor) -> Tensor:
    """Rank of each true latent among its own negatives only.

    Args:
        predicted: (N, w)
        true: (N, w)
        near: Latents of states near the true one; NaN: none. (N, M, w)
    """
    distance = torch.linalg.vector_norm(near - predicted[:, None], dim=-1).nan_to_num(torch.inf)
    own = torch.linalg.vector_norm(true - predicted, dim=-1, keepdim=True)
    return _rank(distance, own, itself=0)


def _rank(distance: Tensor, own: Tensor, itself: int) -> Tensor:
    nearer, alike = (distance < own).sum(1), (distance == own).sum(1) - itself
    return 1.0 + nearer + 0.5 * alike


def hits(found: Tensor, at: Sequence[int] = (1, 10)) -> dict[str, float]:
    """Hits@k and mean reciprocal rank, in percent. (N,)"""
    told = {f"hits_at_{k}": float((found <= k).double().mean()) * 100 for k in at}
    return {**told, "mrr": float((1.0 / found.double()).mean()) * 100}
