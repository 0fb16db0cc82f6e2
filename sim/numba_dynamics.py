"""The analytic model of a task: its scalar Numba kernels, rolled out many samples side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import fused_kernels
from .fused_source import NotFusableError
from .kernel_loops import loops
from .task import Task

_NO_STATES = np.empty((0, 0, 0, 0))


class NumbaDynamics:
    """A `Dynamics` over the kernels of a task.

    ``task.kernels`` is a module with jitted ``step(x, u, p, out)``, ``running_cost(x, u, p)`` and
    ``terminal_cost(x, p)`` for one state; p holds the physical parameters of a model sample. They
    are rolled out by a kernel that is generated from these three (`fused_kernels`), if they can be
    translated. If not, by a loop round them (`kernel_loops`), or by the module's own ``rollout(x0,
    actions, p, costs, states)`` if it has one; the results are the same to rounding.

    Args:
        task: The task; it must have kernels.
        parameters: Other physical parameters than the task's. (P,) or, for M model samples, (M, P)
        precision: In which costs are rolled out, ``float64`` or ``float32``; states always are in
            float64.

    Attributes:
        not_fused: Why samples are rolled out one after the other, once they were; empty: they are
            not.

    Raises:
        ValueError: The task has no kernels, or parameters of another width; another precision than
            float64 for kernels that cannot be translated.
    """

    def __init__(
        self, task: Task, parameters: np.ndarray | None = None, precision: str = "float64"
    ) -> None:
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
        self.precision, self.not_fused = precision, ""
        self._fused: Callable | None = None  # generated when it is first needed
        self._exact: NumbaDynamics | None = None  # tells states, if this one is in float32
        if precision != "float64":
            try:
                fused_kernels.source_of(task, precision)
            except NotFusableError as error:
                raise ValueError(f"precision: {precision} cannot be had: {error}") from error

    def at(self, precision: str) -> NumbaDynamics:
        """The same model in another precision.

        Raises:
            ValueError: It cannot be had.
        """
        if precision == self.precision:
            return self
        return NumbaDynamics(self.task, self.parameters, precision)

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
        loops(self.task.kernels).step_batch(rows_x, rows_u, self.parameters[0], out)
        return out.reshape(*batch, x.shape[-1])

    def rollout(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out action sequences; see `Dynamics`. (n,), (K, H, m), (M, K), (M, K, H, n)

        Raises:
            KernelError: A kernel cannot be compiled, or uses an index that is out of range.
        """
        # A copy: an array that may not be written, as messages hold, would be compiled for anew.
        start = np.array(x0, dtype=np.float64)
        rows = np.ascontiguousarray(actions, dtype=np.float64)
        if states is not None and self.precision != "float64":
            self._exact = self._exact or self.at("float64")
            self._exact.rollout(start, rows, costs, states)
            return
        kept = _NO_STATES if states is None else states
        if self._fused is None:
            self._first_rollout(start, rows, costs, kept)
            return
        try:
            self._fused(start, rows, self.parameters, costs, kept)
        except IndexError:  # the loop says which index, and where
            loops(self.task.kernels).rollout(start, rows, self.parameters, costs, kept)

    def _first_rollout(
        self, start: np.ndarray, rows: np.ndarray, costs: np.ndarray, states: np.ndarray
    ) -> None:
        """Generate and compile the fused kernel, or learn that it cannot be had."""
        if not self.not_fused:
            try:
                fused = fused_kernels.load(self.task, self.precision).rollout
                fused(start, rows, self.parameters, costs, states)
                self._fused = fused
                return
            except Exception as error:  # Numba raises whatever its passes stumble over
                self.not_fused = str(error)
                if self.precision != "float64":
                    said = str(error).partition("\n")[0]
                    raise ValueError(
                        f"precision: {self.precision} cannot be had: {said}"
                    ) from error
        loops(self.task.kernels).rollout(start, rows, self.parameters, costs, states)
