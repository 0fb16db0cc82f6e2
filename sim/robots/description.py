"""`Description`: a chain of links and turning joints as one table, and the MJCF made from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """A capsule in a link's frame: what cameras see of the link, and what touches.

    Attributes:
        start: One end of its axis, m. (3,)
        end: The other end, m. (3,)
        radius: m.
    """

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class Link:
    """A rigid body.

    Attributes:
        name: The body's.
        mass: kg.
        centre: Of its mass, in its frame, m. (3,)
        inertia: About that centre, along its frame's axes, kg m^2: xx, yy, zz, xy, xz, yz. (6,)
        shapes: What it looks like.
    """

    name: str
    mass: float
    centre: tuple[float, float, float]
    inertia: tuple[float, float, float, float, float, float]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Joint:
    """A joint that turns its link about the z axis of the link's frame.

    Attributes:
        name: The joint's, and its actuator's.
        position: Of the link's frame in its parent's at angle 0, m. (3,)
        angles: Roll, pitch, yaw of that frame about the parent's fixed axes, rad. (3,)
        low: Smallest angle, rad.
        high: Largest angle, rad.
        velocity: Largest rate, rad/s.
        effort: Largest torque, N m.
        armature: Inertia of the rotor seen from the link, kg m^2.
        stiffness: Of the position servo, N m/rad.
        link: What it carries.
    """

    name: str
    position: tuple[float, float, float]
    angles: tuple[float, float, float]
    low: float
    high: float
    velocity: float
    effort: float
    armature: float
    stiffness: float
    link: Link


@dataclass(frozen=True)
class Description:
    """A serial arm.

    Attributes:
        base: What stands still.
        joints: From the base outwards, each with its link.
        flange: Position of the flange in the last link's frame, m; its axes are that frame's. (3,)
        lag: How far the servos are behind a joint at constant rate, s: damping over stiffness.
    """

    base: Link
    joints: tuple[Joint, ...]
    flange: tuple[float, float, float]
    lag: float

    @property
    def low(self) -> np.ndarray:
        """Smallest angles, rad. (n,)"""
        return np.array([joint.low for joint in self.joints])

    @property
    def high(self) -> np.ndarray:
        """Largest angles, rad. (n,)"""
        return np.array([joint.high for joint in self.joints])

    @property
    def velocity(self) -> np.ndarray:
        """Largest rates, rad/s. (n,)"""
        return np.array([joint.velocity for joint in self.joints])


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    """Roll, pitch, yaw about fixed axes (rad), as URDF means them, as a matrix. (3, 3)"""
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def quaternion(angles: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """The same as a quaternion w, x, y, z. (4,)"""
    (cr, cp, cy), (sr, sp, sy) = (f([a / 2 for a in angles]) for f in (np.cos, np.sin))
    return (
        float(cr * cp * cy + sr * sp * sy),
        float(sr * cp * cy - cr * sp * sy),
        float(cr * sp * cy + sr * cp * sy),
        float(cr * cp * sy - sr * sp * cy),
    )


def frames(
    arm: Description, place: tuple[float, float, float], tool: tuple[float, float, float]
) -> np.ndarray:
    """Each frame in the one before at angles 0: the joints', then the tool's. (n + 1, 3, 4)

    Args:
        arm: The arm.
        place: Where its base stands, m. (3,)
        tool: The tool's position in the flange's frame, m. (3,)
    """
    found = np.zeros((len(arm.joints) + 1, 3, 4))
    for frame, joint in zip(found, arm.joints, strict=False):
        frame[:, :3], frame[:, 3] = rotation(joint.angles), joint.position
    found[0, :, 3] += place
    found[-1, :, :3], found[-1, :, 3] = np.eye(3), np.add(arm.flange, tool)
    return found


def bodies(
    arm: Description, place: tuple[float, float, float], hand: str, material: str, indent: int = 4
) -> str:
    """The arm as MJCF bodies, for a model whose angles are radians.

    Args:
        arm: The arm.
        place: Where its base stands, m. (3,)
        hand: Bodies at the flange, as MJCF.
        material: Of all shapes.
        indent: Spaces before each line.
    """
    lines = [f'<body name="{arm.base.name}" pos="{_text(place)}">', *_inside(arm.base, material)]
    for joint in arm.joints:
        lines += [
            f'<body name="{joint.link.name}" pos="{_text(joint.position)}" '
            f'quat="{_text(quaternion(joint.angles))}" gravcomp="1">',
            f'  <joint name="{joint.name}" axis="0 0 1" range="{joint.low} {joint.high}" '
            f'armature="{joint.armature}"/>',
            *_inside(joint.link, material),
        ]
    lines += [f'<frame pos="{_text(arm.flange)}">', hand, "</frame>"]
    lines += ["</body>"] * (len(arm.joints) + 1)
    return "\n".join(" " * indent + line for line in lines)


def actuators(arm: Description, indent: int = 4) -> str:
    """One actuator a joint that integrates its control, a joint rate, and holds what comes out."""
    return "\n".join(
        " " * indent + f'<intvelocity name="{joint.name}" joint="{joint.name}" '
        f'kp="{joint.stiffness}" kv="{joint.stiffness * arm.lag:g}" '
        f'ctrlrange="-{joint.velocity} {joint.velocity}" actrange="{joint.low} {joint.high}" '
        f'forcerange="-{joint.effort} {joint.effort}"/>'
        for joint in arm.joints
    )


def excludes(arm: Description, hand: str, indent: int = 4) -> str:
    """No contact between links that are one or two joints apart: their shapes overlap."""
    names = [arm.base.name, *(joint.link.name for joint in arm.joints), hand]
    pairs = [(a, b) for k in (1, 2) for a, b in zip(names, names[k:], strict=False)]
    return "\n".join(" " * indent + f'<exclude body1="{a}" body2="{b}"/>' for a, b in pairs)


def _inside(link: Link, material: str) -> list[str]:
    """A link's mass and shapes."""
    lines = [
        f'  <inertial pos="{_text(link.centre)}" mass="{link.mass}" '
        f'fullinertia="{_text(link.inertia)}"/>'
    ]
    for k, shape in enumerate(link.shapes):
        lines.append(
            f'  <geom name="{link.name}_{k}" type="capsule" '
            f'fromto="{_text(shape.start)} {_text(shape.end)}" size="{shape.radius}" '
            f'material="{material}" mass="0"/>'
        )
    return lines


def _text(numbers: tuple[float, ...]) -> str:
    """Numbers as text that reads back as the same numbers."""
    return " ".join(repr(float(n)) if not math.isclose(n, round(n)) else f"{n:g}" for n in numbers)
