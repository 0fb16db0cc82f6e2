"""`Simulated`: a task to act in, period by period, by its own analytic model or on its plant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ...sim.dials import Dials, check_dials, dials_from
from ...sim.numba_dynamics import NumbaDynamics
from ...sim.task import Task


class Simulated(Protocol):
    """Where an agent acts.

    Attributes:
        task: What it is to do.
    """

    task: Task

    def begin(self, x: np.ndarray) -> None:
        """Begin an episode in a state. (n,)"""
        ...

    def step(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """Do an action (m,) for one period: the state (n,), and the cost of arriving there."""
        ...


class ByKernels:
    """A task by its analytic model: the whole world is its state.

    Two to four times the plant's rate (benchmarks/latent_plan.py): what costs is Python around the
    kernels, not they.

    Raises:
        ValueError: The task has no analytic model.
    """

    def __init__(self, task: Task) -> None:
        self.task, self._dynamics = task, NumbaDynamics(task)
        self._x = np.zeros(len(task.state_names))

    def begin(self, x: np.ndarray) -> None:
        """See `Simulated`."""
        self._x = np.array(x, float)

    def step(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """See `Simulated`."""
        self._x = self._dynamics.next_state(self._x, u)
        return self._x.copy(), float(self.task.running_cost(self._x, u))


class OnPlant:
    """A task on its plant, whose dials may be turned.

    Raises:
        ParameterError: A dial that can change nothing here.
    """

    def __init__(self, task: Task, dials: Dials) -> None:
        check_dials(task, dials)
        self.task, self._plant = task, task.plant(dials=dials)
        self._ticks = round(task.dt / task.physics_dt)

    def begin(self, x: np.ndarray) -> None:
        """See `Simulated`."""
        self._plant.reset(np.asarray(x, float))

    def step(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        """See `Simulated`."""
        for _ in range(self._ticks):
            self._plant.apply(u)
            self._plant.step()
        return self._plant.state(), self._plant.cost(u)


def simulated(task: Task, dials: Mapping[str, Any] | None = None) -> Simulated:
    """A task by its kernels, where it has some and no dial is turned; else on its plant.

    Raises:
        ParameterError: There is no such dial, or it can change nothing here.
    """
    turned = dials_from(dials or {})
    if task.kernels is not None and not turned.turned():
        return ByKernels(task)
    return OnPlant(task, turned)
