"""`JointSensors`: the coordinates of a task's state that /joint_states tells by their names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..sim.task import Task
from .image_estimator import ImageError

DEVIATION = 1e-4
"""Standard deviation of a joint's position (m, rad) and velocity (m/s, rad/s)."""
RATE = "_rate"
"""A joint NAME's velocity is the coordinate NAME_rate."""


class JointSensors:
    """Reads positions of joints, and velocities, that are coordinates of the state.

    Args:
        task: The task.

    Attributes:
        places: The coordinates that are read. (k)
        turning: None of them is read up to whole turns, but for declared angles. (k) bool
        deviation: (k,)
    """

    def __init__(self, task: Task) -> None:
        names = list(task.state_names)
        self._sources = [(j, "position") for j in task.joint_names if j in names]
        self._sources += [(j, "velocity") for j in task.joint_names if f"{j}{RATE}" in names]
        told = [j if what == "position" else f"{j}{RATE}" for j, what in self._sources]
        self.places = [names.index(name) for name in told]
        _, _, angles = task.symmetry.affine("state")
        self.turning = np.array([angles[i] for i in self.places], bool)
        self.deviation = np.full(len(self.places), DEVIATION)

    def read(self, message: Any) -> np.ndarray:
        """What a message tells. (k,)

        Raises:
            ImageError: It lacks a joint, or a value is not finite.
        """
        where = {name: k for k, name in enumerate(message.name)}
        try:
            values = [getattr(message, what)[where[joint]] for joint, what in self._sources]
        except (LookupError, IndexError):
            raise ImageError("/joint_states: a joint is missing") from None
        found = np.array(values, float)
        if not np.isfinite(found).all():
            raise ImageError("/joint_states: a value is not finite")
        return found
