"""`PolicyProposer`: a trained policy as somebody who proposes to a planner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..nodes.parameters import ParameterError
from ..sim.task import Task
from .load_policy import check_loadable, load_policy, wants_of


class PolicyProposer:
    """Says what a policy would do in a state that a planner's model has come to.

    Draws are made anew from one key in each state, so that a proposal hangs on the state alone; one
    from an exact policy is then equivariant as far as its draws are (a deterministic one: wholly).

    Args:
        task: The planner's.
        parameters: Which policy.

    Raises:
        ParameterError: A policy that does not fit the task, or sees more than its state.
    """

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the proposer."""

        policy: str
        """A trained policy's folder, or my_file:MyPolicy."""

    def __init__(self, task: Task, parameters: Parameters) -> None:
        spec = parameters.policy
        wants = wants_of(spec, task)
        if wants.images:
            said = f"{spec} sees {', '.join(wants.images)}, of which a planner's model has none"
            raise ParameterError(f"policy: {said}", "policy")
        check_loadable(spec)
        names = wants.state_names or task.state_names
        self._index = np.array([task.state_names.index(name) for name in names])
        self._spec, self._task, self._execute = spec, task, wants.execute
        self._policy = None

    def actions(self, state: np.ndarray) -> np.ndarray:
        """What the policy would do from a state (n,) of the task. (k, m)"""
        if self._policy is None:  # not for a mere check of parameters
            self._policy = load_policy(self._spec, self._task)
        self._policy.reset(np.random.default_rng(0))
        seen = {"state": np.asarray(state, float)[self._index]}
        plan = getattr(self._policy, "plan", None)
        found = plan(seen) if plan else [self._policy.act(seen)]
        return np.asarray(found, float)[: self._execute]
