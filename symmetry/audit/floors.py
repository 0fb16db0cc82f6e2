"""Error floors of maps that keep to a symmetry, whatever their capacity.

After Wang et al., "A General Theory of Correct, Incorrect, and Extrinsic Equivariance" (2023),
on finite orbits: given explicitly, or estimated from samples. Augmentation has the same floors, and
all of them see incorrect pairs only.
"""

from __future__ import annotations

import numpy as np

from .claim import AuditError, Claim
from .counts import Interval
from .degrees import degrees


def invariant_classification(mass: np.ndarray, label: np.ndarray, orbit: np.ndarray) -> float:
    """Least error rate of an invariant classifier: the mass against each orbit's majority.

    Args:
        mass: Probability of each point; it need not sum to 1. (N,)
        label: (N,)
        orbit: Which orbit each point is in. (N,)

    Raises:
        AuditError: The arrays do not fit.
    """
    mass, at, orbits = _checked(mass, orbit, label)
    _, classes = np.unique(label, return_inverse=True)
    table = np.zeros((orbits, int(classes.max()) + 1))
    np.add.at(table, (at, classes), mass)
    return float(table.sum() - table.max(axis=1).sum())


def invariant_regression(mass: np.ndarray, value: np.ndarray, orbit: np.ndarray) -> float:
    """Least mean squared error of an invariant map: the variance within orbits.

    Args:
        mass: As of `invariant_classification`. (N,)
        value: (N, d) or (N,)
        orbit: (N,)

    Raises:
        AuditError: The arrays do not fit.
    """
    mass, at, orbits = _checked(mass, orbit, value)
    value = np.reshape(np.asarray(value, float), (len(mass), -1))
    whole = np.bincount(at, mass, orbits)
    middle = np.zeros((orbits, value.shape[1]))
    np.add.at(middle, at, mass[:, None] * value)
    middle /= np.maximum(whole, 1e-300)[:, None]
    return float((mass * np.square(value - middle[at]).sum(axis=1)).sum())


def equivariant_regression(
    mass: np.ndarray,
    value: np.ndarray,
    matrices: np.ndarray,
    fixing: np.ndarray | None = None,
) -> float:
    """Least mean squared error of an equivariant map.

    The best one takes at x the value v that fits all f(gx) nearest by rho(g) v; where some elements
    fix x, v is one that they fix too.

    Args:
        mass: Probability of the point gx of each orbit, told once for each g. (O, order)
        value: f(gx). (O, order, d)
        matrices: rho(g), orthogonal or not. (order, d, d)
        fixing: Which elements fix x of each orbit, the identity among them; None: it alone.
            (O, order) bool

    Raises:
        AuditError: The arrays do not fit.
    """
    mass, value = np.asarray(mass, float), np.asarray(value, float)
    order, width = np.shape(matrices)[0], np.shape(matrices)[-1]
    if mass.ndim != 2 or mass.shape[1] != order or value.shape != (*mass.shape, width):
        raise AuditError(
            f"mass {mass.shape} and value {value.shape} do not fit {order} matrices of {width}"
        )
    _check_mass(mass)
    if fixing is None:
        fixing = np.zeros(mass.shape, bool)
        fixing[:, 0] = True
    if fixing.shape != mass.shape or not fixing[:, 0].all():
        raise AuditError("fixing: one for each mass, and the identity fixes everything")
    total = 0.0
    patterns, which = np.unique(fixing, axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        here = which.reshape(-1) == k
        allowed = _range(matrices[pattern].mean(axis=0))
        carried = matrices @ allowed  # (order, d, dimension)
        p, f = mass[here], value[here]
        gram = np.einsum("og,gdi,gdj->oij", p, carried, carried)
        right = np.einsum("og,gdi,ogd->oi", p, carried, f)
        best = np.einsum("oij,oj->oi", np.linalg.pinv(gram, hermitian=True), right)
        apart = f - np.einsum("gdi,oi->ogd", carried, best)
        # Each point of the orbit is told once for each element that fixes x.
        total += float((p * np.square(apart).sum(axis=2)).sum()) / int(pattern.sum())
    return total


def estimated(
    x: np.ndarray,
    y: np.ndarray,
    claim: Claim,
    episode: np.ndarray | None = None,
    samples: int = 5000,
    seed: int = 0,
) -> tuple[float, Interval]:
    """The floor of a claim from samples, and its 95 % interval.

    Of labels the error rate, of vectors the mean squared error in the units of y; a point that the
    group fixes needs no further word here, since its moved copies are the point itself. Arguments
    and errors as of `degrees`, which finds it on the way.
    """
    found = degrees(x, y, claim, episode, samples, seed)
    return found.bound, found.bound_interval


def _checked(
    mass: np.ndarray, orbit: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    mass = np.asarray(mass, float)
    if mass.ndim != 1 or np.shape(orbit) != mass.shape or len(value) != len(mass):
        raise AuditError("mass, orbit and values: one for each point")
    _check_mass(mass)
    names, at = np.unique(orbit, return_inverse=True)
    return mass, at, len(names)


def _check_mass(mass: np.ndarray) -> None:
    if not mass.size or not np.isfinite(mass).all() or (mass < 0).any():
        raise AuditError("mass: must be finite and not negative")


def _range(projection: np.ndarray) -> np.ndarray:
    """A basis of what a projection leaves. (d, d) -> (d, dimension)"""
    left, size, _ = np.linalg.svd(projection)
    return left[:, size > 0.5]
