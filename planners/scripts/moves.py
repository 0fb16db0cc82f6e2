"""Moves that scripts share: pushing a thing, picking one up, putting it down."""

from __future__ import annotations

import numpy as np

from ..expert import Aim

OPEN, CLOSED = 0.08, -0.2
"""Openings, m; the second presses."""
ABOVE = 0.12
"""How much higher the gripper is on its way than where it works, m."""
SQUEEZE_S, RELEASE_S = 0.4, 0.3
"""How long to close the fingers before lifting, and to open them, s."""
PICKED, PUT = 4, 4
"""Stages of `pick` and of `put`."""
LOW = 0.018
"""Height of the gripper when it pushes, m."""
BEHIND = 0.085
"""How far behind a thing a push begins, m."""


def at(position: np.ndarray, height: float) -> np.ndarray:
    """x, y and a height as one point. (2,) -> (3,)"""
    return np.array([position[0], position[1], height])


def square_yaw(x: np.ndarray, yaw: float) -> float:
    """The yaw of a square thing that the gripper is nearest to, rad: quarter turns are alike."""
    quarter = np.pi / 2
    return float(yaw + quarter * np.round((x[2] - yaw) / quarter))


def push(x: np.ndarray, here: np.ndarray, there: np.ndarray, stage: int) -> Aim:
    """Stages 0 to 2: over the far side of a thing, down, and on with it until it is there.

    Two open fingers across the way hold the thing between them, a face or a corner. Where it slips
    off, the push begins again.

    Args:
        x: State. (n,)
        here: x, y of the thing, m. (2,)
        there: Where it has to go, m. (2,)
        stage: Which of them.
    """
    way = there - here
    left = float(np.hypot(*way))
    along = way / max(left, 1e-9)
    yaw = float(np.arctan2(along[1], along[0]))
    width = 0.035
    behind = here - BEHIND * along
    if stage == 0:
        return Aim(at(behind, ABOVE), yaw, width, within=0.01)
    if stage == 1:
        return Aim(at(behind, LOW), yaw, width, within=0.004)
    from_thing = x[:2] - here
    beside = float(np.abs(from_thing @ np.array([-along[1], along[0]])))
    if left > 0.02 and (beside > 0.02 or from_thing @ along > 0.0):
        return Aim(at(x[:2], ABOVE), None, width, within=0.02, next=0)
    # What is left to go, from where the gripper is on the line through the thing.
    aim = here + along * (from_thing @ along) + way
    return Aim(at(aim, LOW), yaw if left > 0.02 else None, width, done=False, speed=0.12)


def pick(x: np.ndarray, here: np.ndarray, height: float, stage: int, seconds: float) -> Aim:
    """Stages 0 to 3: over a square thing, down, close, and up.

    Args:
        x: State. (n,)
        here: x, y, yaw of the thing. (3,)
        height: Of the gripper when it closes, m.
        stage: Which of them.
        seconds: For how long.
    """
    yaw = square_yaw(x, here[2])
    if stage == 0:
        return Aim(at(here, ABOVE + height), yaw, within=0.006)
    if stage == 1:
        return Aim(at(here, height), yaw, within=0.003)
    if stage == 2:
        return Aim(at(x[:2], x[3]), None, CLOSED, done=seconds >= SQUEEZE_S)
    return Aim(at(x[:2], ABOVE + height), None, CLOSED, within=0.012, speed=0.18)


def put(
    x: np.ndarray,
    held: np.ndarray,
    there: np.ndarray,
    height: float,
    stage: int,
    seconds: float,
    yaw: float | None = None,
) -> Aim:
    """Stages 0 to 3: carry what is held over a place, lower it, let go, and up.

    Args:
        x: State. (n,)
        held: x, y, yaw of what is held. (3,)
        there: x, y of its place, m. (2,)
        height: Of the gripper when it lets go, m.
        stage: Which of them.
        seconds: For how long.
        yaw: Which yaw it should have there, quarter turns being alike, rad; None: any.
    """
    aim = x[:2] + there - held[:2]
    turn = (
        None if yaw is None else float(x[2] + square_yaw(np.array([0, 0, held[2]]), yaw) - held[2])
    )
    if stage == 0:
        return Aim(at(aim, ABOVE + height), turn, CLOSED, within=0.004, speed=0.2)
    if stage == 1:
        return Aim(at(aim, height), turn, CLOSED, within=0.003, speed=0.12)
    if stage == 2:
        return Aim(at(x[:2], height), None, OPEN, done=seconds >= RELEASE_S)
    return Aim(at(x[:2], ABOVE + height), None, OPEN, within=0.02)


def rest(x: np.ndarray, width: float = OPEN) -> Aim:
    """Stay."""
    return Aim(x[[0, 1, 3]], None, width, done=False)
