"""`Tabletop`: what all manipulation tasks share: robot, things, actions, state and starts."""

from __future__ import annotations

import functools
import importlib
import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...symmetry.declaration import Symmetry, wrap
from ...symmetry.group import Group, o2, trivial
from ...symmetry.part import Pose, Pseudoscalar, Scalar, Vector
from ..limits import Ball, Box, Interval, Limits
from ..robots.gripper import FINGER_RATE, MAX_OPENING
from ..robots.robot import Robot
from ..starts import around, checked
from ..task import Task
from .things import Thing

WORKSPACE = 0.20
"""Radius of the disc about the origin in which things start, m."""
SPEED = 0.25
"""Largest speed of the gripper, across and up or down, m/s."""
TURN = 1.5
"""Largest yaw rate of the gripper, rad/s."""
OPENING_RATE = 2 * FINGER_RATE
"""Largest rate of opening and closing, m/s."""
CARTESIAN = Limits(
    {
        "gripper": Interval(-OPENING_RATE, OPENING_RATE),
        "xy": Ball(SPEED),
        "z": Interval(-SPEED, SPEED),
        "yaw": Interval(-TURN, TURN),
    },
    {"gripper": slice(0, 1), "xy": slice(1, 3), "z": slice(3, 4), "yaw": slice(4, 5)},
)
"""Limits of a Cartesian action, part by part."""
GRIPPER = [0, 1, 3, 2, 4]
"""Where x, y, z, yaw and opening of the gripper stand in a state."""
HIGH = 0.16
"""Height of the gripper at the start, m."""
CLEAR = 0.02
"""Least distance of two things' discs at the start, m."""
PLACE = 3
"""Key of the place about which demonstrated starts are, where a task names none."""
ROBOTS = ("arm", "floating_gripper")
"""Files of sim/robots."""
ACTIONS = ("cartesian", "joint")
_TASKS, _KERNELS = (f"{__package__.rpartition('.')[0]}.tasks.", f"{__package__}.kernels.")
SCENE = Path(__file__).resolve().parents[1] / "models" / "tabletop.xml"
"""The table and what all scenes share, with a place in braces for each of the others."""

PARAMETERS = (
    "friction between a finger and a thing",
    "greatest moment over greatest force of a thing on the table, over half its diagonal",
)
"""Names of the parameters of the analytic models."""
VALUES = np.array([0.4, 0.905])
"""What they are: the friction is 20 % below the plant's; see `tasks.push` for the other."""


class Tabletop(Task):
    """A gripper over a table, with things that it moves by contact.

    The origin is the workspace's centre, on the table; x ahead of the robot, y left, z up.

    **Action** (5,), ``actions="cartesian"``: rates of opening (m/s; above zero opens, at zero the
    gripper goes on holding), x, y (m/s, at most 0.25 across), z (m/s) and yaw (rad/s). With
    ``actions="joint"`` (8,): rate of opening, then the rates of the arm's joints (rad/s); no group
    acts on those, so the symmetry is trivial.

    **State**: gripper x, y, yaw; its height and opening; for each thing x, y, yaw, height, tilt
    (rad, from upright), and how far its drawer is out; then the goal. Joint actions put the joints'
    positions before the goal. Velocities are no part of it: `physics_from_state` puts everything at
    rest, and things upright.

    **Starts**, where a task says no more: with ``demonstrated`` each thing is within 40 mm and 0.3
    rad of its place in `centre`, the goal where that has it, the gripper within 40 mm of the origin
    and 0.3 rad of yaw 0. With ``widened`` the goal is the same; each thing is within 120 mm and 0.9
    rad of its place, in the workspace, and the gripper starts as in the task's own starts.

    Args:
        robot: ``arm`` or ``floating_gripper``.
        actions: ``cartesian`` or ``joint`` (the arm's).
        starts: ``own``, ``demonstrated`` or ``widened``.

    Raises:
        ValueError: No such robot, kind of action, or starts.
    """

    dt = 0.05
    physics_dt = 0.0025
    exact_dynamics = False
    switching = True
    hold = 0.25
    action_interface = "velocity"
    things: ClassVar[tuple[Thing, ...]] = ()
    group: ClassVar[Group] = o2(8)
    goal_part: ClassVar[Any] = None
    goal_names: ClassVar[tuple[str, ...]] = ()
    decoration: ClassVar[str] = ""
    places: ClassVar[float] = WORKSPACE
    """Radius of the disc about the origin in which its things may start, m."""

    def __init__(self, robot: str = "arm", actions: str = "cartesian", starts: str = "own") -> None:
        self.starts = checked(starts)
        if robot not in ROBOTS:
            raise ValueError(f"robot: {robot!r} is none of {', '.join(ROBOTS)}")
        if actions not in ACTIONS:
            raise ValueError(f"actions: {actions!r} is none of {', '.join(ACTIONS)}")
        if actions == "joint" and robot != "arm":
            raise ValueError(f"actions: joint is for the arm, not for {robot}")
        module = importlib.import_module(f"..robots.{robot}", __package__)
        self.robot: Robot = getattr(module, "".join(map(str.capitalize, robot.split("_"))))()
        self.actions = actions
        self._model = _model_of(type(self))
        if self._model:
            self.parameters, self.parameter_names = VALUES, PARAMETERS
        arm = self.robot.joint_names[:-2] if actions == "joint" else ()
        self.joints = len(arm)
        state: dict[str, Any] = {"gripper": Pose(), "height": Scalar(), "opening": Scalar()}
        names = ["gripper_x", "gripper_y", "gripper_yaw", "gripper_height", "opening"]
        for thing in self.things:
            state |= {thing.name: Pose(), f"{thing.name}_height": Scalar()}
            state[f"{thing.name}_tilt"] = Scalar()
            names += [f"{thing.name}_{word}" for word in ("x", "y", "yaw", "height", "tilt")]
            if thing.slide:
                state[thing.slide] = Scalar()
                names.append(thing.slide)
        if arm:
            state["joints"] = Scalar(len(arm))
            names += arm
        if self.goal:
            state[self.goal] = self.goal_part
            names += self.goal_names
        self.state_names = tuple(names)
        turning = [name in arm or name.endswith(("_yaw", "_tilt")) for name in names]
        self.state_units = tuple("rad" if turns else "m" for turns in turning)
        if arm:
            self.action_names = ("gripper", *arm)
            self.action_units = ("m/s", *("rad/s" for _ in arm))
            action: dict[str, Any] = {"gripper": Scalar(), "joints": Scalar(len(arm))}
            most = self.robot.rate_limits[: len(arm)]
            parts = {
                "gripper": CARTESIAN.parts["gripper"],
                "joints": Box(tuple(-most), tuple(most)),
            }
        else:
            self.action_names = ("gripper", "dx", "dy", "dz", "dyaw")
            self.action_units = ("m/s", "m/s", "m/s", "m/s", "rad/s")
            action = {"gripper": Scalar(), "xy": Vector(), "z": Scalar(), "yaw": Pseudoscalar()}
            parts = dict(CARTESIAN.parts)
        self.symmetry = Symmetry(trivial() if arm else self.group, state=state, action=action)
        self.limits = Limits(parts, self.symmetry.slices("action"))
        self.sensed = tuple(  # what the robot knows of itself, and what it is told
            part for part in state if part in ("gripper", "height", "opening", "joints", self.goal)
        )
        slices = self.symmetry.slices("state")
        self.at = {name: slices[name] for name in state}

    @functools.cached_property
    def kernels(self) -> Any:  # pyright: ignore
        """The analytic model; loaded by who asks: most processes that have a task do not."""
        return importlib.import_module(self._model) if self._model else None

    # What a task adds.

    @abstractmethod
    def place(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Poses (x, y, yaw) of the things at a start, and the goal."""

    def error(self, x: np.ndarray) -> np.ndarray:
        """How far the task is from done, m, zero when it is. (..., n) -> (...)

        A task without kernels gives this and `reach`; kernels have it in their terminal cost.
        """
        if self.kernels is None:
            raise NotImplementedError(
                f"{type(self).__name__} needs kernels, or an error of its own"
            )
        return self.terminal_cost(x) / 5.0

    # Costs of a task without kernels.

    def reach(self, x: np.ndarray) -> np.ndarray:
        """How far the gripper is from the thing that it is to move first, m. (..., n) -> (...)"""
        first = self.things[0].name
        apart = x[..., self.at["gripper"]][..., :2] - x[..., self.at[first]][..., :2]
        up = x[..., self.at["height"]] - x[..., self.at[f"{first}_height"]]
        return np.sqrt(np.sum(apart**2, axis=-1) + up[..., 0] ** 2)

    def running_cost(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Metres to go, and a little for being away from what is to be moved. (..., n) -> (...)"""
        if self.kernels is not None:
            return super().running_cost(x, u)
        cost = self.error(x) + 0.1 * self.reach(x)
        return np.broadcast_to(cost, np.broadcast_shapes(cost.shape, u.shape[:-1])) + 0.0

    def terminal_cost(self, x: np.ndarray) -> np.ndarray:
        """Five times the metres to go. (..., n) -> (...)"""
        if self.kernels is not None:
            return super().terminal_cost(x)
        return 5.0 * self.error(x)

    # Starts.

    def initial_state(self, rng: np.random.Generator) -> np.ndarray:
        """A start: things upright on the table, the gripper open above the workspace. (n,)"""
        x = np.zeros(len(self.state_names))
        poses, goal = self.place(rng) if self.starts == "own" else self._near(rng)
        for thing, pose in zip(self.things, poses, strict=True):
            x[self.at[thing.name]] = pose
            x[self.at[f"{thing.name}_height"]] = thing.rest
        if self.goal:
            x[self.at[self.goal]] = goal
        if self.starts == "demonstrated":
            x[self.at["gripper"]] = around(rng, np.zeros(3), self.starts)
        else:
            x[self.at["gripper"]][:2] = in_disc(rng, 0.10)
            x[self.at["gripper"].start + 2] = rng.uniform(-math.pi / 2, math.pi / 2)
        x[self.at["height"]] = HIGH
        x[self.at["opening"]] = MAX_OPENING
        if self.starts != "own" and self.success(x):  # a place may be near where a thing belongs
            return self.initial_state(rng)
        if self.joints:
            x[self.at["joints"]] = self.robot.posture(x[GRIPPER])[: self.joints]
            # The arm is there up to what its inverse kinematics leaves: the state says where.
            x[GRIPPER] = self.robot.gripper(self._posture(x))
        return x

    def centre(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Where things and goal are in demonstrated starts: one place that the task has drawn."""
        return self.place(np.random.default_rng(PLACE))

    def _near(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        """Poses around those of `centre`, clear of each other as at any start, and its goal."""
        poses, goal = self.centre()
        spots = [(goal[:2], 0.0)] if self.goal else []
        while True:
            found = [around(rng, pose, self.starts) for pose in poses]
            discs = [(p[:2], t.radius + 0.03) for p, t in zip(found, self.things, strict=True)]
            if all(math.hypot(*p) <= self.places for p, _ in discs) and _clear(discs + spots):
                return found, goal

    def apart(self, rng: np.random.Generator, radii: tuple[float, ...]) -> list[np.ndarray]:
        """Poses (x, y, yaw) uniform in the workspace, discs of these radii (m) apart."""
        while True:
            found = [
                np.array([*in_disc(rng, WORKSPACE), rng.uniform(-math.pi, math.pi)]) for _ in radii
            ]
            discs = [(pose[:2], radius) for pose, radius in zip(found, radii, strict=True)]
            if _clear(discs):
                return found

    # Between the state and the physics.

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The robot's joints, fingers included."""
        return self.robot.joint_names

    def model_text(self) -> str:
        """The scene as MJCF: table, robot, things, and marks that touch nothing."""
        robot = self.robot.fragments()
        bodies = "".join(thing.body() for thing in self.things)
        return SCENE.read_text(encoding="utf-8").format(
            name=self.name,
            asset=robot.asset,
            worldbody=robot.worldbody,
            things=bodies,
            decoration=self.decoration,
            actuator=robot.actuator,
            contact=robot.contact,
        )

    def physics_from_state(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Everything at rest, things upright. (..., n) -> (..., nq), (..., nv)"""
        x = np.asarray(x, float)
        joints = len(self.robot.joint_names)
        slides = sum(bool(thing.slide) for thing in self.things)
        free = len(self.things)
        qpos = np.zeros((*x.shape[:-1], joints + 7 * free + slides))
        qpos[..., :joints] = self._posture(x)
        k = joints
        for thing in self.things:
            pose = x[..., self.at[thing.name]]
            qpos[..., k : k + 2] = pose[..., :2]
            qpos[..., k + 2] = x[..., self.at[f"{thing.name}_height"].start]
            qpos[..., k + 3] = np.cos(0.5 * pose[..., 2])
            qpos[..., k + 6] = np.sin(0.5 * pose[..., 2])
            k += 7
            if thing.slide:
                qpos[..., k] = x[..., self.at[thing.slide].start]
                k += 1
        return qpos, np.zeros((*x.shape[:-1], joints + 6 * free + slides))

    def state_from_physics(
        self, qpos: np.ndarray, qvel: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """Poses as seen from above, heights, tilts and openings. -> (..., n)"""
        joints = len(self.robot.joint_names)
        x = np.empty((*qpos.shape[:-1], len(self.state_names)))
        held = self.robot.gripper(qpos[..., :joints])
        x[..., 0:2], x[..., 3], x[..., 4] = held[..., 0:2], held[..., 2], held[..., 4]
        x[..., 2] = wrap(held[..., 3])
        k = joints
        for thing in self.things:
            w, i, j, z = (qpos[..., k + 3 + n] for n in range(4))
            here = self.at[thing.name].start
            x[..., here : here + 2] = qpos[..., k : k + 2]
            yaw = np.arctan2(2.0 * (w * z + i * j), w * w + i * i - j * j - z * z)
            x[..., here + 2] = wrap(yaw)
            x[..., here + 3] = qpos[..., k + 2]
            # The angle of its z axis from the vertical, by its sine and cosine: exact near zero.
            across = 2.0 * np.sqrt((i * i + j * j) * (w * w + z * z))
            x[..., here + 4] = np.arctan2(across, 1.0 - 2.0 * (i * i + j * j))
            k += 7
            if thing.slide:
                x[..., here + 5] = qpos[..., k]
                k += 1
        if self.joints:
            x[..., self.at["joints"]] = qpos[..., : self.joints]
        if self.goal:
            x[..., self.at[self.goal]] = goal
        return x

    def actuate(self, data: Any, u: np.ndarray, tick: int) -> None:
        """By way of the robot, which knows what its joints can do."""
        if self.joints:
            self.robot.actuate_joints(data, u, tick)
        else:
            self.robot.actuate(data, u, tick)

    def ctrl_from_action(self, u: np.ndarray) -> np.ndarray:
        """Controls of the floating gripper, or of the joints. (..., 5) -> (..., 6)"""
        fingers = np.repeat(0.5 * u[..., :1], 2, axis=-1)
        return np.concatenate([u[..., 1:], fingers], axis=-1)

    def for_planning(self) -> Tabletop:
        """As a planner rolls it out: an arm's Cartesian actions move a floating gripper."""
        if self.actions == "joint" or self.robot.name == "floating_gripper":
            return self
        return type(self)(robot="floating_gripper", starts=self.starts)

    def goal_from_pose(self, x: float, y: float, yaw: float) -> np.ndarray:
        """The goal part that a planar pose asks for: as many of its coordinates. (k,)"""
        return np.array([x, y, wrap(np.float64(yaw))])[: len(self.goal_names)]

    def frames(self, x: np.ndarray) -> dict[str, tuple[float, float, float]]:
        """Only the gripper's: where the things are is no sensor's word."""
        px, py, yaw = x[self.at["gripper"]]
        return {"gripper": (float(px), float(py), float(yaw))}

    def _posture(self, x: np.ndarray) -> np.ndarray:
        """The robot's joints in a state; the state of joint actions has them. (..., j)"""
        if self.joints:
            half = np.repeat(0.5 * x[..., self.at["opening"]], 2, axis=-1)
            return np.concatenate([x[..., self.at["joints"]], half], axis=-1)
        return self.robot.posture(x[..., GRIPPER])


def _model_of(task: type) -> str:
    """The module of the analytic model of a task of ours or of its parent; empty: there is none.

    None where a class between says itself what its costs are: kernels would not know of it.
    """
    for cls in task.__mro__:
        if cls.__module__.startswith(_TASKS):
            return f"{_KERNELS}{cls.__module__.removeprefix(_TASKS)}" if cls.name else ""
        if {"error", "reach", "running_cost", "terminal_cost"} & vars(cls).keys():
            return ""
    return ""


def goal_mark(radius: float, spots: tuple[tuple[str, float], ...] = (("", 0.0),)) -> str:
    """The mark of a goal, which touches nothing: discs (radius, m) of a colour, at y (m) each."""
    discs = "".join(
        f'      <geom type="cylinder" pos="0 {y:g} 0" size="{radius:g} 0.0005" contype="0" '
        f'conaffinity="0" {f"""rgba="{rgba}" """ if rgba else """material="mark" """}mass="0"/>\n'
        for rgba, y in spots
    )
    return f'    <body name="goal" mocap="true" pos="0 0 0.0005">\n{discs}    </body>\n'


def _clear(discs: list[tuple[np.ndarray, float]]) -> bool:
    """Whether discs (centre, radius in m) are far enough from each other for a start."""
    return all(
        math.hypot(*(a - b)) - r - s >= CLEAR
        for k, (a, r) in enumerate(discs)
        for b, s in discs[:k]
    )


def in_disc(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A point uniform in a disc about the origin, m. (2,)"""
    direction = rng.uniform(-math.pi, math.pi)
    return radius * math.sqrt(rng.uniform()) * np.array([math.cos(direction), math.sin(direction)])
