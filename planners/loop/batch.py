"""Planning for several environments at once: their rollouts in one call, where the model can."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...sim.dynamics import Dynamics
from ..bounds.budget import Budget
from ..plan import Plan

if TYPE_CHECKING:
    from ..sampling import SamplingPlanner

Rollout = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]
"""What `Dynamics.rollout` is given: start, actions, costs and states."""
Planning = Generator[Rollout, None, tuple[Plan, Any]]
"""Asks for rollouts; returns a plan and a memory."""
Found = TypeVar("Found")


def driven(dynamics: Dynamics, planning: Generator[Rollout, None, Found]) -> Found:
    """What planning ends with, each rollout made when it is asked for."""
    while True:
        try:
            asked = next(planning)
        except StopIteration as end:
            return end.value
        dynamics.rollout(*asked)


def together(planner: SamplingPlanner, asked: Sequence[tuple]) -> list[tuple[Plan, Any]]:
    """The plans and memories for several (state, time, memory), step by step for all of them.

    Each is planned in buffers of its own, which the planner keeps for the next time, and with no
    budget: time is spent on all of them at once.
    """
    while len(planner.rooms) < len(asked):
        planner.rooms.append(planner.buffers())
    going = {}
    for i, one in enumerate(asked):
        twin = copy.copy(planner)
        twin.samples, twin.constraints = planner.rooms[i]
        twin.budget = Budget(np.inf)
        going[i] = twin.planning(*one)
    found: dict[int, tuple[Plan, Any]] = {}
    while going:
        rollouts = []
        for i, planning in list(going.items()):
            try:
                rollouts.append(next(planning))
            except StopIteration as end:
                found[i] = end.value
                del going[i]
        _roll_out(planner.dynamics, rollouts)
    return [found[i] for i in range(len(asked))]


def _roll_out(dynamics: Dynamics, rollouts: list[Rollout]) -> None:
    """Make rollouts: in one call where the model can and they are alike."""
    if not rollouts:
        return
    batched = getattr(dynamics, "rollout_batch", None)
    alike = len({(actions.shape, states is None) for _, actions, _, states in rollouts}) == 1
    if batched is None or not alike or len(rollouts) == 1:
        for rollout in rollouts:
            dynamics.rollout(*rollout)
        return
    starts, actions, costs, states = zip(*rollouts, strict=True)
    all_costs = np.empty((len(costs), *costs[0].shape))
    all_states = None if states[0] is None else np.empty((len(states), *states[0].shape))
    batched(np.stack(starts), np.stack(actions), all_costs, all_states)
    for i, one in enumerate(costs):
        one[:] = all_costs[i]
        if all_states is not None:
            states[i][:] = all_states[i]
