"""What is declared of known environments: names, symmetry, and what counts as a success."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...symmetry.group import Group, dihedral, o2, reflection, trivial
from ...symmetry.part import Angle, Part, Position, Pseudoscalar, Regular, Scalar, Vector

Success = Callable[[np.ndarray, Mapping[str, Any], bool, bool], bool]
"""(state (n,), the environment's info, whether it has terminated, whether time is up) -> success"""

FETCH_Y = 0.7441
"""Where the vertical plane through Fetch's shoulder stands, m; its arm is mirrored in that."""

ARRIVED = 0.02
"""Largest distance of Reacher's fingertip from its target that is a success, m."""


@dataclass(frozen=True)
class Declaration:
    """Names, parts, group and rule of success of one environment."""

    group: Group
    state: Mapping[str, Part]
    state_names: tuple[str, ...]
    action: Mapping[str, Part]
    action_names: tuple[str, ...]
    action_interface: str = "effort"
    success: Success = lambda x, info, terminated, timed_out: flagged(info)
    hold: float = 0.0
    """How long success must last, s."""


@dataclass(frozen=True)
class Rearranged:
    """Parts whose coordinates stand between each other, as ``cos a, cos b, sin a, sin b`` do.

    Args:
        parts: The parts, one after the other.
        order: For each place in the vector, which coordinate of the parts stands there.
    """

    parts: tuple[Part, ...]
    order: tuple[int, ...]

    @property
    def linear(self) -> bool:
        """Whether all its parts are."""
        return all(part.linear for part in self.parts)

    def width(self, group: Group) -> int:
        """Number of coordinates."""
        return len(self.order)

    def matrices(self, group: Group) -> np.ndarray:
        """Block-diagonal, rows and columns put in order. (order, width, width)"""
        full = np.zeros((group.order, len(self.order), len(self.order)))
        start = 0
        for part in self.parts:
            here = slice(start, start + part.width(group))
            full[:, here, here] = part.matrices(group)
            start = here.stop
        index = np.array(self.order)
        return full[:, index[:, None], index[None, :]]

    def offsets(self, group: Group) -> np.ndarray:
        """The parts' offsets, put in order. (order, width)"""
        return np.concatenate([p.offsets(group) for p in self.parts], axis=1)[:, list(self.order)]

    def angles(self, group: Group) -> np.ndarray:
        """Which of them are angles. (width,) bool"""
        return np.concatenate([p.angles(group) for p in self.parts])[list(self.order)]


def declaration(env_id: str, env: Any, widths: Mapping[str, int], action_width: int) -> Declaration:
    """What is declared of an environment; of one that is not known names and the trivial group.

    Args:
        env_id: Its id.
        env: The environment; a maze is asked for its map.
        widths: Width of each part of its state.
        action_width: Number of its actions.
    """
    name = env_id.rpartition(":")[2]
    found = None
    if re.fullmatch(r"Fetch(Reach|Push|Slide|PickAndPlace)(Dense)?-v\d+", name):
        found = _fetch(has_object="Reach" not in name)
    elif re.fullmatch(r"PointMaze(_\w+|Rooms|Corridor)-v\d+", name):
        found = _point_maze(env.unwrapped.maze.maze_map)
    elif name == "Reacher-v5":
        found = _reacher()
    elif re.fullmatch(r"InvertedPendulum-v\d+", name):
        found = _inverted_pendulum()
    if found is None or (len(found.state_names), len(found.action_names)) != (
        sum(widths.values()),
        action_width,
    ):
        return _unknown(widths, action_width)
    return found


def flagged(info: Mapping[str, Any]) -> bool:
    """Whether the environment says so itself, in ``info["is_success"]`` or ``info["success"]``."""
    return bool(info.get("is_success", info.get("success", False)))


def _unknown(widths: Mapping[str, int], action_width: int) -> Declaration:
    return Declaration(
        trivial(),
        {key: Scalar(width) for key, width in widths.items()},
        tuple(f"{key}_{i}" for key, width in widths.items() for i in range(width)),
        {"action": Scalar(action_width)},
        tuple(f"action_{i}" for i in range(action_width)),
    )


def _fetch(has_object: bool) -> Declaration:
    """A mirror: y -> -y in the vertical plane through the shoulder.

    Turning the world would turn the arm's base, so no rotation is one. Under the mirror polar
    vectors change the sign of y; axial ones (angular velocities, and the x and z angles of a
    rotation written as x-y-z Euler angles) that of x and z; and the two fingers change places.
    """
    state: dict[str, Part] = {}
    names: list[str] = []

    def add(name: str, parts: Mapping[str, Part], coordinates: str) -> None:
        state.update({f"{name}{part}": kind for part, kind in parts.items()})
        names.extend(f"{name}_{c}" for c in coordinates.split())

    place = {"": Position((0.0, FETCH_Y)), "_height": Scalar()}
    polar = {"": Vector(), "_up": Scalar()}
    axial = {"_x": Pseudoscalar(), "_y": Scalar(), "_z": Pseudoscalar()}
    turned = {"_x": Angle(), "_y": Scalar(), "_z": Angle()}
    fingers = {"": Regular()}
    add("grip", place, "x y z")
    if has_object:
        add("object", place, "x y z")
        add("object_from_grip", polar, "x y z")
    add("fingers", fingers, "right left")
    if has_object:
        add("object_rotation", turned, "x y z")
        add("object_velocity", polar, "x y z")  # relative to the grip's
        add("object_spin", axial, "x y z")
    add("grip_velocity", polar, "x y z")
    add("finger_velocities", fingers, "right left")
    add("achieved", place, "x y z")
    add("desired", place, "x y z")
    return Declaration(
        reflection(),
        state,
        tuple(names),
        {"move": Vector(), "lift": Scalar(), "gripper": Scalar()},
        ("x", "y", "z", "gripper"),
        action_interface="velocity",
    )


def _point_maze(maze_map: list[list[Any]]) -> Declaration:
    """The elements of D4 that leave the map as it is; row 0 of a map is where y is largest."""
    return Declaration(
        _symmetry_of(np.array(maze_map, dtype=str)),
        {"position": Vector(), "velocity": Vector(), "achieved": Vector(), "desired": Vector()},
        ("x", "y", "vx", "vy", "achieved_x", "achieved_y", "desired_x", "desired_y"),
        {"force": Vector()},
        ("force_x", "force_y"),
    )


def _symmetry_of(maze: np.ndarray) -> Group:
    """The largest subgroup of D4 under which a map of cells stays what it is."""
    rows, columns = maze.shape
    i, j = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    # Twice the cells' centres, as whole numbers: x to the right, y upwards, about the middle.
    x, y = 2 * j - (columns - 1), (rows - 1) - 2 * i
    full = dihedral(4)
    cells = {(int(a), int(b)): cell for a, b, cell in zip(x.flat, y.flat, maze.flat, strict=True)}
    kept = []
    for g in full.elements:
        plane = full.plane[g].astype(int)
        moved = {
            (int(a), int(b)): cell
            for (a, b), cell in (((plane @ at), cell) for at, cell in cells.items())
        }
        if moved == cells:
            kept.append(g)
    for name in ("D4", "D2", "C4", "C2", "reflection", "trivial"):
        if tuple(kept) == tuple(sorted(full.subgroup(name))):
            return full.restricted(full.subgroup(name), name)
    return full.restricted(tuple(kept), "_".join(full.element_names[g] for g in kept[1:]))


def _reacher() -> Declaration:
    """O(2) about the base, declared as D8: it acts by matrices on the ten numbers as they are.

    A turn moves (cos, sin) of the shoulder, the target and the way to it as planar vectors, and
    leaves the elbow, the rates and the torques; a mirror changes the sign of the elbow's sine, of
    the rates and of the torques.
    """
    shoulder_and_elbow = Rearranged((Vector(), Scalar(), Pseudoscalar()), (0, 2, 1, 3))
    return Declaration(
        o2(8),
        {
            "angles": shoulder_and_elbow,
            "target": Vector(),
            "rates": Pseudoscalar(2),
            "from_target": Vector(),
        },
        (
            *("cos_shoulder", "cos_elbow", "sin_shoulder", "sin_elbow", "target_x", "target_y"),
            *("shoulder_rate", "elbow_rate", "from_target_x", "from_target_y"),
        ),
        {"torques": Pseudoscalar(2)},
        ("shoulder", "elbow"),
        success=lambda x, info, terminated, timed_out: bool(np.hypot(x[8], x[9]) <= ARRIVED),
        hold=0.1,
    )


def _inverted_pendulum() -> Declaration:
    """A mirror: left and right. The pole must stand until time is up."""
    return Declaration(
        reflection(),
        {"cart": Pseudoscalar(), "pole": Pseudoscalar(), "rates": Pseudoscalar(2)},
        ("cart", "pole", "cart_rate", "pole_rate"),
        {"force": Pseudoscalar()},
        ("force",),
        success=lambda x, info, terminated, timed_out: timed_out and not terminated,
    )
