"""Push with goals in one corner of the table, turned to one side: nothing moves its starts."""

import numpy as np

from covary.sim.tasks.push import Push


class OneCorner(Push):
    """Push, whose starts no rotation or mirror moves into themselves; all else is as in push."""

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """Push's own start, shifted to (0.10, 0.04) m, and its goal turned to 0.7 rad. (8,)"""
        x = super().initial_state(rng)
        shift = np.array([0.10, 0.04]) - 0.5 * x[5:7]
        for at in (0, 2, 5):
            x[at : at + 2] += shift
        x[7] = 0.7 + rng.uniform(-0.3, 0.3)
        return x
