"""`World`: a Bullet world of its own that holds the trees of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

from .bullet_client import bullet, connect
from .bullet_scene import (
    Link,
    Pose,
    Shape,
    Tree,
    frictions,
    may_touch,
    pair_friction,
    softness,
    trees,
)

ITERATIONS = 30
"""Of Bullet's solver, each tick."""
GROUND = 10.0
"""Half the width of the box that a plane becomes, m. On a plane Bullet finds one contact a tick, so
that what slides sinks in by millimetres; between boxes it finds all of them."""


@dataclass
class Body:
    """A multi-body that moves, and where its coordinates stand in the model's."""

    number: int
    """Bullet's own."""
    tree: Tree
    back: Pose | None
    """The frame of a free body in that of its mass, which is Bullet's; None: they are one."""
    joints: list[int] = field(default_factory=list)
    """Links that a hinge or slide moves."""
    qpos: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    """Where their positions stand in the model's."""
    dofs: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    """Where their velocities do."""


class World:
    """One Bullet client (DIRECT), closed when the world is forgotten.

    Args:
        model: The scene.
        driven: Joints whose damping is their motors' affair.

    Attributes:
        client: Bullet's number of the client.
        bodies: All that moves.
        links: The model's body -> the multi-body and link that carry it.

    Raises:
        SceneError: The scene holds something that Bullet cannot have.
    """

    def __init__(self, model: mujoco.MjModel, driven: set[int]) -> None:
        self.model, self.driven = model, driven
        trees(model)  # refused before a client is opened
        self.client = connect(self)
        self.bodies: list[Body] = []
        self.links: dict[int, tuple[int, int]] = {}

    def build(self, data: mujoco.MjData) -> None:
        """Make the whole world anew, everything where the data say: nothing of the old one is left.

        So what follows is a function of the data alone: contacts, their warm starts and the order
        in which the solver meets them do not come from what was simulated before.
        """
        c, model = self.client, self.model
        bullet.resetSimulation(physicsClientId=c)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=model.opt.timestep,
            numSubSteps=0,
            numSolverIterations=ITERATIONS,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            physicsClientId=c,
        )
        self.bodies, self.links = [], {}
        surfaces: list[tuple[int, int, Link, bool]] = []
        for tree in trees(model):
            number = self._create(tree)
            mass = tree.root.inertial
            one = not mass.position.any() and abs(mass.quaternion[0]) == 1.0
            body = Body(number, tree, None if one else mass.inverse())
            for link, at in [(-1, tree.root), *enumerate(tree.links)]:
                if at.shapes:
                    surfaces.append((number, link, at, tree.free))
                if at.joint >= 0:
                    self.links[at.body] = (number, link)
                    if link >= 0:
                        body.joints.append(link)
            if tree.free or body.joints:
                self.bodies.append(body)
            joints = [tree.links[link].joint for link in body.joints]
            body.qpos, body.dofs = model.jnt_qposadr[joints], model.jnt_dofadr[joints]
            self._settle(body)
            self._place(body, data)
        self._surfaces(surfaces)

    def _create(self, tree: Tree) -> int:
        """Make a tree's multi-body."""
        links, root = tree.links, tree.root
        kinds = [self._kind(link.joint) for link in links]
        return bullet.createMultiBody(
            baseMass=root.mass if tree.free else 0.0,
            baseCollisionShapeIndex=self._shape(root.shapes),
            basePosition=root.pose.position.tolist(),
            baseOrientation=_xyzw(root.pose),
            linkMasses=[link.mass for link in links],
            linkCollisionShapeIndices=[self._shape(link.shapes) for link in links],
            linkVisualShapeIndices=[-1] * len(links),
            linkPositions=[link.pose.position.tolist() for link in links],
            linkOrientations=[_xyzw(link.pose) for link in links],
            linkInertialFramePositions=[link.inertial.position.tolist() for link in links],
            linkInertialFrameOrientations=[_xyzw(link.inertial) for link in links],
            linkParentIndices=[link.parent + 1 for link in links],
            linkJointTypes=kinds,
            linkJointAxis=[
                self.model.jnt_axis[link.joint].tolist() if link.joint >= 0 else [0.0, 0.0, 1.0]
                for link in links
            ],
            flags=bullet.URDF_USE_SELF_COLLISION,
            physicsClientId=self.client,
        )

    def _kind(self, joint: int) -> int:
        if joint < 0:
            return bullet.JOINT_FIXED
        hinge = self.model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE
        return bullet.JOINT_REVOLUTE if hinge else bullet.JOINT_PRISMATIC

    def _shape(self, shapes: list[Shape]) -> int:
        """A collision shape; several geoms become one compound."""
        if not shapes:
            return -1
        if shapes[0].kind == "plane":  # its pose is its root's
            return bullet.createCollisionShape(
                bullet.GEOM_BOX,
                halfExtents=[GROUND, GROUND, 1.0],
                collisionFramePosition=[0.0, 0.0, -1.0],
                physicsClientId=self.client,
            )
        kinds = {
            "sphere": bullet.GEOM_SPHERE,
            "capsule": bullet.GEOM_CAPSULE,
            "cylinder": bullet.GEOM_CYLINDER,
            "box": bullet.GEOM_BOX,
        }
        return bullet.createCollisionShapeArray(
            shapeTypes=[kinds[shape.kind] for shape in shapes],
            radii=[float(shape.size[0]) for shape in shapes],
            halfExtents=[shape.size.tolist() for shape in shapes],
            lengths=[2.0 * float(shape.size[1]) for shape in shapes],
            collisionFramePositions=[shape.pose.position.tolist() for shape in shapes],
            collisionFrameOrientations=[_xyzw(shape.pose) for shape in shapes],
            physicsClientId=self.client,
        )

    def _settle(self, body: Body) -> None:
        """Inertias, damping, limits and dry friction; away with Bullet's own motors and drag."""
        model, c = self.model, self.client
        for link, at in [(-1, body.tree.root), *enumerate(body.tree.links)]:
            still = {"linearDamping": 0.0, "angularDamping": 0.0, "physicsClientId": c}
            if at.mass > 0.0 and (link >= 0 or body.tree.free):
                still["localInertiaDiagonal"] = at.inertia.tolist()
            if link >= 0 and at.joint >= 0:
                damping = float(model.dof_damping[model.jnt_dofadr[at.joint]])
                still["jointDamping"] = 0.0 if at.joint in self.driven else damping
                if model.jnt_limited[at.joint]:
                    low, high = model.jnt_range[at.joint] - model.qpos0[model.jnt_qposadr[at.joint]]
                    still |= {"jointLowerLimit": low, "jointUpperLimit": high}
            bullet.changeDynamics(body.number, link, **still)
        if body.joints:
            bullet.setJointMotorControlArray(
                body.number,
                body.joints,
                bullet.VELOCITY_CONTROL,
                forces=model.dof_frictionloss[body.dofs].tolist(),
                physicsClientId=c,
            )

    def _place(self, body: Body, data: mujoco.MjData) -> None:
        """Put a body where the data say, as fast as they say."""
        model, c, root = self.model, self.client, body.tree.root
        if body.tree.free:
            q, v = model.jnt_qposadr[root.joint], model.jnt_dofadr[root.joint]
            frame = Pose(data.qpos[q : q + 3].copy(), data.qpos[q + 3 : q + 7].copy())
            mujoco.mju_normalize4(frame.quaternion)
            mass = frame.then(root.inertial)
            spin = np.empty(3)
            mujoco.mju_rotVecQuat(spin, data.qvel[v + 3 : v + 6], frame.quaternion)
            linear = data.qvel[v : v + 3] + np.cross(spin, mass.position - frame.position)
            bullet.resetBasePositionAndOrientation(
                body.number, mass.position.tolist(), _xyzw(mass), physicsClientId=c
            )
            bullet.resetBaseVelocity(body.number, linear.tolist(), spin.tolist(), physicsClientId=c)
        position = data.qpos[body.qpos] - model.qpos0[body.qpos]
        for link, q, v in zip(body.joints, position, data.qvel[body.dofs], strict=True):
            bullet.resetJointState(body.number, link, q, v, physicsClientId=c)

    def _surfaces(self, surfaces: list[tuple[int, int, Link, bool]]) -> None:
        """What touches what, with which friction."""
        model, c = self.model, self.client
        links, moving = [s[2] for s in surfaces], [s[3] for s in surfaces]
        fixed = [not model.body_weldid[link.body] for link in links]
        pairs = [
            (a, b)
            for a in range(len(links))
            for b in range(a)
            if not (fixed[a] and fixed[b]) and may_touch(model, links[a], links[b])
        ]
        sliding = frictions(model, links, pairs, moving)
        turning = np.zeros(len(links))
        for a, b in pairs:
            one, two = links[a].shapes[0].geom, links[b].shapes[0].geom
            torsional = pair_friction(model, one, two)[1]
            first, other = (a, b) if model.geom_condim[one] > model.geom_condim[two] else (b, a)
            turning[first] = max(turning[first], torsional / sliding[other])
        for (number, link, at, free), friction, spin in zip(
            surfaces, sliding, turning, strict=True
        ):
            if free and (soft := softness(model, at)):
                bullet.changeDynamics(
                    number,
                    link,
                    contactStiffness=soft[0],
                    contactDamping=soft[1],
                    physicsClientId=c,
                )
            bullet.changeDynamics(
                number,
                link,
                lateralFriction=friction,
                spinningFriction=spin,
                rollingFriction=0.0,
                restitution=0.0,
                physicsClientId=c,
            )
            bullet.setCollisionFilterGroupMask(number, link, 0, 0, physicsClientId=c)
        for a, b in pairs:
            bullet.setCollisionFilterPair(
                *(surfaces[a][0], surfaces[b][0], surfaces[a][1], surfaces[b][1]),
                1,
                physicsClientId=c,
            )


def _xyzw(pose: Pose) -> list[float]:
    """A quaternion in Bullet's order."""
    w, x, y, z = pose.quaternion.tolist()
    return [x, y, z, w]
