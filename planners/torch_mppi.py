"""MPPI whose planning step is made of tensors, on the device of a torch model.

Algorithm as `mppi`. On CUDA noise, rollouts, costs, weights and the mean of all iterations are one
CUDA graph, which is captured once and replayed for each plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..sim.limits import Ball, Limits
from .loop.memory import Memory
from .mppi import MPPI
from .plan import Plan

_HALVINGS = 40  # of the temperature's logarithm, whatever it takes: a count cannot hang on values


class TorchMPPI(MPPI):
    """MPPI on tensors: state and last plan go to the device, the plan comes back, nothing between.

    Where the model is none on tensors with costs of its own, where a policy proposes, and in the
    states in which a side is chosen or kept, it is its parent, whose loop asks the same model. So
    it is exact wherever that is.
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of MPPI on tensors."""

        samples: int = 4096
        """Rollouts in each iteration, orbits included."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        self.step: TensorStep | None = None
        self._rollouts = self.parameters.samples * self.parameters.iterations  # of a plan
        if not getattr(dynamics, "on_device", False):
            return
        only = {
            **{"noise_law": "white", "antithetic": False},
            **{"weights": "exponential", "best_fraction": 1.0, "noise_adaptation": 0.0},
        }
        for name, value in only.items():
            given = getattr(self.parameters, name)
            if given != value:
                said = str(given).lower()
                raise ValueError(f"{name}: {said} is not on tensors; leave it at {value}".lower())
        self.step = TensorStep(self)

    def plan(
        self, state: np.ndarray, time: float, memory: Memory, tried: Sequence[np.ndarray] = ()
    ) -> tuple[Plan, Memory]:
        """A plan from `state` (n,) at `time` (s); see `SamplingPlanner.plan`."""
        state = np.asarray(state, float)
        if self.step is None or len(tried) or not self._plain(state, memory):
            return super().plan(state, time, memory, tried)
        memory = self.respread(self._shifted(memory, time))
        if memory.side.any():
            return super().plan(state, time, memory)
        key = np.random.SeedSequence([memory.seed, memory.draws]).generate_state(1, np.uint64)[0]
        self.budget.begin()
        actions, lowest = self.step.run(state, memory.mean, int(key >> 1))
        self.budget.spent(self._rollouts)
        self._last = (self.parameters.iterations, np.empty(0))  # the costs stay on the device
        moved = {"mean": actions, "planned": actions, "time": float(time)}
        memory = replace(memory, draws=memory.draws + 1, **moved)
        return Plan(float(time), self.task.dt, actions, lowest), memory

    def _plain(self, state: np.ndarray, memory: Memory) -> bool:
        """Whether noise and limits are all there is, no side to be chosen, and x is a state."""
        if self.bounded or self.proposer is not None or not self.budget.holds(self._rollouts):
            return False
        if self.room:
            return False
        if state.shape != (len(self.task.state_names),):
            return False
        return bool(np.isfinite(state).all()) and len(self.symmetry.stabiliser(state=state)) == 1


class TensorStep:
    """A planning step as a fixed sequence of operations on buffers on the device.

    Args:
        planner: Whose it is; its model is a `TorchDynamics` with costs of its own.

    Attributes:
        state: The state planned from. (n,)
        mean: The last plan, then the new one. (H, m)
        lowest: The lowest cost of the last iteration. ()
    """

    def __init__(self, planner: TorchMPPI) -> None:
        import torch  # only a planner with such a model pays for it

        self._torch, self._dynamics = torch, planner.dynamics
        self.tensor: Any = planner.dynamics.tensor  # type: ignore[attr-defined]
        p, m = planner.parameters, planner.symmetry.width("action")
        self._limits, self._parameters = planner.task.limits, p
        self._orbit = self.tensor(planner.symmetry.orbit("action")[list(planner.elements)])
        self._expand = self.tensor(planner.spline.matrix(p.knots))  # (H, N)
        self._std = self.tensor(planner.initial_std)
        count = p.samples // len(self._orbit)
        self._base = self.tensor(np.zeros((count, p.knots, m)))
        self._noise = self.tensor(np.zeros((p.samples, p.knots, m)))
        self._costs = self.tensor(np.zeros((1, p.samples)))
        self._low, self._high = (self.tensor(end) for end in self._limits.bound())
        self.state = self.tensor(np.zeros(len(planner.task.state_names)))
        self.mean = self.tensor(np.zeros((p.horizon, m)))
        self.lowest = self.tensor(np.zeros(()))
        self._generator = torch.Generator(self.mean.device)
        self._replay: Any = None

    def run(self, state: np.ndarray, mean: np.ndarray, key: int) -> tuple[np.ndarray, float]:
        """Plan once: the actions (H, m) and the lowest cost. The only wait is for these."""
        if self._replay is None:
            from ..sim.torch_graph import Graph

            on_cuda = self.mean.is_cuda
            self._replay = Graph(self.operations, self._generator) if on_cuda else self.operations
        self.state.copy_(self.tensor(state))
        self.mean.copy_(self.tensor(mean))
        self._generator.manual_seed(key)
        self._replay()
        return self.mean.cpu().numpy().astype(float), float(self.lowest)

    def operations(self) -> None:
        """All iterations of a plan; no value is looked at, so that they can be captured."""
        torch, p = self._torch, self._parameters
        with torch.no_grad():
            mean = self.mean
            for _ in range(p.iterations):
                self._base.normal_(generator=self._generator)
                closed = torch.einsum("eij,cnj->ceni", self._orbit, self._base)
                # Samples beyond the last orbit have no noise: they are the mean.
                self._noise[: closed.shape[0] * closed.shape[1]] = closed.flatten(0, 1)
                noise = self._noise * self._std
                actions = self._projected(torch.einsum("hn,knm->khm", self._expand, noise) + mean)
                self._dynamics.rollout(self.state, actions, self._costs)  # type: ignore[arg-type]
                costs = torch.where(torch.isfinite(self._costs[0]), self._costs[0], torch.inf)
                lowest = costs.min()
                above = torch.where(torch.isfinite(costs), costs - lowest, torch.inf)
                weight = torch.exp(-above / self._temperature(above))
                new = torch.einsum("k,khm->hm", weight / weight.sum(), actions)
                mean = torch.where(torch.isfinite(lowest), new, mean)  # else the plan stands
                self.lowest.copy_(lowest)
            self.mean.copy_(self._projected(mean))

    def _temperature(self, above: Any) -> Any:
        """It, of the costs' spread, or such that the weights have an effective size. (K,) -> ()"""
        torch, target = self._torch, self._parameters.effective_samples
        relative = self._parameters.relative_temperature
        if not target and relative:
            count = torch.isfinite(above).sum()
            known = torch.where(torch.isfinite(above), above, 0.0)
            mean = known.sum() / count
            square = torch.where(torch.isfinite(above), (above - mean) ** 2, 0.0).sum() / count
            found = relative * square.sqrt()
            return torch.where(found > 0.0, found, 1.0)
        if not target:
            return self._parameters.temperature
        spread = torch.where(torch.isfinite(above), above, 0.0).max().clamp_min(1e-30)
        low, high = torch.log(1e-9 * spread), torch.log(1e6 * spread)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            weight = torch.exp(-above / torch.exp(middle))
            few = weight.sum() ** 2 < target * (weight**2).sum()
            low, high = torch.where(few, middle, low), torch.where(few, high, middle)
        return torch.exp(0.5 * (low + high))

    def _projected(self, actions: Any) -> Any:
        """The nearest actions within the limits. (..., m) -> (..., m)"""
        return projected(self._torch, self._limits, actions, self._low, self._high)


def projected(torch: Any, limits: Limits, actions: Any, low: Any, high: Any) -> Any:
    """`Limits.project` on tensors. (..., m), bounds (m,) -> (..., m)"""
    found = torch.clamp(actions, low, high)
    for name, limit in limits.parts.items():
        if isinstance(limit, Ball):
            here = limits.slices[name]
            part = actions[..., here]
            size = torch.linalg.vector_norm(part, dim=-1, keepdim=True)
            found[..., here] = part * (limit.radius / size.clamp_min(limit.radius))
    return found
