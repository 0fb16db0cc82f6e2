"""The states and actions at which `check_task` tries a task's laws."""

from __future__ import annotations

import numpy as np

from .dynamics import Dynamics
from .task import Task

TICKS = 40
"""Control periods that a start is rolled forward at most."""
DIRECTIONS = 12
"""Held actions that are tried from each start."""


def rolled(
    task: Task, dynamics: Dynamics, starts: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """States on the way from each start under held random actions, and an action for each.

    A task's contacts are unknown here. But a thing that is touched moves: of all states on the way
    one is taken in whose next step most coordinates change. Every second one keeps its action.

    Args:
        task: The task.
        dynamics: What rolls it forward.
        starts: (B, n)
        rng: Of the actions.

    Returns:
        States (B, n), actions (B, m), and how many of the next steps change as many coordinates as
        any does.
    """
    s = task.symmetry
    low, high = task.limits.bound()
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    count, m = len(starts), len(task.action_names)
    held = task.limits.project(middle + half * rng.uniform(-1.5, 1.5, (count, DIRECTIONS, 1, m)))
    costs = np.empty((dynamics.models, DIRECTIONS))
    ways = np.empty((dynamics.models, DIRECTIONS, TICKS, starts.shape[1]))
    x, u = starts.copy(), np.empty((count, m))
    for b, start in enumerate(starts):
        dynamics.rollout(start, np.repeat(held[b], TICKS, axis=1), costs, ways)
        way = np.concatenate([np.broadcast_to(start, (DIRECTIONS, 1, len(start))), ways[0]], axis=1)
        moving = np.sum(np.abs(s.difference("state", way[:, 1:], way[:, :-1])) > 1e-9, axis=-1)
        most = np.argwhere(moving == moving.max())
        k, t = most[rng.integers(len(most))]
        x[b] = way[k, t]
        u[b] = held[b, k, 0]
    fresh = task.limits.project(middle + half * rng.uniform(-1.5, 1.5, u.shape))
    u[1::2] = fresh[1::2]
    changes = np.abs(s.difference("state", dynamics.next_state(x, u), x)) > 1e-9
    moving = changes.sum(axis=1)
    return x, u, int(np.sum(moving == moving.max()))


def near_goal(task: Task, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """States near success, which random ones never are. (B, n) -> (B, n)

    A random search lowers the terminal cost from each state; then all coordinates are moved a
    little, so that some are successes and some are not. They need not be reachable.
    """
    s = task.symmetry
    zero = np.zeros_like(x)
    best = x.copy()
    cost = task.terminal_cost(best)
    size = np.full((len(x), 1), 0.3)
    for _ in range(300):
        trial = s.difference("state", best + size * rng.normal(0.0, 1.0, x.shape), zero)  # wraps
        price = task.terminal_cost(trial)
        lower = price < cost
        best[lower], cost[lower] = trial[lower], price[lower]
        size = np.clip(np.where(lower[:, None], 1.5 * size, 0.9 * size), 1e-3, 0.5)
    # What the terminal cost does not see (speeds, often) is brought towards rest.
    for i in range(x.shape[1]):
        trial = best.copy()
        trial[:, i] *= 0.01
        kept = task.terminal_cost(trial) <= cost + 1e-12
        best[kept] = trial[kept]
    # At the goal itself a distance is the root of a rounding error: nothing is tried that near.
    spread = np.array([0.003, 0.01, 0.03])[np.arange(len(x)) % 3][:, None]
    return s.difference("state", best + spread * rng.normal(0.0, 1.0, x.shape), zero)
