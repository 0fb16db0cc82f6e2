"""Costs, success and constraints held to the declared symmetry, fast: before every launch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..symmetry.declaration import Symmetry
from .dialled_senses import angles_of
from .task import Task

TOLERANCE = 1e-6
"""Largest difference, relative to 1 + the value itself."""
_STATES = 16
_SEARCH = 40  # steps towards success, where random states never are


def asymmetry(task: Task, symmetry: Symmetry | None = None) -> str:
    """Which element and part break cost, success or a constraint, in one line; empty: none.

    Tried at a few random states, half of them near success. It finds what depends on a direction
    anywhere; `check_task` looks closer.

    Args:
        task: Whose cost and success.
        symmetry: The task's parts under other elements than it declares; None: as it declares.
    """
    s = symmetry or task.symmetry
    try:
        task.terminal_cost(np.zeros(s.width("state")))
    except NotImplementedError:  # a world of its own, which tells no cost of other states
        return ""
    rng = np.random.default_rng(0)
    x, u = (
        _states(task, rng),
        task.limits.project(rng.normal(0.0, 0.3, (_STATES, s.width("action")))),
    )
    constraints = [
        (f"constraint {name!r}", lambda x, u, i=i: task.constraint(x)[..., i])
        for i, name in enumerate(task.constraint_names)
    ]
    for name, f in (
        ("running cost", lambda x, u: task.running_cost(x, u)),
        ("terminal cost", lambda x, u: task.terminal_cost(x)),
        ("success", lambda x, u: np.asarray(task.success(x), float)),
        *constraints,
    ):
        here = f(x, u)
        for g in s.group.elements:
            off = _apart(f(*s.act(g, state=x, action=u)), here)
            if off.max() > TOLERANCE:
                b = int(np.argmax(off))
                part = _blamed(s, f, g, x[b], u[b], rng)
                return (
                    f"its {name} is not symmetric under {s.group.name}: element "
                    f"{s.group.element_names[g]} changes it by {off[b]:.2g}, above all by part "
                    f"{part}; declare a smaller group, or mend it"
                )
    return ""


def _states(task: Task, rng: np.random.Generator) -> np.ndarray:
    """Random states, the second half of them led towards the least terminal cost. (B, n)"""
    s = task.symmetry
    scale = np.where(angles_of(s), 2.0, 0.3)
    x = rng.normal(0.0, scale, (_STATES, len(scale)))
    best = x[_STATES // 2 :].copy()
    cost = task.terminal_cost(best)
    size = np.full((len(best), 1), 0.5)
    for _ in range(_SEARCH):
        trial = best + size * rng.normal(0.0, scale, best.shape)
        price = task.terminal_cost(trial)
        lower = price < cost
        best[lower], cost[lower] = trial[lower], price[lower]
        size = np.clip(np.where(lower[:, None], 1.5 * size, 0.8 * size), 1e-3, 1.0)
    x[_STATES // 2 :] = best
    return s.act(0, state=x)  # wraps the angles


def _apart(there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Relative differences; where neither is a number, or both are infinite, there is none. (B,)"""
    same = (np.isnan(there) & np.isnan(here)) | (there == here)
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0.0, np.abs(there - here) / (1.0 + np.abs(here)))
    return np.where(np.isnan(off), np.inf, off)


def _blamed(
    s: Symmetry, f: Callable, g: int, x: np.ndarray, u: np.ndarray, rng: np.random.Generator
) -> str:
    """The part on whose coordinates f(gx, gu) - f(x, u) depends most."""
    depends = {}
    base = np.repeat(np.concatenate([x, u])[None], 64, axis=0)
    n = len(x)

    def defect(z: np.ndarray) -> np.ndarray:
        moved = f(*s.act(g, state=z[:, :n], action=z[:, n:]))
        return np.nan_to_num(moved - f(z[:, :n], z[:, n:]))

    still = defect(base)
    for space, start in (("state", 0), ("action", n)):
        for name, here in s.slices(space).items():  # type: ignore[arg-type]
            z = base.copy()
            z[:, start + here.start : start + here.stop] += rng.normal(
                0.0, 0.3, (len(z), here.stop - here.start)
            )
            label = name if space == "state" else f"{name} of the action"
            depends[label] = float(np.abs(defect(z) - still).mean())
    return repr(max(depends, key=lambda name: depends[name]))
