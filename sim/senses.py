"""`Senses`: what the sim node publishes in every control period: clock, joints, frames, state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from .dialled_senses import state_as_sensed
from .images import Images, check_images, image_topics
from .judge import Judge
from .load_task import check_plant_parameters, load_task
from .plant import Plant
from .task import Task
from .task_messages import header, joint_message, state_message, tf_message

GROUND_TRUTH = "/ground_truth"
"""Everything about a scene, the poses of its objects too; only who is told to may listen."""


class Senses:
    """Publishes what the sensors see.

    Args:
        node: Whose publishers they are.
        task: The task.
        plant: What is sensed.
        parameters: The sim node's.

    Raises:
        ParameterError: An image is asked for that cannot be had here.
    """

    def __init__(self, node: Node, task: Task, plant: Plant, parameters: Any) -> None:
        self.task, self.plant = task, plant
        self.dials, self.seed, self._episode = parameters.dials, parameters.seed, 0
        for line in parameters.dials.said():
            node.log.warning("%s", line)
        self._names, self._index = task.sensed_state()
        self._clock = node.create_publisher(messages.Clock, "/clock")
        self._joints = node.create_publisher(messages.JointState, "/joint_states")
        self._tf = node.create_publisher(messages.TFMessage, "/tf")
        self._state = node.create_publisher(messages.State, "/state")
        self._cost = node.create_publisher(messages.Cost, "/cost")
        self._truth = node.create_publisher(messages.State, GROUND_TRUTH) if task.sensed else None
        self._images = Images(node, plant, parameters)

    def publish(self, time: float, episode: int) -> None:
        """Publish what is seen now (s)."""
        task, x = self.task, self.plant.state()
        self._clock.publish(messages.Clock(clock=messages.stamp(time)))
        self._joints.publish(joint_message(task, time, *self.plant.joints()))
        self._tf.publish(tf_message(task, time, x))
        key = (self.seed, episode, self.plant.tick)
        self._images.publish(time, key)
        if self._truth is not None:
            self._truth.publish(state_message(task.state_names, time, episode, x))
        self._episode = episode
        self._state.publish(state_message(self._names, time, episode, self._sensed(x)))

    def repeat(self) -> None:
        """Send again what is answered, byte for byte: somebody may not have heard it."""
        self._images.repeat()
        if self._truth is not None:
            self._truth.repeat()
        self._state.repeat()

    def publish_cost(self, time: float, judge: Judge, last: bool) -> None:
        """Publish what the period that began at a time (s) has cost, and the last one's end."""
        final = self._sensed(self.plant.state()) if last else np.zeros(0)
        self._cost.publish(messages.Cost(header(time), judge.running, judge.good, final))

    def _sensed(self, x: np.ndarray) -> np.ndarray:
        """What the sensors tell of state x (n,) at the plant's tick. (k,)"""
        key = (self.seed, self._episode, self.plant.tick)
        return state_as_sensed(self.task, self.dials, x, key)[self._index]

    def close(self) -> None:
        """Let the cameras go."""
        self._images.close()


def sensed_topics(parameters: Any) -> dict[str, str]:
    """What these parameters add to the sim node's topics: topic -> message type."""
    topics = image_topics(parameters)
    if load_task(parameters.task, parameters.task_options).sensed:
        topics[GROUND_TRUTH] = "covary_msgs/msg/State"
    return topics


def check_senses(parameters: Any) -> None:
    """The `check` of the sim node.

    Raises:
        PluginError: As `load_task`.
        ParameterError: A deadline shorter than a physics tick, or an image that cannot be had here.
    """
    check_plant_parameters(parameters)
    check_images(parameters)
