"""`Motors`: a model's actuators, as the rates and forces that Bullet's joint motors take."""

from __future__ import annotations

import mujoco
import numpy as np

from .bullet_scene import SceneError

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

    Raises:
        SceneError: An actuator that is not of this law.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._step = model.opt.timestep
        for i in range(model.nu):
            name = model.actuator(i).name or i
            if model.actuator_trntype[i] != mujoco.mjtTrn.mjTRN_JOINT:
                raise SceneError(f"actuator {name}: the engine bullet drives joints only")
            if (
                model.actuator_dyntype[i] not in (_NONE, _INTEGRATOR)
                or model.actuator_gaintype[i] != mujoco.mjtGain.mjGAIN_FIXED
                or model.actuator_biastype[i] not in (int(mujoco.mjtBias.mjBIAS_NONE), _AFFINE)
            ):
                raise SceneError(
                    f"actuator {name}: the engine bullet knows actuators with a fixed gain and an "
                    "affine bias, with or without an integrator"
                )
        self.joints = model.actuator_trnid[:, 0].copy()
        if len(set(self.joints.tolist())) < model.nu:
            raise SceneError("the engine bullet knows one actuator a joint")
        bias = model.actuator_biasprm[:, :3] * (model.actuator_biastype == _AFFINE)[:, None]
        self.damped = bias[:, 2] < 0.0
        self._position = model.jnt_qposadr[self.joints]
        self._velocity = model.jnt_dofadr[self.joints]
        self._integrates = np.flatnonzero(model.actuator_dyntype == _INTEGRATOR)
        self._act = model.actuator_actadr[self._integrates]
        gear = model.actuator_gear[:, 0]
        self._gain, self._offset = gear * model.actuator_gainprm[:, 0], gear * bias[:, 0]
        self._stiffness, self._slope = gear**2 * bias[:, 1], gear**2 * bias[:, 2]
        self._damping = np.where(self.damped, model.dof_damping[self._velocity], 0.0)
        self._ease = np.where(self.damped, 1.0 / np.maximum(self._damping - self._slope, 1e-300), 0)
        self._ctrl = _range(model.actuator_ctrllimited, model.actuator_ctrlrange)
        integrates = self._integrates
        self._acts = _range(
            model.actuator_actlimited[integrates], model.actuator_actrange[integrates]
        )
        low, high = _range(model.actuator_forcelimited, model.actuator_forcerange)
        low, high = np.minimum(gear * low, gear * high), np.maximum(gear * low, gear * high)
        joint = _range(model.jnt_actfrclimited[self.joints], model.jnt_actfrcrange[self.joints])
        self._low, self._high = np.maximum(low, joint[0]), np.minimum(high, joint[1])
        # Where the actuator is at its limit, the joint's damping alone ends the motion.
        most = np.maximum(self._damping, 1e-12)
        self._slowest, self._fastest = self._low / most, self._high / most

    def drive(self, data: mujoco.MjData) -> tuple[np.ndarray, np.ndarray]:
        """The rate at which each joint would feel no force, and the force it feels now. (u,), (u,)

        Of damped actuators, whose force includes the joint's own damping; one without a velocity
        term has no such rate: it is zero and means nothing, and the force is the actuator's alone.
        """
        given = np.minimum(np.maximum(data.ctrl, self._ctrl[0]), self._ctrl[1])
        given[self._integrates] = data.act[self._act]
        velocity = data.qvel[self._velocity]
        still = self._gain * given + self._offset + self._stiffness * data.qpos[self._position]
        force = np.minimum(np.maximum(still + self._slope * velocity, self._low), self._high)
        rate = np.minimum(np.maximum(still * self._ease, self._slowest), self._fastest)
        return rate, force - self._damping * velocity

    def integrate(self, data: mujoco.MjData) -> None:
        """Move the inputs of actuators that integrate on by a tick."""
        if len(self._act):
            given = np.minimum(np.maximum(data.ctrl, self._ctrl[0]), self._ctrl[1])
            act = data.act[self._act] + self._step * given[self._integrates]
            data.act[self._act] = np.minimum(np.maximum(act, self._acts[0]), self._acts[1])


def _range(limited: np.ndarray, ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value, infinite where there is no limit."""
    on = np.asarray(limited, bool)
    return np.where(on, ranges[:, 0], -np.inf), np.where(on, ranges[:, 1], np.inf)
