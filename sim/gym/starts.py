"""Which Gymnasium environments have other starts than their own, and what success asks there."""

from __future__ import annotations

import re

from ...nodes.parameters import ParameterError
from ..starts import STARTS

FETCH = re.compile(r"Fetch(Push|PickAndPlace)(Dense)?-v\d+")
MAZE = re.compile(r"PointMaze(Rooms|Corridor)-v\d+")
"""The environments that have them."""
HOLD_S = 0.4
"""How long a success of Fetch must last with other starts than its own, s: there the block lies 53
mm from its goal, and within 50 mm is a success."""


def check_starts(env_id: str, starts: str) -> None:
    """Hold an environment's starts to what there is.

    Raises:
        ParameterError: No such starts, or none but its own.
    """
    if starts not in STARTS:
        said = f"starts: {starts!r} is none of {', '.join(STARTS)}"
        raise ParameterError(said, "task_options.starts")
    name = env_id.rpartition(":")[2]
    if starts != "own" and not (FETCH.fullmatch(name) or MAZE.fullmatch(name)):
        known = "FetchPush, FetchPickAndPlace, PointMazeRooms, PointMazeCorridor"
        said = f"starts: {env_id} has only its own; {starts} ones are known of {known}"
        raise ParameterError(said, "task_options.starts")


def hold_of(env_id: str, starts: str) -> float:
    """How long a success must last with these starts, s: zero where one step is enough."""
    return HOLD_S if starts != "own" and FETCH.fullmatch(env_id.rpartition(":")[2]) else 0.0
