"""How far a world model is from its law: act(g, rollout(z, A)) = rollout(act(g, z), g A)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def rollout_error(model: Any, z: Tensor, actions: Tensor) -> float:
    """Largest difference of the two sides over the group, over the largest latent.

    Args:
        model: With `latent`, `action` and `rollout`.
        z: (B, w)
        actions: (B, H, m)
    """
    found = model.rollout(z, actions)
    size, worst = float(found.abs().max()), 0.0
    for g in model.latent.group.elements:
        other = model.rollout(model.latent.act(g, z), model.action.act(g, actions))
        worst = max(worst, float((model.latent.act(g, found) - other).abs().max()))
    return worst / max(size, 1e-12)
