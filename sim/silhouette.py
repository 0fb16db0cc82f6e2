"""What a task's bodies look like from straight above in a row of states; needs no GL."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from .plant import Plant

_HIDDEN_FROM = 3
"""Geoms of this group and above (collision hulls, say) are not drawn, as in MuJoCo's viewer."""
_UNSET = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
"""The colour of a geom that states none; its material's counts then."""
_GRAIN = 1e-4
"""What is closer than this counts as equal, m: far below a pixel."""


@dataclass(frozen=True)
class Disc:
    """A sphere, or a cylinder that stands."""

    centre: np.ndarray
    """(2,), m, in the body's frame."""
    radius: float
    """m"""

    def bound(self) -> np.ndarray:
        """Corners of a box around it. (2, 2), m"""
        return np.stack([self.centre - self.radius, self.centre + self.radius])


@dataclass(frozen=True)
class Rod:
    """A capsule that lies."""

    ends: np.ndarray
    """(2, 2), m, the middles of its caps in the body's frame."""
    radius: float
    """m"""

    def bound(self) -> np.ndarray:
        """Corners of a box around it. (2, 2), m"""
        return np.stack([self.ends.min(0) - self.radius, self.ends.max(0) + self.radius])


@dataclass(frozen=True)
class Outline:
    """Anything else: the convex hull of its points."""

    corners: np.ndarray
    """(k, 2), m, counterclockwise in the body's frame."""

    def bound(self) -> np.ndarray:
        """Corners of a box around it. (2, 2), m"""
        return np.stack([self.corners.min(0), self.corners.max(0)])


Shape = Disc | Rod | Outline


@dataclass(frozen=True)
class Silhouette:
    """One body (of the world: one geom) over T states."""

    name: str
    """The body's."""
    shapes: tuple[tuple[Shape, np.ndarray], ...]
    """Each geom with its colour (4,), lowest first."""
    pose: np.ndarray
    """(T, 3): x (m), y (m), yaw (rad, unwrapped)."""
    path: np.ndarray
    """(T, 2), m: where the far end of its rod goes, of any other shape the middle."""
    mark: bool
    """Whether it is a mocap body: a goal, not a thing."""
    moves: bool
    """Whether joints let it move, even if it did not."""
    top: float
    """Height of its highest point in the first state, m."""
    tilt: float
    """Largest tilt against the first state, rad; its shapes are those of the first state."""

    def bound(self) -> np.ndarray:
        """Corners of a box around it in all states. (2, 2), m"""
        low, high = np.stack([shape.bound() for shape, _ in self.shapes]).transpose(1, 0, 2)
        (x0, y0), (x1, y1) = low.min(0), high.max(0)
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        placed = np.stack([place(pose, corners) for pose in self.pose])
        return np.stack([placed.min((0, 1)), placed.max((0, 1))])


@dataclass(frozen=True)
class Scene:
    """All that is to be seen."""

    silhouettes: tuple[Silhouette, ...]
    """Lowest first."""
    floor: np.ndarray | None
    """(4,), the colour of the plane that all stands on."""


def place(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of a body's frame in the world. (3,), (k, 2) -> (k, 2), m"""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return pose[:2] + points @ np.array([[c, s], [-s, c]])


def scene(plant: Plant, states: np.ndarray) -> Scene:
    """Put the plant into each of T states and look at it from above.

    Args:
        plant: The task's plant; it is left in the last state.
        states: (T, n), goal included.
    """
    model, data = plant.model, plant.data
    positions = np.empty((len(states), model.nbody, 3))
    rotations = np.empty((len(states), model.nbody, 3, 3))
    tops = np.zeros(model.ngeom)
    for k, x in enumerate(states):
        plant.reset(x)  # physics_from_state, the goal's mocap body, mj_forward
        positions[k], rotations[k] = data.xpos, data.xmat.reshape(-1, 3, 3)
        if k == 0:
            reach = np.abs(data.geom_xmat.reshape(-1, 3, 3)[:, 2]) * model.geom_aabb[:, 3:]
            tops = data.geom_xpos[:, 2] + reach.sum(1)
    found, floor = [], None
    for body in range(model.nbody):
        yaw, tilts = _split(rotations[:, body])
        geoms = []
        for geom in np.flatnonzero(model.geom_bodyid == body):
            colour = _colour(model, geom)
            if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
                floor = colour
            elif model.geom_group[geom] < _HIDDEN_FROM and colour[3] > 0:
                shape = _shape(model, int(geom), tilts[0])
                if shape is not None:
                    geoms.append((float(tops[geom]), shape, colour))
        geoms.sort(key=lambda item: item[0])
        pose = np.column_stack([positions[:, body, :2], yaw])
        name = model.body(body).name or f"body {body}"
        # Of the world each geom stands for itself: a wall must not lift the paint on the floor.
        for part in [[geom] for geom in geoms] if body == 0 else [geoms]:
            if not part:
                continue
            follow = max((shape for _, shape, _ in part), key=lambda s: np.ptp(s.bound(), 0).sum())
            mark = bool(model.body_mocapid[body] >= 0)
            found.append(
                Silhouette(
                    name=name,
                    shapes=tuple((shape, colour) for _, shape, colour in part),
                    pose=pose,
                    path=np.concatenate([place(p, _follow(follow)) for p in pose]),
                    mark=mark,
                    moves=not mark and bool(model.body_weldid[body]),
                    top=part[-1][0],
                    tilt=_largest_angle(tilts),
                )
            )
    return Scene(tuple(sorted(found, key=lambda silhouette: silhouette.top)), floor)


def _split(rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations as a turn about the vertical after a tilt. (T, 3, 3) -> (T,) rad, (T, 3, 3)"""
    if np.hypot(rotations[0, 0, 0], rotations[0, 1, 0]) > 0.1:
        yaw = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
    else:  # its x axis is vertical, so the y axis tells where it faces
        yaw = np.arctan2(-rotations[:, 0, 1], rotations[:, 1, 1])
    yaw = np.unwrap(yaw)
    back = np.zeros_like(rotations)
    back[:, 0, 0] = back[:, 1, 1] = np.cos(yaw)
    back[:, 0, 1], back[:, 1, 0], back[:, 2, 2] = np.sin(yaw), -np.sin(yaw), 1.0
    return yaw, back @ rotations


def _largest_angle(tilts: np.ndarray) -> float:
    cosines = (np.einsum("tij,ij->t", tilts, tilts[0]) - 1) / 2
    return float(np.arccos(np.clip(cosines.min(), -1, 1)))


def _colour(model: mujoco.MjModel, geom: int) -> np.ndarray:
    rgba, material = model.geom_rgba[geom], int(model.geom_matid[geom])
    if material >= 0 and np.array_equal(rgba, _UNSET):
        rgba = model.mat_rgba[material]
    return np.array(rgba, float)


def _shape(model: mujoco.MjModel, geom: int, tilt: np.ndarray) -> Shape | None:
    """A geom from above in the frame of its body without yaw, None where it has no outline."""
    kind, size = mujoco.mjtGeom(int(model.geom_type[geom])), model.geom_size[geom]
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
    turn = tilt @ turn.reshape(3, 3)
    centre = (tilt @ model.geom_pos[geom])[:2]
    axis = turn[:2, 2]
    flat = np.hypot(*axis) * size[1] < _GRAIN
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return Disc(centre, float(size[0]))
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE and not flat:
        return Rod(np.stack([centre - size[1] * axis, centre + size[1] * axis]), float(size[0]))
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE or (
        kind == mujoco.mjtGeom.mjGEOM_CYLINDER and np.hypot(*axis) < 1e-3
    ):
        return Disc(centre, float(size[0]))
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        points = np.concatenate(
            [np.stack([*(size[0] * ring), np.full(48, z)], 1) for z in (-size[1], size[1])]
        )
    elif kind == mujoco.mjtGeom.mjGEOM_BOX:
        points = size * (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1)
    elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        across = turn[:2] * size  # the shadow is {across v: |v| = 1}: where it is widest along ring
        towards = across.T @ ring
        return Outline(hull(centre + (across @ (towards / np.linalg.norm(towards, axis=0))).T))
    elif kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = int(model.geom_dataid[geom])
        first = int(model.mesh_vertadr[mesh])
        points = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])]
    else:
        return None
    return Outline(hull(centre + (points @ turn.T)[:, :2]))


def _follow(shape: Shape) -> np.ndarray:
    """The point of a body that its path follows. (1, 2), m"""
    if isinstance(shape, Rod):
        return shape.ends[[int(np.argmax(np.hypot(*shape.ends.T)))]]
    return shape.bound().mean(0, keepdims=True)


def hull(points: np.ndarray) -> np.ndarray:
    """The convex hull of points, counterclockwise (Andrew's monotone chain). (k, 2) -> (h, 2), m"""
    ordered = np.unique(np.round(points / _GRAIN), axis=0).tolist()
    if len(ordered) < 3:
        return np.array(ordered) * _GRAIN
    sides = []
    for row in (ordered, ordered[::-1]):
        side: list[list[float]] = []
        for p in row:
            while len(side) > 1 and _turns_right(side[-2], side[-1], p):
                side.pop()
            side.append(p)
        sides += side[:-1]
    return np.array(sides) * _GRAIN


def _turns_right(a: list[float], b: list[float], c: list[float]) -> bool:
    """Whether c does not lie left of the line from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])
