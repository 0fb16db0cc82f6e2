"""`MujocoPlant`: the simulated robot and its surroundings, one physics tick at a time."""

from __future__ import annotations

import re

import mujoco
import numpy as np

from .task import Task

_FOREIGN = re.compile(r"<\s*(?:include|extension|plugin)\b|\bfile\w*\s*=")
"""What in a model's text makes MuJoCo open other files."""


class MujocoPlant:
    """A task's MJCF model, stepped in place. What happens between two ticks is MuJoCo's alone.

    Args:
        task: The task.
        model: MJCF text to use instead of the task's file (a recorded one, say). It may name no
            other file.

    Attributes:
        tick: Physics ticks since the last reset.

    Raises:
        ValueError: The model does not load.
    """

    def __init__(self, task: Task, model: str | None = None) -> None:
        self.task = task
        if model is None:
            self.model = mujoco.MjModel.from_xml_path(task.mjcf)
        else:
            if named := _FOREIGN.search(model):
                raise ValueError(f"it names what lies outside it: {named[0]}")
            try:
                self.model = mujoco.MjModel.from_xml_string(model)
            except (RuntimeError, MemoryError) as error:
                raise ValueError(f"MuJoCo cannot load it: {error}") from error
        self.model.opt.timestep = task.physics_dt
        self.data = mujoco.MjData(self.model)
        self.goal = np.zeros(0)
        self.tick = 0
        self._joints = [self.model.joint(name) for name in task.action_names]
        self._signature = int(mujoco.mjtState.mjSTATE_INTEGRATION)
        self._size = mujoco.mj_stateSize(self.model, self._signature)
        goal = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, "goal")
        self._goal_mocap = int(self.model.body_mocapid[goal]) if goal >= 0 else -1

    def reset(self, x: np.ndarray) -> None:
        """Put everything where state x (n,) says, at time 0."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = self.task.physics_from_state(np.asarray(x, float))
        self.set_goal(x[self.task.symmetry.slices("state")[self.task.goal]])
        self.apply(self.task.safe_action())
        mujoco.mj_forward(self.model, self.data)
        self.tick = 0

    def set_goal(self, goal: np.ndarray) -> None:
        """Give the task another goal (k,); nothing in the physics moves but the goal's mark."""
        self.goal = np.array(goal, float)
        if self._goal_mocap >= 0:
            self.data.mocap_pos[self._goal_mocap, :2] = self.goal[:2]
            yaw = self.goal[2] if len(self.goal) > 2 else 0.0
            self.data.mocap_quat[self._goal_mocap] = [np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]

    def apply(self, u: np.ndarray) -> None:
        """Set the actuators to an action (m,), until the next call."""
        self.data.ctrl[:] = self.task.ctrl_from_action(u)

    def step(self) -> None:
        """One physics tick."""
        mujoco.mj_step(self.model, self.data)
        self.tick += 1

    def state(self) -> np.ndarray:
        """The task's state vector, goal included. (n,)"""
        return self.task.state_from_physics(self.data.qpos, self.data.qvel, self.goal)

    def joints(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (m, rad) and velocities (m/s, rad/s) of the actuated joints. (m,), (m,)"""
        position = np.array([self.data.qpos[int(j.qposadr[0])] for j in self._joints])
        velocity = np.array([self.data.qvel[int(j.dofadr[0])] for j in self._joints])
        return position, velocity

    def physics_state(self) -> np.ndarray:
        """All that MuJoCo needs to go on bit for bit (mjSTATE_INTEGRATION). (N,)"""
        state = np.empty(self._size)
        mujoco.mj_getState(self.model, self.data, state, self._signature)
        return state

    def restore(self, state: np.ndarray) -> None:
        """Go back to a state that `physics_state` gave (N,), and to its tick.

        A goal is no physics: it stays what `set_goal` last said, but for its mark.

        Raises:
            ValueError: It is of another model: its size differs.
        """
        if state.shape != (self._size,):
            raise ValueError(
                f"a physics state of {state.shape} numbers; this model has {self._size}: "
                "recorded with another model or MuJoCo version"
            )
        mujoco.mj_setState(self.model, self.data, np.ascontiguousarray(state), self._signature)
        self.tick = round(self.data.time / self.task.physics_dt)
        mujoco.mj_forward(self.model, self.data)
        # The forward pass computes what depends on the state; it must not warm-start the solver.
        mujoco.mj_setState(self.model, self.data, np.ascontiguousarray(state), self._signature)
