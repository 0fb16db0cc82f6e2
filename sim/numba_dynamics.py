"""The analytic model of a task: the Numba kernels that stand in the task's own file."""

from __future__ import annotations

import numpy as np

from .task import Task

_NO_STATES = np.empty((0, 0, 0, 0))


class NumbaDynamics:
    """A `Dynamics` over the kernels of a task.

    ``task.kernels`` is a module with ``rollout(x0, actions, p, costs, states)`` and
    ``step_batch(x, u, p, out)``; p holds the physical parameters of each model sample.

    Args:
        task: The task; it must have kernels.
        parameters: Other physical parameters than the task's. (P,) or, for M model samples, (M, P)

    Raises:
        ValueError: The task has no kernels, or parameters of another width.
    """

    def __init__(self, task: Task, parameters: np.ndarray | None = None) -> None:
        if task.kernels is None:
            raise ValueError(f"{task.name} has no analytic model; plan with model:=mujoco")
        own = np.atleast_2d(
            np.asarray(task.parameters if parameters is None else parameters, float)
        )
        if own.ndim != 2 or own.shape[1] != len(task.parameters):
            raise ValueError(
                f"{task.name} has {len(task.parameters)} physical parameters "
                f"({', '.join(task.parameter_names)}); got an array of shape {own.shape}"
            )
        self.task = task
        self.parameters = np.ascontiguousarray(own)  # (M, P)
        self.models = len(self.parameters)

    def next_state(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state a control period later, by the first model. (..., n), (..., m) -> (..., n)"""
        x, u = np.asarray(x, float), np.asarray(u, float)
        batch = np.broadcast_shapes(x.shape[:-1], u.shape[:-1])
        rows_x = np.ascontiguousarray(
            np.broadcast_to(x, (*batch, x.shape[-1])).reshape(-1, x.shape[-1])
        )
        rows_u = np.ascontiguousarray(
            np.broadcast_to(u, (*batch, u.shape[-1])).reshape(-1, u.shape[-1])
        )
        out = np.empty_like(rows_x)
        self.task.kernels.step_batch(rows_x, rows_u, self.parameters[0], out)
        return out.reshape(*batch, x.shape[-1])

    def rollout(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out action sequences; see `Dynamics`. (n,), (K, H, m), (M, K), (M, K, H, n)"""
        start = np.ascontiguousarray(x0, dtype=np.float64)
        rows = np.ascontiguousarray(actions, dtype=np.float64)
        kept = _NO_STATES if states is None else states
        self.task.kernels.rollout(start, rows, self.parameters, costs, kept)
