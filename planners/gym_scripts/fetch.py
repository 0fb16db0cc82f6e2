"""Fetch: moves of the gripper that reach a place, push a block, and pick and place it."""

from __future__ import annotations

from typing import Any

import numpy as np

GAIN = 12.0  # action over the distance from the aim, 1/m; an action of 1 asks for 5 cm
ABOVE = 0.07  # how far over a block the gripper gets ready, m
CLEAR = 0.045  # from here on it may cross a block, m
OPEN, CLOSE = 1.0, -1.0
GRASP_S = 0.2  # how long the fingers take to close, s
BEHIND = 0.085  # where a push begins, from the block's centre, m
AHEAD = 0.02  # how far in front of where it touches a pushing gripper aims, m


def towards(gap: np.ndarray, fingers: float) -> np.ndarray:
    """The action that closes a gap (3,), with the fingers opening or closing. (4,)"""
    return np.append(GAIN * gap, fingers)


class Reach:
    """Straight to the goal."""

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(16,) -> (4,)"""
        return towards(x[-3:] - x[-6:-3], 0.0), stage


class PickAndPlace:
    """Over the block, down, close, and to the goal; from the beginning where the block slips."""

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(31,) -> (4,)"""
        to_block, to_goal = x[6:9], x[-3:] - x[-6:-3]
        if stage.number >= 2 and np.linalg.norm(to_block) > 0.05:
            stage = stage.next(0, time)
        if stage.number == 0 and np.abs(to_block[:2]).max() < 0.012:
            stage = stage.next(1, time)
        if stage.number == 1 and np.abs(to_block).max() < 0.01:
            stage = stage.next(2, time)
        if stage.number == 2 and time - stage.since > GRASP_S:
            stage = stage.next(3, time)
        if stage.number == 0:
            return towards(to_block + [0.0, 0.0, ABOVE], OPEN), stage
        if stage.number == 1:
            return towards(to_block, OPEN), stage
        return towards(to_goal if stage.number == 3 else to_block, CLOSE), stage


class Push:
    """Up, behind the block as the goal sees it, down, and forward; again where the block slips."""

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(31,) -> (4,)"""
        grip, block, goal = x[0:3], x[3:6], x[-3:]
        way = (goal - block)[:2]
        ahead = way / max(float(np.linalg.norm(way)), 1e-9)
        behind = np.append(block[:2] - BEHIND * ahead, block[2])
        aside = (block - grip)[:2] - ((block - grip)[:2] @ ahead) * ahead
        if stage.number == 2 and (np.linalg.norm(aside) > 0.03 or (block - grip)[:2] @ ahead < 0.0):
            stage = stage.next(0, time)
        if stage.number == 0 and np.abs((behind - grip)[:2]).max() < 0.015:
            stage = stage.next(1, time)
        if stage.number == 1 and abs(block[2] - grip[2]) < 0.015:
            stage = stage.next(2, time)
        if stage.number == 0 and grip[2] < block[2] + CLEAR:
            return towards(np.array([0.0, 0.0, 2 * ABOVE]), 0.0), stage
        if stage.number == 0:
            return towards(behind + [0.0, 0.0, ABOVE] - grip, 0.0), stage
        if stage.number == 1:
            return towards(behind - grip, 0.0), stage
        push = np.append(way + 3.0 * aside + AHEAD * ahead, block[2] - grip[2])
        return towards(push, 0.0), stage
