"""Two mazes for PointMaze, on which robust imitation is measured: two rooms, and a corridor."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium_robotics.envs.maze.point_maze import PointMazeEnv

from ...starts import checked

ROOMS = """
#############
#     #     #
#     #     #
#S         G#
#     #     #
#     #     #
#############
"""
CORRIDOR = """
#########
#S #    #
#  #    #
#     ###
#       #
###     #
#    #  #
#    # G#
#########
"""
NEAR = 0.15
"""Largest distance from the goal that is a success, m."""
JITTER = 0.1
"""How far a start is from its cell's middle at most, along x and along y, m."""
FRAMES = 10
"""Steps of PointMaze, 10 ms each, in which an action is held."""
STEPS = 200
"""Actions in an episode at most."""


class PointMazeToGoal(PointMazeEnv):
    """A point mass, driven by a force, goes to the one goal of a maze; then the episode is over.

    The physics is PointMaze's: a ball of 0.1 m radius, cells of 1 m, a force that is the action
    (2,), within +-1, times 100 N. An action is held for 0.1 s. Mazes, goal and starts are those of
    Park and Wong, "Robust imitation of a few demonstrations with a backwards model", NeurIPS 2022,
    whose cells are 4 m wide and whose goal is reached within 0.6 m.

    **Success**: within 150 mm of the goal's middle, which is 0.6 m scaled to this cell; within
    20 s. **Starts**: at rest, up to 0.1 m along x and along y from the middle of a cell: the cell S
    (``demonstrated``), or any free cell but the goal's (``widened``, and ``own``).

    Args:
        rows: The map, a line a row: ``#`` wall, ``S`` start, ``G`` goal; in the first y is largest.
        starts: ``own``, ``demonstrated`` or ``widened``.
        **settings: Of `PointMazeEnv`: ``render_mode`` and the like.

    Raises:
        ValueError: No such starts.
    """

    def __init__(self, rows: str, starts: str = "own", **settings: Any) -> None:
        free = "r" if checked(starts) != "demonstrated" else 0
        cells = {"#": 1, " ": free, "S": "r", "G": "g"}
        maze_map = [[cells[mark] for mark in row] for row in rows.split("\n") if row]
        super().__init__(maze_map=maze_map, continuing_task=False, **settings)
        self.position_noise_range = JITTER
        self.goal_cell = self.maze.unique_goal_locations[0].copy()

    def add_xy_position_noise(self, xy_pos: np.ndarray) -> np.ndarray:
        """A start beside its cell's middle; the goal is where it is. (2,) -> (2,)"""
        if np.array_equal(xy_pos, self.goal_cell):
            return xy_pos
        return super().add_xy_position_noise(xy_pos)

    def reset(self, **given: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode."""
        seen, info = super().reset(**given)
        return seen, {**info, "success": self._arrived(seen)}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict]:
        """Hold an action (2,) for 0.1 s."""
        for _ in range(FRAMES):
            point, *_ = self.point_env.step(action)
        seen = self._get_obs(point)
        arrived = self._arrived(seen)
        return seen, float(arrived), arrived, False, {"success": arrived}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:
        """1 at the goal, else 0."""
        return (np.linalg.norm(achieved_goal - desired_goal, axis=-1) <= NEAR).astype(np.float64)

    def compute_terminated(self, achieved_goal: Any, desired_goal: Any, info: Any) -> bool:
        """Whether it is at the goal."""
        return bool(np.linalg.norm(achieved_goal - desired_goal) <= NEAR)

    def _arrived(self, seen: dict[str, np.ndarray]) -> bool:
        return self.compute_terminated(seen["achieved_goal"], seen["desired_goal"], None)


for _name, _rows in (("PointMazeRooms-v0", ROOMS), ("PointMazeCorridor-v0", CORRIDOR)):
    if _name not in gymnasium.registry:
        gymnasium.register(
            _name,
            entry_point=f"{__name__}:PointMazeToGoal",
            kwargs={"rows": _rows},
            max_episode_steps=STEPS,
        )
