"""The residuals of a planner: of its model, costs, limits and plans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...sim.check_states import rolled
from ...sim.symmetry_claim import said_of
from ...symmetry.audit.residuals import Residual, audited, residual
from ...symmetry.declaration import Symmetry

EXACT = 1e-9
"""The largest residual that is rounding."""
SINGLE = 1e-5
"""The same with a model that computes in float32, whose rounding a plan enlarges."""
HELD = 5
"""Periods of a rollout in a latent model."""
TICKS = 3
"""Plans that follow each other from each state, the later ones warm-started."""
RANDOM = 12
"""Elements of a continuous group that are tried."""
DECIDED = 0.05
"""Largest share of comparisons that the model's rollouts may decide by rounding."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        residuals: By component: model, costs, constraints, limits, planner.
        decided: Comparisons of plans, left out of `planner`, in which the model's own rollouts of
            the same samples cost otherwise on the two sides: a contact that rounding makes or
            breaks, or a model that is not symmetric.
        compared: All comparisons of plans.
        refused: Why a component cannot be told.
        exact: The largest residual that is rounding.
    """

    residuals: dict[str, Residual]
    decided: int
    compared: int
    refused: dict[str, str]
    exact: float = EXACT

    def failures(self) -> list[str]:
        """What is not exact, one line each; none if all is."""
        lines = [
            f"{name}: {found.error:.2g} in {found.coordinate} under {found.element}"
            for name, found in self.residuals.items()
            if not found.error <= self.exact
        ]
        if self.decided > DECIDED * self.compared:
            lines.append(
                f"planner: in {self.decided} of {self.compared} comparisons the model's rollouts "
                "differ, so nothing is said of those"
            )
        return lines + [f"{name}: {why}" for name, why in self.refused.items()]


def elements_of(planner: Any, word: str) -> Symmetry:
    """The elements that a planner is held to: all of a finite group, or some of a continuous one.

    Args:
        planner: As the planner node builds it.
        word: What `symmetry` says; a planner that does not use it is held to it all the same.
    """
    if getattr(planner, "continuous", ""):
        return planner.tried(RANDOM)
    return planner.task.symmetry.restrict(said_of(planner.task, word)[0])


def audit(planner: Any, symmetry: Symmetry, states: int, seed: int, progress: Any) -> Audit:
    """Compare everything at sampled states under every element.

    Args:
        planner: As the planner node builds it.
        symmetry: From `elements_of`.
        states: How many starts; from each some periods are planned.
        seed: Of the draws.
        progress: Told of each state: ``progress.advance()``.
    """
    task = planner.task
    rng = np.random.default_rng(seed)
    starts = np.stack([task.initial_state(rng) for _ in range(states)])
    low, high = task.limits.bound()
    x = starts
    u = task.limits.project(rng.uniform(1.5 * low, 1.5 * high, (states, len(low))))
    found, refused = {}, {}
    model = getattr(planner, "dynamics", None)
    exact = SINGLE if model is not None and in_single_precision(model, x[0], u[0]) else EXACT
    names = tuple(task.action_names)
    if getattr(model, "latent", False):
        found["model"] = audited(symmetry, _cost_of_holding(model), x, u, ["cost of a rollout"])
    elif model is not None:
        x, u, _ = rolled(task, model, starts, rng)
        found["model"] = audited(symmetry, model.next_state, x, u, task.state_names, "state")
    for name in ("running_cost", "terminal_cost"):
        try:
            found[name.replace("_", " ")] = audited(symmetry, _cost(task, name), x, u, [name])
        except NotImplementedError as error:
            refused[name.replace("_", " ")] = " ".join(str(error).split())
    if task.constraint_names:
        found["constraints"] = audited(
            symmetry, lambda x, u: task.constraint(x), x, u, task.constraint_names
        )
    wide = rng.uniform(2.0 * low, 2.0 * high, (64, len(low)))
    many = np.repeat(x[:1], 64, axis=0)
    for name in ("limits", "rates", "accelerations"):
        limits = getattr(task, name, None)
        if limits is not None:
            found[name] = audited(
                symmetry, lambda x, u, own=limits: own.project(u), many, wide, names, "action"
            )
    plans, decided, compared = _planned(planner, symmetry, starts, rng, progress, refused, exact)
    if plans is not None:
        found["planner"] = plans
    return Audit(found, decided, compared, refused, exact)


def in_single_precision(model: Any, x: np.ndarray, u: np.ndarray) -> bool:
    """Whether a model's answer at a point is one of float32, in all but the goal. (n,), (m,)"""
    if getattr(model, "latent", False):
        return True
    found = np.delete(model.next_state(x, u), np.arange(len(x))[model.task.goal_slice])
    return bool((found == found.astype(np.float32)).all() and (found != found.round(3)).any())


def _cost_of_holding(model: Any) -> Any:
    """What a model that tells no states says of them: the cost of holding an action."""

    def cost(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        found = np.empty((len(x), model.models, 1))
        for start, action, costs in zip(x, u, found, strict=True):
            model.rollout(start, np.tile(action, (1, HELD, 1)), costs, None)
        return found[:, 0]

    return cost


def _cost(task: Any, name: str) -> Any:
    if name == "running_cost":
        return lambda x, u: task.running_cost(x, u)[:, None]
    return lambda x, u: task.terminal_cost(x)[:, None]


def _planned(
    planner: Any,
    symmetry: Symmetry,
    starts: np.ndarray,
    rng: np.random.Generator,
    progress: Any,
    refused: dict[str, str],
    exact: float,
) -> tuple[Residual | None, int, int]:
    """Of plans: their residual, the comparisons that the model decided, and all."""
    found, decided, compared = Residual(), 0, 0
    with _recorded(planner) as calls:
        for x in starts:
            memory = planner.initial_memory(int(rng.integers(2**31)))
            if not hasattr(memory, "act"):
                refused["planner"] = (
                    f"{type(memory).__name__}, its memory, does not say how a group acts on it"
                )
                return None, 0, 0
            for tick in range(TICKS):
                time = tick * planner.task.dt
                calls.clear()
                plan, after = planner.plan(x, time, memory)
                ours = list(calls)
                for g in symmetry.group.elements:
                    calls.clear()
                    there, _ = planner.plan(symmetry.act(g, state=x), time, memory.act(symmetry, g))
                    one = _nearest(planner, symmetry, g, x, plan.actions, there.actions)
                    compared += 1
                    if one.error > exact and _model_decided(
                        planner, symmetry, g, ours, calls, exact
                    ):
                        decided += 1
                    else:
                        found = found.worst(one)
                memory = after
                x = _next(planner, x, plan.actions[0])
            progress.advance()
    return found, decided, compared


def _nearest(
    planner: Any, s: Symmetry, g: int, x: np.ndarray, here: np.ndarray, there: np.ndarray
) -> Residual:
    """Against the nearest of g k here, for the elements k that fix the state."""
    names, element = planner.task.action_names, s.group.element_names[g]
    images = (s.act(g, action=s.act(k, action=here)) for k in s.stabiliser(state=x))
    nearest = min((residual(there, i, names, element) for i in images), key=lambda r: r.error)
    return replace(nearest, compared=1)


def _next(planner: Any, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    model = getattr(planner, "dynamics", None)
    return x if model is None or getattr(model, "latent", False) else model.next_state(x, u)


@contextmanager
def _recorded(planner: Any) -> Iterator[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """The rollouts that are made meanwhile: start, actions, costs."""
    calls: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    model = getattr(planner, "dynamics", None)
    if model is None:
        yield calls
        return
    rollout = model.rollout

    def recorded(x0, actions, costs, states=None):
        rollout(x0, actions, costs, states)
        calls.append((np.array(x0), np.array(actions), np.array(costs)))

    model.rollout = recorded
    try:
        yield calls
    finally:
        del model.rollout


def _model_decided(
    planner: Any, s: Symmetry, g: int, ours: list, theirs: list, exact: float
) -> bool:
    """Whether the same samples cost otherwise in the model, moved or in the same place."""
    inverse = s.group.inverse[g] if s.group.product.any() else None
    for mine, other in zip(ours, theirs, strict=False):
        if _alike(mine, other) and _off(mine[2], other[2], exact):
            return True
        if inverse is not None:  # one of a group: its samples may be moved ones
            x0, actions, costs = other
            back = np.empty_like(costs)
            moved = s.act(inverse, action=actions)
            planner.dynamics.rollout(s.act(inverse, state=x0), moved, back, None)
            if _off(back, costs, exact):
                return True
    return False


def _alike(mine: tuple, other: tuple) -> bool:
    same = mine[1].shape == other[1].shape
    return same and all(np.abs(mine[i] - other[i]).max() < 1e-9 for i in (0, 1))


def _off(a: np.ndarray, b: np.ndarray, exact: float) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.nanmax(np.abs(a - b) / (1.0 + np.abs(b)), initial=0.0) > exact)
