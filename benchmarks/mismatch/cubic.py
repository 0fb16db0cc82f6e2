"""Cubic: a random cubic on each of the plane's four half-axes, which quarter turns exchange.

After Wang et al. (NeurIPS 2023), section 6.3. Inputs lie on the half-axes, up to 1 from the origin;
the output has two coordinates, each a cubic of the distance with coefficients N(0, 1), drawn for
each half-axis. The group C4 turns the inputs and, as a vector or not at all, the outputs.
"""

from __future__ import annotations

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known, unmoved
from covary.symmetry.group import cyclic

AXES = 4


def cubic(seed: int, n: int, equivariant: bool) -> Known:
    """Draw cubics, and points on the half-axes.

    The floor is the variance over the four values, moved back, integrated over the distance: of
    polynomials of degree 6, so four Gauss-Legendre nodes are exact.

    Args:
        seed: Of cubics and points.
        n: Points.
        equivariant: Whether the outputs are turned, too.
    """
    rng, group = np.random.default_rng(seed), cyclic(AXES)
    coefficients = rng.normal(size=(AXES, 2, 4))
    axis, distance = rng.integers(0, AXES, n), rng.uniform(size=n)

    def value(axis: np.ndarray, distance: np.ndarray) -> np.ndarray:
        powers = distance[:, None] ** np.arange(4)
        return np.einsum("nok,nk->no", coefficients[axis], powers)

    def turned(g: int, y: np.ndarray) -> np.ndarray:
        return y @ group.plane[g].T

    def truth(x: np.ndarray) -> np.ndarray:
        return value(*along(x))

    answer = turned if equivariant else unmoved
    nodes, weights = np.polynomial.legendre.leggauss(AXES)
    at, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    back = np.stack([answer(-k % AXES, value(np.full(AXES, k), at)) for k in range(AXES)])
    floor = float(weights @ back.var(axis=0).sum(-1))
    x = np.einsum("nij,j->ni", group.plane[axis], np.array([1.0, 0.0])) * distance[:, None]
    return Known(
        name=f"cubic, {'equivariant' if equivariant else 'invariant'}",
        group=group,
        x=x,
        y=value(axis, distance),
        move=lambda g, x: x @ group.plane[g].T,
        answer=answer,
        degrees=Degrees(0.0, 1.0, 0.0),
        floor=floor,
        occurs=lambda x: np.ones(len(x), bool),
        truth=truth,
        units=((0, 1),),
        value_units=((0, 1),),
    )


def along(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The half-axis that each point lies on, and its distance. (N, 2) -> (N,), (N,)"""
    ends = np.stack([x[:, 0], x[:, 1], -x[:, 0], -x[:, 1]], -1)
    return np.argmax(ends, axis=1), ends.max(axis=1)
