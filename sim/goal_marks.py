"""The bodies of a scene that show where the goal is: marks, not things."""

from __future__ import annotations

import mujoco
import numpy as np

from .task import Task


class GoalMarks:
    """Moves a scene's mocap bodies to where a task says that its goal is seen.

    Args:
        task: The task.
        model: The scene; what it lacks of the marks is not shown.
    """

    def __init__(self, task: Task, model: mujoco.MjModel) -> None:
        self.task = task
        self._mocap = {
            model.body(body).name: int(model.body_mocapid[body])
            for body in range(model.nbody)
            if model.body_mocapid[body] >= 0
        }

    def place(self, data: mujoco.MjData, goal: np.ndarray) -> None:
        """Put the marks where a goal (k,) is; nothing in the physics moves."""
        if not self._mocap:
            return
        for name, (position, yaw) in self.task.goal_marks(goal).items():
            if name in self._mocap:
                mark = self._mocap[name]
                data.mocap_pos[mark, : len(position)] = position
                data.mocap_quat[mark] = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]
