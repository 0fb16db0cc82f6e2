"""CoVO: MPPI whose samples go far where the cost is flat, and hardly where it is steep.

Yi, Pan, He, Qu and Shi, "CoVO-MPC: Theoretical Analysis of Sampling-based MPC and Optimal
Covariance Design" (L4DC 2024): with R the second derivative of the cost by all actions of a plan,
the optimal covariance of its samples is ``c R^(-1/2)``, c such that its volume is that of the plain
noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from .loop.memory import Memory
from .loop.spectrum import spectrum
from .mppi import MPPI


@dataclass(frozen=True, eq=False)
class CurvatureMemory(Memory):
    """A memory of the cost's curvature, over D = N m coordinates of the knots.

    Attributes:
        curvature: R, per square of the initial noise; zeros where nothing is known. (D, D)
    """

    curvature: np.ndarray

    def act(self, symmetry: Symmetry, g: int) -> CurvatureMemory:
        """Where element g sends this memory."""
        every = np.kron(np.eye(len(self.std)), symmetry.orbit("action")[g])
        curvature = every @ self.curvature @ every.T
        return replace(super().act(symmetry, g), curvature=curvature)


class CoVO(MPPI):
    """MPPI with the covariance of the paper, from a curvature that its samples show.

    The paper differentiates the model twice. Here a quadratic is fitted to the samples' own costs,
    about what the last samples showed (ridge regression on inner products of noise): it asks for no
    derivative and no rollout more, looks as far as the noise goes, over kinks and contacts, and
    goes with the group. The root of the covariance is the symmetric one, for the same reason.

    Where a plan has fewer samples than R has numbers, most of what R says is chance, and noise
    would go far where nothing is known. So R is shrunk towards its mean eigenvalue by the share of
    its numbers that is more than there are samples, as covariances that few samples show are
    (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    2004).
    """

    @dataclass(frozen=True)
    class Parameters(MPPI.Parameters):
        """Parameters of CoVO."""

        iterations: int = 2
        """Rounds of sampling and updating in each plan."""
        inertia: float = 0.3
        """How much the curvature known before counts against what a round of samples shows."""
        flattest: float = 0.001
        """Least curvature of a direction, as a fraction of the largest: noise goes no farther in a
        flatter one."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        if not self.parameters.inertia > 0:
            raise ValueError(f"inertia: {self.parameters.inertia} must be positive")
        if not 0 < self.parameters.flattest <= 1:
            raise ValueError(f"flattest: {self.parameters.flattest} must be in (0, 1]")
        size, seen = self.initial_std.size, self.parameters.samples * self.parameters.iterations
        self.known = min(1.0, 2.0 * seen / (size * (size + 1)))
        """How much of the curvature the samples of a plan can show."""

    def initial_memory(self, seed: int = 0) -> CurvatureMemory:
        """A memory of doing nothing, with as much noise everywhere."""
        nothing = np.zeros((self.initial_std.size, self.initial_std.size))
        return CurvatureMemory(**vars(super().initial_memory(seed)), curvature=nothing)

    def scaled(self, memory: CurvatureMemory, noise: np.ndarray) -> None:
        """By the symmetric root of the covariance."""
        root = self.root(memory.curvature)
        noise[:] = (noise.reshape(len(noise), -1) @ root).reshape(noise.shape) * memory.std

    def root(self, curvature: np.ndarray) -> np.ndarray:
        """The symmetric root of ``c R^(-1/2)``, of determinant 1. (D, D)"""
        values, vectors = spectrum(curvature)
        if not values[-1] > 0.0:
            return np.eye(len(values))
        if self.known < 1.0:
            values = np.maximum(values, 0.0)
            values = self.known * values + (1.0 - self.known) * values.mean()
        spread = np.maximum(values / values[-1], self.parameters.flattest) ** -0.25
        spread /= np.exp(np.mean(np.log(spread)))
        return (vectors * spread) @ vectors.T

    def update(
        self, memory: CurvatureMemory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> CurvatureMemory:
        """MPPI's mean, and the curvature corrected by what the samples' costs show of it."""
        learned = super().update(memory, noise, actions, costs)
        finite = np.isfinite(costs)
        z = (noise[finite] / self.initial_std).reshape(int(finite.sum()), -1)  # (K, D)
        return replace(learned, curvature=self.fitted(memory.curvature, z, costs[finite]))

    def fitted(self, before: np.ndarray, z: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """The curvature near one known before that explains costs. (D, D)

        R of ``constant + slope z + z' R z / 2`` by regularised least squares: with few samples in
        the dual form, where only inner products of the noise appear, with more than there are
        products of coordinates in the primal one, which is the same.
        """
        off = costs - 0.5 * np.einsum("ki,ij,kj->k", z, before, z, optimize=True)
        off -= off.mean()
        i, j = np.triu_indices(z.shape[1])
        if len(z) <= len(i) + z.shape[1]:
            dots = z @ z.T
            gram = 0.25 * dots**2 + dots
            gram -= gram.mean(axis=0)
            gram -= gram.mean(axis=1, keepdims=True)
            shares = self._solved(gram, off, len(z))
            found = 0.5 * (z.T * shares) @ z
        else:
            scale = np.where(i == j, 1.0, np.sqrt(2.0))  # so that inner products are the dual's
            shown = np.hstack([0.5 * scale * z[:, i] * z[:, j], z])
            shown -= shown.mean(axis=0)
            weights = self._solved(shown.T @ shown, shown.T @ off, len(z))[: len(i)]
            found = np.zeros_like(before)
            found[i, j] = found[j, i] = weights / scale
        found = before + found
        return 0.5 * (found + found.T)

    def _solved(self, gram: np.ndarray, shown: np.ndarray, samples: int) -> np.ndarray:
        """Ridge regression, by `inertia`; zeros where the samples show nothing."""
        ridge = self.parameters.inertia * np.trace(gram) / samples
        if not ridge > 0.0:
            return np.zeros_like(shown)
        return np.linalg.solve(gram + ridge * np.eye(len(gram)), shown)
