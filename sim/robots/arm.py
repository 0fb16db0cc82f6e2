"""`Arm`: the gripper on an arm of seven joints, moved by the rates of its tool or of its joints."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import gripper as hand
from .description import actuators, bodies, excludes, frames
from .robot import TICKS_PER_RATE, Fragments
from .sawyer import SAWYER

PLACE = (-0.57, 0.0, 0.10)
"""Where the base stands, on a plinth, m."""
REST = (-0.28, -0.94, 0.0, 1.90, 0.0, 0.61, -0.12)
"""The posture that joints go back to as far as the gripper lets them: above the centre, rad."""
PULL = (0.1, 0.1, 0.5, 0.1, 0.5, 0.1, 0.0)
"""How much each joint counts in that; the last one is the gripper's yaw."""
LEASH = 0.005
"""How far the commanded gripper may be ahead of the real one, m: what stands in its way is not
pressed harder the longer the command lasts, and a command back is obeyed at once."""
SLACK = 0.1
"""How far a joint may be commanded ahead of where it is, rad: three times its servo's lag at least.
Only what holds an arm elsewhere than at its gripper comes to that."""
AHEAD = TICKS_PER_RATE * 0.0025
"""How long rates are used at the tabletop's physics step, s."""
EXACT = 1e-10
"""Error of a posture, m and rad."""
SOFT = 1e-3
"""How far beyond their range the fingers may be found, m: a simulated joint's limit is soft."""


class Arm:
    """A `Robot`: the Sawyer's seven joints (`sawyer.py`) with the gripper at its flange.

    The gripper reaches all of the disc of 0.25 m about the origin from the table to 0.35 m above
    it, at any yaw: the last joint turns by 4.7 rad either way, of which the other joints' motion
    takes less than 1 rad. Rates of the gripper become rates of the joints in `chain.py`; its
    kernels are compiled, and loaded with the first posture or rate that is asked for.

    Between rates everything stands in the simulation's data: `act` (the positions that are held)
    and `userdata` (the action that the rates are of).
    """

    name = "arm"
    joint_names = (*(joint.name for joint in SAWYER.joints), *hand.JOINTS)
    rate_limits = np.array([*SAWYER.velocity, hand.FINGER_RATE, hand.FINGER_RATE])

    def __init__(self) -> None:
        self._fixed = frames(SAWYER, PLACE, (0.0, 0.0, hand.HAND_HEIGHT))
        self._limits = np.array([SAWYER.low, SAWYER.high, SAWYER.velocity, REST])
        self._pull = np.array(PULL)
        self._n = len(SAWYER.joints)

    def fragments(self) -> Fragments:
        """The arm on its plinth."""
        x, y, z = PLACE
        plinth = (
            f'    <geom name="plinth" type="box" pos="{x} {y} {z / 2}" size="0.11 0.11 {z / 2}" '
            'material="metal"/>\n'
        )
        return Fragments(
            '    <material name="arm" rgba="0.55 0.13 0.13 1" reflectance="0"/>\n',
            plinth + bodies(SAWYER, PLACE, hand.hand(), "arm") + "\n",
            actuators(SAWYER) + "\n" + hand.actuators() + "\n",
            excludes(SAWYER, "hand") + "\n",
        )

    def gripper(self, q: np.ndarray) -> np.ndarray:
        """x, y, z, yaw, opening at joint positions. (..., 9) -> (..., 5)"""
        from . import chain  # here, because not every process that has a task moves it

        q = np.asarray(q, float)
        rows = np.ascontiguousarray(q[..., : self._n]).reshape(-1, self._n)
        pose = np.empty((len(rows), 4))
        chain.tool_pose(rows, self._fixed, pose)
        found = np.empty((*q.shape[:-1], 5))
        found[..., :4] = pose.reshape(*q.shape[:-1], 4)
        found[..., 4] = q[..., self._n] + q[..., self._n + 1]
        return found

    def posture(self, gripper: np.ndarray) -> np.ndarray:
        """Joint positions that bring the gripper to x, y, z, yaw, opening. (..., 5) -> (..., 9)

        They depend on the pose alone: each is reached from the rest posture, on a straight way.

        Raises:
            ValueError: The arm does not reach that far, or the fingers do not open so far.
        """
        from . import chain

        gripper = np.asarray(gripper, float)
        rows = gripper.reshape(-1, 5)
        found = np.empty((len(rows), self._n + 2))
        for row, q in zip(rows, found, strict=True):
            if not np.isfinite(row).all():
                raise ValueError(f"no pose of the gripper: {row}")
            left = chain.posture(
                row[:4], self._fixed, self._limits, self._pull, 200, EXACT, q[: self._n]
            )
            where = ", ".join(f"{value:.3f}" for value in row[:4])
            if not left <= EXACT:
                raise ValueError(f"the arm does not reach x, y, z, yaw = {where}: {left:.3g} short")
            if not -SOFT <= row[4] <= hand.MAX_OPENING + SOFT:
                raise ValueError(f"the gripper opens from 0 to {hand.MAX_OPENING} m, not {row[4]}")
            q[self._n :] = np.clip(row[4], 0.0, hand.MAX_OPENING) / 2
        return found.reshape(*gripper.shape[:-1], self._n + 2)

    def joint_rates(self, held: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Joint rates that move the gripper as commanded, tool down. (9,), (5,) -> (9,)

        A joint brakes towards its limits, and the others do without it; near a singularity the
        gripper is slower than commanded. If a joint would be too fast, all are slower.

        Args:
            held: Joint positions that the actuators hold. (9,)
            u: Rates of opening (m/s), x, y, z (m/s) and yaw (rad/s). (5,)
        """
        from . import chain

        rates = np.empty(self._n + 2)
        chain.joint_rates(
            held[: self._n], u[1:], self._fixed, self._limits, self._pull, AHEAD, rates[: self._n]
        )
        rates[self._n :] = min(max(0.5 * u[0], -hand.FINGER_RATE), hand.FINGER_RATE)
        return rates

    def actuate(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls of the joints for the next tick from a Cartesian action (5,)."""
        if self._is_old(data, u, tick):
            from . import chain

            n, u = self._n, np.array(u, float)
            chain.leashed(data.act[:n], data.qpos[:n], self._fixed, LEASH, u[1:])
            rates = self.joint_rates(data.act[: n + 2], u)
            self._clutch(data, rates, True)
            data.ctrl[: n + 2] = rates

    def actuate_joints(self, data: Any, u: np.ndarray, tick: int) -> None:
        """Set the controls from rates of opening (m/s) and of the joints (rad/s). (8,)

        Each joint by itself: it brakes towards its limits, and stops where something holds it.
        """
        if self._is_old(data, u, tick):
            from . import chain

            n = self._n
            rates = np.empty(n + 2)
            low, high = chain.BRAKING * (self._limits[:2] - data.act[:n])
            rates[:n], rates[n:] = np.clip(u[1:], low, high), 0.5 * u[0]
            self._clutch(data, rates, False)
            data.ctrl[: n + 2] = rates

    def _clutch(self, data: Any, rates: np.ndarray, together: bool) -> None:
        """Keep the arm's commanded joints near where they are."""
        from . import chain

        n = self._n
        chain.clutched(data.act[:n], data.qpos[:n], SLACK, AHEAD, together, self._limits, rates[:n])

    def _is_old(self, data: Any, u: np.ndarray, tick: int) -> bool:
        """Whether the controls must be set anew: their time is over, or the action is another."""
        known = data.userdata[: len(u)]
        if tick % TICKS_PER_RATE and (known == u).all():
            return False
        known[:] = u
        return True
