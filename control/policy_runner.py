"""`PolicyRunner`: a policy's answers as plans: chunks, and their last action held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..sim.task import Task
from .load_policy import Wants
from .policy import Observation, Policy


class NoAnswerError(ValueError):
    """A policy gave no action that could be executed; one line."""


class PolicyRunner:
    """Asks a policy and makes a plan of its answer.

    A policy that has ``plan(observation) -> (chunk, m)`` answers with the actions of some periods,
    of which `execute` are executed before it is asked again; one that has only `act` is asked in
    every period. Behind the answer's last action it is held until the plan has `horizon` points:
    control refuses a plan older than its deadline, so no longer than that.

    Args:
        policy: Who is asked.
        task: Whose limits hold.
        wants: What it sees, and how many actions are executed.
        horizon: Points of a plan, at least.

    Attributes:
        uncertainty: How sure it was when it was asked last; NaN if it does not say.
    """

    def __init__(self, policy: Policy, task: Task, wants: Wants, horizon: int = 3) -> None:
        self.policy, self.task, self.wants, self.horizon = policy, task, wants, horizon
        self.uncertainty = np.nan
        self._ask: Any = getattr(policy, "plan", None) or (lambda seen: [policy.act(seen)])
        self._chunk, self._asked = np.empty((0, 0)), -np.inf

    def reset(self, rng: np.random.Generator) -> None:
        """Forget the episode before; draws of the next one come from rng."""
        self.policy.reset(rng)
        self.interrupt()

    def interrupt(self) -> None:
        """Somebody else acts: what is left of the newest answer is of no use."""
        self._asked = -np.inf

    def plan(self, time: float, observation: Observation) -> np.ndarray:
        """The actions from a time (s) on, within the limits. (H, m), H >= horizon

        Raises:
            NoAnswerError: The policy refuses what it is shown, or its answer is not finite or of
                another shape.
        """
        since = (time - self._asked) / self.task.dt
        step = round(since) if np.isfinite(since) else 0
        if not (0 < step < min(self.wants.execute, len(self._chunk)) and abs(since - step) < 1e-3):
            self._asked, step = -np.inf, 0
            self._chunk = self._answer(observation)
            self._asked = time
        actions = self._chunk[step:]
        if len(actions) < self.horizon:
            held = np.repeat(actions[-1:], self.horizon - len(actions), axis=0)
            actions = np.concatenate([actions, held])
        return actions

    def _answer(self, observation: Observation) -> np.ndarray:
        """The policy's actions, within the limits. (chunk, m)"""
        try:
            actions = np.asarray(self._ask(observation), float)
        except ValueError as error:
            raise NoAnswerError(" ".join(str(error).split())) from error
        said = getattr(self.policy, "uncertainty", None)
        self.uncertainty = np.nan if said is None else float(np.asarray(said).reshape(-1)[0])
        width = len(self.task.action_names)
        if actions.ndim != 2 or not len(actions) or actions.shape[1] != width:
            raise NoAnswerError(f"its answer has the shape {actions.shape}, not (chunk, {width})")
        if not np.isfinite(actions).all():
            raise NoAnswerError("its answer is not finite")
        return self.task.limits.project(actions)


def state_of(names: Mapping[str, int], wanted: tuple[str, ...], values: np.ndarray) -> np.ndarray:
    """The wanted coordinates of a message, in their order; all without any wanted. (n,)

    Args:
        names: Where each coordinate stands in the message.
        wanted: Their names.
        values: The message's.

    Raises:
        NoAnswerError: One of them is not there.
    """
    if not wanted:
        return np.asarray(values, float)
    if missing := [name for name in wanted if name not in names]:
        raise NoAnswerError(f"the state that comes has no {missing[0]}")
    return np.asarray(values, float)[[names[name] for name in wanted]]
