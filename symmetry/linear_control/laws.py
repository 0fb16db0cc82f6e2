"""How exactly a model's slopes, and the LQR made of them, go with a group about one point."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..declaration import Symmetry, SymmetryError
from ..group import GroupError
from ..motion import mirrors, under
from .linearised import LinearError, Linearised, Step, linearised
from .riccati import Regulator, finite_horizon, regulator
from .stabiliser import fixing
from .steerable import bases

_SEEN = 1e-6
"""Largest slope by the goal that is rounding, over 1 + the largest slope."""


@dataclass(frozen=True)
class Count:
    """How many numbers the slopes at a point are made of, where they are held to some elements.

    Attributes:
        held_to: The group, or empty: nothing is known.
        fixing: How many of its elements leave the point in place; of a continuous group None.
        A: Free numbers.
        B: Free numbers.
    """

    held_to: str
    fixing: int | None
    A: int
    B: int


@dataclass(frozen=True)
class Laws:
    """What was found at a point.

    Attributes:
        rows: The coordinates of the state that it is of: all but the goal's.
        slopes: At the point, of these.
        counts: From nothing to the largest group.
        untold: Why a continuous group is not among them, by its name.
        errors: By what is compared (A, B, P, K, and P and K over a horizon) and element: the
            largest difference over 1 + the largest entry.
        endless: The regulator without an end; None: there is none, or hardly.
        why: There is none because of this.
        ended: The one over a horizon.
    """

    rows: np.ndarray
    slopes: Linearised
    counts: list[Count]
    untold: dict[str, str]
    errors: dict[str, dict[str, float]]
    endless: Regulator | None
    why: str
    ended: Regulator


def laws(
    step: Step,
    symmetry: Symmetry,
    x: np.ndarray,
    u: np.ndarray,
    goal: str = "",
    action_cost: float = 0.1,
    horizon: int = 50,
    apart: float = 1e-5,
) -> Laws:
    """Linearise a model at a point and at all points to which the group sends it, and compare.

    The regulators minimise squares of the state and `action_cost` times squares of the action,
    both averaged over the group, so that they are as symmetric as the theory asks.

    Args:
        step: The model, on batches.
        symmetry: The declaration.
        x: The state. (n,)
        u: The action. (m,)
        goal: The state part that no action moves and no physics sees; empty: there is none.
        action_cost: Of an action's square.
        horizon: Steps of the regulator that has an end.
        apart: As of `linearised`.

    Raises:
        LinearError: As `linearised`, or the next state depends on the goal.
    """
    s = replace(symmetry, state={k: part for k, part in symmetry.state.items() if k != goal})
    seen = np.ones(symmetry.width("state"), bool)
    if goal:
        seen[symmetry.slices("state")[goal]] = False
    rows = np.flatnonzero(seen)

    def at(g: int) -> Linearised:
        whole = linearised(step, *symmetry.act(g, state=x, action=u), symmetry, apart)
        by_goal = np.abs(whole.A[np.ix_(seen, ~seen)]).max(initial=0.0)
        if by_goal > _SEEN * (1.0 + np.abs(whole.A).max()):
            raise LinearError(f"the next state depends on the goal, by {by_goal:.2g}")
        return Linearised(whole.A[np.ix_(rows, rows)], whole.B[rows])

    Q = _invariant(s.affine("state")[0])
    R = action_cost * _invariant(s.orbit("action"))
    here = at(0)
    endless, why = _endless(here, Q, R)
    if endless is not None:
        shrunk = np.abs(np.linalg.eigvals(here.A - here.B @ endless.K)).max()
        if shrunk > 1.0 - apart:  # then P hangs on what differences leave of the slopes
            why = f"it shrinks deviations to {shrunk:.6f} of themselves only, too little to tell"
            endless = None
    ended = finite_horizon(here, Q, R, Q, horizon)
    errors: dict[str, dict[str, float]] = {}
    for g, name in zip(s.group.elements, s.group.element_names, strict=True):
        there, moved = at(g), here.moved(s, g)
        pairs = [("A", there.A, moved.A), ("B", there.B, moved.B)]
        if endless is not None:
            found, _ = _endless(there, Q, R)
            wanted = endless.moved(s, g)
            P, K = (np.inf, np.inf) if found is None else (found.P, found.K)
            pairs += [("P", P, wanted.P), ("K", K, wanted.K)]
        over, wanted = finite_horizon(there, Q, R, Q, horizon), ended.moved(s, g)
        pairs += [(f"P, {horizon} steps", over.P, wanted.P)]
        pairs += [(f"K, {horizon} steps", over.K, wanted.K)]
        for what, a, b in pairs:
            error = float(np.abs(a - b).max() / (1.0 + np.abs(b).max()))
            errors.setdefault(what, {})[name] = error
    counts, untold = _counts(s, np.asarray(x, float)[rows], np.asarray(u, float))
    return Laws(rows, here, counts, untold, errors, endless, why, ended)


def _invariant(matrices: np.ndarray) -> np.ndarray:
    """A square that the group leaves as it is: the identity, where matrices are orthogonal."""
    return np.mean(matrices.transpose(0, 2, 1) @ matrices, axis=0)


def _endless(model: Linearised, Q: np.ndarray, R: np.ndarray) -> tuple[Regulator | None, str]:
    try:
        return regulator(model, Q, R), ""
    except LinearError as error:
        return None, str(error)


def _counts(s: Symmetry, x: np.ndarray, u: np.ndarray) -> tuple[list[Count], dict[str, str]]:
    """Of nothing, the declared group, and the continuous groups of which it is a sample."""
    n, m = len(x), len(u)
    kept = s.stabiliser(state=x, action=u)
    found = [Count("", 1, n * n, n * m)]
    if s.group.order > 1:
        found.append(Count(s.group.name, len(kept), *bases(s, kept).free))
    untold = {}
    words = s.group.sample_of and [s.group.sample_of]
    if words and mirrors(words[0]):
        words = [f"S{words[0]}", *words]
    for word in words:
        try:
            motions = fixing(s, word, x, u)
        except (GroupError, SymmetryError) as error:
            untold[word] = str(error)
            continue
        found.append(Count(word, None, *bases(under(s, motions)).free))
    return found, untold
