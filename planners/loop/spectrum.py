"""Eigenvalues and eigenvectors of symmetric matrices, to rounding whatever their blocks."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh


def spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending eigenvalues (D,) and orthonormal eigenvectors (D, D), in columns; by QR iteration.

    NumPy's own divides and conquers. Where blocks with equal eigenvalues are joined by rounding
    alone, some builds of LAPACK then give vectors that are orthonormal to 1e-5 only.
    """
    return eigh(matrix, driver="ev", check_finite=False)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A symmetric positive matrix to a power; eigenvalues below 1e-12 count as that. (D, D)"""
    values, vectors = spectrum(matrix)
    return (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T


def positive(matrix: np.ndarray) -> np.ndarray:
    """A symmetric matrix without its negative part. (D, D)"""
    values, vectors = spectrum(matrix)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T
