"""`Plant`: the simulated robot and its surroundings, one physics tick at a time."""

from __future__ import annotations

import importlib
import re

import mujoco
import numpy as np

from .dialled_model import dialled_model
from .dials import Dials, check_engine_has, first_moved
from .engines.engine import PACKAGES, Engine, check_engine
from .goal_marks import GoalMarks
from .task import Task

_FOREIGN = re.compile(r"<\s*(?:include|extension|plugin)\b|\bfile\w*\s*=")
"""What in a model's text makes MuJoCo open other files."""


class Plant:
    """A task's MJCF model, stepped in place. What happens between two ticks is the engine's alone.

    Args:
        task: The task.
        model: MJCF text to use instead of the task's own (a recorded one, say). It may name no
            other file.
        engine: ``mujoco`` or ``pybullet``.
        dials: How the world departs from what the task declares; None: not at all.

    Attributes:
        tick: Physics ticks since the last reset.
        model: The compiled scene, whatever the engine.
        data: Where everything is in it, whatever the engine.
        over: Whether the world itself has ended the episode; a simulated one never does.

    Raises:
        ValueError: The model does not load, or there is no such engine.
        EngineError: The engine is not installed, or cannot have the scene.
        ParameterError: A dial that can change nothing in this scene.
    """

    over = False

    def __init__(
        self,
        task: Task,
        model: str | None = None,
        engine: str = "mujoco",
        dials: Dials | None = None,
    ) -> None:
        self.task, self.dials = task, dials or Dials()
        if model is None:
            self.model = dialled_model(task, self.dials)
        else:
            if named := _FOREIGN.search(model):
                raise ValueError(f"it names what lies outside it: {named[0]}")
            try:
                self.model = dialled_model(task, self.dials, model)
            except (RuntimeError, MemoryError) as error:
                raise ValueError(f"MuJoCo cannot load it: {error}") from error
        check_engine_has(self.dials, engine)
        gain, offset = self.dials.actuator_gain, self.dials.cost_offset
        self._stronger = first_moved(task.symmetry, "action") if gain else None
        self._dearer = first_moved(task.symmetry, "state") if offset else None
        self.model.opt.timestep = task.physics_dt
        self.data = mujoco.MjData(self.model)
        self.engine = make_engine(engine, self.model, self.data)
        self.goal = np.zeros(0)
        self.tick = 0
        self._joints = [self.model.joint(name) for name in task.joint_names]
        self._marks = GoalMarks(task, self.model)

    def begin(self, rng: np.random.Generator) -> None:
        """Put everything where an episode with these draws starts, at time 0."""
        self.reset(self.task.initial_state(rng))

    def reset(self, x: np.ndarray) -> None:
        """Put everything where state x (n,) says, at time 0."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = self.task.physics_from_state(np.asarray(x, float))
        hold(self.model, self.data)
        self.set_goal(x[self.task.goal_slice])
        self.tick = 0
        self.apply(self.task.safe_action())
        self.engine.begin()

    def set_goal(self, goal: np.ndarray) -> None:
        """Give the task another goal (k,); nothing in the physics moves but the goal's mark."""
        self.goal = np.array(goal, float)
        self._marks.place(self.data, self.goal)

    def apply(self, u: np.ndarray) -> None:
        """Set the actuators to an action (m,); to be called before every tick."""
        if self._stronger is not None and u[self._stronger] > 0.0:
            u = np.array(u, float)
            u[self._stronger] *= 1.0 + self.dials.actuator_gain
        self.task.actuate(self.data, u, self.tick)

    def step(self) -> None:
        """One physics tick."""
        self.engine.step()
        self.tick += 1

    def state(self) -> np.ndarray:
        """The task's state vector, goal included. (n,)"""
        return self.task.state_from_physics(self.data.qpos, self.data.qvel, self.goal)

    def place(self) -> None:
        """Bring bodies, shapes and sites where `qpos` has them: a tick leaves them one tick behind.

        For whoever looks at them. The physics neither needs it nor changes by it.
        """
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def cost(self, u: np.ndarray) -> float:
        """Running cost of being here after a control period that ended with action u (m,)."""
        return float(self.cost_of(self.state(), u))

    def cost_of(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Running cost as it is judged here. (..., n), (..., m) -> (...)"""
        cost = self.task.running_cost(x, u)
        if self._dearer is None:
            return cost
        return cost + self.dials.cost_offset * (x[..., self._dearer] > 0.0)

    def success(self) -> bool:
        """Whether what is here now is within the task's thresholds."""
        return bool(self.task.success(self.state()))

    def joints(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (m, rad) and velocities (m/s, rad/s) of `task.joint_names`. (j,), (j,)"""
        position = np.array([self.data.qpos[int(j.qposadr[0])] for j in self._joints])
        velocity = np.array([self.data.qvel[int(j.dofadr[0])] for j in self._joints])
        return position, velocity

    def physics_state(self) -> np.ndarray:
        """All that the engine needs to go on from here. (N,)"""
        return self.engine.state()

    def physics_name(self, index: int) -> str:
        """What one number of `physics_state` is, e.g. ``qpos[3] (joint box)``."""
        return self.engine.name_of(index)

    @property
    def resumes(self) -> bool:
        """Whether a restored state goes on bit for bit even if it is no episode's first."""
        return self.engine.resumes

    def restore(self, state: np.ndarray) -> None:
        """Go back to a state that `physics_state` gave (N,), and to its tick.

        A goal is no physics: it stays what `set_goal` last said, but for its mark.

        Raises:
            ValueError: It is of another model: its size differs.
        """
        self.engine.restore(state)
        self.tick = round(self.data.time / self.task.physics_dt)


def hold(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Let actuators that integrate their control hold their joints where these are."""
    for i in np.flatnonzero(model.actuator_dyntype == mujoco.mjtDyn.mjDYN_INTEGRATOR):
        joint = model.actuator_trnid[i, 0]
        data.act[model.actuator_actadr[i]] = data.qpos[model.jnt_qposadr[joint]]


def make_engine(name: str, model: mujoco.MjModel, data: mujoco.MjData) -> Engine:
    """The engine of that name for a scene.

    Raises:
        ValueError: There is none of that name.
        EngineError: It is not installed, or cannot have the scene.
    """
    if name not in PACKAGES:
        raise ValueError(f"engine: {name!r} is none of {', '.join(PACKAGES)}")
    check_engine(name)
    module = importlib.import_module(f".engines.{name}_engine", __package__)
    return getattr(module, f"{name.capitalize()}Engine")(model, data)
