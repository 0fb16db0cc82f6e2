"""How a latent is best followed: what is foretold, corrected by a share of what is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .transitions import Transitions

GAINS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares that are tried."""
LENGTH, AFTER = 20, 5
"""Periods of a stretch, and after how many of them the filter is judged."""
STRETCHES = 500
"""At most."""


@dataclass(frozen=True)
class Filtered:
    """What a card says of it."""

    gain: float
    """The share with which the next thing seen was foretold best."""
    deviation: list[float]
    """Of what is seen from what was foretold, root mean square, alike for what the group mixes."""
    start: list[float]
    """A latent that was seen."""


def filtered(
    model: Any, z: Tensor, first: np.ndarray, actions: Tensor, data: Transitions
) -> Filtered:
    """Try the shares on stretches of validation episodes, one step ahead.

    Args:
        model: With `next_latent` and `latent`.
        z: Latents of what was seen. (F, w)
        first: At which of them each transition begins. (N,)
        actions: Scaled. (N, m)
        data: The transitions.
    """
    length = max(k for k in (LENGTH, 10, 3, 1) if len(data.windows(k)))
    rows = data.windows(length)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), STRETCHES)).astype(int)]
    actions = actions.to(z)
    found = []
    for gain in GAINS:
        now, apart = z[first[rows]], []
        for t in range(length):
            foretold = model.next_latent(now, actions[rows + t])
            seen = z[first[rows + t] + 1]
            apart.append(seen - foretold)
            now = foretold + gain * apart[-1]
        late = torch.stack(apart[min(AFTER, length - 1) :])
        found.append((float(late.square().mean()), gain, late))
    _, gain, late = min(found, key=lambda one: one[:2])
    order = model.latent.group.order
    square = late.square().mean((0, 1)).unflatten(0, (-1, order)).mean(1, keepdim=True)
    deviation = square.expand(-1, order).flatten().sqrt().clamp_min(1e-6)
    return Filtered(gain, deviation.double().tolist(), z[first[rows[0]]].double().tolist())
