"""`MujocoDynamics`: a task's own MJCF as a planner's model, rolled out by mujoco.rollout."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from .task import Task

_FULL = int(mujoco.mjtState.mjSTATE_FULLPHYSICS)
_CTRL = int(mujoco.mjtState.mjSTATE_CTRL)
_QPOS = int(mujoco.mjtState.mjSTATE_TIME)  # what comes before the positions in a full state
_QVEL = _QPOS | int(mujoco.mjtState.mjSTATE_QPOS)


class _Buffers:
    """All that `each` rollouts of `ticks` control periods in each model read and write; made once.

    The rows of one model come after those of the model before.
    """

    def __init__(self, models: list[mujoco.MjModel], each: int, ticks: int, substeps: int) -> None:
        model, rows = models[0], len(models) * each
        size = mujoco.mj_stateSize(model, _FULL)
        self.shape = (len(models), each, ticks)
        self.models = [one for one in models for _ in range(each)]  # none is copied
        self.start = np.zeros((rows, size))
        # The solver starts cold: what it gives depends on its inputs alone, not on the call before.
        self.warmstart = np.zeros((rows, model.nv))
        self.control = np.zeros((rows, ticks * substeps, model.nu))
        self.held = self.control.reshape(len(models), each, ticks, substeps, model.nu)
        self.full = np.zeros((rows, ticks * substeps, size))
        ends = self.full.reshape(rows, ticks, substeps, size)[:, :, -1]
        qpos = mujoco.mj_stateSize(model, _QPOS)
        qvel = mujoco.mj_stateSize(model, _QVEL)
        self.start_qpos = self.start[:, qpos : qpos + model.nq]
        self.start_qvel = self.start[:, qvel : qvel + model.nv]
        act = mujoco.mj_stateSize(model, _QVEL | int(mujoco.mjtState.mjSTATE_QVEL))
        self.start_act = self.start[:, act : act + model.na]
        self.qpos = ends[..., qpos : qpos + model.nq]  # (rows, ticks, nq) at the control ticks
        self.qvel = ends[..., qvel : qvel + model.nv]


class MujocoDynamics:
    """A `Dynamics` over the task's MJCF. It needs no kernels.

    It owns its `MjModel` and knows nothing of any plant. An action is held for a whole control
    period, ``dt / physics_dt`` physics steps. States are taken at the control ticks, and costs are
    the task's own on them. Results depend on the arguments alone, bit for bit, whatever was
    computed before and whatever `threads` is.

    What the state vector does not hold (the velocity of a pushed box, say) starts as
    `Task.physics_from_state` puts it, in general at rest.

    Args:
        task: The task.
        friction_scale: Factor on the contact friction of every geom and contact pair.
        threads: Threads that share a rollout; 1 starts none. They stay from call to call.
        factors: For M models instead of one: further factors of each on contact friction and on
            masses (with inertias). (M, 2)

    Attributes:
        model: The scaled MuJoCo model, the first of several.
        models: How many there are.
        substeps: Physics steps in a control period.

    Raises:
        ValueError: A factor below zero, no thread, or a control period that is no whole number of
            physics steps.
    """

    def __init__(
        self,
        task: Task,
        friction_scale: float = 1.0,
        threads: int = 1,
        factors: np.ndarray | None = None,
    ) -> None:
        if not friction_scale >= 0.0:
            raise ValueError(f"friction_scale must not be below zero, got {friction_scale}")
        if factors is not None and (np.shape(factors)[1:] != (2,) or not np.all(factors > 0.0)):
            raise ValueError("factors must be positive, two for each model: friction and mass")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self.substeps = round(task.dt / task.physics_dt)
        if self.substeps < 1 or abs(self.substeps * task.physics_dt - task.dt) > 1e-9 * task.dt:
            raise ValueError(f"{task.name}: {task.dt} s is no multiple of {task.physics_dt} s")
        self.task = task
        self._simulated = task.for_planning()
        self.model = self._simulated.compiled()
        self.model.opt.timestep = task.physics_dt
        # Nobody reads sensors here, and states do not hang on them.
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
        self.model.geom_friction[:] *= friction_scale
        self.model.pair_friction[:] *= friction_scale
        self._models = [self.model]
        if factors is not None:
            self._models = [_scaled(self.model, *row) for row in factors]
            self.model = self._models[0]
        self.models = len(self._models)
        integrates = self.model.actuator_dyntype == mujoco.mjtDyn.mjDYN_INTEGRATOR
        # Actuators that integrate their control begin by holding their joints where these are.
        self._held = None
        if integrates.any():
            joints = self.model.actuator_trnid[integrates, 0]
            self._held = self.model.actuator_actadr[integrates], self.model.jnt_qposadr[joints]
        self._data = [mujoco.MjData(self.model) for _ in range(threads)]
        self._pool = Rollout(nthread=threads if threads > 1 else 0)
        self._goal = task.goal_slice
        # One set of buffers for rollouts and one for single steps: using both reallocates neither.
        self._buffers: dict[str, _Buffers] = {}

    def next_state(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The state one control period later. (..., n), (..., m) -> (..., n)"""
        x, u = np.asarray(x, float), np.asarray(u, float)
        batch = np.broadcast_shapes(x.shape[:-1], u.shape[:-1])
        rows_x = np.broadcast_to(x, (*batch, x.shape[-1])).reshape(-1, x.shape[-1])
        rows_u = np.broadcast_to(u, (*batch, u.shape[-1])).reshape(-1, 1, u.shape[-1])
        if not len(rows_x):
            return np.empty((*batch, x.shape[-1]))
        ends = self._simulate("step", self._models[:1], rows_x, rows_u)
        goal = rows_x[:, self._goal]
        out = self._simulated.state_from_physics(ends.qpos[:, 0], ends.qvel[:, 0], goal)
        return out.reshape(*batch, x.shape[-1])

    def rollout(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out action sequences; see `Dynamics`. (n,), (K, H, m), (M, K), (M, K, H, n)"""
        x0, actions = np.asarray(x0, float), np.asarray(actions, float)
        ends = self._simulate("rollout", self._models, x0, actions)
        x = self._simulated.state_from_physics(ends.qpos, ends.qvel, x0[self._goal])
        x = x.reshape(self.models, *actions.shape[:2], x.shape[-1])
        np.sum(self.task.running_cost(x, actions), axis=-1, out=costs)
        costs += self.task.terminal_cost(x[:, :, -1])
        if states is not None:
            states[:] = x

    def rollout_batch(
        self,
        x0: np.ndarray,
        actions: np.ndarray,
        costs: np.ndarray,
        states: np.ndarray | None = None,
    ) -> None:
        """Roll out from several states in one call; see `Dynamics`.

        (B, n), (B, K, H, m), (B, M, K), (B, M, K, H, n)
        """
        count = actions.shape[1]
        starts = np.repeat(np.asarray(x0, float), count, axis=0)
        starts = np.tile(starts, (self.models, 1))  # (M B K, n)
        rows = np.asarray(actions, float).reshape(-1, *actions.shape[2:])
        ends = self._simulate("batch", self._models, starts, rows)
        goal = starts[:, None, self._goal]
        x = self._simulated.state_from_physics(ends.qpos, ends.qvel, goal)
        x = x.reshape(self.models, *rows.shape[:2], x.shape[-1])  # (M, B K, H, n)
        total = np.sum(self.task.running_cost(x, rows), axis=-1)
        total += self.task.terminal_cost(x[:, :, -1])
        costs[:] = np.moveaxis(total.reshape(self.models, -1, count), 1, 0)
        if states is not None:
            states[:] = np.moveaxis(x.reshape(self.models, -1, count, *x.shape[2:]), 1, 0)

    def _simulate(
        self, purpose: str, models: list[mujoco.MjModel], x: np.ndarray, actions: np.ndarray
    ) -> _Buffers:
        """Fill buffers with the physics from x (n,) or (K, n) under actions (K, H, m)."""
        buffers = self._buffers.get(purpose)
        shape = (len(models), *actions.shape[:2])
        if buffers is None or buffers.shape != shape:
            buffers = self._buffers[purpose] = _Buffers(models, *shape[1:], self.substeps)
        buffers.start_qpos[:], buffers.start_qvel[:] = self._simulated.physics_from_state(x)
        if self._held is not None:
            actuators, joints = self._held
            buffers.start_act[:, actuators] = buffers.start_qpos[:, joints]
        buffers.held[:] = self._simulated.ctrl_from_action(actions)[None, :, :, None]
        self._pool.rollout(
            buffers.models,
            self._data,
            buffers.start,
            buffers.control,
            control_spec=_CTRL,
            skip_checks=True,
            nstep=buffers.control.shape[1],
            initial_warmstart=buffers.warmstart,
            state=buffers.full,
        )
        return buffers


def _scaled(model: mujoco.MjModel, friction: float, mass: float) -> mujoco.MjModel:
    """A model like another one, its contact friction and its masses multiplied."""
    found = copy.copy(model)
    found.geom_friction[:] *= friction
    found.pair_friction[:] *= friction
    found.body_mass[:] *= mass
    found.body_inertia[:] *= mass
    if mass != 1.0:
        mujoco.mj_setConst(found, mujoco.MjData(found))  # what follows from masses
    return found
