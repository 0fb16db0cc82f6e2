"""`GraphedPlan`: encoding and TD-MPC's plan in the latent, on a GPU as one CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor

from ...sim.torch_graph import Graph
from .latent_planner import LatentPlanner


class GraphedPlan:
    """Answers as `LatentPlanner.plan` from the encoded state, which it remembers the plan of.

    Its weights are those that the planner's model has; they may change in place. On a CPU the same
    operations run one by one.

    Args:
        planner: Whose model is an exported one.
        batch: From how many states it plans at once.
        least_std: Least spread of the noise, in scaled actions.
        explore: Whether the action is an elite's with noise on it, instead of the mean's.

    Attributes:
        mean: The last plans, in scaled actions. (B, H, m)
    """

    def __init__(
        self, planner: LatentPlanner, batch: int = 1, least_std: float = 0.05, explore: bool = False
    ) -> None:
        self._planner, self._how = planner, (least_std, explore)
        self.mean = planner.rest(batch)
        self._given: Tensor | None = None
        self._action = self.mean[:, 0].clone()
        self._replay = self._operations

    @torch.no_grad()
    def act(self, x: Tensor) -> Tensor:
        """The scaled actions to do now; it stays the graph's own. (B, n) -> (B, m)"""
        if self._given is None:
            self._given = x.to(self.mean.device).clone()
            if self.mean.is_cuda:
                self._replay = Graph(self._operations)
                self.mean.zero_()  # the calls before the capture have planned too
        self._given.copy_(x)
        self._replay()
        return self._action

    def rest(self) -> None:
        """Forget the last plans."""
        self.mean.zero_()

    def _operations(self) -> None:
        z = self._planner.model.encode(self._given)  # pyright: ignore
        action, mean = self._planner.plan(z, self.mean, *self._how)
        self._action.copy_(action)
        self.mean.copy_(mean)
