"""`Expert`: a scripted demonstrator for push and each tabletop task, launched like any planner."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..sim.tabletop.tabletop import CARTESIAN
from ..sim.task import Task
from ..symmetry.declaration import Symmetry, wrap
from .loop.parameters import check_counts
from .plan import Plan, Planner


class Aim(NamedTuple):
    """Where one stage of a script wants the gripper.

    Attributes:
        position: x, y, z of the gripper, m. (3,)
        yaw: Of the gripper, rad; as good is half a turn more. None: as it is.
        width: Opening, m; below zero to press on what is between the fingers.
        done: Whether the stage is over, once the gripper is there.
        next: The stage after it; below zero the following one.
        within: How near to `position` is there, m.
        speed: At most, m/s.
    """

    position: np.ndarray
    yaw: float | None = None
    width: float = 0.08
    done: bool = True
    next: int = -1
    within: float = 0.004
    speed: float = 0.25


Script = Callable[[Any, np.ndarray, int, float], Aim]
"""(task, state (n,), stage, seconds in the stage) -> where to go. Past the last stage: stay."""

Feedback = Callable[[Any, np.ndarray], np.ndarray]
"""(task, state (n,)) -> action (m,): a script that remembers nothing."""


@dataclass(frozen=True)
class Memory:
    """What a script remembers: which stage it is in, since when, and the episode's last plan."""

    stage: int
    since: float
    time: float


class Expert(Planner):
    """Follows the script of its task; it needs the poses of all things, and plans one period.

    The scripts are ours, state machines in the way of BulletArm's planners (Wang et al.,
    "BulletArm: an open-source robotic manipulation benchmark and learning framework", ISRR 2022):
    servo to a pose, then the next. They use differences and distances only, so a turned or mirrored
    scene gets the turned or mirrored motion, but for which of two equally near grasps is taken.
    That of push has no stages: it is a function of the state.

    Args:
        task: `Push`, or a tabletop task.
        symmetry: Not used; the planner node gives it to every planner.
        **parameters: Fields of `Parameters`.

    Raises:
        ValueError: There is no script for the task.
    """

    needs_model: ClassVar[bool] = False

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the expert."""

        gain: float = 6.0
        """Rate towards the aim over the distance from it, 1/s."""
        horizon: int = 3
        """Control periods in a plan: in real time control follows the plan before the newest; a
        script without stages holds its action so long."""

    def __init__(self, task: Task, symmetry: Symmetry | str = "full", **parameters) -> None:
        self.task: Any = task
        self.parameters = self.Parameters(**parameters)
        if not self.parameters.gain > 0:
            raise ValueError(f"gain: {self.parameters.gain} must be positive")
        check_counts(self.parameters)
        self.feedback: Feedback | None = None
        self.aim: Script | None = self.script()

    def script(self) -> Script | None:
        """The task's script; a subclass for a task of its own gives another.

        None where it has no stages: then `feedback` is set.

        Raises:
            ValueError: There is none.
        """
        name = self.task.name
        try:
            module = importlib.import_module(f".scripts.{name}", __package__)
        except ModuleNotFoundError as error:
            raise ValueError(f"plugin: no script for {name} in planners/scripts") from error
        self.feedback = getattr(module, "action", None)
        return None if self.feedback else module.aim

    def initial_memory(self, seed: int) -> Memory:
        """At the first stage."""
        return Memory(0, -1.0, -1.0)

    def plan(self, state: np.ndarray, time: float, memory: Memory) -> tuple[Plan, Memory]:
        """The next periods' actions, as if the gripper went exactly where it is told."""
        if memory.since < 0:
            memory = replace(memory, since=time)
        x = np.asarray(state, float)
        if self.aim is None:
            assert self.feedback is not None
            u = self.task.limits.project(self.feedback(self.task, x))
            held = np.tile(u, (self.parameters.horizon, 1))
            cost = float(self.task.running_cost(x, u))
            return Plan(time, self.task.dt, held, cost), replace(memory, time=time)
        for _ in range(20):  # stages that are over at once
            aim = self.aim(self.task, x, memory.stage, time - memory.since)
            gap = aim.position - x[[0, 1, 3]]
            if not (aim.done and np.abs(gap).max() <= aim.within and self._turned(x, aim) < 0.05):
                break
            following = memory.stage + 1 if aim.next < 0 else aim.next
            memory = replace(memory, stage=following, since=time)
        actions = np.zeros((self.parameters.horizon, len(self.task.action_names)))
        cost, x = float(self.task.error(x)), x.copy()
        for action in actions:
            u = self._rates(x, aim)
            action[:] = u if self.task.actions == "cartesian" else self._joint_rates(x, u)
            x[[4, 0, 1, 3, 2]] += self.task.dt * u
        return Plan(time, self.task.dt, actions, cost), replace(memory, time=time)

    def _turned(self, x: np.ndarray, aim: Aim) -> float:
        """How far the gripper is from the yaw, rad, a half turn counting for nothing."""
        return 0.0 if aim.yaw is None else abs(half_turn(aim.yaw - x[2]))

    def _rates(self, x: np.ndarray, aim: Aim) -> np.ndarray:
        """Rates of the gripper towards the aim, within its speed and the task's limits. (5,)"""
        gain = self.parameters.gain
        velocity = gain * (aim.position - x[[0, 1, 3]])
        size = np.linalg.norm(velocity)
        if size > aim.speed:
            velocity *= aim.speed / size
        turn = 0.0 if aim.yaw is None else gain * half_turn(aim.yaw - x[2])
        opening = 2.0 * gain * (aim.width - x[self.task.at["opening"].start])
        return CARTESIAN.project(np.array([opening, *velocity, turn]))

    def _joint_rates(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The same motion as rates of the arm's joints. (5,) -> (8,)"""
        half = np.repeat(0.5 * x[self.task.at["opening"]], 2)
        held = np.concatenate([x[self.task.at["joints"]], half])
        rates = self.task.robot.joint_rates(held, u)[:-2]
        x[self.task.at["joints"]] += self.task.dt * rates
        return self.task.limits.project(np.concatenate([u[:1], rates]))


def half_turn(angle: float) -> float:
    """The angle brought to [-pi/2, pi/2): what a gripper has to turn, whose fingers are alike."""
    return float(0.5 * wrap(np.float64(2.0 * angle)))
