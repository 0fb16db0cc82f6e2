"""`Motors`: a model's actuators, as the rates and forces that Bullet's joint motors take."""

from __future__ import annotations

import mujoco
import numpy as np
from numba import njit

from ..cache_folder import provide
from .bullet_scene import SceneError

provide()  # before Numba meets the first kernel

_NONE, _INTEGRATOR = int(mujoco.mjtDyn.mjDYN_NONE), int(mujoco.mjtDyn.mjDYN_INTEGRATOR)
_AFFINE = int(mujoco.mjtBias.mjBIAS_AFFINE)


class Motors:
    """The law of all actuators: ``force = gain input + b0 + b1 position + b2 velocity``.

    The input is the control, or, where an actuator integrates it, what the control has become.

    Args:
        model: The scene. Each joint has one actuator at most.

    Attributes:
        joints: The joint of each actuator. (u,)
        damped: Whether an actuator has a velocity term. (u,) bool
        rate: At which each joint would feel no force from its actuator and its own damping, m/s or
            rad/s; of an actuator without a velocity term there is none, and it stays zero. (u,)
        force: What the joint feels now from both, N or N m; without a velocity term from the
            actuator alone. (u,)

    Raises:
        SceneError: An actuator that is not of this law.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        for i in range(model.nu):
            name = model.actuator(i).name or i
            if model.actuator_trntype[i] != mujoco.mjtTrn.mjTRN_JOINT:
                raise SceneError(f"actuator {name}: the engine pybullet drives joints only")
            if (
                model.actuator_dyntype[i] not in (_NONE, _INTEGRATOR)
                or model.actuator_gaintype[i] != mujoco.mjtGain.mjGAIN_FIXED
                or model.actuator_biastype[i] not in (int(mujoco.mjtBias.mjBIAS_NONE), _AFFINE)
            ):
                raise SceneError(
                    f"actuator {name}: the engine pybullet knows actuators with a fixed gain and "
                    "an affine bias, with or without an integrator"
                )
        self.joints = model.actuator_trnid[:, 0].copy()
        if len(set(self.joints.tolist())) < model.nu:
            raise SceneError("the engine pybullet knows one actuator a joint")
        bias = model.actuator_biasprm[:, :3] * (model.actuator_biastype == _AFFINE)[:, None]
        self.damped = bias[:, 2] < 0.0
        self.rate, self.force = np.zeros(model.nu), np.zeros(model.nu)
        self._step = float(model.opt.timestep)
        integrates = model.actuator_dyntype == _INTEGRATOR
        self._places = np.stack(
            [
                np.where(integrates, model.actuator_actadr, -1),
                model.jnt_qposadr[self.joints],
                model.jnt_dofadr[self.joints],
            ]
        ).astype(np.int64)
        gear = model.actuator_gear[:, 0]
        dof = model.dof_damping[model.jnt_dofadr[self.joints]]
        low, high = gear * _range(model.actuator_forcelimited, model.actuator_forcerange)
        joint = _range(model.jnt_actfrclimited[self.joints], model.jnt_actfrcrange[self.joints])
        self._table = np.stack(
            [
                *_range(model.actuator_ctrllimited, model.actuator_ctrlrange),
                *_range(model.actuator_actlimited, model.actuator_actrange),
                *(gear * model.actuator_gainprm[:, 0], gear * bias[:, 0]),
                *(gear**2 * bias[:, 1], gear**2 * bias[:, 2]),
                np.where(self.damped, dof, 0.0),
                np.maximum(np.minimum(low, high), joint[0]),
                np.minimum(np.maximum(low, high), joint[1]),
            ]
        )

    def drive(self, data: mujoco.MjData) -> None:
        """Set `rate` and `force` for this tick, and move inputs that integrate on by it."""
        _drive(
            *(data.ctrl, data.act, data.qpos, data.qvel),
            *(self._table, self._places, self._step, self.rate, self.force),
        )


@njit(cache=True)
def _drive(ctrl, act, qpos, qvel, table, places, step, rate, force):
    """One tick of all actuators; `table` (11, u) and `places` (3, u) as the class lays them out."""
    for i in range(rate.shape[0]):
        least, most, lowest, highest, gain, offset, stiffness, slope, damping, low, high = table[
            :, i
        ]
        given = min(max(ctrl[i], least), most)
        held = places[0, i]
        if held >= 0:
            before = act[held]
            act[held] = min(max(before + step * given, lowest), highest)
            given = before
        velocity = qvel[places[2, i]]
        still = gain * given + offset + stiffness * qpos[places[1, i]]
        force[i] = min(max(still + slope * velocity, low), high) - damping * velocity
        rate[i] = 0.0
        if slope < 0.0:
            rate[i] = still / (damping - slope)
            # Where the actuator is at its limit, the joint's damping alone ends the motion.
            if damping * rate[i] > high:
                rate[i] = high / damping
            elif damping * rate[i] < low:
                rate[i] = low / damping


def _range(limited: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Least and largest value, infinite where there is no limit. (u,), (u, 2) -> (2, u)"""
    return np.where(np.asarray(limited, bool)[:, None], ranges, [-np.inf, np.inf]).T
