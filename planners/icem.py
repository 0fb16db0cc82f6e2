"""iCEM: the cross-entropy method with coloured noise, kept elites and fewer samples each time.

Pinneri, Sawant, Blaes, Achterhold, Stueckler, Rolinek and Martius, "Sample-efficient Cross-Entropy
Method for Real-time Planning" (CoRL 2020), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from .cem import CEM
from .loop.memory import Memory
from .loop.weights import elite


@dataclass(frozen=True, eq=False)
class EliteMemory(Memory):
    """A memory with the elites of the last iteration.

    Attributes:
        elites: The best action sequences, best first, as many as are kept. (E, H, m)
    """

    elites: np.ndarray

    def act(self, symmetry: Symmetry, g: int) -> EliteMemory:
        """Where element g sends this memory."""
        moved = super().act(symmetry, g)
        return replace(moved, elites=symmetry.act(g, action=self.elites))


class ICEM(CEM):
    """CEM that keeps elites from iteration to iteration, and, shifted, from plan to plan.

    The mean is a sample of the last iteration, and the best sample of that is the plan; the mean of
    the elites is only where the next plan starts from.
    """

    @dataclass(frozen=True)
    class Parameters(CEM.Parameters):
        """Parameters of iCEM."""

        iterations: int = 3
        """Rounds of sampling and updating in each plan."""
        noise_law: str = "coloured"
        """white, coloured, ornstein_uhlenbeck, log_normal, sobol or halton."""
        colour: float = 2.0
        """Exponent of coloured noise: 0 is white, 1 pink, 2 brown."""
        kept_fraction: float = 0.3
        """Share of the elites that are samples again in the next iteration."""
        decay: float = 1.25
        """Each iteration has so many times fewer samples than the one before; never fewer than two
        for each elite."""
        momentum: float = 0.1
        """Share of the last mean and spread that stays."""

    def __init__(self, dynamics, symmetry="full", **parameters) -> None:
        fraction = self.Parameters(**parameters)
        elites = max(1, round(fraction.elite_fraction * fraction.samples))
        if not 0 <= fraction.kept_fraction <= 1:
            raise ValueError(f"kept_fraction: {fraction.kept_fraction} must be in [0, 1]")
        if not fraction.decay >= 1:
            raise ValueError(f"decay: {fraction.decay} must be at least 1")
        if not 0 <= fraction.momentum < 1:
            raise ValueError(f"momentum: {fraction.momentum} must be in [0, 1)")
        self.again = round(fraction.kept_fraction * elites)
        self.room = self.again + 1
        super().__init__(dynamics, symmetry, **parameters)
        least = max(2 * self.elites, len(self.elements)) + self.room + 1
        self.least = min(least, self.parameters.samples)

    def initial_memory(self, seed: int = 0) -> EliteMemory:
        """A memory of doing nothing, with no elites."""
        memory = super().initial_memory(seed)
        return EliteMemory(**vars(memory), elites=np.empty((0, *memory.mean.shape)))

    def population(self, iteration: int) -> int:
        """Fewer samples each time."""
        p = self.parameters
        return max(self.least, round(p.samples * p.decay**-iteration))

    def kept(self, memory: EliteMemory, iteration: int) -> list[np.ndarray]:
        """Some elites of the iteration before; in the last iteration the mean."""
        beside = list(memory.elites[: self.again])
        return beside + [memory.mean] * (iteration == self.parameters.iterations - 1)

    def update(
        self, memory: EliteMemory, noise: np.ndarray, actions: np.ndarray, costs: np.ndarray
    ) -> EliteMemory:
        """Mean and spread of the elites, part of the last ones left in them."""
        p = self.parameters
        rows = elite(costs, self.elites)
        fitted = super().update(memory, noise, actions, costs)
        rest = 1.0 - p.momentum
        best_first = rows[np.argsort(costs[rows], kind="stable")]
        return replace(
            fitted,
            mean=p.momentum * memory.mean + rest * fitted.mean,
            std=p.momentum * memory.std + rest * fitted.std,
            elites=actions[best_first[: max(self.again, 1)]].copy(),
        )

    def chosen(self, memory: EliteMemory) -> np.ndarray:
        """The best sample of the last iteration."""
        return memory.elites[0] if len(memory.elites) else memory.mean

    def _shifted(self, memory: EliteMemory, time: float) -> EliteMemory:
        """The elites move on with the mean."""
        shifted = super()._shifted(memory, time)
        if memory.draws == 0 or not len(shifted.elites):
            return shifted
        steps = (time - memory.time) / self.task.dt
        moved = [self.moved_on(one, steps) for one in shifted.elites]
        return replace(shifted, elites=np.stack(moved))
