"""`FloatingGripper`: the gripper on a gantry of four servos, alike in every direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gripper import FINGER_RATE, HAND_HEIGHT, JOINTS, actuators, hand
from .robot import Fragments

_STIFF, _DAMPING = 40000.0, 1000.0  # of the slides: N/m, N s/m
_TURN_STIFF, _TURN_DAMPING = 60.0, 3.0  # of the yaw joint: N m/rad, N m s/rad


class FloatingGripper:
    """A `Robot` without an arm: three slides and a yaw joint, all servos alike in every direction.

    Its x, y, z and yaw joints are the gripper's own coordinates. The slides' servos are isotropic
    and gravity is compensated, so a turned or mirrored scene moves as the turned or mirrored one
    does, up to what the contact solver does.
    """

    name = "floating_gripper"
    joint_names = ("gripper_x", "gripper_y", "gripper_z", "gripper_yaw", *JOINTS)
    rate_limits = np.array([1.0, 1.0, 1.0, 6.0, FINGER_RATE, FINGER_RATE])

    def fragments(self) -> Fragments:
        """The gantry, at z = 0 when the tool touches the table."""
        slides = "\n".join(
            f'      <joint name="gripper_{axis}" type="slide" axis="{vector}" '
            f'range="{low} {high}"/>'
            for axis, vector, low, high in (
                ("x", "1 0 0", -0.5, 0.5),
                ("y", "0 1 0", -0.5, 0.5),
                ("z", "0 0 1", 0.0, 0.5),
            )
        )
        # The flange looks down: half a turn about x.
        body = f"""    <body name="gantry" pos="0 0 {HAND_HEIGHT}" gravcomp="1">
{slides}
      <inertial pos="0 0 0" mass="5" diaginertia="0.01 0.01 0.01"/>
      <body name="flange" gravcomp="1">
        <joint name="gripper_yaw" type="hinge" axis="0 0 1" armature="0.03"/>
        <inertial pos="0 0 0" mass="0.2" diaginertia="1e-3 1e-3 1e-3"/>
        <body name="wrist" quat="0 1 0 0">
{hand("          ")}
        </body>
      </body>
    </body>
"""
        servos = [
            f'    <intvelocity name="gripper_{axis}" joint="gripper_{axis}" kp="{_STIFF:g}" '
            f'kv="{_DAMPING:g}" ctrlrange="-1 1" actrange="{low} {high}" forcerange="-300 300"/>'
            for axis, low, high in (("x", -0.5, 0.5), ("y", -0.5, 0.5), ("z", 0.0, 0.5))
        ]
        servos.append(
            f'    <intvelocity name="gripper_yaw" joint="gripper_yaw" kp="{_TURN_STIFF:g}" '
            f'kv="{_TURN_DAMPING:g}" ctrlrange="-6 6" actrange="-1000 1000" forcerange="-20 20"/>'
        )
        return Fragments("", body, "\n".join(servos) + "\n" + actuators() + "\n", "")

    def gripper(self, q: np.ndarray) -> np.ndarray:
        """x, y, z, yaw, opening at joint positions. (..., 6) -> (..., 5)"""
        return np.concatenate([q[..., :4], q[..., 4:5] + q[..., 5:6]], axis=-1)

    def posture(self, gripper: np.ndarray) -> np.ndarray:
        """Joint positions that bring the gripper there. (..., 5) -> (..., 6)"""
        half = 0.5 * gripper[..., 4:]
        return np.concatenate([gripper[..., :4], half, half], axis=-1)

    def joint_rates(self, held: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The commanded rates themselves. (6,), (5,) -> (6,)"""
        return np.concatenate([u[1:], [0.5 * u[0], 0.5 * u[0]]])

    def actuate(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls from a Cartesian action (5,)."""
        data.ctrl[:4] = u[1:]
        data.ctrl[4:6] = 0.5 * u[0]

    def actuate_joints(self, data: Any, u: np.ndarray, tick: int) -> None:
        """The same: its joints are the gripper's own coordinates. (5,)"""
        self.actuate(data, u, tick)
