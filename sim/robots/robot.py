"""`Robot`: what a tabletop scene asks of whatever holds the gripper."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

TICKS_PER_RATE = 5
"""Cartesian rates become joint rates anew every so many physics ticks: of these `PHYSICS_EVERY` is
a multiple, so that a replay that begins between does the same."""


class Fragments(NamedTuple):
    """What a robot adds to a scene's MJCF, as text to stand inside the elements of these names."""

    asset: str
    worldbody: str
    actuator: str
    contact: str


class Robot(Protocol):
    """A gripper that points down, and what carries it.

    Its joints come first in the model's `qpos` and `qvel`, and each has one actuator, in the same
    order, that integrates its control (MJCF ``intvelocity``): controls are joint rates, and at zero
    every joint holds. The last two joints are the fingers, each `opening / 2` from the middle.

    The gripper's pose is that of the site ``tool``, midway between the finger pads: x, y, z (m) in
    the world, whose origin is the workspace's centre on the table, and yaw (rad) about the
    vertical. At yaw 0 the fingers move along y.

    Attributes:
        name: What a launch file calls it.
        joint_names: All joints, fingers included. (j)
        rate_limits: Largest rate of each joint, rad/s or m/s. (j,)
    """

    name: str
    joint_names: tuple[str, ...]
    rate_limits: np.ndarray

    def fragments(self) -> Fragments:
        """What it adds to a scene."""
        ...

    def gripper(self, q: np.ndarray) -> np.ndarray:
        """x, y, z, yaw, opening at joint positions. (..., j) -> (..., 5)"""
        ...

    def posture(self, gripper: np.ndarray) -> np.ndarray:
        """Joint positions that bring the gripper to x, y, z, yaw, opening. (..., 5) -> (..., j)

        Raises:
            ValueError: It cannot get there.
        """
        ...

    def joint_rates(self, held: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Joint rates that move the gripper as commanded. (j,), (5,) -> (j,)

        Args:
            held: Joint positions that the actuators hold. (j,)
            u: Rates of opening (m/s), x, y, z (m/s) and yaw (rad/s). (5,)
        """
        ...

    def actuate(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls of the joints for the next tick from a Cartesian action (5,)."""
        ...

    def actuate_joints(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls from rates of opening (m/s) and of all other joints. (j - 1,)"""
        ...
