"""`PybulletEngine`: PyBullet simulates the scene of a MuJoCo model, and MuJoCo's data mirror it."""

from __future__ import annotations

import mujoco
import numpy as np

from .bullet_client import bullet
from .bullet_forces import Forces
from .bullet_motors import Motors
from .bullet_scene import Pose
from .bullet_world import World
from .engine import coordinate

_PARTS = ("qpos", "qvel", "act", "ctrl", "userdata", "mocap_pos", "mocap_quat")
"""What of MuJoCo's data a state holds, before time and tick."""


class PybulletEngine:
    """An `Engine` that has a Bullet world of its own.

    **What is the same as in MuJoCo**: kinematics, masses, inertias, shapes, collision masks and
    excludes, joint limits, damping and dry friction, gravity compensation, the air, and the
    actuators' law.

    **What is not**: contacts, whose friction is the product of two numbers (`frictions` says how
    these are chosen) and which give way as springs do (`softness`); joints have no armature; and
    forces that somebody writes into the data (`xfrc_applied`, `qfrc_applied`) are not looked at.

    An actuator with a velocity term, which MuJoCo may integrate implicitly, is one of Bullet's
    velocity motors: its target is the rate at which actuator and joint damping would give no force,
    its largest force the one they give now. In free motion that is the actuator's law, or, where
    its damping would stop the joint within a tick, that rate itself; against a load it presses
    with the actuator's force. One without a velocity term is a force.

    **State**: positions, velocities, controls and the tick, but not the contacts, which Bullet
    does not give away. So a restored state goes on bit for bit where it is an episode's first;
    another one has its contacts found anew, and what follows differs.

    Args:
        model: The scene.
        data: Where everything is.

    Raises:
        SceneError: The scene holds something that Bullet cannot have.
    """

    name = "pybullet"
    resumes = False

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self.model, self.data = model, data
        self.motors = Motors(model)
        self.world = World(model, set(self.motors.joints[self.motors.damped].tolist()))
        self.tick = 0
        free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
        self._reference = np.zeros(model.nq)
        self._reference[model.jnt_qposadr[~free]] = model.qpos0[model.jnt_qposadr[~free]]
        self._quaternions = (model.jnt_qposadr[free] + 3).tolist()

    def begin(self) -> None:
        """Take up what the data say, at time 0."""
        self.tick = 0
        self._take_up()

    def step(self) -> None:
        """One physics tick under ``data.ctrl``."""
        data, c = self.data, self.world.client
        motors = self.motors
        motors.drive(data)
        for number, links, which in self._damped:
            bullet.setJointMotorControlArray(
                *(number, links, bullet.VELOCITY_CONTROL),
                targetVelocities=motors.rate[which].tolist(),
                forces=np.abs(motors.force[which]).tolist(),
                physicsClientId=c,
            )
        for number, links, which in self._undamped:
            bullet.setJointMotorControlArray(
                *(number, links, bullet.TORQUE_CONTROL),
                forces=motors.force[which].tolist(),
                physicsClientId=c,
            )
        self._forces.apply(data)
        bullet.stepSimulation(physicsClientId=c)
        self.tick += 1
        data.time = self.tick * self.model.opt.timestep
        self._mirror()
        self._follow()

    def state(self) -> np.ndarray:
        """Positions, velocities, what the actuators hold, controls, marks, time and tick. (N,)"""
        parts = [getattr(self.data, name).ravel() for name in _PARTS]
        return np.concatenate([*parts, [self.data.time, float(self.tick)]])

    def restore(self, state: np.ndarray) -> None:
        """Go back to what `state` gave (N,); its contacts are found anew.

        Raises:
            ValueError: It is of another model: its size differs.
        """
        parts = [getattr(self.data, name) for name in _PARTS]
        size = sum(part.size for part in parts) + 2
        if state.shape != (size,):
            raise ValueError(
                f"a physics state of {state.shape} numbers; this model has {size}: "
                "recorded with another model or engine"
            )
        at = 0
        for part in parts:
            part.flat = state[at : at + part.size]
            at += part.size
        self.data.time, self.tick = float(state[-2]), round(float(state[-1]))
        self._take_up()

    def name_of(self, index: int) -> str:
        """Name of one number of a state, e.g. ``qpos[3] (joint box)``."""
        for name in _PARTS:
            size = getattr(self.data, name).size
            if index < size:
                return coordinate(self.model, name, index)
            index -= size
        return ("time", "tick")[index]

    def _take_up(self) -> None:
        """Build the world from the data, and what each tick sends to it."""
        model, world = self.model, self.world
        mujoco.mj_kinematics(model, self.data)
        world.build(self.data)
        owner = {}
        for body in world.bodies:
            for link in body.joints:
                owner[body.tree.links[link].joint] = (body.number, link)
        self._damped = self._motors(owner, self.motors.damped)
        self._undamped = self._motors(owner, ~self.motors.damped)
        for number, links, _ in self._undamped:
            bullet.setJointMotorControlArray(
                *(number, links, bullet.VELOCITY_CONTROL),
                forces=[0.0] * len(links),
                physicsClientId=world.client,
            )
        self._forces = Forces(world)
        self._follow()

    def _motors(
        self, owner: dict[int, tuple[int, int]], which: np.ndarray
    ) -> list[tuple[int, list[int], np.ndarray]]:
        """Multi-body, links and actuators of what one call of Bullet's sets."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for actuator in np.flatnonzero(which).tolist():
            number, link = owner[int(self.motors.joints[actuator])]
            links, actuators = found.setdefault(number, ([], []))
            links.append(link)
            actuators.append(actuator)
        return [
            (number, *(links, np.array(actuators))) for number, (links, actuators) in found.items()
        ]

    def _mirror(self) -> None:
        """Write where Bullet has everything into the data; its bodies are in the model's order."""
        data, c = self.data, self.world.client
        positions: list[float] = []
        velocities: list[float] = []
        for body in self.world.bodies:
            if body.tree.free:
                position, turn = bullet.getBasePositionAndOrientation(
                    body.number, physicsClientId=c
                )
                linear, spin = bullet.getBaseVelocity(body.number, physicsClientId=c)
                place, motion = seen_as_mujoco(body.back, position, turn, linear, spin)
                positions += place
                velocities += motion
            if body.joints:
                states = bullet.getJointStates(body.number, body.joints, physicsClientId=c)
                positions += [state[0] for state in states]
                velocities += [state[1] for state in states]
        for q in self._quaternions:
            last, now = data.qpos[q : q + 4].tolist(), positions[q : q + 4]
            # A rotation has two quaternions: the one nearer to the last is meant.
            if sum(a * b for a, b in zip(last, now, strict=True)) < 0.0:
                positions[q : q + 4] = [-value for value in now]
        data.qpos[:], data.qvel[:] = positions, velocities
        data.qpos += self._reference

    def _follow(self) -> None:
        """Compute what follows from the positions: poses, Jacobians' axes, cameras, lights."""
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)


Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


def seen_as_mujoco(
    back: Pose | None, position: Vector, turn: Quaternion, linear: Vector, spin: Vector
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A free body's positions (7,) and velocities (6,) as MuJoCo has them.

    MuJoCo has the frame of the body, and its spin seen from that frame; Bullet the frame of its
    mass, all seen from the world. Plain floats: for so few of them they are faster than arrays.

    Args:
        back: The body's frame in the frame of its mass, None: they are one.
        position: Of the mass, m.
        turn: Its orientation, x, y, z, w.
        linear: Velocity of the mass, m/s.
        spin: rad/s.
    """
    x, y, z, w = turn
    if back is not None:
        a, b, c = away = rotated(turn, *back.position.tolist())
        u, v, r = spin
        linear = (
            linear[0] + v * c - r * b,
            linear[1] + r * a - u * c,
            linear[2] + u * b - v * a,
        )
        position = (position[0] + away[0], position[1] + away[1], position[2] + away[2])
        d, i, j, k = back.quaternion.tolist()
        x, y, z, w = (
            w * i + x * d + y * k - z * j,
            w * j - x * k + y * d + z * i,
            w * k + x * j - y * i + z * d,
            w * d - x * i - y * j - z * k,
        )
    return (*position, w, x, y, z), (*linear, *rotated((-x, -y, -z, w), *spin))


def rotated(turn: Quaternion, a: float, b: float, c: float) -> Vector:
    """A vector turned by a quaternion x, y, z, w."""
    x, y, z, w = turn
    u, v, r = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return (
        a + w * u + y * r - z * v,
        b + w * v + z * u - x * r,
        c + w * r + x * v - y * u,
    )
