"""Constraints on the state: an augmented Lagrangian, or a discrete-time control barrier function.

Both turn what a rollout breaks into numbers that the group leaves as they are, and choose by these
alone. So samples are weighed alike wherever the group has put them, and a planner stays exact. The
usual form of a barrier filter, the nearest action that satisfies the condition, would not do: where
the condition is not convex that action is not unique, and a solver picks one by its own order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator

import numpy as np

from ...sim.dynamics import Dynamics
from ..loop.batch import Rollout

Settling = Generator[Rollout, None, tuple[np.ndarray, np.ndarray]]
"""Asks for rollouts; returns a plan (H, m) and multipliers (H, C)."""
LARGEST = 1e6
"""Most that a multiplier may grow to, in units of the penalty: where nothing satisfies a constraint
it would grow for ever."""
POINTS = 17
"""Points of the way from a plan to the best sample that the filter tries."""


class StateConstraints(ABC):
    """What a planner charges for breaking a task's constraints.

    Args:
        dynamics: The planner's model; its task says what is broken.
        penalty: What breaking one by a unit costs.
        most: Samples of the largest iteration.
        horizon: Control periods, H.
    """

    def __init__(self, dynamics: Dynamics, penalty: float, most: int, horizon: int) -> None:
        self.task, self.penalty = dynamics.task, penalty
        self._shape = (getattr(dynamics, "models", 1), horizon, len(self.task.state_names))
        models, _, width = self._shape
        self._states = np.empty(models * max(most, POINTS) * horizon * width)

    def states(self, count: int) -> np.ndarray:
        """Room for the states of `count` rollouts. (M, K, H, n)"""
        models, horizon, width = self._shape
        size = models * count * horizon * width
        return self._states[:size].reshape(models, count, horizon, width)

    @abstractmethod
    def price(self, start: np.ndarray, states: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """What rollouts are charged beside their costs.

        Args:
            start: The state that they start in. (n,)
            states: Those that follow. (M, K, H, n)
            multipliers: From the planner's memory. (H, C)

        Returns:
            (M, K)
        """

    @abstractmethod
    def settled(
        self, start: np.ndarray, plan: np.ndarray, best: np.ndarray, multipliers: np.ndarray
    ) -> Settling:
        """What is planned in the end, and the multipliers for the next plan; asks for a rollout.

        Args:
            start: The state that the plan starts in. (n,)
            plan: What the algorithm has chosen. (H, m)
            best: The sample of least cost. (H, m)
            multipliers: From the planner's memory. (H, C)
        """


class Lagrangian(StateConstraints):
    """An augmented Lagrangian: at each moment ``(max(0, l + p c)^2 - l^2) / (2 p)``.

    Hestenes 1969, Powell 1969; for inequalities Rockafellar 1973. The multipliers l are learned
    once for each plan, from what that plan itself breaks, and move on with it: what one plan still
    cuts costs the next ones more, until nothing is cut. Where nothing satisfies a constraint they
    grow up to `LARGEST` times the penalty, and the plan is that of the least violation.
    """

    def price(self, start: np.ndarray, states: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """The Lagrangian's terms, summed over moments and constraints. (M, K)"""
        reach = np.maximum(0.0, multipliers + self.penalty * self.task.constraint(states))
        return np.sum(reach**2 - multipliers**2, axis=(2, 3)) / (2.0 * self.penalty)

    def bent(
        self, states: np.ndarray, slopes: np.ndarray, multipliers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The price of each moment to second order, but for the constraints' own curvature.

        Args:
            states: Of one rollout. (H, n)
            slopes: Of the constraints there. (H, C, n)
            multipliers: (H, C)

        Returns:
            Slopes (H, n), and second derivatives, without a negative part (H, n, n).
        """
        reach = np.maximum(0.0, multipliers + self.penalty * self.task.constraint(states))
        biting = self.penalty * (reach > 0.0)
        bend = np.einsum("tc,tci,tcj->tij", biting, slopes, slopes)
        return np.einsum("tc,tci->ti", reach, slopes), bend

    def settled(
        self, start: np.ndarray, plan: np.ndarray, best: np.ndarray, multipliers: np.ndarray
    ) -> Settling:
        """The plan, and ``max(0, l + p c)`` by the worst of the models on its way."""
        states = self.states(1)
        yield start, plan[None], np.empty(states.shape[:2]), states
        broken = self.task.constraint(states)[:, 0].max(axis=0)  # (H, C)
        grown = np.clip(multipliers + self.penalty * broken, 0.0, LARGEST * self.penalty)
        # A rollout that blew up teaches nothing.
        return plan, np.where(np.isfinite(grown), grown, multipliers)


class Barrier(StateConstraints):
    """``h(x_t+1) >= (1 - g) h(x_t)`` with h = -c, at every step of the horizon.

    Agrawal and Sreenath, "Discrete Control Barrier Functions for Safety-Critical Control of
    Discrete Systems" (RSS 2017); over a horizon: Zeng, Zhang and Sreenath, "Safety-Critical Model
    Predictive Control with Discrete-Time Control Barrier Function" (ACC 2021). A plan may come
    nearer to what is forbidden by the share g of the distance in each period, and where it is
    inside already it must get out as fast. Over the whole horizon, since a force cannot turn a mass
    in one period.

    Samples are charged for what they lack. The mean of samples that lack nothing may still lack
    something, so the plan is filtered: on the straight way from it to the best sample the first of
    `POINTS` points that lacks nothing is what is done; if all lack something, the one that lacks
    least. The way lies within all limits, since they are convex.

    Args:
        share: g, in (0, 1]: 1 allows all that does not break the constraint itself.
    """

    def __init__(self, share: float, *of: object) -> None:
        super().__init__(*of)  # type: ignore[arg-type]
        self.share = share

    def lacks(self, start: np.ndarray, states: np.ndarray) -> np.ndarray:
        """By how much each step falls short of the condition, in all. -> (M, K)"""
        after = self.task.constraint(states)  # (M, K, H, C)
        first = np.broadcast_to(self.task.constraint(start), (*after.shape[:2], 1, after.shape[3]))
        before = np.concatenate([first, after[:, :, :-1]], axis=2)
        return np.sum(np.maximum(0.0, after - (1.0 - self.share) * before), axis=(2, 3))

    def price(self, start: np.ndarray, states: np.ndarray, multipliers: np.ndarray) -> np.ndarray:
        """The penalty on what each sample lacks. (M, K)"""
        return self.penalty * self.lacks(start, states)

    def settled(
        self, start: np.ndarray, plan: np.ndarray, best: np.ndarray, multipliers: np.ndarray
    ) -> Settling:
        """The first point on the way from the plan to the best sample that lacks nothing."""
        tried = plan + np.linspace(0.0, 1.0, POINTS)[:, None, None] * (best - plan)
        states = self.states(POINTS)
        yield start, tried, np.empty(states.shape[:2]), states
        lacking = self.lacks(start, states).max(axis=0)  # in the worst of the models
        lacking = np.where(np.isfinite(lacking), lacking, np.inf)
        # What rounding makes of two that lack the same is no reason to choose the later one.
        least = lacking.min()
        return tried[int(np.argmax(lacking <= least + 1e-9 * (1.0 + least)))], multipliers


def constraints_of(
    dynamics: Dynamics, most: int, horizon: int, kind: str, penalty: float, share: float
) -> StateConstraints | None:
    """What keeps a task's constraints; None where it has none, or they are to be left alone.

    Args:
        dynamics: The planner's model.
        most: Samples of the largest iteration.
        horizon: Control periods.
        kind: lagrangian, barrier or off.
        penalty: What breaking a constraint by a unit costs.
        share: Of barrier.

    Raises:
        ValueError: Numbers out of their ranges, or constraints where the model tells no state.
    """
    if not (np.isfinite(penalty) and penalty > 0.0):
        raise ValueError(f"penalty: {penalty} must be a positive number")
    if not 0.0 < share <= 1.0:
        raise ValueError(f"barrier_share: {share} must be above 0 and at most 1")
    if kind == "off" or not getattr(dynamics.task, "constraint_names", ()):
        return None
    if getattr(dynamics, "latent", False):
        raise ValueError("constraints: a latent model tells no state; say constraints: off")
    if kind == "barrier":
        return Barrier(share, dynamics, penalty, most, horizon)
    return Lagrangian(dynamics, penalty, most, horizon)
