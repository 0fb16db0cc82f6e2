"""How a planner uses the symmetry: not at all, by orbits, by canonical frames, or with a memory.

Which symmetry it is says another word; ``off`` is what none of it leaves, the group of one element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ...nodes.parameters import ParameterError
from ...sim.planner_plugin import check_symmetry
from ...sim.task import Task
from .canonical import Canonical, is_continuous
from .plan_memory import Recalling

Mode = Literal["off", "orbit", "canonical", "memory"]


def word_inside(mode: Mode, symmetry: str) -> str:
    """The symmetry that the algorithm itself is built with."""
    return symmetry if mode == "orbit" else "none"


def is_framed(mode: Mode) -> bool:
    """Whether a mode plans in canonical frames, which continuous groups have too."""
    return mode in ("canonical", "memory")


def in_mode(
    build: Callable[[str], Any],
    task: Task,
    mode: Mode,
    symmetry: str,
    size: int = 20_000,
    nearest: int = 1,
    distance: float = 3.0,
) -> Any:
    """A planner in a mode.

    Args:
        build: Makes the algorithm with a symmetry: full, none, or a subgroup.
        task: What it plans for.
        mode: off, orbit, canonical or memory.
        symmetry: Which symmetry; where a mode plans in canonical frames also a continuous group.
        size: Finished plans that `memory` keeps at most.
        nearest: How many of them it tries.
        distance: From how far.

    Raises:
        ParameterError: The mode is not for this planner, or the symmetry not for this task or mode.
        PluginError: As `build`.
    """
    framed = is_framed(mode)
    if is_continuous(symmetry):
        if not framed:
            raise ParameterError(
                f"symmetry: {symmetry} is continuous, which no orbit is: take "
                "symmetry_mode: canonical or memory",
                "symmetry",
            )
    else:
        check_symmetry(task, symmetry)
    planner = build(word_inside(mode, symmetry))
    if mode == "canonical":
        return Canonical(planner, symmetry)
    if mode == "memory":
        return Recalling(planner, symmetry, size, nearest, distance)
    return planner
