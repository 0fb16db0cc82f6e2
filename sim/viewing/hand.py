"""`Hand`: a person's target for the gripper, turned into the rates that bring the gripper there."""

from __future__ import annotations

import math

import numpy as np

from ...symmetry.declaration import wrap
from ..robots.gripper import MAX_OPENING
from ..task import Task

ACTIONS = ("gripper", "dx", "dy", "dz", "dyaw")
"""What a person can do: rates of opening, position and yaw, as tabletop tasks have them."""
POSE = ("gripper_x", "gripper_y", "gripper_height", "gripper_yaw", "opening")
"""Where the state says it, in the same order as the rates, the opening last."""
GAIN = 6.0
"""Rate towards the target over the distance from it, 1/s."""
OPEN, SHUT = MAX_OPENING, -0.02
"""Openings that are aimed at, m; the second lies beyond what the fingers can, so they press."""
REACH = 0.40
"""A target is brought this near to the middle of the table, m."""
LOWEST, HIGHEST = 0.0, 0.40
"""And between these heights, m."""


class Hand:
    """What a person wants of the gripper, and the action that follows from it.

    Args:
        task: A tabletop task with Cartesian actions.

    Raises:
        ValueError: Its actions are no gripper's rates.
    """

    def __init__(self, task: Task) -> None:
        names = list(task.state_names)
        if tuple(task.action_names) != ACTIONS or not set(POSE) <= set(names):
            raise ValueError(
                f"{task.name}: a person moves a gripper by its rates ({', '.join(ACTIONS)}), and "
                f"its actions are {', '.join(task.action_names)}"
            )
        self.task = task
        self._at = [names.index(name) for name in POSE]
        self.position, self.yaw, self.closed = np.zeros(3), 0.0, False
        self.ready = False

    def begin(self) -> None:
        """Forget the target: an episode begins where its gripper is, open."""
        self.ready, self.closed = False, False

    def aim(self, position: np.ndarray, yaw: float) -> None:
        """Take a target: x, y, z (m) of the gripper and its yaw (rad), brought within reach.

        Raises:
            ValueError: One that is not finite; the target stays.
        """
        position = np.array(position, float).reshape(-1)
        if position.shape != (3,) or not (np.isfinite(position).all() and math.isfinite(yaw)):
            raise ValueError(f"no target for a gripper: {position.tolist()}, {yaw}")
        away = math.hypot(position[0], position[1])
        if away > REACH:
            position[:2] *= REACH / away
        position[2] = min(max(position[2], LOWEST), HIGHEST)
        self.position, self.yaw = position, float(wrap(np.float64(yaw)))

    def action(self, x: np.ndarray) -> np.ndarray:
        """The rates towards the target from state x (n,), within the task's limits. (5,)

        In the first state of an episode the target is where the gripper is.
        """
        here = x[self._at]
        if not np.isfinite(here).all():
            return self.task.safe_action()
        if not self.ready:
            self.ready = True
            self.aim(here[:3], float(here[3]))
        turn = float(wrap(np.float64(self.yaw - here[3])))
        opening = 2.0 * GAIN * ((SHUT if self.closed else OPEN) - here[4])
        u = np.array([opening, *(GAIN * (self.position - here[:3])), GAIN * turn])
        return self.task.limits.project(u)


def yaw_of(wxyz: np.ndarray) -> float:
    """The turn about the vertical of an orientation (4,), rad; NaN for one that is none."""
    w, x, y, z = (float(q) for q in wxyz)
    if not math.isfinite(w + x + y + z) or w * w + x * x + y * y + z * z < 1e-12:
        return math.nan
    return math.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
