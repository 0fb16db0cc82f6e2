"""How far a model that plans in its latent is from its own group's law."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...sim.task import Task
from .tdmpc import TDMPCModel


@torch.no_grad()
def latent_error(model: TDMPCModel, task: Task, states: int = 32, horizon: int = 3) -> float:
    """Largest relative error of latents, rollouts, policy, reward and values over the group.

    At starts of the task, under random actions within the limits.

    Args:
        model: The model.
        task: Its task.
        states: How many starts.
        horizon: Control periods of the rollouts.
    """
    rng, acting = np.random.default_rng(0), model.symmetry
    starts = np.stack([task.initial_state(rng) for _ in range(states)])
    scaled = torch.as_tensor(rng.uniform(-1.0, 1.0, (states, horizon, len(task.action_names))))
    u = model.limits.in_units(scaled.to(model.limits.reach)).cpu().numpy().astype(float)
    actions = task.limits.project(u)

    def answers(x: np.ndarray, u: np.ndarray) -> list[Tensor]:
        at, done = (torch.as_tensor(v).to(model.limits.reach) for v in (x, u))
        z = model.encode(at)
        rolled = model.rollout(z, done)
        end = rolled[:, -1]
        said = (model.policy(z), model.running_cost(end, done[:, -1]), model.terminal_cost(end))
        return [z, rolled, *said]

    here, worst = answers(starts, actions), 0.0
    for g in acting.group.elements:
        there = answers(acting.act(g, state=starts), acting.act(g, action=actions))
        moved = [model.latent.act(g, v) for v in here[:2]]
        moved += [model.action.act(g, here[2]), *here[3:]]
        for a, b in zip(there, moved, strict=True):
            worst = max(worst, float((a - b).abs().max() / (1e-6 + b.abs().max())))
    return worst
