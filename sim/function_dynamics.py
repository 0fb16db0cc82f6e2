"""A user's own model: a function ``next_state(x, u)`` on batches of arrays, as a `Dynamics`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .task import Task

NextState = Callable[[Any, Any], Any]
_ROWS = 3  # of the states that a model is tried on
_UNCHANGED = 1e-6  # of the goal, in parts of 1 + its size: a model may compute in float32


class FunctionDynamics:
    """A `Dynamics` over a function of NumPy arrays; a Numba function is one too, indices checked.

    The costs are the task's. A rollout calls the function once a control period, with all samples.

    Args:
        task: The task.
        next_state: The states one control period later: (K, n), (K, m) -> (K, n), float64. It may
            write into what it is given.
        name: What errors call it.

    Raises:
        ValueError: What it answers has another shape, is not finite, hangs on the other rows, or
            has moved the goal; one line.
    """

    models = 1

    def __init__(self, task: Task, next_state: NextState, name: str = "next_state") -> None:
        if hasattr(next_state, "py_func"):
            from .kernel_loops import checked  # here, because Numba is for who has such a function

            next_state = checked(next_state)  # pyright: ignore
        self.task, self.name, self._function = task, name, next_state
        check_model(task, self.next_state, name)

    def next_state(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state one control period later. (..., n), (..., m) -> (..., n)"""
        rows_x, rows_u, batch = as_rows(x, u)
        return self._stepped(rows_x, rows_u).reshape(*batch, rows_x.shape[-1])

    def rollout(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out action sequences; see `Dynamics`. (n,), (K, H, m), (1, K), (1, K, H, n)

        Raises:
            ValueError: The function answers another shape, or in all samples what is not finite.
        """
        actions = np.asarray(actions, float)
        x = np.tile(np.asarray(x0, float), (len(actions), 1))
        costs[0] = 0.0
        for t in range(actions.shape[1]):
            u = actions[:, t].copy()
            x = self._stepped(x, u)
            costs[0] += self.task.running_cost(x, u)
            if states is not None:
                states[0, :, t] = x
        costs[0] += self.task.terminal_cost(x)
        if len(costs[0]) and not np.isfinite(costs[0]).any():
            raise ValueError(f"model: {self.name}: {self._flaw(x0, actions)}")

    def _stepped(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One call. (K, n), (K, m) -> (K, n)"""
        shape = x.shape  # the function may write into x
        given = self._function(x, u)
        found = np.asarray(given)
        if found.dtype.kind not in "fiub":
            if inspect.iscoroutine(given):
                given.close()  # nobody will wait for it, and Python would say so too
            kind = type(given).__name__
            kind = f"numbers of type {found.dtype}" if kind == "ndarray" else f"a {kind}"
            raise ValueError(f"model: {self.name}: it gave {kind}, not an array of real numbers")
        if found.shape != shape:
            said = wrong_shape(found.shape, shape, u.shape)
            raise ValueError(f"model: {self.name}: {said}")
        return found.astype(float, copy=False)

    def _flaw(self, x0: np.ndarray, actions: np.ndarray) -> str:
        """Where rollouts that have all failed did so first."""
        x = np.tile(np.asarray(x0, float), (len(actions), 1))
        for t in range(actions.shape[1]):
            x = self._stepped(x, actions[:, t].copy())
            bad = ~np.isfinite(x)
            if bad.any():
                return not_finite(self.task, x, f"after {t + 1} control periods")
        return "the cost of every sample is not finite, though their states are"


def as_rows(x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """Copies of states and actions as rows, and what they were a batch of."""
    x, u = np.asarray(x, float), np.asarray(u, float)
    batch = np.broadcast_shapes(x.shape[:-1], u.shape[:-1])
    rows_x = np.array(np.broadcast_to(x, (*batch, x.shape[-1])), order="C")
    rows_u = np.array(np.broadcast_to(u, (*batch, u.shape[-1])), order="C")
    return rows_x.reshape(-1, x.shape[-1]), rows_u.reshape(-1, u.shape[-1]), batch


def wrong_shape(found: Any, x: Any, u: Any) -> str:
    """What is wrong with a model that answers another shape."""
    return (
        f"for states {tuple(x)} and actions {tuple(u)} it gave {tuple(found)}, not {tuple(x)}; "
        "it takes rows, all samples at once: x[:, 0] is their first coordinate"
    )


def not_finite(task: Task, x: np.ndarray, when: str) -> str:
    """Which coordinate of states is not finite. (K, n)"""
    row, column = np.argwhere(~np.isfinite(x))[0]
    return f"{task.state_names[column]} is {x[row, column]} {when}"


def check_model(
    task: Task, next_state: Callable[[np.ndarray, np.ndarray], np.ndarray], name: str
) -> None:
    """Hold a model to what a planner counts on, in three starts of the task at rest.

    Raises:
        ValueError: It answers another shape or what is not finite, gives a row in a batch another
            answer than alone, or moves the goal; one line.
    """
    x = np.stack([task.initial_state(np.random.default_rng(k)) for k in range(_ROWS)])
    u = np.tile(task.safe_action(), (_ROWS, 1))
    try:
        found = next_state(x, u)
        alone = next_state(x[1], u[1])
    except (Exception, SystemExit) as error:  # somebody else's code may fail in any way
        if isinstance(error, ValueError) and str(error).startswith("model: "):
            raise
        raise ValueError(_failed(name, x, u, error)) from error
    if not np.isfinite(found).all():
        raise ValueError(f"model: {name}: {not_finite(task, found, 'after one control period')}")
    if np.abs(found[1] - alone).max() > 1e-4 * (1.0 + np.abs(alone).max()):
        raise ValueError(f"model: {name}: a row's answer hangs on the rows beside it")
    goal = task.goal_slice
    moved = np.abs(found[:, goal] - x[:, goal])
    if moved.size and moved.max() > _UNCHANGED * (1.0 + np.abs(x[:, goal]).max()):
        at = task.state_names[goal][int(np.argmax(moved.max(axis=0)))]
        raise ValueError(f"model: {name}: it moves the goal ({at}); that part of a state stays")


def _failed(name: str, x: np.ndarray, u: np.ndarray, error: BaseException) -> str:
    said = " ".join(f"{type(error).__name__}: {error}".split())
    if said.startswith("KernelError: "):  # it says itself where
        return f"model: {name}: {error}"
    return f"model: {name}: it failed for states {x.shape} and actions {u.shape} ({said})"
