"""What a policy sees of a task: whole parts of its state, and how the group acts on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..symmetry.declaration import Symmetry
from ..symmetry.part import Pose, Position, Vector
from .task import Task


class SeenError(ValueError):
    """Coordinates that a policy cannot be built on; one line that says which."""


@dataclass(frozen=True)
class Seen:
    """The part of a task's state that a policy sees, and the units that its actions are learned in.

    Attributes:
        symmetry: The task's, its state being the parts seen, in the order seen.
        points: Where the planar points (m) among the coordinates stand: x, y of each. (P, 2)
        heights: The coordinates that are heights (m) and that no element changes. (S,)
        middle: Middle of the action's limits. (m,)
        reach: Half their range, one number a block of coordinates that the group mixes. (m,)
    """

    symmetry: Symmetry
    points: np.ndarray
    heights: np.ndarray
    middle: np.ndarray
    reach: np.ndarray

    @property
    def width(self) -> int:
        """Number of coordinates seen."""
        return self.symmetry.width("state")

    def restrict(self, subgroup: str) -> Symmetry:
        """The symmetry of what is seen under a subgroup: full, none, or a name."""
        return self.symmetry.restrict(subgroup)


def seen(task: Task, state_names: Sequence[str]) -> Seen:
    """What `state_names` are of a task.

    Raises:
        SeenError: A name that the task has not, or only some coordinates of a part.
    """
    index = {name: i for i, name in enumerate(task.state_names)}
    for name in state_names:
        if name not in index:
            raise SeenError(f"{task.name} has no coordinate {name!r} in its state")
    places = [index[name] for name in state_names]
    parts, units, start = {}, [], 0
    slices = task.symmetry.slices("state")
    while start < len(places):
        part = next(p for p, s in slices.items() if s.start <= places[start] < s.stop)
        here = list(range(slices[part].start, slices[part].stop))
        if places[start : start + len(here)] != here:
            names = ", ".join(task.state_names[i] for i in here)
            raise SeenError(f"{task.name}: part {part!r} is seen whole or not at all ({names})")
        parts[part] = task.symmetry.state[part]
        units += [task.state_units[i] if task.state_units else "" for i in here]
        start += len(here)
    if not parts:
        raise SeenError(f"a policy for {task.name} has to see something of its state")
    symmetry = replace(task.symmetry, state=parts, observation=None)
    points, heights = _points(symmetry, units), _heights(symmetry, units)
    middle, reach = _units_of_action(task)
    return Seen(symmetry, points, heights, middle, reach)


def _points(symmetry: Symmetry, units: list[str]) -> np.ndarray:
    """Poses, positions, and vectors that are points: by their unit, or where nothing else is."""
    found, vectors = [], []
    for name, here in symmetry.slices("state").items():
        part = symmetry.state[name]
        if isinstance(part, Pose | Position):
            found.append((here.start, here.start + 1))
        elif isinstance(part, Vector):
            pairs = [(i, i + 1) for i in range(here.start, here.stop, 2)]
            found += [pair for pair in pairs if units[pair[0]] == "m"]
            vectors += [pair for pair in pairs if not units[pair[0]]]
    return np.array(found or vectors, int).reshape(-1, 2)


def _heights(symmetry: Symmetry, units: list[str]) -> np.ndarray:
    """Parts called `height` or `NAME_height`, to be compared; an opening is not one of them.

    Where the two cross, their saturating difference jumps for no reason; policies of block_pick
    and block_push that had it were seen to let go or close in mid-air.
    """
    matrices, offsets, angles = symmetry.affine("state")
    alone = np.eye(len(angles), dtype=bool)
    fixed = np.abs(matrices - alone).max(axis=(0, 1)) + np.abs(offsets).max(axis=0) < 1e-12
    heights = [
        i
        for name, here in symmetry.slices("state").items()
        if name.endswith("height")
        for i in range(here.start, here.stop)
    ]
    return np.array(
        [i for i in heights if fixed[i] and not angles[i] and units[i] in ("m", "")], int
    )


def _units_of_action(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Middle and half range of the limits; where there is none, 0 and 1."""
    low, high = task.limits.bound()
    bounded = np.isfinite(low) & np.isfinite(high) & (high > low)
    low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
    middle, reach = 0.5 * (low + high), 0.5 * (high - low)
    middle = task.symmetry.orbit("action").mean(axis=0) @ middle  # what the group leaves in place
    for block in task.symmetry.blocks("action"):
        reach[list(block)] = reach[list(block)].max()
    return middle, reach
