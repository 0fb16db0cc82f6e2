"""Where a plan leads: its path coloured by cost, and the paths of its images under the symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..dynamics import Dynamics
from ..task import Task
from .scene import Scene

STILL = 1e-3
"""What moves less than this along a plan is not drawn, m."""
MOST_COPIES = 16
"""Elements of the group whose copies are drawn."""
CHEAP, DEAR = (40, 120, 220), (220, 60, 40)
"""Colours of the lowest and of the highest running cost."""
FAINT = (190, 190, 200)
"""Colour of the copies."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Line segments to draw.

    Attributes:
        points: The plan's own. (S, 2, 3), m
        colours: One for each end. (S, 2, 3), 0 to 255
        copies: Its images under the other elements of the group. (C, 2, 3), m
    """

    points: np.ndarray
    colours: np.ndarray
    copies: np.ndarray


class PlanPaths:
    """Rolls plans out with the task's own model, and says where its frames go.

    Args:
        task: The task.
        scene: Its bodies.
        dynamics: What to roll out with; by default the analytic model, or MuJoCo where there is
            none.
    """

    def __init__(self, task: Task, scene: Scene, dynamics: Dynamics | None = None) -> None:
        self.task = task
        planned = task.for_planning()
        self.scene = scene if planned is task else Scene(planned)
        self.dynamics = dynamics or _own_model(task)
        self.lowest, self.highest = np.inf, -np.inf

    def reset(self) -> None:
        """Begin a new scale of costs."""
        self.lowest, self.highest = np.inf, -np.inf

    def trace(self, x: np.ndarray, actions: np.ndarray) -> Paths:
        """The paths of a plan from state x (n,) with actions (H, m).

        Blue is the lowest running cost since `reset`, red the highest.
        """
        states = np.empty((1, 1, *actions.shape[:1], len(x)))
        self.dynamics.rollout(x, actions[None], np.empty((1, 1)), states)
        path = np.vstack([x, states[0, 0]])  # (H + 1, n)
        costs = self.task.running_cost(path[1:], actions)  # (H,)
        costs = np.concatenate([costs[:1], costs])
        costs = np.nan_to_num(costs, nan=0.0, posinf=0.0, neginf=0.0)
        self.lowest = min(self.lowest, float(costs.min()))
        self.highest = max(self.highest, float(costs.max()))
        colours = _ramp((costs - self.lowest) / max(self.highest - self.lowest, 1e-12))
        points, hues, copies = [], [], []
        for name in self._names(path[0]):
            line = self._line(path, name)
            if np.ptp(line, axis=0).max() < STILL or not np.isfinite(line).all():
                continue
            points.append(_segments(line))
            hues.append(_segments(colours))
            for g in self.task.symmetry.group.elements[1:MOST_COPIES]:
                moved = self.task.symmetry.act(g, state=path)
                copies.append(_segments(self._line(moved, name)))
        empty = np.zeros((0, 2, 3))
        return Paths(
            points=np.concatenate(points) if points else empty,
            colours=np.concatenate(hues) if hues else empty,
            copies=np.concatenate(copies) if copies else empty,
        )

    def _names(self, x: np.ndarray) -> list[str]:
        """What is followed: the task's frames, and the parts of its state that are bodies.

        Of a gripper and things only the gripper: where they are is no sensor's word.
        """
        state = () if self.task.sensed else self.task.symmetry.state
        parts = [name for name in state if self.scene.has_body(name)]
        return [n for n in dict.fromkeys([*self.task.frames(x), *parts]) if n != self.task.goal]

    def _line(self, path: np.ndarray, name: str) -> np.ndarray:
        """Where something goes along states (H, n). (H, 3)"""
        if self.scene.has_body(name):
            return self.scene.positions(path, name)
        names = list(self.task.state_names)
        height = f"{name}_height"
        up = path[:, names.index(height)] if height in names else np.zeros(len(path))
        return np.array(
            [(*self.task.frames(x)[name][:2], z) for x, z in zip(path, up, strict=True)]
        )


def _own_model(task: Task) -> Dynamics:
    if task.kernels is not None:
        from ..numba_dynamics import NumbaDynamics  # numba only where it runs

        return NumbaDynamics(task)
    from ..mujoco_dynamics import MujocoDynamics

    return MujocoDynamics(task)


def _ramp(share: np.ndarray) -> np.ndarray:
    """Colours between cheap and dear. (H,) in [0, 1] -> (H, 3)"""
    low, high = np.array(CHEAP, float), np.array(DEAR, float)
    return low + share[:, None] * (high - low)


def _segments(line: np.ndarray) -> np.ndarray:
    """A line's points as segments. (H, 3) -> (H - 1, 2, 3)"""
    return np.stack([line[:-1], line[1:]], axis=1)
