"""CMA-ES: the samples' whole covariance and its scale are adapted to where it gets better.

Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), figure 6 without negative weights, over the
knots of a plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from .loop.memory import Memory
from .loop.spectrum import power
from .sampling import SamplingPlanner


@dataclass(frozen=True, eq=False)
class CovarianceMemory(Memory):
    """A memory with the state of an evolution strategy, over D = N m coordinates of the knots.

    All in units of the initial noise.

    Attributes:
        covariance: Its shape. (D, D)
        scale: sigma, its size.
        shape_path: p_c of the tutorial. (N, m)
        scale_path: p_sigma of it. (N, m)
        updates: How many there were in this plan.
    """

    covariance: np.ndarray
    scale: float
    shape_path: np.ndarray
    scale_path: np.ndarray
    updates: int

    def act(self, symmetry: Symmetry, g: int) -> CovarianceMemory:
        """Where element g sends this memory."""
        moved = super().act(symmetry, g)
        every = np.kron(np.eye(len(self.std)), symmetry.orbit("action")[g])
        return replace(
            moved,
            covariance=every @ self.covariance @ every.T,
            shape_path=symmetry.act(g, action=self.shape_path),
            scale_path=symmetry.act(g, action=self.scale_path),
        )


class CMAES(SamplingPlanner):
    """Covariance matrix adaptation, begun anew in each plan.

    What it learns from is what the limits left of each sample, read on the knots by least squares:
    beyond the limits all costs are alike, and from noise as it was drawn the spread would grow
    there without end (repaired steps, as in Hansen, "Injecting External Solutions Into CMA-ES",
    2011; Biedrzycki, "Handling Bound Constraints in CMA-ES: An Experimental Study", 2020, compares
    ways). A projection onto the limits goes with the group.

    Images of a draw share what the group leaves as it is, such as a thrust: of that a sample is
    no draw of its own, and the paths count so many fewer, or the scale would grow by chance.

    Under a group its samples are ``mean + S A(g) z`` with S the symmetric root of the covariance (a
    Cholesky factor would not go with the group), so it is exact as the others are.
    """

    @dataclass(frozen=True)
    class Parameters(SamplingPlanner.Parameters):
        """Parameters of CMA-ES."""

        iterations: int = 6
        """Rounds of sampling and updating in each plan."""
        parent_fraction: float = 0.5
        """Share of the samples, the best, that the next mean is made of."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        super().__init__(dynamics, symmetry, **parameters)
        p = self.parameters
        if not 0 < p.parent_fraction <= 1:
            raise ValueError(f"parent_fraction: {p.parent_fraction} must be in (0, 1]")
        self.size = self.initial_std.size  # D
        # Expected length of a standard normal vector (tutorial, table 1).
        d = float(self.size)
        self.read = np.linalg.pinv(self.spline.matrix(self.parameters.knots))  # (N, H)
        orbit = self.symmetry.orbit("action")[list(self.elements)]
        self.shared = np.kron(np.eye(self.parameters.knots), orbit.mean(axis=0))  # (D, D)
        self.length = np.sqrt(d) * (1.0 - 1.0 / (4.0 * d) + 1.0 / (21.0 * d * d))

    def initial_memory(self, seed: int = 0) -> CovarianceMemory:
        """A memory of doing nothing, with as much noise everywhere."""
        memory = super().initial_memory(seed)
        nothing = np.zeros_like(self.initial_std)
        start = {"scale": 1.0, "shape_path": nothing, "scale_path": nothing, "updates": 0}
        return CovarianceMemory(**vars(memory), covariance=np.eye(self.size), **start)

    def respread(self, memory: CovarianceMemory) -> CovarianceMemory:
        """Forget what was adapted: it was to another stretch of time."""
        fresh = self.initial_memory(memory.seed)
        adapted = ("std", "covariance", "scale", "shape_path", "scale_path", "updates")
        return replace(memory, **{name: getattr(fresh, name) for name in adapted})

    def scaled(self, memory: CovarianceMemory, noise: np.ndarray) -> None:
        """By the symmetric root of the covariance."""
        root = memory.scale * power(memory.covariance, 0.5)
        noise[:] = (noise.reshape(len(noise), -1) @ root).reshape(noise.shape) * self.initial_std

    def drawn(self, step: np.ndarray, mass: float) -> np.ndarray:
        """A mean step, less far where images of a draw are alike: as of that many draws. (D,)"""
        images = min(float(len(self.elements)), mass)
        return step + (images**-0.5 - 1.0) * (self.shared @ step)

    def update(
        self, memory: CovarianceMemory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> CovarianceMemory:
        """Mean, paths, covariance and scale by the best samples, in the order of their costs."""
        d, order = float(self.size), np.argsort(costs, kind="stable")
        parents = max(1, round(self.parameters.parent_fraction * len(costs)))
        order = order[: min(parents, int(np.isfinite(costs).sum()))]
        weight = np.log(len(order) + 0.5) - np.log(np.arange(1, len(order) + 1))
        weight /= weight.sum()
        mass = 1.0 / np.sum(weight**2)  # mu_eff
        c_scale = (mass + 2.0) / (d + mass + 5.0)
        damping = 1.0 + 2.0 * max(0.0, np.sqrt((mass - 1.0) / (d + 1.0)) - 1.0) + c_scale
        c_path = (4.0 + mass / d) / (d + 4.0 + 2.0 * mass / d)
        c_one = 2.0 / ((d + 1.3) ** 2 + mass)
        c_many = min(1.0 - c_one, 2.0 * (mass - 2.0 + 1.0 / mass) / ((d + 2.0) ** 2 + mass))
        c_many = max(c_many, 0.0)
        done = np.einsum("nh,khm->knm", self.read, actions[order] - memory.mean)
        step = (done / (self.initial_std * memory.scale)).reshape(len(order), -1)
        mean = self.drawn(weight @ step, mass)  # (D,)
        straight = power(memory.covariance, -0.5) @ mean
        path = (1.0 - c_scale) * memory.scale_path.ravel()
        path = path + np.sqrt(c_scale * (2.0 - c_scale) * mass) * straight
        fresh = 1.0 - (1.0 - c_scale) ** (2 * (memory.updates + 1))
        stalled = np.linalg.norm(path) / np.sqrt(fresh) >= (1.4 + 2.0 / (d + 1.0)) * self.length
        shape = (1.0 - c_path) * memory.shape_path.ravel()
        if not stalled:
            shape = shape + np.sqrt(c_path * (2.0 - c_path) * mass) * mean
        lost = c_one * c_path * (2.0 - c_path) if stalled else 0.0
        covariance = (1.0 - c_one - c_many + lost) * memory.covariance
        covariance = covariance + c_one * np.outer(shape, shape)
        covariance = covariance + c_many * np.einsum("k,ki,kj->ij", weight, step, step)
        growth = (c_scale / damping) * (np.linalg.norm(path) / self.length - 1.0)
        return replace(
            memory,
            mean=np.einsum("k,khm->hm", weight, actions[order]),
            covariance=0.5 * (covariance + covariance.T),
            scale=float(memory.scale * np.exp(min(growth, 1.0))),
            shape_path=shape.reshape(self.initial_std.shape),
            scale_path=path.reshape(self.initial_std.shape),
            updates=memory.updates + 1,
        )
