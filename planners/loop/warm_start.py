"""A plan read later: where the next one starts from."""

from __future__ import annotations

import numpy as np

from ...sim.task import Task
from ...symmetry.declaration import Symmetry


def moved_on(mean: np.ndarray, steps: float, rest: np.ndarray) -> np.ndarray:
    """Actions `steps` < H control periods later, `rest` (m,) after the last. (H, m) -> (H, m)

    Between whole steps it is the time average, which is what a held action does over one. Were a
    noisy last action repeated, its noise would act until as many updates have undone it.
    """
    whole = int(np.floor(steps + 1e-6))
    part = max(steps - whole, 0.0)
    horizon = len(mean)
    longer = np.concatenate([mean, np.tile(rest, (whole + 1, 1))])
    if part < 1e-6:
        return longer[whole : whole + horizon]
    return (1.0 - part) * longer[whole:-1][:horizon] + part * longer[whole + 1 :]


def rest_action(task: Task, symmetry: Symmetry) -> np.ndarray:
    """What comes after a plan's end: the safe action, within the limits. (m,)

    Where the group moves it, its mean over the group: a plan's end may not break the symmetry.
    """
    safe = task.limits.project(task.safe_action())
    orbit = np.stack([symmetry.act(g, action=safe) for g in symmetry.group.elements])
    return safe if np.abs(orbit - safe).max() < 1e-9 else orbit.mean(axis=0)


def held_on(rows: np.ndarray, steps: float) -> np.ndarray:
    """A row of each moment of a plan, whole periods later, the last one repeated. (H, C)"""
    later = np.arange(len(rows)) + round(steps)
    return rows[np.clip(later, 0, len(rows) - 1)]
