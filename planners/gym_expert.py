"""`GymExpert`: a scripted demonstrator for each Gymnasium environment that is known."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .loop.parameters import check_counts
from .plan import Plan, Planner

SCRIPTS = {
    r"Reacher-v5": "reacher:Reach",
    r"InvertedPendulum-v\d+": "inverted_pendulum:Balance",
    r"PointMaze_\w+-v\d+": "point_maze:FollowCells",
    r"PointMaze(Rooms|Corridor)-v\d+": "point_maze:FollowRuns",
    r"FetchReach(Dense)?-v\d+": "fetch:Reach",
    r"FetchPush(Dense)?-v\d+": "fetch:Push",
    r"FetchPickAndPlace(Dense)?-v\d+": "fetch:PickAndPlace",
}
"""What an environment's id looks like -> file of gym_scripts and class."""


@dataclass(frozen=True)
class Stage:
    """What a script remembers: which stage it is in, and since when (s)."""

    number: int = 0
    since: float = 0.0

    def next(self, number: int, time: float) -> Stage:
        """Another stage, from now on."""
        return replace(self, number=number, since=time)


Script = Callable[[np.ndarray, float, Stage], tuple[np.ndarray, Stage]]
"""(state (n,), time in the episode, stage) -> action (m,), stage."""


@dataclass(frozen=True)
class Memory:
    """The script's stage, and when the episode began (s; NaN: not yet)."""

    stage: Stage
    start: float


class GymExpert(Planner):
    """Follows the script of its environment, which sees what the environment shows and no more.

    Args:
        task: A `covary.sim.gym.gym_task.GymTask`.
        symmetry: Of no use here; the planner node gives it to every planner.
        **parameters: Fields of `Parameters`.

    Raises:
        ValueError: There is no script for the environment.
    """

    needs_model: ClassVar[bool] = False

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the expert."""

        horizon: int = 4
        """Control periods in a plan; all hold the same action."""

    def __init__(self, task: Any, symmetry: str = "full", **parameters) -> None:
        self.task = task
        self.parameters = self.Parameters(**parameters)
        check_counts(self.parameters)
        env_id = getattr(task, "env_id", task.name)
        for pattern, where in SCRIPTS.items():
            if re.fullmatch(pattern, env_id.rpartition(":")[2]):
                file, _, name = where.partition(":")
                module = importlib.import_module(f".gym_scripts.{file}", __package__)
                self.script: Script = getattr(module, name)(task)
                return
        known = ", ".join(re.sub(r"\\[wd]\+", "*", p.replace("(Dense)?", "")) for p in SCRIPTS)
        raise ValueError(f"plugin: no script for {env_id}; there are some for {known}")

    def initial_memory(self, seed: int) -> Memory:
        """At the first stage."""
        return Memory(Stage(), np.nan)

    def plan(self, state: np.ndarray, time: float, memory: Memory) -> tuple[Plan, Memory]:
        """The script's action, held."""
        start = time if np.isnan(memory.start) else memory.start
        action, stage = self.script(np.asarray(state, float), time - start, memory.stage)
        actions = np.tile(self.task.limits.project(action), (self.parameters.horizon, 1))
        return Plan(float(time), self.task.dt, actions, np.nan), Memory(stage, start)
