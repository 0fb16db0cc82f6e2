"""Fitting a policy network: made for the data, updated by a batch, judged on all of a set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import Batches
from .demonstrations import Demonstrations

if TYPE_CHECKING:
    import torch

    from ..policies.network import Batch, PolicyNetwork

LARGEST = 1024
"""Ticks of validation data that go through the network at once."""


def new_policy(data: Demonstrations, parameters: Any, device: torch.device) -> PolicyNetwork:
    """A network for demonstrations, its statistics taken from them, its weights drawn by torch."""
    from ..policies.network import Architecture, PolicyNetwork

    architecture = Architecture.of(parameters)
    policy = PolicyNetwork(data.task, data.state_names, data.inputs, architecture)
    policy.fit_normaliser(data.state, data.images)
    return policy.to(device)


class Fit:
    """A policy network and its optimizer.

    The forward pass of an update is in bfloat16 where the parameters say so. On a GPU forward and
    backward pass are compiled into CUDA graphs, where there is a compiler.

    Args:
        policy: What is fitted.
        parameters: A `Method.Parameters`.
        device: Where.
    """

    def __init__(self, policy: PolicyNetwork, parameters: Any, device: torch.device) -> None:
        import torch

        self.policy, self.parameters, self.device = policy, parameters, device
        self.optimizer = torch.optim.AdamW(
            policy.parameters(),
            lr=parameters.learning_rate,
            weight_decay=parameters.weight_decay,
            fused=True,
        )
        self.objective = self._objective
        if device.type == "cuda":
            torch._dynamo.config.suppress_errors = True  # without a compiler: uncompiled, and said
            self.objective = torch.compile(self._objective, mode="reduce-overhead")

    def _objective(self, batch: Batch, weights: torch.Tensor | None) -> tuple[Any, Any]:
        """What is minimised, and the loss in it."""
        import torch

        half = self.parameters.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            each = self.policy.loss(batch)
        loss = each.float().mean() if weights is None else (weights * each.float()).mean()
        if self.parameters.mode == "relaxed" and self.parameters.relaxation_penalty:
            return loss + self.parameters.relaxation_penalty * self.policy.penalty(), loss
        return loss, loss

    def update(self, batch: Batch, weights: torch.Tensor | None = None) -> dict[str, float]:
        """One step on a batch; each sample's loss may have a weight. (B,)"""
        import torch

        if self.device.type == "cuda":
            torch.compiler.cudagraph_mark_step_begin()
        self.optimizer.zero_grad(set_to_none=True)
        objective, loss = self.objective(batch, weights)
        objective.backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}


def validation_loss(policy: PolicyNetwork, batches: Batches) -> float:
    """The mean loss over all ticks as they are, the same draws every time."""
    total, count = 0.0, len(batches.data)
    rng = np.random.default_rng(0)
    for start in range(0, count, LARGEST):
        batch = batches.rows(np.arange(start, min(start + LARGEST, count)), rng)
        total += float(policy.loss(batch).double().sum())
    return total / count
