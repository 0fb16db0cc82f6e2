"""Steerable bases: the linear models that a point's stabiliser allows, and how to fit one of them.

What h leaves p in place says A(p) = A(hp) = rho_S(h) A(p) rho_S(h)^-1: the slopes at p commute with
the stabiliser of p, and those at all points of p's orbit are these, moved. So few numbers hold the
slopes on a whole orbit: of a point mass in space 12 of 36 under SO(3), 8 under O(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..declaration import Symmetry
from .linearised import LinearError, Linearised


def commuting(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A basis of the maps M with left_i M = M right_i for all i.

    Args:
        left: (k, n, n)
        right: (k, m, m)

    Returns:
        (r, n, m), orthonormal; all n m maps where k is 0.
    """
    n, m = left.shape[-1], right.shape[-1]
    if not len(left):
        return np.eye(n * m).reshape(-1, n, m)
    rows = [np.kron(a, np.eye(m)) - np.kron(np.eye(n), b.T)
            for a, b in zip(left, right, strict=True)]  # fmt: skip
    _, sizes, basis = np.linalg.svd(np.concatenate(rows))
    return basis[int(np.sum(sizes > 1e-6)) :].reshape(-1, n, m)


@dataclass(frozen=True)
class Bases:
    """The slopes that are allowed at a point: sums of these.

    Attributes:
        A: (r, n, n), orthonormal.
        B: (q, n, m), orthonormal.
    """

    A: np.ndarray
    B: np.ndarray

    @property
    def free(self) -> tuple[int, int]:
        """Free numbers in A and in B."""
        return len(self.A), len(self.B)


def bases(symmetry: Symmetry, elements: Sequence[int] | None = None) -> Bases:
    """The slopes that commute with some elements, the stabiliser of a point.

    Of a finite group: ``bases(symmetry, symmetry.stabiliser(state=x, action=u))``. Of a continuous
    one: ``bases(under(symmetry, stabiliser("SO3", vectors)))``, by the vectors that make the point.

    Args:
        symmetry: How elements act.
        elements: Which; None: all.
    """
    chosen = list(symmetry.group.elements if elements is None else elements)
    state, action = symmetry.affine("state")[0][chosen], symmetry.orbit("action")[chosen]
    return Bases(commuting(state, state), commuting(state, action))


def fit(
    states: np.ndarray, actions: np.ndarray, following: np.ndarray, allowed: Bases | None = None
) -> Linearised:
    """The slopes that explain samples best: least squares of s' = A s + B a.

    Where samples are too few to tell, the smallest slopes are taken.

    Args:
        states: Deviations from the point. (k, n)
        actions: The same of the actions. (k, m)
        following: Deviations of the next states from the point's own. (k, n)
        allowed: Which slopes may be; None: any.

    Raises:
        LinearError: Arrays that do not fit together, or hold what is not finite.
    """
    s, a, t = (np.asarray(array, float) for array in (states, actions, following))
    if s.ndim != 2 or a.ndim != 2 or t.shape != s.shape or len(a) != len(s) or not len(s):
        raise LinearError(f"samples of shapes {s.shape}, {a.shape}, {t.shape} do not fit together")
    if not all(np.isfinite(array).all() for array in (s, a, t)):
        raise LinearError("the samples hold what is not finite")
    n = s.shape[1]
    if allowed is None:
        slopes = np.linalg.lstsq(np.hstack([s, a]), t, rcond=None)[0].T
        return Linearised(slopes[:, :n], slopes[:, n:])
    if allowed.A.shape[1:] != (n, n) or allowed.B.shape[1:] != (n, a.shape[1]):
        raise LinearError(
            f"bases of shapes {allowed.A.shape}, {allowed.B.shape} are not of samples of "
            f"{n} and {a.shape[1]} numbers"
        )
    columns = [np.einsum("rij,kj->kir", allowed.A, s), np.einsum("rij,kj->kir", allowed.B, a)]
    table = np.concatenate(columns, axis=2).reshape(t.size, -1)
    weights = np.linalg.lstsq(table, t.ravel(), rcond=None)[0]
    of_state, of_action = np.split(weights, [len(allowed.A)])
    return Linearised(
        np.tensordot(of_state, allowed.A, axes=1), np.tensordot(of_action, allowed.B, axes=1)
    )


def brought_back(
    symmetry: Symmetry,
    elements: Sequence[int],
    states: np.ndarray,
    actions: np.ndarray,
    following: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples about points of one orbit as samples about one point of it, for `fit`.

    Args:
        symmetry: How elements act; of deviations, by their matrices alone.
        elements: Sample i was taken about the point to which ``elements[i]`` sends the one. (k,)
        states: As of `fit`.
        actions: As of `fit`.
        following: As of `fit`.

    Raises:
        LinearError: Not one element for each sample.
    """
    chosen = list(elements)
    if not len(chosen) == len(states) == len(actions) == len(following):
        raise LinearError(f"{len(chosen)} elements for {len(states)} samples")
    back = np.linalg.inv(symmetry.affine("state")[0][chosen])
    back_action = symmetry.orbit("action")[chosen].transpose(0, 2, 1)
    return (
        np.einsum("kij,kj->ki", back, states),
        np.einsum("kij,kj->ki", back_action, actions),
        np.einsum("kij,kj->ki", back, following),
    )
