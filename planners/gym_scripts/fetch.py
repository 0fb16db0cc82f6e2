"""Fetch: moves of the gripper that reach a place, push a block, and pick and place it."""

from __future__ import annotations

from typing import Any

import numpy as np

GAIN = 12.0  # action over the distance from the aim, 1/m; an action of 1 asks for 5 cm
ABOVE = 0.07  # how far over a block the gripper gets ready, m
OPEN, CLOSE = 1.0, -1.0
BEHIND = 0.085  # where a push begins, from the block's centre, m
CLEAR = 0.045  # how far over a block's middle the gripper is free to cross it, m
TOUCH = 0.03  # the gripper is behind a block from here on, m
AHEAD = 0.02  # how far in front of where it touches a pushing gripper aims, m


def towards(gap: np.ndarray, fingers: float) -> np.ndarray:
    """The action that closes a gap (3,), with the fingers opening or closing. (4,)"""
    return np.append(GAIN * gap, fingers)


def ramp(value: float, zero: float, one: float) -> float:
    """From 0 at `zero` and beyond to 1 at `one` and beyond, straight in between."""
    return float(np.clip((value - zero) / (one - zero), 0.0, 1.0))


class Reach:
    """Straight to the goal."""

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(16,) -> (4,)"""
        return towards(x[-3:] - x[-6:-3], 0.0), stage


class PickAndPlace:
    """Over the block, down, close, and to the goal; from the beginning where the block slips.

    A continuous function of the state that remembers nothing, so that it can be imitated: how far
    one move has given way to the next is told by distances and by how wide the fingers are.
    """

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(31,) -> (4,)"""
        to_block, to_goal, width = x[6:9], x[-3:] - x[-6:-3], x[9] + x[10]
        away, beside = float(np.linalg.norm(to_block)), float(np.hypot(*to_block[:2]))
        closing = ramp(away, 0.022, 0.012)
        held = ramp(width, 0.075, 0.056) * ramp(away, 0.045, 0.03)
        hover = np.array([0.0, 0.0, ABOVE * ramp(beside, 0.01, 0.035)])
        gap = (1.0 - held) * (to_block + hover) + held * to_goal
        return towards(gap, OPEN + (CLOSE - OPEN) * max(closing, held)), stage


class Push:
    """Behind the block as the goal sees it, down, and forward; again where the block slips.

    A continuous function of the state that remembers nothing, as `PickAndPlace` is.
    """

    def __init__(self, task: Any) -> None:
        pass

    def __call__(self, x: np.ndarray, time: float, stage: Any) -> tuple[np.ndarray, Any]:
        """(31,) -> (4,)"""
        grip, block, goal = x[0:3], x[3:6], x[-3:]
        way = (goal - block)[:2]
        left = float(np.linalg.norm(way))
        ahead = way / max(left, 1e-9)
        from_block = (grip - block)[:2]
        along = float(from_block @ ahead)
        aside = from_block - along * ahead
        off = float(np.hypot(max(float(np.hypot(*aside)) - 0.012, 0.0), max(along + TOUCH, 0.0)))
        behind = ramp(off, 0.02, 0.008)
        up = float(grip[2] - block[2])
        low, clear = ramp(up, 0.03, 0.015), max(behind, ramp(up, 0.015, CLEAR))
        forward = 0.6 * way + AHEAD * ahead - 3.0 * aside
        to_start = -from_block - BEHIND * ahead
        pushing = behind * low
        height = ABOVE * ramp(off, 0.005, 0.025)
        gap = np.append(pushing * forward + (1.0 - pushing) * clear * to_start, 0.0)
        gap[2] = block[2] + height - grip[2]
        return towards(gap * ramp(left, 0.02, 0.04), 0.0), stage
