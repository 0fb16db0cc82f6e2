"""Between a task's vectors and ROS messages: state, plan, command, with ROS's names and units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..nodes import messages
from .task import Task


class TaskMessageError(ValueError):
    """A message that does not fit the task."""


def header(time: float) -> messages.Header:
    """A header stamped with a time (s), in the world frame."""
    return messages.Header(stamp=messages.stamp(time), frame_id="world")


def state_message(names: Sequence[str], time: float, episode: int, x: np.ndarray) -> messages.State:
    """Coordinates of the state vector (k,), with the name of each."""
    return messages.State(
        header=header(time),
        episode=episode,
        name=list(names),
        value=np.ascontiguousarray(x, dtype=np.float64),
    )


def goal_of(task: Task, x: np.ndarray, message: messages.PoseStamped) -> np.ndarray:
    """The goal (k,) that a pose asks for in state x (n,).

    Raises:
        TaskMessageError: One that is not finite, or so far away that the task has no cost for it;
            or the task has no goal that can be moved.
    """
    if not task.goal:
        raise TaskMessageError(f"{task.name} has no goal that can be moved")
    position, q = message.pose.position, message.pose.orientation
    yaw = np.arctan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    goal = task.goal_from_pose(position.x, position.y, float(yaw))
    with np.errstate(over="ignore", invalid="ignore"):
        cost = task.running_cost(task.with_goal(x, goal), task.safe_action())
    if not (np.isfinite(goal).all() and np.isfinite(cost)):
        raise TaskMessageError("not finite, or too far away for a cost")
    return goal


def joint_message(
    task: Task, time: float, position: np.ndarray, velocity: np.ndarray
) -> messages.JointState:
    """Positions (m) and velocities (m) of the actuated joints."""
    return messages.JointState(
        header=header(time),
        name=list(task.joint_names),
        position=position,
        velocity=velocity,
        effort=np.zeros(0),
    )


def tf_message(task: Task, time: float, x: np.ndarray) -> messages.TFMessage:
    """Where the task's frames are in state x (n,), in the world frame."""
    transforms, names = [], task.state_names
    for name, (px, py, yaw) in task.frames(x).items():
        rotation = messages.Quaternion(x=0.0, y=0.0, z=np.sin(yaw / 2), w=np.cos(yaw / 2))
        height = float(x[names.index(f"{name}_z")]) if f"{name}_z" in names else 0.0
        translation = messages.Vector3(x=float(px), y=float(py), z=height)
        transforms.append(
            messages.TransformStamped(
                header=header(time),
                child_frame_id=name,
                transform=messages.Transform(translation=translation, rotation=rotation),
            )
        )
    return messages.TFMessage(transforms=transforms)


def plan_message(
    task: Task, time: float, dt: float, actions: np.ndarray
) -> messages.JointTrajectory:
    """A plan as a trajectory of velocities or efforts, stamped as the state planned from."""
    empty = np.zeros(0)
    points = []
    for step, action in enumerate(actions):
        nanoseconds = round(step * dt * 1e9)
        points.append(
            messages.JointTrajectoryPoint(
                positions=empty,
                velocities=action if task.action_interface == "velocity" else empty,
                accelerations=empty,
                effort=action if task.action_interface == "effort" else empty,
                time_from_start=messages.Duration(
                    sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9
                ),
            )
        )
    return messages.JointTrajectory(
        header=header(time), joint_names=list(task.action_names), points=points
    )


def plan_actions(task: Task, message: messages.JointTrajectory) -> tuple[float, float, np.ndarray]:
    """Stamp (s), time between points (s) and actions (H, m) of a plan.

    Raises:
        TaskMessageError: Other joints, no points, missing or non-finite values, uneven times.
    """
    order = _order(task, message.joint_names)
    if not message.points:
        raise TaskMessageError("a plan without points")
    rows = [
        p.velocities if task.action_interface == "velocity" else p.effort for p in message.points
    ]
    if any(len(row) != len(order) for row in rows):
        raise TaskMessageError(f"a plan point without {len(order)} {task.action_interface} values")
    actions = np.array(rows)[:, order]
    if not np.isfinite(actions).all():
        raise TaskMessageError("a plan that is not finite")
    times = [p.time_from_start.sec * 10**9 + p.time_from_start.nanosec for p in message.points]
    period = times[1] - times[0] if len(times) > 1 else round(task.dt * 1e9)
    if period <= 0 or any(abs(t - k * period) > len(times) for k, t in enumerate(times)):
        raise TaskMessageError("a plan whose points are not evenly spaced from 0")
    return messages.seconds(message.header.stamp), period * 1e-9, actions


def command_message(task: Task, time: float, action: np.ndarray) -> messages.JointState:
    """A command to the actuators; its stamp is that of the state it answers."""
    empty = np.zeros(0)
    action = np.ascontiguousarray(action, dtype=np.float64)
    return messages.JointState(
        header=header(time),
        name=list(task.action_names),
        position=empty,
        velocity=action if task.action_interface == "velocity" else empty,
        effort=action if task.action_interface == "effort" else empty,
    )


def command_action(task: Task, message: messages.JointState) -> np.ndarray:
    """The action of a command; its values may be anything, NaN included: the guard judges. (m,)

    Raises:
        TaskMessageError: Other joints, or values missing.
    """
    order = _order(task, message.name)
    values = message.velocity if task.action_interface == "velocity" else message.effort
    if len(values) != len(order):
        raise TaskMessageError(f"a command without {len(order)} {task.action_interface} values")
    return np.asarray(values, float)[order]


def _order(task: Task, names: list[str]) -> list[int]:
    """Where each of the task's joints stands among `names`."""
    if sorted(names) != sorted(task.action_names):
        raise TaskMessageError(f"joints {list(names)}; {task.name} has {list(task.action_names)}")
    return [list(names).index(name) for name in task.action_names]
