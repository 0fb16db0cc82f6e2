"""What a sampling planner carries from one plan to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry


@dataclass(frozen=True, eq=False)
class Memory:
    """All that a sampling planner carries from one plan to the next.

    Attributes:
        time: Time of the last plan, s.
        mean: The last plan's actions. (H, m)
        std: Standard deviation of the noise on each knot, in action units; equal within each
            block of coordinates that the group mixes, hence invariant. (N, m)
        side: Where a symmetric state left the choice of a side, the projection onto the
            directions in which there was one; zeros if there was none. (m, m)
        side_time: When the side was drawn, s.
        seed: Key of all draws.
        draws: How many plans were drawn; with the seed, the random state.
    """

    time: float
    mean: np.ndarray
    std: np.ndarray
    side: np.ndarray
    side_time: float
    seed: int
    draws: int

    def act(self, symmetry: Symmetry, g: int) -> Memory:
        """Where element g sends this memory. The random state stays: draws are keyed by it."""
        a = symmetry.orbit("action")[g]
        return replace(self, mean=symmetry.act(g, action=self.mean), side=a @ self.side @ a.T)
