"""The grid of a map: its cells, and a start in each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from ...nodes.launching.yaml_loader import InputError, nearest
from ...sim.dialled_senses import angles_of
from ...sim.plant import Plant
from ...sim.task import Task

_DRAWS = 500
"""Starts from which a coordinate's range is taken."""
_TRIES = 50
"""Starts that are drawn for a cell before it is left empty."""
_INSIDE = -0.003
"""What counts as one thing standing in another, m; soft contacts at rest go 1 mm deep."""


@dataclass(frozen=True)
class Grid:
    """Cells over two coordinates of the state."""

    names: tuple[str, str]
    """Of the coordinates."""
    low: tuple[float, float]
    """Where the first cell begins, along each."""
    high: tuple[float, float]
    """Where the last one ends."""
    cells: int
    """Along each."""
    seed: int
    """Key of what else a start has."""

    def middles(self, axis: int) -> np.ndarray:
        """Of the cells along one coordinate. (cells,)"""
        step = (self.high[axis] - self.low[axis]) / self.cells
        return self.low[axis] + step * (np.arange(self.cells) + 0.5)

    def cell_of(self, x: np.ndarray, state_names: Sequence[str]) -> tuple[int, int] | None:
        """The cell that a state (n,) lies in; None outside the grid."""
        found = []
        for axis, name in enumerate(self.names):
            share = (x[list(state_names).index(name)] - self.low[axis]) / (
                self.high[axis] - self.low[axis]
            )
            if not 0.0 <= share <= 1.0:
                return None
            found.append(min(int(share * self.cells), self.cells - 1))
        return found[0], found[1]


def grid_of(task: Task, asked: object, cells: int, seed: int, place: str) -> Grid:
    """The grid that ``map:=`` asks for: ``block_x,block_y``, or ``{block_x: [-0.2, 0.2], ...}``.

    Without ranges it spans what the task's starts span, rounded outwards.

    Raises:
        InputError: No such coordinates, or no ranges.
    """
    ranges: dict[str, object] = {}
    if isinstance(asked, Mapping):
        ranges = {str(name): span for name, span in asked.items()}
        names = list(ranges)
    else:
        words = asked if isinstance(asked, list) else str(asked).split(",")
        names = [str(word).strip() for word in words]
    if len(names) != 2 or names[0] == names[1]:
        raise InputError("map: needs two coordinates, such as block_x,block_y", place)
    for name in names:
        if name not in task.state_names:
            hint = nearest(name, task.state_names) or f"; there are {', '.join(task.state_names)}"
            raise InputError(f"map: {task.name} has no coordinate {name!r}{hint}", place)
    low, high = [], []
    for name in names:
        span = ranges.get(name) or _span(task, name)
        if not (isinstance(span, list) and len(span) == 2 and _rises(span)):
            raise InputError(f"map: {name}: {span} is no range such as [-0.2, 0.2]", place)
        low.append(float(span[0]))
        high.append(float(span[1]))
    return Grid((names[0], names[1]), (low[0], low[1]), (high[0], high[1]), cells, seed)


def _rises(span: list) -> bool:
    numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in span)
    return numbers and span[0] < span[1]


def _span(task: Task, name: str) -> list[float]:
    """What a coordinate is at the task's starts, from least to most, rounded outwards."""
    k = list(task.state_names).index(name)
    if angles_of(task.symmetry)[k]:
        return [-math.pi, math.pi]
    starts = 20 if task.opaque else _DRAWS  # an environment is made anew for each
    drawn = [task.initial_state(np.random.default_rng([0, i]))[k] for i in range(starts)]
    low, high = float(min(drawn)), float(max(drawn))
    if high - low < 1e-9:
        return [low - 0.1, high + 0.1]
    unit = 10.0 ** math.floor(math.log10(high - low))
    unit *= next(share for share in (0.05, 0.1, 0.2, 0.5) if high - low <= 20 * share * unit)
    return [round(unit * f(v / unit), 9) for f, v in ((math.floor, low), (math.ceil, high))]


def start_in(plant: Plant, grid: Grid, cell: tuple[int, int], number: int) -> np.ndarray | None:
    """A start of the task with two coordinates in the middle of a cell. (n,)

    It is drawn as the task draws it, and those two are moved. One in which things stand in each
    other, or which is a success already, is drawn again; None if that does not help.

    Args:
        plant: Whose scene tells what stands where.
        grid: The grid.
        cell: Which of its cells.
        number: Key of the draws, with the grid's seed.
    """
    task = plant.task
    at = [list(task.state_names).index(name) for name in grid.names]
    rng = np.random.default_rng([grid.seed, number])
    for _ in range(_TRIES):
        x = task.initial_state(rng)
        x[at] = [grid.middles(axis)[cell[axis]] for axis in (0, 1)]
        if not task.success(x) and not _overlaps(plant, x):
            return x
    return None


def _overlaps(plant: Plant, x: np.ndarray) -> bool:
    """Whether things stand in each other in a state."""
    data = mujoco.MjData(plant.model)
    data.qpos[:], data.qvel[:] = plant.task.physics_from_state(x)
    mujoco.mj_fwdPosition(plant.model, data)
    return bool(data.ncon and (data.contact.dist < _INSIDE).any())
