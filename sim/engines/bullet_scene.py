"""What of a compiled MuJoCo model Bullet can have: trees of links, shapes, masses and frictions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import mujoco
import numpy as np

from .engine import EngineError

_SHAPES = {
    int(mujoco.mjtGeom.mjGEOM_PLANE): "plane",
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): "capsule",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
}
_HINGE, _SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)


class SceneError(EngineError):
    """A model that Bullet cannot have; one line that names what it is."""


@dataclass(frozen=True)
class Pose:
    """A frame in another one."""

    position: np.ndarray
    """m. (3,)"""
    quaternion: np.ndarray
    """w, x, y, z. (4,)"""

    def then(self, inner: Pose) -> Pose:
        """A frame given in this one, seen from where this one is given."""
        position, quaternion = np.empty(3), np.empty(4)
        mujoco.mju_rotVecQuat(position, inner.position, self.quaternion)
        mujoco.mju_mulQuat(quaternion, self.quaternion, inner.quaternion)
        return Pose(self.position + position, quaternion)

    def inverse(self) -> Pose:
        """Where this one is given, seen from this one."""
        position, quaternion = np.empty(3), np.empty(4)
        mujoco.mju_negQuat(quaternion, self.quaternion)
        mujoco.mju_rotVecQuat(position, -self.position, quaternion)
        return Pose(position, quaternion)

    def shifted(self, by: np.ndarray) -> Pose:
        """The same axes elsewhere: moved by a vector of the outer frame. (3,)"""
        return Pose(self.position + by, self.quaternion)


IDENTITY = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))


@dataclass(frozen=True)
class Shape:
    """One geom."""

    geom: int
    """Its number in the model."""
    kind: str
    """plane, sphere, capsule, cylinder or box."""
    size: np.ndarray
    """As MuJoCo has it: half sizes, radius, half length. (3,)"""
    pose: Pose
    """In its link's frame."""


@dataclass
class Link:
    """A joint and what it carries; -1 as `joint`: fixed to its parent."""

    body: int
    """The model's body whose frame it has, but for the joint's anchor."""
    joint: int
    """The model's joint."""
    parent: int
    """Number of the parent link within the tree, -1: the tree's root."""
    pose: Pose
    """Its frame in its parent's, at joint position 0."""
    shapes: list[Shape] = field(default_factory=list)
    mass: float = 0.0
    """kg."""
    inertia: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """About the principal axes, kg m^2. (3,)"""
    inertial: Pose = IDENTITY
    """Centre of mass and principal axes, in its frame."""


@dataclass
class Tree:
    """One of Bullet's multi-bodies: `root` fixed in the world, or free where `free` says so."""

    root: Link
    """Its pose is the world's at joint positions `qpos0`."""
    links: list[Link]
    free: bool


def trees(model: mujoco.MjModel) -> list[Tree]:
    """Everything that collides or moves, a tree for each; fixed shapes are trees of a root alone.

    Bodies without joints become part of what they are fixed to, with mass and inertia.

    Raises:
        SceneError: Something that Bullet cannot have.
    """
    _refuse(model)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    at = [Pose(data.xpos[b].copy(), data.xquat[b].copy()) for b in range(model.nbody)]
    found: list[Tree] = []
    place: dict[int, tuple[Tree, int, np.ndarray]] = {}  # body -> tree, link, frame's shift
    for geom in range(model.ngeom):
        body = model.geom_bodyid[geom]
        if model.body_weldid[body] == 0 and collides(model, geom):
            root = Link(int(body), -1, -1, at[body].then(_geom_pose(model, geom)))
            root.shapes = [_shape(model, geom, IDENTITY)]
            found.append(Tree(root, [], free=False))
    for body in range(1, model.nbody):
        if model.body_weldid[body] != body:
            continue
        members = [b for b in range(1, model.nbody) if model.body_weldid[b] == body]
        joints = range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body])
        parent = int(model.body_weldid[model.body_parentid[body]])
        if model.jnt_type[joints[0]] == _FREE:
            root = Link(body, int(joints[0]), -1, at[body])
            _load(model, root, members, at, np.zeros(3))
            # Bullet's frame of a free root is that of its mass.
            root.pose, back = at[body].then(root.inertial), root.inertial.inverse()
            root.shapes = [replace(shape, pose=back.then(shape.pose)) for shape in root.shapes]
            tree = Tree(root, [], free=True)
            found.append(tree)
            place[body] = (tree, -1, np.zeros(3))
            continue
        if parent:
            tree, parent_link, shift = place[parent]
            here = at[parent].inverse().then(at[body])
            if parent_link < 0:
                here = tree.root.inertial.inverse().then(here)
        else:
            tree = Tree(Link(0, -1, -1, IDENTITY), [], free=False)
            found.append(tree)
            parent_link, shift, here = -1, np.zeros(3), at[body]
        frame = here.shifted(-shift)
        before = np.zeros(3)
        for joint in joints:
            anchor = model.jnt_pos[joint].copy()
            tree.links.append(
                Link(
                    body,
                    int(joint),
                    parent_link,
                    frame.then(Pose(anchor - before, IDENTITY.quaternion)),
                )
            )
            parent_link, frame, before = len(tree.links) - 1, IDENTITY, anchor
        _load(model, tree.links[-1], members, at, before)
        place[body] = (tree, parent_link, before)
    for tree in found:
        _part_by_surface(model, tree)
    return found


def collides(model: mujoco.MjModel, geom: int) -> bool:
    """Whether a geom takes part in contacts at all."""
    return bool(model.geom_contype[geom] or model.geom_conaffinity[geom])


def may_touch(model: mujoco.MjModel, one: Link, two: Link) -> bool:
    """Whether MuJoCo would let the shapes of two links collide."""
    a, b = one.shapes[0].geom, two.shapes[0].geom
    types, affinities = model.geom_contype, model.geom_conaffinity
    if not (types[a] & affinities[b] or types[b] & affinities[a]):
        return False
    bodies = [int(model.geom_bodyid[g]) for g in (a, b)]
    welds = [int(model.body_weldid[body]) for body in bodies]
    if welds[0] == welds[1]:
        return False
    above = [int(model.body_weldid[model.body_parentid[weld]]) for weld in welds]
    if all(welds) and (welds[0] == above[1] or welds[1] == above[0]):
        return False
    low, high = min(bodies), max(bodies)
    return int((low << 16) + high) not in set(model.exclude_signature.tolist())


def pair_friction(model: mujoco.MjModel, a: int, b: int) -> tuple[float, float]:
    """Sliding friction and torsional friction (m) of two geoms in contact, by MuJoCo's rule."""
    if model.geom_priority[a] != model.geom_priority[b]:
        first = a if model.geom_priority[a] > model.geom_priority[b] else b
        friction, size = model.geom_friction[first], model.geom_condim[first]
    else:
        friction = np.maximum(model.geom_friction[a], model.geom_friction[b])
        size = max(model.geom_condim[a], model.geom_condim[b])
    return (float(friction[0]) if size > 1 else 0.0), (float(friction[1]) if size > 3 else 0.0)


def frictions(
    model: mujoco.MjModel, links: list[Link], pairs: list[tuple[int, int]], moving: list[bool]
) -> np.ndarray:
    """The friction of each link, so that products are those of MuJoCo's pairs. (L,)

    Bullet multiplies the frictions of what touches; MuJoCo takes the greater, or the one of higher
    priority. The logarithms are fitted to those of all pairs by least squares, pairs with a free
    body before all others: for a block, its table and the fingers that hold it the fit is exact.

    Args:
        model: The scene.
        links: All links that have shapes.
        pairs: Numbers of the links that may touch.
        moving: Whether each link is of a free body.
    """
    own = np.array([model.geom_friction[link.shapes[0].geom, 0] for link in links])
    start = 0.5 * np.log(np.maximum(own, 1e-6))
    rows = np.zeros((len(pairs), len(links)))
    wanted = np.empty(len(pairs))
    for row, (a, b) in enumerate(pairs):
        weight = 1.0 if moving[a] or moving[b] else 1e-3
        sliding, _ = pair_friction(model, links[a].shapes[0].geom, links[b].shapes[0].geom)
        rows[row, a] += weight
        rows[row, b] += weight
        wanted[row] = weight * np.log(max(sliding, 1e-6))
    if not pairs:
        return np.exp(start)
    change = np.linalg.lstsq(rows, wanted - rows @ start, rcond=1e-9)[0]
    return np.exp(start + change)


def softness(model: mujoco.MjModel, link: Link) -> tuple[float, float] | None:
    """Stiffness (N/m) and damping (N s/m) of a free body's contacts; None: it has no mass.

    MuJoCo's contact gives way as `solref` and `solimp` say, the less the more the bodies weigh
    there: ``force = d / (1 - d) / w (k depth + b speed)``, with the impedance d, which depends on
    the depth, and the inverse weight w (MuJoCo's documentation, "Solver parameters"). It is taken
    at the depth at which four contacts carry a free body. So a body on four corners sinks in as
    far as in MuJoCo, and all four carry their part: on hard contacts it would be an accident of
    the solver how much each carries, and with it how the body turns when it is pushed.
    """
    weight = float(model.body_invweight0[link.body, 0])
    if weight < 1e-9:
        return None
    geom = link.shapes[0].geom
    time, ratio = model.geom_solref[geom]
    least, most, width, middle, power = model.geom_solimp[geom]
    if time > 0.0:
        time = max(time, 2.0 * model.opt.timestep)
        spring, damper = 1.0 / (most * time * ratio) ** 2, 2.0 / (most * time)
    else:
        spring, damper = -time / most**2, -ratio / most
    pull = float(np.linalg.norm(model.opt.gravity)) or 9.81

    def share(depth: float) -> float:
        part = min(depth / width, 1.0)
        if part < middle:
            part = part**power / middle ** (power - 1.0)
        else:
            part = 1.0 - (1.0 - part) ** power / (1.0 - middle) ** (power - 1.0)
        impedance = least + part * (most - least)
        return impedance / (1.0 - impedance)

    low, high = 0.0, pull / spring / share(0.0)
    for _ in range(40):
        depth = 0.5 * (low + high)
        low, high = (low, depth) if 4.0 * share(depth) * spring * depth > pull else (depth, high)
    scale = share(low) / weight
    return scale * spring, scale * damper


def _refuse(model: mujoco.MjModel) -> None:
    """Hold a model to what Bullet can have.

    Raises:
        SceneError: It names the first thing that it cannot.
    """
    for joint in range(model.njnt):
        kind, name = model.jnt_type[joint], model.joint(joint).name or joint
        if kind == mujoco.mjtJoint.mjJNT_BALL:
            raise SceneError(
                f"joint {name}: the engine pybullet knows hinge, slide and free joints"
            )
        if model.jnt_stiffness[joint]:
            raise SceneError(f"joint {name}: the engine pybullet knows no joint springs")
    for geom in range(model.ngeom):
        if not collides(model, geom):
            continue
        name = model.geom(geom).name or geom
        if int(model.geom_type[geom]) not in _SHAPES:
            raise SceneError(
                f"geom {name}: the engine pybullet knows {', '.join(_SHAPES.values())}"
            )
        body = int(model.geom_bodyid[geom])
        if model.body_mocapid[model.body_rootid[body]] >= 0:
            raise SceneError(f"geom {name}: in the engine pybullet mocap bodies do not collide")
        if model.body_weldid[body] and model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_PLANE:
            raise SceneError(f"geom {name}: in the engine pybullet planes do not move")
    for count, what in (
        (model.neq, "equality constraints"),
        (model.ntendon, "tendons"),
        (model.npair, "explicit contact pairs"),
    ):
        if count:
            raise SceneError(f"the engine pybullet knows no {what}; the model has {count}")


def _geom_pose(model: mujoco.MjModel, geom: int) -> Pose:
    return Pose(model.geom_pos[geom].copy(), model.geom_quat[geom].copy())


def _shape(model: mujoco.MjModel, geom: int, pose: Pose) -> Shape:
    return Shape(geom, _SHAPES[int(model.geom_type[geom])], model.geom_size[geom].copy(), pose)


def _load(
    model: mujoco.MjModel, link: Link, members: list[int], at: list[Pose], anchor: np.ndarray
) -> None:
    """Give a link the shapes and the mass of the bodies that are fixed to one another."""
    own = at[members[0]].inverse()
    frames = [own.then(at[b]).shifted(-anchor) for b in members]
    for body, frame in zip(members, frames, strict=True):
        first = model.body_geomadr[body]
        for geom in range(first, first + model.body_geomnum[body]):
            if collides(model, geom):
                link.shapes.append(_shape(model, geom, frame.then(_geom_pose(model, geom))))
    parts = [
        (
            float(model.body_mass[b]),
            model.body_inertia[b].copy(),
            frame.then(Pose(model.body_ipos[b].copy(), model.body_iquat[b].copy())),
        )
        for b, frame in zip(members, frames, strict=True)
        if model.body_mass[b] > 0.0
    ]
    if len(parts) == 1:
        link.mass, link.inertia, link.inertial = parts[0]
    elif parts:
        link.mass, link.inertia, link.inertial = _together(parts)


def _together(parts: list[tuple[float, np.ndarray, Pose]]) -> tuple[float, np.ndarray, Pose]:
    """Mass, principal inertia and their frame of several bodies in one."""
    mass = sum(part[0] for part in parts)
    centre = sum(part[0] * part[2].position for part in parts) / mass
    tensor = np.zeros((3, 3))
    for m, inertia, pose in parts:
        axes = np.empty(9)
        mujoco.mju_quat2Mat(axes, pose.quaternion)
        axes = axes.reshape(3, 3)
        away = pose.position - centre
        tensor += axes @ np.diag(inertia) @ axes.T
        tensor += m * (away @ away * np.eye(3) - np.outer(away, away))
    inertia, axes = np.linalg.eigh(tensor)
    if np.linalg.det(axes) < 0.0:
        axes[:, 0] *= -1.0
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(axes).ravel())
    return mass, inertia, Pose(centre, quaternion)


def _part_by_surface(model: mujoco.MjModel, tree: Tree) -> None:
    """Give shapes of another friction or collision mask a massless link of their own.

    Bullet has one friction and one mask a link, MuJoCo one a geom.
    """
    for number, link in [(-1, tree.root), *enumerate(list(tree.links))]:
        parts: dict[tuple, list[Shape]] = {}
        for shape in link.shapes:
            parts.setdefault(_surface(model, shape.geom), []).append(shape)
        first, *others = parts.values() or [[]]
        link.shapes = first
        for shapes in others:
            tree.links.append(Link(link.body, -1, number, IDENTITY, shapes))


def _surface(model: mujoco.MjModel, geom: int) -> tuple:
    """All of a geom that decides what touches it, and with which friction."""
    return (
        *(int(model.geom_bodyid[geom]), int(model.geom_contype[geom])),
        *(int(model.geom_conaffinity[geom]), int(model.geom_priority[geom])),
        *(int(model.geom_condim[geom]), *map(float, model.geom_friction[geom])),
    )
