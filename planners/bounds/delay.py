"""Delay compensation: a plan is made for where the state will be when the plan takes effect."""

from __future__ import annotations

import math

import numpy as np

from ...sim.dynamics import Dynamics


def delayed_periods(delay: float, dt: float) -> int:
    """How many control periods pass until a plan takes effect: whole ones, the last one begun.

    Args:
        delay: From a state's stamp to the effect of its plan, s.
        dt: Control period, s.

    Raises:
        ValueError: It is negative or longer than a minute.
    """
    if not 0.0 <= delay <= 60.0:
        raise ValueError(f"delay_ms: {delay * 1e3:g} must be from 0 to 60000")
    return math.ceil(delay / dt - 1e-6)


def check_told(dynamics: Dynamics, what: str) -> None:
    """Hold a model to telling states, which one that plans in a latent does not.

    Raises:
        ValueError: It does not, and `what` needs them.
    """
    if getattr(dynamics, "latent", False):
        raise ValueError(f"{what}: a latent model tells no state")


def ahead(dynamics: Dynamics, state: np.ndarray, sent: np.ndarray) -> np.ndarray:
    """Where the model says the state will be after what was sent.

    It goes with the group as the model does: from gx by g times what was sent it is g times that.

    Args:
        dynamics: The planner's model.
        state: (n,)
        sent: An action for each period until then. (d, m)

    Raises:
        ValueError: The model blows up on the way.
    """
    for action in sent:
        state = dynamics.next_state(state, action)
    if not np.isfinite(state).all():
        worst = dynamics.task.state_names[int(np.argmin(np.isfinite(state)))]
        raise ValueError(f"the state rolled ahead is not finite in {worst}")
    return state
