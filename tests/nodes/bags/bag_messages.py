"""Messages for tests of bags, and the stamps that a bag holds."""

import hashlib
from pathlib import Path

import numpy as np

from covary.nodes import messages
from covary.nodes.bags.reader import Bag

JOINT_STATE = "sensor_msgs/msg/JointState"
MODEL = '<mujoco model="tiny"/>'


def header(t: float) -> messages.Header:
    return messages.Header(stamp=messages.stamp(t), frame_id="world")


def joint_state(t: float, size: int = 2) -> bytes:
    return messages.serialize(
        messages.JointState(
            header=header(t),
            name=["x", "y"],
            position=np.arange(size) + t,
            velocity=np.zeros(0),
            effort=np.zeros(0),
        )
    )


def state(t: float, episode: int = 0) -> bytes:
    return messages.serialize(
        messages.State(header=header(t), episode=episode, name=["x"], value=np.array([t]))
    )


def episode(t: float, index: int, phase: int, success: bool = False) -> bytes:
    return messages.serialize(
        messages.Episode(
            header=header(t),
            index=index,
            seed=100 + index,
            options="{}",
            engine="mujoco",
            dials="{}",
            task="point_mass",
            phase=phase,
            success=success,
            aborted=False,
            cost=1.5,
            duration=t,
            model=MODEL if phase == 0 else "",
            model_sha256=hashlib.sha256(MODEL.encode()).hexdigest(),
        )
    )


def stamps(path: Path, topic: str = "/joint_states") -> list[float]:
    bag = Bag(path)
    return [
        round(messages.seconds(bag.decode(m).header.stamp), 6)
        for m in bag.messages()
        if m.topic == topic
    ]
