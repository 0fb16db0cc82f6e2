"""Traces: what a backwards model imagines before demonstrated states, and what is kept of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...sim.limits import Limits
from ...symmetry.declaration import Symmetry
from .backwards_model import PUBLISHED, BackwardsModel, Draws

Keep = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(state (N, n), action (N, m), next state (N, n)) -> which are believed (N,) bool."""


@dataclass(frozen=True)
class Traces:
    """N imagined transitions, each of which ends in a demonstrated state or in one before it."""

    state: np.ndarray
    """(N, n)"""
    action: np.ndarray
    """(N, m), within the limits."""
    next_state: np.ndarray
    """(N, n)"""
    source: np.ndarray
    """(N,) the row of the demonstrated state that the trace leads to."""
    step: np.ndarray
    """(N,) how many steps before it, from 1."""
    refused: int
    """Transitions that the filters did not believe; nothing grows from those."""

    def __len__(self) -> int:
        return len(self.state)


def steps_at(progress: float, first: int, last: int, begin: float = 0.0) -> int:
    """Length of traces at a share of the training: `first` until `begin`, then linear to `last`."""
    if progress <= begin:
        return first
    share = min((progress - begin) / max(1.0 - begin, 1e-9), 1.0)
    return round(first + share * (last - first))


def grow(
    models: Sequence[BackwardsModel],
    ends: np.ndarray,
    steps: int,
    rng: np.random.Generator,
    limits: Limits,
    draws: Draws = PUBLISHED,
    keep: Sequence[Keep] = (),
) -> Traces:
    """Grow a trace backwards from each state.

    Args:
        models: Members of an ensemble; a trace is one member's.
        ends: The states that traces lead to. (E, n)
        steps: How many steps each is long at most.
        rng: Of the draws.
        limits: Of the actions, which are projected onto them before the state is asked for.
        draws: How actions are drawn about their mean.
        keep: What a transition must pass; a trace ends at the first that does not.
    """
    symmetry: Symmetry = models[0].seen.symmetry
    angles = symmetry.affine("state")[2]
    member = rng.integers(len(models), size=len(ends))
    alive = np.arange(len(ends))
    now = np.array(ends, float)
    noise = rng.standard_normal((len(ends), symmetry.width("action")))
    kept, fresh = draws.persistence, math.sqrt(1.0 - draws.persistence**2)
    found: list[tuple[np.ndarray, ...]] = []
    refused = 0
    for step in range(1, steps + 1):
        state, action = np.empty_like(now), np.empty((len(now), symmetry.width("action")))
        for k, model in enumerate(models):
            rows = member[alive] == k
            if rows.any():
                drawn = model.step(now[rows], noise[rows], rng, draws, limits.project)
                state[rows], action[rows] = drawn[0], drawn[1]
        state[:, angles] = (state[:, angles] + np.pi) % (2 * np.pi) - np.pi
        good = np.isfinite(state).all(axis=1)
        for rule in keep:
            good &= rule(state, action, now)
        refused += int(np.sum(~good))
        count = int(np.sum(good))
        found.append((state[good], action[good], now[good], alive[good], np.full(count, step)))
        alive, now = alive[good], state[good]
        noise = kept * noise[good] + fresh * rng.standard_normal((count, noise.shape[1]))
        if not count:
            break
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    return Traces(*columns, refused=refused)


def within(low: np.ndarray, high: np.ndarray) -> Keep:
    """Keeps states within a box, angles aside where low and high are infinite. (n,), (n,)"""

    def keep(state: np.ndarray, action: np.ndarray, next_state: np.ndarray) -> np.ndarray:
        return np.all((state >= low) & (state <= high), axis=1)

    return keep


def consistent(
    forward: Callable[[np.ndarray, np.ndarray], np.ndarray],
    symmetry: Symmetry,
    scale: np.ndarray,
    tolerance: float,
    unseen: Sequence[int] = (),
) -> Keep:
    """Keeps transitions that a forward model agrees with: f(s, a) within a tolerance of s'.

    Args:
        forward: (states, actions) -> next states.
        symmetry: Of the states, which says how they are subtracted.
        scale: Typical size of a step, a coordinate. (n,)
        tolerance: Largest mean deviation, in units of it.
        unseen: Coordinates that do not count.
    """

    def keep(state: np.ndarray, action: np.ndarray, next_state: np.ndarray) -> np.ndarray:
        off = symmetry.difference("state", forward(state, action), next_state) / scale
        off[:, list(unseen)] = 0.0
        return np.sqrt(np.mean(off**2, axis=1)) <= tolerance

    return keep
