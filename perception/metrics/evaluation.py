"""What a latent model is worth on episodes that it never saw, with all of a world's actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...sim.pixel_worlds.world import PixelWorld, transitions
from .invariance import distance_error, embedding_error, open_loop
from .ranks import hard_ranks, hits, ranks

_AT_ONCE = 500
"""Frames that are encoded at once."""
NEAR = 10
"""States near the true one, for hard hits."""
SOME = 500
"""Episodes for hard hits; fewer for what needs the whole orbit."""
MEASURED = 100
"""States whose whole orbit is looked at."""


@dataclass(frozen=True)
class Held:
    """Episodes to judge by, all of a world's actions in them.

    Attributes:
        world: The world.
        states: (E, H + 1, ...)
        actions: (E, H, m)
        near: States near those after one step: one step from there, other than it; those that are
            none are marked in `none`. (S, M, ...)
        none: (S, M)
    """

    world: PixelWorld
    states: np.ndarray
    actions: np.ndarray
    near: np.ndarray
    none: np.ndarray


def held_out(
    world: PixelWorld,
    rng: np.random.Generator,
    episodes: int,
    horizon: int,
    actions: Sequence[str] = (),
) -> Held:
    """Draw them; where a world knows ``small`` actions, the near states are those one away.

    Args:
        world: The world.
        rng: Source of chance.
        episodes: How many.
        horizon: Steps in each.
        actions: The words of the actions in them; none: all.
    """
    made = transitions(world, rng, episodes, horizon, actions)
    return held_of(world, rng, made.states, made.actions)


def held_of(
    world: PixelWorld, rng: np.random.Generator, states: np.ndarray, actions: np.ndarray
) -> Held:
    """Episodes that are there, and states near theirs. (E, H + 1, ...), (E, H, m)"""
    target = states[:SOME, 1]
    repeated = np.repeat(target, NEAR, axis=0)
    words = ("small",) if "small" in world.action_words else ()
    near = world.step(repeated, world.random_actions(rng, len(repeated), words))
    same = (near == repeated).reshape(len(near), -1).all(1)
    shape = (len(target), NEAR)
    return Held(
        world,
        states,
        actions,
        near.reshape(*shape, *near.shape[1:]),
        same.reshape(shape),
    )


def latents(model: Any, world: PixelWorld, states: np.ndarray) -> Tensor:
    """Latents of states, by way of their frames. (N, ...) -> (N, w)"""
    device = next(model.parameters()).device
    found = []
    for start in range(0, len(states), _AT_ONCE):
        frames = torch.from_numpy(world.frames(states[start : start + _AT_ONCE]))
        found.append(model.encode(frames.to(device)))
    return torch.cat(found)


@torch.no_grad()
def evaluate(model: Any, held: Held, after: Sequence[int] = (1, 10)) -> dict[str, float]:
    """Ranks after some numbers of steps, hard hits, and the errors of invariance.

    ``unchanged_...`` is what it would be if each prediction were the first latent: for a world in
    which little changes that is a good guess, and only what exceeds it has been learned.
    """
    world, horizon = held.world, held.actions.shape[1]
    after = [k for k in after if k <= horizon]
    z = latents(model, world, held.states[:, 0])
    predicted = model.rollout(z, torch.from_numpy(held.actions).to(z))
    told: dict[str, float] = {}
    for k in after:
        true = latents(model, world, held.states[:, k])
        for name, value in hits(ranks(predicted[:, k - 1], true)).items():
            told[f"step_{k}_{name}"] = value
        for name, value in hits(ranks(z, true)).items():
            told[f"unchanged_step_{k}_{name}"] = value
        told[f"open_loop_{k}"] = open_loop(predicted[:, k - 1 : k], true[:, None])[0]
    some = len(held.near)
    near = latents(model, world, held.near.reshape(-1, *held.near.shape[2:]))
    near = near.view(some, -1, near.shape[-1])
    near = torch.where(torch.from_numpy(held.none).to(z.device)[..., None], torch.nan, near)
    true = latents(model, world, held.states[:some, 1])
    told["hard_hits_at_1"] = hits(hard_ranks(predicted[:some, 0], true, near))["hits_at_1"]
    return told | _invariance(model, held)


def _invariance(model: Any, held: Held) -> dict[str, float]:
    """EE and DIE over the world's whole group."""
    world, states = held.world, held.states[:MEASURED, 0]
    orbit = [world.act(g, states) for g in world.group.elements]
    device = next(model.parameters()).device
    frames = [torch.from_numpy(world.frames(s)).to(device) for s in orbit]
    z = [model.encode(f) for f in frames]
    told = {"distance_error": distance_error(z[0], z[1:])}
    if model.latent.group.order == world.group.order:  # otherwise less is declared than is measured
        told["embedding_error"] = embedding_error(model.encoder, frames[0], frames[1:])
    return told
