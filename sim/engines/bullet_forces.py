"""`Forces`: what acts on bodies besides contacts and motors: gravity, the air, damping."""

from __future__ import annotations

import mujoco
import numpy as np

from .bullet_client import bullet
from .bullet_world import World

_FREE = int(mujoco.mjtJoint.mjJNT_FREE)


class Forces:
    """Sends each tick what Bullet does not know by itself.

    Bullet's gravity pulls at all or none: where some are compensated, the world has none, and what
    weighs is pulled by a force. The air (`density`, `viscosity`, `wind`) and the damping of free
    bodies are computed by MuJoCo from what the data mirror.

    Args:
        world: The world, built.
    """

    def __init__(self, world: World) -> None:
        self.world, self.model = world, world.model
        model = self.model
        gravity = model.opt.gravity.copy()
        if model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_GRAVITY:
            gravity[:] = 0.0
        self._weights = []
        if model.body_gravcomp.any():
            for body in np.flatnonzero((model.body_weldid > 0) & (model.body_mass > 0.0)).tolist():
                pull = model.body_mass[body] * (1.0 - model.body_gravcomp[body]) * gravity
                if pull.any():
                    number, link = world.links[int(model.body_weldid[body])]
                    self._weights.append((number, link, body, pull.tolist()))
            gravity[:] = 0.0
        bullet.setGravity(*gravity.tolist(), physicsClientId=world.client)
        self._damping = np.zeros(model.nv)
        for joint in np.flatnonzero(model.jnt_type == _FREE):
            dofs = slice(model.jnt_dofadr[joint], model.jnt_dofadr[joint] + 6)
            self._damping[dofs] = model.dof_damping[dofs]
        self._drags = bool(model.opt.density or model.opt.viscosity or self._damping.any())

    def apply(self, data: mujoco.MjData) -> None:
        """Send them for the next tick."""
        c = self.world.client
        for number, link, body, weight in self._weights:
            bullet.applyExternalForce(
                *(number, link, weight, data.xipos[body].tolist(), bullet.WORLD_FRAME),
                physicsClientId=c,
            )
        if self._drags:
            mujoco.mj_comVel(self.model, data)
            mujoco.mj_passive(self.model, data)
            self._push(data, data.qfrc_fluid - self._damping * data.qvel)

    def _push(self, data: mujoco.MjData, force: np.ndarray) -> None:
        """Send generalised forces (nv,), as MuJoCo has them."""
        c, model, spin = self.world.client, self.model, np.empty(3)
        for body in self.world.bodies:
            if body.tree.free:
                joint = body.tree.root.joint
                q, v = model.jnt_qposadr[joint], model.jnt_dofadr[joint]
                mujoco.mju_rotVecQuat(spin, force[v + 3 : v + 6], data.qpos[q + 3 : q + 7])
                at = data.qpos[q : q + 3].tolist()
                bullet.applyExternalForce(
                    *(body.number, -1, force[v : v + 3].tolist(), at, bullet.WORLD_FRAME),
                    physicsClientId=c,
                )
                bullet.applyExternalTorque(
                    *(body.number, -1, spin.tolist(), bullet.WORLD_FRAME), physicsClientId=c
                )
            if body.joints:
                bullet.setJointMotorControlArray(
                    *(body.number, body.joints, bullet.TORQUE_CONTROL),
                    forces=force[body.dofs].tolist(),
                    physicsClientId=c,
                )
