"""`Linearised`: a model's slopes at a point, and how a group moves them.

Of a geometric Markov decision process, s' = f(s, a) with f(gs, ga) = g f(s, a), the slopes at the
point p = (s, a) go with the group (Zhao et al., "Can Euclidean Symmetry be Leveraged in
Reinforcement Learning and Planning?", 2023):

    A(gp) = rho_S(g) A(p) rho_S(g)^-1        B(gp) = rho_S(g) B(p) rho_A(g)^-1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..declaration import Symmetry

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``f(x, u)``, batched: (k, n), (k, m) -> (k, n)."""


class LinearError(ValueError):
    """Arrays that do not fit together, or a problem that has no solution; one line."""


@dataclass(frozen=True)
class Linearised:
    """Slopes of a model at a point.

    Attributes:
        A: Of the next state by the state. (n, n)
        B: Of the next state by the action. (n, m)
    """

    A: np.ndarray
    B: np.ndarray

    def moved(self, symmetry: Symmetry, g: int) -> Linearised:
        """The slopes that an equivariant model has at the point to which g sends this one's.

        Args:
            symmetry: How g acts; of a part that is also shifted or wrapped, the matrix counts.
            g: The element.
        """
        state, action = symmetry.affine("state")[0][g], symmetry.orbit("action")[g]
        back = np.linalg.inv(state)
        return Linearised(state @ self.A @ back, state @ self.B @ action.T)

    def apart(self, other: Linearised) -> float:
        """Largest difference of an entry, over 1 + the largest entry."""
        ours, theirs = np.hstack([self.A, self.B]), np.hstack([other.A, other.B])
        return float(np.abs(ours - theirs).max() / (1.0 + np.abs(ours).max()))

    def part(self, rows: slice) -> Linearised:
        """The same for some coordinates of the state that the others do not move."""
        return Linearised(self.A[rows, rows], self.B[rows])


def linearised(
    step: Step,
    x: np.ndarray,
    u: np.ndarray,
    symmetry: Symmetry | None = None,
    apart: float = 1e-5,
) -> Linearised:
    """Slopes of a model by central differences.

    Args:
        step: The model, on batches.
        x: The state. (n,)
        u: The action. (m,)
        symmetry: Says which coordinates are angles, whose differences are taken the short way.
        apart: Of the points, to each side. The slopes' error is about its square times the third
            derivatives, and 1e-16 over it.

    Raises:
        LinearError: The model answers another shape, or what is not finite.
    """
    x, u = np.asarray(x, float), np.asarray(u, float)
    n, m = len(x), len(u)
    moves = apart * np.concatenate([np.eye(n + m), -np.eye(n + m)])
    found = np.asarray(step(x + moves[:, :n], u + moves[:, n:]), float)
    if found.shape != (2 * (n + m), n):
        raise LinearError(f"the model answers {found.shape} to {2 * (n + m)} states of {n}")
    if not np.isfinite(found).all():
        raise LinearError("the model answers what is not finite near this point")
    above, below = np.split(found, 2)
    change = above - below if symmetry is None else symmetry.difference("state", above, below)
    slopes = change.T / (2.0 * apart)
    return Linearised(slopes[:, :n], slopes[:, n:])


def departures(
    step: Step, symmetry: Symmetry, x: np.ndarray, u: np.ndarray, apart: float = 1e-5
) -> np.ndarray:
    """How far a model's slopes are from going with each element, at one point. (order,)

    Args:
        step: The model, on batches.
        symmetry: The declaration.
        x: The state. (n,)
        u: The action. (m,)
        apart: As of `linearised`.

    Raises:
        LinearError: As `linearised`.
    """
    here = linearised(step, x, u, symmetry, apart)
    found = []
    for g in symmetry.group.elements:
        there = linearised(step, *symmetry.act(g, state=x, action=u), symmetry, apart)
        found.append(there.apart(here.moved(symmetry, g)))
    return np.array(found)
