"""Proposals: what somebody else would do, a learned policy say, or nothing, as one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...nodes import plugin
from ...nodes.parameters import ParameterError, from_dict
from ...sim.dynamics import Dynamics
from ...sim.planner_plugin import in_a_line
from ...sim.task import Task
from ...symmetry.declaration import Symmetry

MODEL = "model.yaml"
"""What stands in the folder of a trained model."""


class Proposer(Protocol):
    """Anything that would act in a state. A planner is handed one; it knows nothing else of it."""

    def actions(self, state: np.ndarray) -> np.ndarray:
        """The actions for the next period or periods, from a state (n,). (k, m), k >= 1"""
        ...


def proposal(
    proposer: Proposer, dynamics: Dynamics, state: np.ndarray, horizon: int
) -> np.ndarray | None:
    """What the proposer would do over a horizon, where the planner's own model takes it.

    It depends on the state alone. For a proposer that is equivariant, and a model that is, the
    proposal from gx is g times the one from x.

    Args:
        proposer: Who proposes.
        dynamics: The planner's model.
        state: (n,)
        horizon: Control periods.

    Returns:
        The actions, within the limits (H, m); None if they are not finite.
    """
    found = np.empty((horizon, len(dynamics.task.action_names)))
    at, x = 0, np.asarray(state, float)
    while at < horizon:
        answer = np.asarray(proposer.actions(x), float)[: horizon - at]
        rolled = at + len(answer) < horizon  # else nobody asks what comes after
        for action in answer:
            found[at] = dynamics.task.limits.project(action)
            at += 1
            if rolled:
                x = dynamics.next_state(x, found[at - 1])
            if not (np.isfinite(found[at - 1]).all() and np.isfinite(x).all()):
                return None
    return found


def charge(temperature: float) -> float:
    """What the last plan is charged where it is tried beside plans of others: a temperature.

    If it stood whenever no sample is better, it would stay in local optima for as long as the noise
    does not lead out of them within one plan.

    Args:
        temperature: Of the weights; NaN: they have none, and nothing is charged.
    """
    return temperature if temperature < np.inf else 0.0


def idle_actions(task: Task, symmetry: Symmetry, horizon: int) -> np.ndarray:
    """Doing nothing: the safe action throughout. (H, m)

    Raises:
        ValueError: The group moves it, so that with it no plan would be exact.
    """
    safe = task.limits.project(task.safe_action())
    for g in symmetry.group.elements:
        if np.abs(symmetry.act(g, action=safe) - safe).max() > 1e-9:
            raise ValueError(
                f"null_sample: {symmetry.group.name}'s element {symmetry.group.element_names[g]} "
                f"moves the safe action of {task.name}; leave it off, or take a smaller group"
            )
    return np.tile(safe, (horizon, 1))


def build_proposer(block: dict[str, Any], task: Task) -> Proposer:
    """The proposer that a block ``{plugin: name, parameter: value}`` asks for.

    Raises:
        ParameterError: Parameters that it does not know, or that do not fit the task.
        PluginError: There is none of that name, or it cannot be built.
    """
    spec = block.get("plugin")
    if not isinstance(spec, str):
        raise ParameterError("proposal: needs a plugin, e.g. {plugin: policy_proposer}", "proposal")
    folder = block.get("policy")
    if spec == "policy_proposer" and isinstance(folder, str) and (Path(folder) / MODEL).is_file():
        try:  # by its name: no room that plans imports the one that learns models
            return plugin.load("latent_prior", "perception")(task, folder)
        except ParameterError as error:
            raise error.within("proposal") from None
    cls = plugin.load(spec, "control")
    if not (hasattr(cls, "Parameters") and hasattr(cls, "actions")):
        text = f"proposal: {spec} proposes nothing; it lacks Parameters or actions"
        raise plugin.PluginError(text, True, "proposal.plugin")
    own = {key: value for key, value in block.items() if key != "plugin"}
    try:
        return cls(task, from_dict(cls.Parameters, own, "proposal"))
    except ParameterError as error:
        raise error.within("proposal") from None
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        text = f"proposal: {spec} cannot be built ({in_a_line(error)})"
        raise plugin.PluginError(text, True, "proposal.plugin") from error
