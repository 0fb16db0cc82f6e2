"""LQR of linearised models: Riccati's solutions, and the gains that go with the group.

With costs that the group leaves as they are, rho_S' Q rho_S = Q and rho_A' R rho_A = R, of a moved
model the value matrix is P(gp) = rho_S P(p) rho_S' and the gain K(gp) = rho_A K(p) rho_S^-1: to
solve at one point of an orbit is to solve at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_discrete_are

from ..declaration import Symmetry
from .linearised import LinearError, Linearised


@dataclass(frozen=True)
class Regulator:
    """The best feedback u = -K x, and what x costs under it, x' P x.

    Attributes:
        P: (n, n); over a finite horizon (H + 1, n, n), the end's last.
        K: (m, n); over a finite horizon (H, m, n).
    """

    P: np.ndarray
    K: np.ndarray

    def moved(self, symmetry: Symmetry, g: int, rows: slice = slice(None)) -> Regulator:
        """The solution at the point to which g sends this one's.

        Args:
            symmetry: How g acts.
            g: The element.
            rows: Coordinates of the state that it is of.
        """
        state = symmetry.affine("state")[0][g][rows, rows]
        action = symmetry.orbit("action")[g]
        back = np.linalg.inv(state)
        return Regulator(back.T @ self.P @ back, action @ self.K @ back)


def regulator(model: Linearised, Q: np.ndarray, R: np.ndarray) -> Regulator:
    """Without an end: minimises the sum of x' Q x + u' R u.

    Args:
        model: The same at all times.
        Q: Positive semidefinite. (n, n)
        R: Positive definite. (m, m)

    Raises:
        LinearError: Shapes that do not fit, or no solution: some coordinate can neither be
            steered nor comes to rest by itself, as a goal's. Take the others (`Linearised.part`).
    """
    _check(model, Q, R)
    A, B = model.A, model.B
    try:
        P = solve_discrete_are(A, B, Q, R)
    except (np.linalg.LinAlgError, ValueError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise LinearError(
            f"the Riccati equation has no stabilising solution ({said}); leave out coordinates "
            "that no action moves"
        ) from error
    return Regulator(P, _gain(A, B, P, R))


def finite_horizon(
    models: Linearised | list[Linearised],
    Q: np.ndarray,
    R: np.ndarray,
    end: np.ndarray,
    horizon: int | None = None,
) -> Regulator:
    """Over H steps: minimises the sum of x_t' Q x_t + u_t' R u_t, and x_H' end x_H.

    Args:
        models: One for each step, or one for all.
        Q: Positive semidefinite. (n, n)
        R: Positive definite. (m, m)
        end: Positive semidefinite. (n, n)
        horizon: H, where there is one model for all.

    Raises:
        LinearError: Shapes that do not fit, or no horizon.
    """
    if isinstance(models, Linearised):
        models = [models] * (horizon or 0)
    elif horizon not in (None, len(models)):
        raise LinearError(f"{len(models)} models for a horizon of {horizon}")
    if not models:
        raise LinearError("a horizon is at least one step")
    for model in models:
        _check(model, Q, R)
    P, K = [np.asarray(end, float)], []
    for model in reversed(models):
        A, B = model.A, model.B
        gain = _gain(A, B, P[-1], R)
        value = Q + A.T @ P[-1] @ (A - B @ gain)
        P.append(0.5 * (value + value.T))
        K.append(gain)
    return Regulator(np.stack(P[::-1]), np.stack(K[::-1]))


def _gain(A: np.ndarray, B: np.ndarray, P: np.ndarray, R: np.ndarray) -> np.ndarray:
    return np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)


def _check(model: Linearised, Q: np.ndarray, R: np.ndarray) -> None:
    n, m = model.B.shape
    if model.A.shape != (n, n) or np.shape(Q) != (n, n) or np.shape(R) != (m, m):
        raise LinearError(
            f"A {model.A.shape}, B {model.B.shape}, Q {np.shape(Q)} and R {np.shape(R)} do not "
            "fit together"
        )
