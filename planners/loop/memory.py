"""What a sampling planner carries from one plan to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...symmetry.declaration import Symmetry
from .warm_start import held_on


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
        planned: What the last plan said, from when it took effect on. (H, m)
        sent: The actions of the periods before that, the newest last: those still to come when its
            state was stamped, and the two before them. (S, m)
        multipliers: Of the constraints, for each moment of the last plan; invariant. (H, C)
    """

    time: float
    mean: np.ndarray
    std: np.ndarray
    side: np.ndarray
    side_time: float
    seed: int
    draws: int
    planned: np.ndarray
    sent: np.ndarray
    multipliers: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        """What a fused plan filled is cut when it is first asked for: the next plan takes it whole.

        Raises:
            AttributeError: There is no such attribute.
        """
        filled = self.__dict__.get("filled")  # mean, planned, sent: (2 H + 2, m)
        if filled is None or name not in ("mean", "planned", "sent"):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        half = len(filled) // 2 - 1
        for part, rows in (("mean", filled[:half]), ("planned", filled[half:-2])):
            self.__dict__[part] = rows
        self.__dict__["sent"] = filled[-2:]
        return self.__dict__[name]

    def act(self, symmetry: Symmetry, g: int) -> Memory:
        """Where element g sends this memory. The random state stays: draws are keyed by it."""
        a = symmetry.orbit("action")[g]
        moved = {f: symmetry.act(g, action=getattr(self, f)) for f in ("mean", "planned", "sent")}
        return replace(self, side=a @ self.side @ a.T, **moved)

    def sent_after(self, steps: float) -> np.ndarray:
        """What was sent before a plan that takes effect `steps` periods later, < H. (S, m)"""
        count, begin = len(self.sent), math.floor(steps + 0.5 + 1e-6)
        if begin >= count:
            return self.planned[begin - count : begin]
        return np.concatenate([self.sent[begin:], self.planned[:begin]])

    def multipliers_after(self, steps: float) -> np.ndarray:
        """The multipliers of a plan that begins `steps` control periods later. (H, C)"""
        return held_on(self.multipliers, steps)
