"""`Dynamics`: what a planner sees of any model, analytic, MuJoCo or learned."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .task import Task


class Dynamics(Protocol):
    """A model of a task, built with the task, so that costs are evaluated where it is cheapest.

    One that can roll out from several states at once also has ``rollout_batch(x0 (B, n), actions
    (B, K, H, m), costs (B, M, K), states (B, M, K, H, n) | None)``: each as `rollout` gives it, bit
    for bit.

    Attributes:
        task: The task it models.
        models: Number of model samples M; 1 unless the model is uncertain.
    """

    task: Task
    models: int

    def next_state(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state one control period later. (..., n), (..., m) -> (..., n)"""
        ...

    def rollout(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out action sequences from one state, into arrays that the caller owns.

        Args:
            x0: Where all start. (n,)
            actions: (K, H, m)
            costs: Filled with ``sum_t running_cost(x_{t+1}, u_t) + terminal_cost(x_H)``. (M, K)
            states: Filled with x_1 .. x_H; None neither computes nor stores them. (M, K, H, n)
        """
        ...


def in_precision(dynamics: Dynamics, precision: str) -> Dynamics:
    """The model in a precision, ``float64`` or ``float32``.

    Raises:
        ValueError: It has it not.
    """
    at = getattr(dynamics, "at", None)
    if at is not None:
        return at(precision)
    if precision != "float64":
        raise ValueError(f"precision: {precision} is for the analytic model, model: numba")
    return dynamics
