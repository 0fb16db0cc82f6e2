"""`Observer`: a task's whole state from what images tell, by a model that says what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..sim.task import Task

SHARE = 0.1
"""A model that does not say how far it is off is taken to be off by this share of every change."""
FLOOR = 1e-4
"""Smallest standard deviation of one step and of one measurement (SI units)."""
STEP = 1e-3
"""Of the differences that a model's slopes are taken by, over the deviation of what they move."""
UNKNOWN = 1.0
"""Standard deviation at an episode's start of what the first image does not tell (SI units)."""
STILL = 5.0
"""Deviations by which a scene must have moved for an image that does not change to be frozen."""


class Steps(Protocol):
    """A model: `sim.dynamics.Dynamics`, as far as it is needed here."""

    def next_state(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state one control period later. (K, n), (K, m) -> (K, n)"""
        ...


@dataclass(frozen=True)
class Estimate:
    """What is known of the state at a moment."""

    state: np.ndarray
    """(n,), the goal as it was told."""
    deviation: np.ndarray
    """Standard deviation of each coordinate; 0 of the goal. (n,)"""
    anomaly: float
    """Observed against predicted: root mean square of their difference over its standard
    deviation. About 1 where all is as expected; NaN where nothing was predicted."""


class Following(Protocol):
    """What follows a scene from image to image: `Observer` states, `LatentObserver` latents.

    Attributes:
        places: The coordinates of the state that are measured. (k)
        state: The last estimate; None before the first. (n,)
        drifts: Whether the model may move a scene in which nothing moves.
    """

    drifts: bool
    places: list[int]
    state: np.ndarray | None

    @property
    def task(self) -> Task:
        """Whose state an estimate is."""
        ...

    @property
    def model(self) -> Steps | None:
        """What comes next; None: nobody knows."""
        ...

    def reset(self) -> None:
        """Forget everything: another episode."""
        ...

    def update(
        self,
        goal: np.ndarray,
        action: np.ndarray,
        value: np.ndarray,
        deviation: np.ndarray,
        limit: float = np.inf,
    ) -> Estimate:
        """Take in what an image tells; above an anomaly of `limit` only that a period has passed.

        (g,), (m,), (k,), (k,)
        """
        ...

    def skip(self, action: np.ndarray) -> None:
        """Let a period pass without an image. (m,)"""
        ...

    def ahead(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The state one period after another, by the model. (n,), (m,) -> (n,)"""
        ...

    def apart(self, value: np.ndarray, state: np.ndarray) -> np.ndarray:
        """What is measured, minus what a state says of that. (k,)"""
        ...


class Observer:
    """An extended Kalman filter (R. Kalman, 1960; A. Jazwinski, 1970) over a model of the task.

    Images tell some coordinates, each with its own deviation; the model tells the others (rates),
    smooths all, and what it foretold is what the image is held against. It is a function of states
    and actions that the task's group moves along: with an equivariant model and encoder a moved
    episode gives moved estimates, up to the differences that slopes are taken by. Without a model
    an estimate is what the image tells.

    Args:
        task: The task.
        places: The coordinates that are measured. (k)
        turning: Those of them that are measured up to whole turns. (k) bool
        model: What comes next; None: nobody knows.
        deviation: How far the model is off in one period, (n,); None: it does not say.

    Raises:
        ValueError: No model, and something that is neither measured nor the goal.
    """

    drifts = False

    def __init__(
        self,
        task: Task,
        places: list[int],
        turning: np.ndarray,
        model: Steps | None = None,
        deviation: np.ndarray | None = None,
    ) -> None:
        self.task, self.places, self.turning = task, list(places), np.asarray(turning, bool)
        self.model, self.deviation = model, deviation
        n, goal = len(task.state_names), task.goal_slice
        self.own = [i for i in range(n) if not goal.start <= i < goal.stop]
        self._goal = [i for i in range(n) if i not in self.own]
        hidden = [task.state_names[i] for i in self.own if i not in self.places]
        if model is None and hidden:
            raise ValueError(f"no image tells {hidden[0]}, and there is no model to tell it")
        self._seen = np.array([self.own.index(i) for i in self.places])
        self._blocks = _blocks(task, self.own)
        self.reset()

    def reset(self) -> None:
        """Forget everything: another episode."""
        self.state: np.ndarray | None = None
        self.covariance = np.zeros((len(self.own), len(self.own)))

    def update(
        self,
        goal: np.ndarray,
        action: np.ndarray,
        value: np.ndarray,
        deviation: np.ndarray,
        limit: float = np.inf,
    ) -> Estimate:
        """Take in what an image tells; above an anomaly of `limit` only that the period has passed.

        Args:
            goal: As it is told now. (g,)
            action: What was done in the period that has just ended; of no use at first. (m,)
            value: What the image tells. (k,)
            deviation: Its standard deviation. (k,)
            limit: Of the anomaly.
        """
        task, noise = self.task, np.maximum(deviation, FLOOR) ** 2
        if self.state is None or self.model is None:
            x = np.zeros(len(task.state_names))
            x[self.places], x[self._goal] = value, goal
            anomaly = float("nan")
            spread = np.full(len(self.own), UNKNOWN**2)
            spread[self._seen] = noise
            self.covariance = np.diag(spread)
        else:
            x, covariance = self._predicted(self.state, action)
            x[self._goal] = goal
            apart = self._innovation(value, x)
            seen = self._seen
            total = covariance[np.ix_(seen, seen)] + np.diag(noise)
            gain = np.linalg.solve(total, covariance[seen]).T
            anomaly = float(np.sqrt(apart @ np.linalg.solve(total, apart) / len(apart)))
            if anomaly <= limit:
                x[self.own] += gain @ apart
                left = np.eye(len(self.own))
                left[:, seen] -= gain
                # Joseph's form, which rounding cannot make negative.
                covariance = left @ covariance @ left.T + (gain * noise) @ gain.T
            self.covariance = covariance
            x = task.symmetry.act(0, state=x)  # angles wrapped
        self.state = x
        spread = np.zeros(len(x))
        spread[self.own] = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return Estimate(x.copy(), spread, anomaly)

    def skip(self, action: np.ndarray) -> None:
        """Let a period pass without an image. (m,)"""
        if self.state is not None and self.model is not None:
            self.state, self.covariance = self._predicted(self.state, action)

    def ahead(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The state one period after another, by the model. (n,), (m,) -> (n,)"""
        assert self.model is not None
        return np.asarray(self.model.next_state(state[None], action[None]))[0]

    def apart(self, value: np.ndarray, state: np.ndarray) -> np.ndarray:
        """What is measured, minus what a state says of that. (k,)"""
        return self._innovation(value, state)

    def _innovation(self, value: np.ndarray, state: np.ndarray) -> np.ndarray:
        apart = value - state[self.places]
        turned = (apart + np.pi) % (2.0 * np.pi) - np.pi
        return np.where(self.turning, turned, apart)

    def _predicted(self, state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """State and covariance one period later, before the image is taken in."""
        assert self.model is not None
        count = len(self.own)
        steps = np.maximum(STEP, np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))
        rows = np.tile(state, (2 * count + 1, 1))
        for j, i in enumerate(self.own):
            rows[1 + 2 * j, i] += steps[j]
            rows[2 + 2 * j, i] -= steps[j]
        actions = np.tile(action, (len(rows), 1))
        found = np.asarray(self.model.next_state(rows, actions))
        up, down = found[1::2], found[2::2]
        change = self.task.symmetry.difference("state", up, down)[:, self.own]
        slopes = (change / (2.0 * steps[:, None])).T
        covariance = slopes @ self.covariance @ slopes.T + np.diag(self._off(state, found[0]))
        return found[0].copy(), covariance

    def _off(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Variance of the model's step, of each own coordinate."""
        if self.deviation is not None:
            return np.maximum(self.deviation[self.own], FLOOR) ** 2
        change = self.task.symmetry.difference("state", after, before)[self.own]
        off = np.empty(len(self.own))
        for block in self._blocks:
            off[block] = (SHARE**2) * np.mean(change[block] ** 2) + FLOOR**2
        return off


class Stillness:
    """Whether images have stopped while the scene went on: what moves cannot look the same.

    Args:
        observer: Whose model tells how the scene goes on.
        limit: Without a model: so many equal images on end are frozen.
    """

    def __init__(self, observer: Following, limit: int) -> None:
        self.observer, self.limit = observer, limit
        self.reset()

    def reset(self) -> None:
        """Forget the images so far."""
        self._image: np.ndarray | None = None
        self._ghost: np.ndarray | None = None
        self.count = 0
        """Images on end that were equal to the one before."""

    def frozen(self, image: np.ndarray, action: np.ndarray, deviation: np.ndarray) -> bool:
        """Take an image in; whether it is a frozen one.

        Args:
            image: As the network takes it.
            action: What was done in the period that has just ended. (m,)
            deviation: Of what images tell. (k,)
        """
        same = self._image is not None and np.array_equal(image, self._image)
        self._image = image
        if not same:
            self.count, self._ghost = 0, None
            return False
        self.count += 1
        observer = self.observer
        if observer.model is None or observer.state is None:
            return self.count >= self.limit
        if self._ghost is None:
            self._ghost = self._idle = observer.state
            self._held = observer.state[observer.places]
        self._ghost = observer.ahead(self._ghost, action)
        if observer.drifts:  # then only what is done counts, against what is not
            self._idle = observer.ahead(self._idle, observer.task.safe_action())
            self._held = self._idle[observer.places]
        gone = np.abs(observer.apart(self._held, self._ghost))
        return bool(np.any(gone > STILL * np.maximum(deviation, FLOOR)))


def _blocks(task: Task, own: list[int]) -> list[list[int]]:
    """The own coordinates that the group mixes, together."""
    matrices, _, _ = task.symmetry.affine("state")
    linked = np.asarray((np.abs(matrices) > 1e-12).any(axis=0))
    linked |= linked.T
    left, blocks = set(range(len(own))), []
    while left:
        block = {min(left)}
        while True:
            grown = {j for j in left if any(linked[own[i], own[j]] for i in block)} | block
            if grown == block:
                break
            block = grown
        blocks.append(sorted(block))
        left -= block
    return blocks
