"""Noise on executed actions, so that demonstrations show how to recover from small errors."""

from __future__ import annotations

import numpy as np

from ..sim.task import Task

KEY = 0xDA27
"""Sets these draws apart from those of an episode's start, which have the same seed and number."""


class ActionNoise:
    """Adds white Gaussian noise to actions, and projects what comes out onto the limits.

    After Laskey et al., "DART: noise injection for robust imitation learning", CoRL 2017; but the
    size is given, not fitted to a learner's error. The deviation of a coordinate is a fraction of
    its largest value, so the noise is isotropic in every part that a group turns, and as symmetric
    as the limits are. A draw is a function of seed, episode and tick, whatever came before.

    Args:
        task: Whose limits and control period hold.
        fraction: Standard deviation over the largest action; 0: nothing is added or drawn.
        seed: Key of the draws.
    """

    def __init__(self, task: Task, fraction: float, seed: int) -> None:
        self.task, self.seed = task, seed
        self.std = fraction * np.abs(task.limits.bound()).max(axis=0)  # (m,)

    def added(self, action: np.ndarray, episode: int, elapsed: float) -> np.ndarray:
        """An action (m,) with its noise, `elapsed` (s) after the episode's first state. (m,)"""
        if not self.std.any():
            return action
        tick = round(elapsed / self.task.dt)
        rng = np.random.default_rng([self.seed, max(episode, 0), max(tick, 0), KEY])
        return self.task.limits.project(action + self.std * rng.standard_normal(len(action)))
