"""A model on tensors, analytic or learned, latent or not, as a `Dynamics` on its own device."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from .function_dynamics import as_rows, check_model, not_finite, wrong_shape
from .task import Task

Tensor = torch.Tensor


class TorchModel(Protocol):
    """What a model on tensors has: `next_state`, and whatever else of this.

    With `running_cost` and `terminal_cost` a rollout stays on the device; without them the task's
    own are taken, and the states travel to the host for it. A latent model says how a state is
    encoded; then x is a latent in all the others, and both costs (a reward head, a value) are
    its own.

    Attributes:
        device: Where it computes; by default where its parameters are, or the CPU.
        dtype: In which numbers; by default its parameters', or float64.
    """

    def next_state(self, x: Tensor, u: Tensor) -> Tensor:
        """The states one control period later; x and u stay. (K, n), (K, m) -> (K, n)"""
        ...

    def running_cost(self, x: Tensor, u: Tensor) -> Tensor:
        """Cost of arriving in x by u. (K, n), (K, m) -> (K,)"""
        ...

    def terminal_cost(self, x: Tensor) -> Tensor:
        """Cost of ending in x. (K, n) -> (K,)"""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """The latent of a state. (1, n) -> (1, k)"""
        ...


class TorchDynamics:
    """A `Dynamics` over a model on tensors.

    It takes arrays and fills arrays, as every other; given tensors on its device it fills tensors
    there, and then nothing in a rollout waits for the device: it can stand in a CUDA graph.

    Args:
        task: The task.
        model: A `TorchModel`, or a function ``next_state(x, u)``. Gradients are not kept.
        name: What errors call it.

    Attributes:
        device: Where it computes.
        dtype: In which numbers.
        on_device: Whether the costs are the model's own.

    Raises:
        ValueError: What it answers has another shape, is not finite, or it has one cost of two.
    """

    models = 1

    def __init__(self, task: Task, model: Any, name: str = "model") -> None:
        self.task, self.name, self.model = task, name, model
        self._step = getattr(model, "next_state", model)
        self._running = getattr(model, "running_cost", None)
        self._terminal = getattr(model, "terminal_cost", None)
        self._encode = getattr(model, "encode", None)
        self.latent = self._encode is not None
        if (self._running is None) != (self._terminal is None):
            raise ValueError(f"model: {name}: it has one of running_cost and terminal_cost")
        self.on_device = self._running is not None
        if self._encode is not None and not self.on_device:
            said = "it has encode, so running_cost and terminal_cost must be its own"
            raise ValueError(f"model: {name}: {said}")
        parameters = getattr(model, "parameters", None)
        first = next(iter(parameters()), None) if callable(parameters) else None
        self.device = torch.device(
            getattr(model, "device", None) or getattr(first, "device", "cpu")
        )
        self.dtype = getattr(model, "dtype", None) or getattr(first, "dtype", torch.float64)
        if self._encode is None:
            check_model(task, self.next_state, name)
        self._check_costs()

    def tensor(self, values: np.ndarray | Tensor) -> Tensor:
        """Values on its device, in its numbers; of an array a copy."""
        if isinstance(values, Tensor):
            return values.to(self.device, self.dtype)
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    @torch.no_grad()
    def next_state(self, x: Any, u: Any) -> Any:
        """The state one control period later, as what x is. (..., n), (..., m) -> (..., n)"""
        if isinstance(x, Tensor):
            return self._stepped(x, u)
        rows_x, rows_u, batch = as_rows(x, u)
        found = self._stepped(self.tensor(rows_x), self.tensor(rows_u))
        return found.cpu().numpy().astype(float).reshape(*batch, -1)

    @torch.no_grad()
    def rollout(self, x0: Any, actions: Any, costs: Any, states: Any = None) -> None:
        """Roll out action sequences; see `Dynamics`. (n,), (K, H, m), (1, K), (1, K, H, n)

        Args:
            x0: Where all start; a state also where the model is latent.
            actions: An array, or a tensor on its device; then all of them are.
            costs: Filled.
            states: Filled, with latents where the model is latent.

        Raises:
            TypeError: Tensors, but costs that are the task's own.
            ValueError: Another shape, or arrays of which no sample's cost is finite.
        """
        if isinstance(actions, Tensor):
            if not self.on_device:
                said = "tensors need running_cost and terminal_cost of its own"
                raise TypeError(f"model: {self.name}: {said}")
            self._rolled_out(x0, actions, costs, states)
            return
        tensors = self.tensor(np.asarray(actions))
        kept = None
        if states is not None or not self.on_device:
            width = len(self.task.state_names) if states is None else states.shape[-1]
            shape = (1, *tensors.shape[:2], width)
            kept = torch.empty(shape, dtype=self.dtype, device=self.device)
        found = torch.empty((1, len(tensors)), dtype=self.dtype, device=self.device)
        self._rolled_out(self.tensor(np.asarray(x0)), tensors, found, kept)
        if kept is not None and states is not None:
            states[:] = kept.cpu().numpy()
        if self.on_device:
            costs[:] = found.cpu().numpy()
        elif kept is not None:
            x = kept[0].cpu().numpy().astype(float)
            costs[0] = self.task.running_cost(x, np.asarray(actions, float)).sum(axis=1)
            costs[0] += self.task.terminal_cost(x[:, -1])
        if costs.size and not np.isfinite(costs).any():
            raise ValueError(f"model: {self.name}: {self._flaw(kept)}")

    def _rolled_out(self, x0: Tensor, actions: Tensor, costs: Tensor, states: Any) -> None:
        """All on the device: no value is looked at."""
        x = x0[None] if self._encode is None else self._encode(x0[None])
        x = x.expand(len(actions), x.shape[-1])
        total: Any = 0.0
        for t in range(actions.shape[1]):
            u = actions[:, t]
            x = self._stepped(x, u)
            if self._running is not None:
                total = total + self._running(x, u)
            if states is not None:
                states[0, :, t].copy_(x)
        if self._terminal is not None:
            costs[0].copy_(total + self._terminal(x))

    def _stepped(self, x: Tensor, u: Tensor) -> Tensor:
        found = self._step(x, u)
        if not isinstance(found, Tensor) or found.shape != x.shape:
            shape = getattr(found, "shape", ())
            raise ValueError(f"model: {self.name}: {wrong_shape(shape, x.shape, u.shape)}")
        return found

    @torch.no_grad()
    def _check_costs(self) -> None:
        """Run two samples of one period, so that what is wrong is said at once."""
        if not self.on_device:
            return
        start = self.tensor(self.task.initial_state(np.random.default_rng(0)))
        u = self.tensor(np.tile(self.task.safe_action(), (2, 1)))
        x = start[None] if self._encode is None else self._encode(start[None])
        if x.shape[0] != 1 or x.ndim != 2:
            raise ValueError(f"model: {self.name}: encode gave {tuple(x.shape)} for (1, n)")
        x = self._stepped(x.expand(2, x.shape[-1]), u)
        assert self._running is not None and self._terminal is not None
        for what, cost in (("running", self._running(x, u)), ("terminal", self._terminal(x))):
            if tuple(cost.shape) != (2,):
                said = f"{what}_cost gave {tuple(cost.shape)} for two samples, not (2,)"
                raise ValueError(f"model: {self.name}: {said}")
            if not bool(torch.isfinite(cost).all()):
                raise ValueError(f"model: {self.name}: {what}_cost is {cost.tolist()} at rest")

    def _flaw(self, states: Tensor | None) -> str:
        if states is not None and states.shape[-1] == len(self.task.state_names):
            for t in range(states.shape[2]):
                x = states[0, :, t].cpu().numpy().astype(float)
                if not np.isfinite(x).all():
                    return not_finite(self.task, x, f"after {t + 1} control periods")
        return "the cost of every sample is not finite"
