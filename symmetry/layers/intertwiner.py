"""The linear maps between two representations that commute with the group, as a basis."""

from __future__ import annotations

import numpy as np

from ..group import Group
from .representation import Piece


def terms(group: Group, inside: Piece, outside: Piece) -> np.ndarray:
    """What each element adds to each basis map from one copy of `inside` to one of `outside`.

    Summed over the elements these are a basis of all maps W with rho_out(g) W = W rho_in(g); with
    weights that depend on the element the sum is a map that is equivariant only as far as the
    weights are equal (Wang, Walters, Yu, "Approximately Equivariant Networks for Imperfectly
    Symmetric Dynamics", ICML 2022).

    Term g of map k is rho_out(g) A_k rho_in(g)^-1, with A_k all that determines the map:

    - Onto a regular field the first row: W[g, :] = a rho_in(g)^-1. Between regular fields this is
      the group convolution W[g, h] = a[g^-1 h] (Cohen, Welling, "Group Equivariant Convolutional
      Networks", ICML 2016, section 6.1).
    - From a regular field the first column: W[:, h] = rho_out(h) b.
    - Otherwise the single entries, averaged over the group.

    Returns:
        (order, K, d_out, d_in); in the last case the K = d_out d_in sums are not independent.
    """
    out, into = outside.matrices, inside.matrices
    order, rows, columns = group.order, outside.size, inside.size
    if outside.regular:
        entries = np.zeros((columns, rows, columns))
        entries[np.arange(columns), 0, np.arange(columns)] = 1.0
    elif inside.regular:
        entries = np.zeros((rows, rows, columns))
        entries[np.arange(rows), np.arange(rows), 0] = 1.0 / np.sqrt(order / rows)
    else:
        entries = np.eye(rows * columns).reshape(-1, rows, columns) * (np.sqrt(rows) / order)
    return np.einsum("gab,kbc,gdc->gkad", out, entries, into, optimize=True)


def maps(group: Group, inside: Piece, outside: Piece) -> np.ndarray:
    """A basis of the maps W with rho_out(g) W = W rho_in(g), of one copy to one copy.

    The maps are orthogonal to one another, each of squared Frobenius norm d_out, so that free
    parameters of variance 1/N over N of them give outputs of the inputs' variance. Between
    permutations they are the orbits of the group on pairs of channels: weights that are tied
    (Ravanbakhsh, Schneider, Poczos, "Equivariance Through Parameter-Sharing", ICML 2017).

    Returns:
        (K, d_out, d_in); K = 0 where the only such map is zero.
    """
    if inside.regular or outside.regular:
        return terms(group, inside, outside).sum(axis=0)
    if inside.permutation is not None and outside.permutation is not None:
        return _orbits(inside.permutation, outside.permutation)
    found = _independent(terms(group, inside, outside).sum(axis=0))
    return found * np.sqrt(outside.size)


def _orbits(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """One map for each orbit of the group on (output channel, input channel) pairs."""
    rows, columns = outside.shape[1], inside.shape[1]
    pairs = outside[:, :, None] * columns + inside[:, None, :]  # (order, rows, columns)
    labels, which = np.unique(pairs.min(axis=0), return_inverse=True)
    found = np.zeros((len(labels), rows * columns))
    found[which.ravel(), np.arange(rows * columns)] = 1.0
    found *= np.sqrt(rows / found.sum(axis=1, keepdims=True))
    return found.reshape(-1, rows, columns)


def _independent(candidates: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what the candidates span, by Gram-Schmidt in their order.

    An eigensolver would do, but picks another basis on another machine, and the parameters of a
    stored layer would then mean something else.
    """
    basis: list[np.ndarray] = []
    flat = candidates.reshape(len(candidates), -1)
    for vector in flat:
        for _ in range(2):  # twice is enough (Kahan)
            for b in basis:
                vector = vector - (b @ vector) * b
        length = np.linalg.norm(vector)
        if length > 1e-6:  # candidates are of order 1 or, but for rounding, zero
            basis.append(vector / length)
    return np.array(basis).reshape(-1, *candidates.shape[1:])
