"""PointMaze: from cell to cell along a shortest way, and then straight to the goal."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from ...sim.gym.environments import make

STIFFNESS, DAMPING = 4.0, 0.9  # per m and per m/s, in units of the action
SOFT, SOFTLY_DAMPED = 0.38, 0.25  # the same where an action is held for 0.1 s: 3 rad/s, critical
AHEAD = 1.0  # how far ahead it looks at most, m


class FollowCells:
    """Heads for the middle of the next cell on the way, and in the one before the goal's for it.

    Args:
        task: The task; its environment tells the map.
    """

    def __init__(self, task: Any) -> None:
        env = make(task.env_id)
        self.maze = env.unwrapped.maze  # type: ignore[attr-defined]
        env.close()
        self.free = {
            (i, j)
            for i, row in enumerate(self.maze.maze_map)
            for j, cell in enumerate(row)
            if cell != 1
        }

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """Force. (8,) -> (2,)"""
        here, goal = self._cell(x[0:2]), self._cell(x[6:8])
        way = self._way(here, goal)
        aim = x[6:8]
        if len(way) > 1 or (way and way[0] != goal):
            aim = self.maze.cell_rowcol_to_xy(np.array(way[0]))
        return STIFFNESS * (aim - x[0:2]) - DAMPING * x[2:4], stage

    def _cell(self, place: np.ndarray) -> tuple[int, int]:
        row, column = self.maze.cell_xy_to_rowcol(place)
        return int(row), int(column)

    def _way(self, here: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
        """The cells after `here` on a shortest way to the goal; empty where there is none."""
        after: dict[tuple[int, int], tuple[int, int]] = {goal: goal}
        queue = deque([goal])
        while queue and here not in after:
            i, j = queue.popleft()
            for near in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if near in self.free and near not in after:
                    after[near] = (i, j)
                    queue.append(near)
        way = []
        while here in after and here != goal:
            here = after[here]
            way.append(here)
        return way


class FollowRuns(FollowCells):
    """Heads for the end of the straight run of cells that it is in, and in the last for the goal.

    Where `FollowCells` pulls anew in each cell, this has one pull along a run: easier to imitate.
    """

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """Force. (8,) -> (2,)"""
        here, goal = self._cell(x[0:2]), self._cell(x[6:8])
        run = [here]
        for cell in self._way(here, goal):
            if cell[0] != here[0] and cell[1] != here[1]:
                break
            run.append(cell)
        end = x[6:8] if run[-1] == goal else self.maze.cell_rowcol_to_xy(np.array(run[-1]))
        gap = end - x[0:2]
        gap *= min(1.0, AHEAD / max(float(np.hypot(*gap)), 1e-9))
        return SOFT * gap - SOFTLY_DAMPED * x[2:4], stage
