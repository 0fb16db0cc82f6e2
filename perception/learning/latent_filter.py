"""How a latent is best followed: what is foretold, corrected by what is seen, with a fixed gain."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...symmetry.layers.linear import Linear
from ..world_models.correction import Correction

SHARES = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
"""Shares of what is seen that are tried first."""
LENGTH, AFTER = 20, 5
"""Periods of a stretch, and after how many of them what is followed counts."""
STRETCHES = 300
"""At most, of training and of validation."""
STEPS, BATCH, RATE = 150, 32, 3e-3
"""Updates of the gain at most, stretches in each, and Adam's rate at first."""


@dataclass(frozen=True)
class Stretches:
    """What was seen and done in some stretches of equal length, and what was so."""

    seen: Tensor
    """Latents of images. (S, L + 1, w)"""
    actions: Tensor
    """Scaled. (S, L, m)"""
    states: Tensor
    """What the head shall tell. (S, L + 1, k)"""


@dataclass(frozen=True)
class Followed:
    """A gain, and how far what is seen is off from what was foretold with it."""

    correction: Correction
    deviation: list[float]
    """Root mean square, alike for what the group mixes. (w)"""
    start: list[float]
    """A latent that was seen. (w)"""


def follow(
    model: Any,
    training: Stretches,
    validation: Stretches,
    seed: int,
    steps: int = STEPS,
    begun: Correction | None = None,
) -> Followed:
    """Fit the gain of a Kalman filter in its steady state, by what the head tells of the latents.

    At first a share of what is seen, alike for all of a latent; then any matrix that commutes with
    the group, by gradient descent along the stretches. Kept is what tells the validation states
    best.

    Args:
        model: With `next_latent`, `latent` and `head`; it is not changed.
        training: What the matrix is fitted to.
        validation: What decides.
        seed: Of the draws.
        steps: Updates of the matrix.
        begun: Another gain that is tried first, and not changed.
    """
    first = [shared(model, share) for share in SHARES] + ([begun] if begun else [])
    with torch.no_grad():
        tried = [(_loss(model, c, validation), c) for c in first]
    best = min(tried, key=lambda one: float(one[0]))
    correction, rng = copy.deepcopy(best[1]), np.random.default_rng(seed)
    optimizer = torch.optim.Adam(correction.parameters(), RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1.0 - step / steps)
        rows = torch.from_numpy(rng.integers(len(training.seen), size=BATCH))
        some = Stretches(training.seen[rows], training.actions[rows], training.states[rows])
        loss = _loss(model, correction, some)
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=list(correction.parameters()))
        optimizer.step()
    with torch.no_grad():
        found = min(best, (_loss(model, correction, validation), correction), key=lambda o: o[0])
        apart = followed(model, found[1], validation)[1]
    order = model.latent.group.order
    square = apart[:, AFTER - 1 :].square().mean((0, 1)).unflatten(0, (-1, order))
    deviation = square.mean(1, keepdim=True).expand(-1, order).flatten().sqrt().clamp_min(1e-6)
    return Followed(found[1], deviation.double().tolist(), validation.seen[0, 0].double().tolist())


def shared(model: Any, share: float) -> Correction:
    """A correction by a share of what is seen, where the model is."""
    linear = Linear(model.latent.whole, model.latent.whole, bias=False)
    for weight in linear.parameters():
        nn.init.zeros_(weight)
    return Correction(share, linear).to(next(model.parameters()).device)


def followed(model: Any, correction: Correction, of: Stretches) -> tuple[Tensor, Tensor]:
    """Latents along stretches, and what was seen minus what was foretold. (S, L, w) both"""
    now, found, apart = of.seen[:, 0], [], []
    for t in range(of.actions.shape[1]):
        foretold, seen = model.next_latent(now, of.actions[:, t]), of.seen[:, t + 1]
        now = correction(foretold, seen)
        found.append(now)
        apart.append(seen - foretold)
    return torch.stack(found, 1), torch.stack(apart, 1)


def _loss(model: Any, correction: Correction, of: Stretches) -> Tensor:
    """What the head tells wrongly of what is followed. ()"""
    latents, _ = followed(model, correction, of)
    late = min(AFTER, latents.shape[1]) - 1
    return model.head.loss(latents[:, late:].flatten(0, 1), of.states[:, 1 + late :].flatten(0, 1))
