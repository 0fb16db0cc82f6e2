"""A robot with nothing around it, as two files for other tools: MJCF, and URDF made from that."""

from __future__ import annotations

import math
from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np

from .robot import Robot

_JOINTS = {
    mujoco.mjtJoint.mjJNT_HINGE: "revolute",
    mujoco.mjtJoint.mjJNT_SLIDE: "prismatic",
}
_UNLIMITED = 1e3  # effort and rate of a joint without an actuator
_NOTHING = 1e-9  # kg, kg m^2: Bullet takes a link that states no mass for one of 1 kg


def mjcf(robot: Robot) -> str:
    """The robot alone as an MJCF model, with the options of the tabletop's scenes."""
    parts = robot.fragments()
    return f"""<mujoco model="{robot.name}">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.0025" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <size nuserdata="8"/>
  <asset>
    <material name="metal" rgba="0.55 0.57 0.60 1" reflectance="0"/>
    <material name="rubber" rgba="0.15 0.15 0.17 1" reflectance="0"/>
{parts.asset}  </asset>
  <worldbody>
{parts.worldbody}  </worldbody>
  <contact>
{parts.contact}  </contact>
  <actuator>
{parts.actuator}  </actuator>
</mujoco>
"""


def urdf(model: mujoco.MjModel, name: str) -> str:
    """A compiled model as URDF: what `mjcf` describes, for tools that know no MJCF.

    The root is the link ``world``. Each body is a link with its mass, inertia and shapes, at the
    body's frame; each joint has the model's limits and its actuator's. A body with several joints
    gets links of a microgram in between, and a site becomes one too. A capsule becomes a cylinder
    with two spheres. What URDF cannot say stays out: servos, armature, friction, which contacts are
    excluded.

    Args:
        model: Bodies with hinges and slides through their frames' origins, shapes that are boxes,
            capsules, cylinders, spheres.
        name: Of the robot.

    Raises:
        ValueError: Something in it has no like in URDF.
    """
    lines = ['<?xml version="1.0"?>', f"<robot name={quoteattr(name)}>"]
    for body in range(model.nbody):
        lines += _link(model, body)
        if body:
            lines += _joints(model, body)
    for site in range(model.nsite):
        at, parent = model.site(site).name, model.body(int(model.site_bodyid[site])).name
        origin = _origin(model.site_pos[site], model.site_quat[site])
        lines += [
            *_massless(at),
            f'  <joint name={quoteattr(at + "_fixed")} type="fixed">',
            f"    <parent link={quoteattr(parent)}/>",
            f"    <child link={quoteattr(at)}/>",
            f"    {origin}",
            "  </joint>",
        ]
    return "\n".join([*lines, "</robot>", ""])


def _link(model: mujoco.MjModel, body: int) -> list[str]:
    """A body with its mass and shapes."""
    lines = []
    if model.body_mass[body] > 0:
        turn = matrix(model.body_iquat[body])
        about = turn @ np.diag(model.body_inertia[body]) @ turn.T
        lines += _inertial(model.body_ipos[body], float(model.body_mass[body]), about)
    elif body:
        lines += _inertial(np.zeros(3), _NOTHING, _NOTHING * np.eye(3))
    first = int(model.body_geomadr[body])
    for geom in range(first, first + int(model.body_geomnum[body])):
        touches = model.geom_contype[geom] or model.geom_conaffinity[geom]
        material = int(model.geom_matid[geom])
        rgba = model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom]
        colour = " ".join(f"{float(value):.6g}" for value in rgba)
        look = model.mat(material).name if material >= 0 else model.geom(geom).name or "plain"
        for origin, shape in _shapes(model, geom):
            inside = [f"      {origin}", f"      <geometry>{shape}</geometry>"]
            paint = f'      <material name={quoteattr(look)}><color rgba="{colour}"/></material>'
            lines += ["    <visual>", *inside, paint, "    </visual>"]
            if touches:
                lines += ["    <collision>", *inside, "    </collision>"]
    named = f"  <link name={quoteattr(model.body(body).name)}"
    return [named + ">", *lines, "  </link>"] if lines else [named + "/>"]


def _inertial(centre: np.ndarray, mass: float, about: np.ndarray) -> list[str]:
    """Mass (kg), its centre (m), and the inertia about that along the link's axes. (3,), (3, 3)"""
    moments = " ".join(
        f'i{"xyz"[r]}{"xyz"[c]}="{float(about[r, c])!r}"' for r in range(3) for c in range(r, 3)
    )
    return [
        "    <inertial>",
        f"      {_origin(centre, (1, 0, 0, 0))}",
        f'      <mass value="{mass!r}"/>',
        f"      <inertia {moments}/>",
        "    </inertial>",
    ]


def _massless(name: str) -> list[str]:
    """A link that is a frame only."""
    inertial = _inertial(np.zeros(3), _NOTHING, _NOTHING * np.eye(3))
    return [f"  <link name={quoteattr(name)}>", *inertial, "  </link>"]


def _shapes(model: mujoco.MjModel, geom: int) -> list[tuple[str, str]]:
    """Origins and elements of a geom; of a capsule three."""
    kind, size = int(model.geom_type[geom]), [float(s) for s in model.geom_size[geom]]
    pos, quat = model.geom_pos[geom], model.geom_quat[geom]
    origin = _origin(pos, quat)
    types = mujoco.mjtGeom
    if kind == types.mjGEOM_BOX:
        return [(origin, f'<box size="{2 * size[0]!r} {2 * size[1]!r} {2 * size[2]!r}"/>')]
    if kind == types.mjGEOM_SPHERE:
        return [(origin, f'<sphere radius="{size[0]!r}"/>')]
    if kind not in (types.mjGEOM_CAPSULE, types.mjGEOM_CYLINDER):
        raise ValueError(f"geom {model.geom(geom).name!r}: URDF has no shape of its kind")
    found = [(origin, f'<cylinder radius="{size[0]!r}" length="{2 * size[1]!r}"/>')]
    if kind == types.mjGEOM_CAPSULE:
        for side in (-1.0, 1.0):
            end = pos + side * size[1] * matrix(quat)[:, 2]
            found.append((_origin(end, quat), f'<sphere radius="{size[0]!r}"/>'))
    return found


def _joints(model: mujoco.MjModel, body: int) -> list[str]:
    """The joints between a body and its parent, with links between them if they are several."""
    name, parent = model.body(body).name, model.body(int(model.body_parentid[body])).name
    first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
    joints = range(first, first + count)
    lines = []
    origin = _origin(model.body_pos[body], model.body_quat[body])
    if not joints:
        lines += [f'  <joint name={quoteattr(name + "_fixed")} type="fixed">']
        lines += _between(parent, name, origin)
    for joint in joints:
        kind = _JOINTS.get(int(model.jnt_type[joint]))
        if kind is None or model.jnt_pos[joint].any():
            raise ValueError(f"joint {model.joint(joint).name!r}: URDF has none of its kind")
        child = name if joint == joints[-1] else f"{name}_{joint - first + 1}"
        if child != name:
            lines += _massless(child)
        limited = bool(model.jnt_limited[joint])
        kind = kind if limited or kind == "prismatic" else "continuous"
        lines += [f'  <joint name={quoteattr(model.joint(joint).name)} type="{kind}">']
        axis = " ".join(repr(float(value)) for value in model.jnt_axis[joint])
        effort, velocity = _actuator_limits(model, joint)
        low, high = (float(v) for v in model.jnt_range[joint])
        ends = f'lower="{low!r}" upper="{high!r}" ' if limited else ""
        damping = float(model.dof_damping[model.jnt_dofadr[joint]])
        lines += [
            f'    <axis xyz="{axis}"/>',
            f'    <limit {ends}effort="{effort!r}" velocity="{velocity!r}"/>',
            f'    <dynamics damping="{damping!r}" friction="0.0"/>',
        ]
        lines += _between(parent, child, origin)
        parent, origin = child, _origin((0, 0, 0), (1, 0, 0, 0))
    return lines


def _between(parent: str, child: str, origin: str) -> list[str]:
    """What all joints end with."""
    return [
        f"    <parent link={quoteattr(parent)}/>",
        f"    <child link={quoteattr(child)}/>",
        f"    {origin}",
        "  </joint>",
    ]


def _actuator_limits(model: mujoco.MjModel, joint: int) -> tuple[float, float]:
    """Greatest effort and rate that the actuator of a joint has."""
    for actuator in range(model.nu):
        if model.actuator_trnid[actuator, 0] == joint:
            return (
                float(model.actuator_forcerange[actuator, 1]),
                float(model.actuator_ctrlrange[actuator, 1]),
            )
    return _UNLIMITED, _UNLIMITED


def matrix(quat: np.ndarray) -> np.ndarray:
    """A unit quaternion w, x, y, z as a rotation. (4,) -> (3, 3)"""
    found = np.empty(9)
    mujoco.mju_quat2Mat(found, np.asarray(quat, float))
    return found.reshape(3, 3)


def _origin(pos: np.ndarray | tuple[float, ...], quat: np.ndarray | tuple[float, ...]) -> str:
    """A frame in another, as URDF has it: position, and roll, pitch, yaw about fixed axes."""
    turn = matrix(np.asarray(quat, float))
    level = math.hypot(turn[0, 0], turn[1, 0])
    pitch = math.atan2(0.0 - turn[2, 0], level)
    if level > 1e-9:
        roll, yaw = math.atan2(turn[2, 1], turn[2, 2]), math.atan2(turn[1, 0], turn[0, 0])
    else:  # looking along the vertical, roll and yaw are one
        roll, yaw = math.atan2(-turn[1, 2], turn[1, 1]), 0.0
    xyz = " ".join(repr(float(value)) for value in pos)
    return f'<origin xyz="{xyz}" rpy="{roll!r} {pitch!r} {yaw!r}"/>'
