"""Our nodes with a saboteur inside, who obeys a file; copied beside the launch files of tests.

The order is a file ``sabotage.<node>`` in the working folder; its text names the fault, which
happens within the callback of the next message that comes in.
"""

import os
import time
from pathlib import Path

import numpy as np

from covary.control.control_node import ControlNode
from covary.control.policy_node import PolicyNode
from covary.nodes import messages
from covary.nodes.node import Node
from covary.nodes.recorder_node import RecorderNode
from covary.planners.planner_node import PlannerNode
from covary.sim.sim_node import SimNode


class Saboteur(Node):
    """Obeys orders in its callbacks."""

    poison = None

    def create_raw_subscription(self, type_name, topic, callback, depth=1):
        def sabotaged(payload, attachment):
            order = Path(f"sabotage.{self.name}")
            if order.exists():
                word = order.read_text()
                order.unlink()
                self.log.warning("sabotage: %s", word)
                getattr(self, word)()
            callback(payload, attachment)

        return super().create_raw_subscription(type_name, topic, sabotaged, depth)

    def create_publisher(self, message_class, topic, depth=1):
        publisher = super().create_publisher(message_class, topic, depth)
        honest = publisher.publish

        def publish(message):
            if self.poison is not None:
                spoil(message, self.poison)
            honest(message)

        publisher.publish = publish
        return publisher

    def busy(self):
        """A loop that never ends."""
        while True:
            pass

    def sleep(self):
        """A subscriber that is frozen for 10 s."""
        time.sleep(10.0)

    def nan(self):
        """From now on numbers are none."""
        self.poison = np.nan

    def huge(self):
        """From now on numbers are far beyond all limits."""
        self.poison = 1e6

    def cure(self):
        """No poison any more."""
        self.poison = None

    def forward(self):
        """The wall clock jumps an hour ahead."""
        jump(3600.0)

    def back(self):
        """The wall clock jumps two hours back."""
        jump(-7200.0)

    def die(self):
        """As if it had been killed, from within."""
        os.kill(os.getpid(), 9)


def jump(seconds):
    """Moves this process's wall clock."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)


def spoil(message, value):
    """Puts a value into every number that moves a robot or says where it is."""
    kind = message.__msgtype__
    if kind == "sensor_msgs/msg/JointState":
        for name in ("position", "velocity", "effort"):
            setattr(message, name, np.full(len(getattr(message, name)), value))
    elif kind == "trajectory_msgs/msg/JointTrajectory":
        for point in message.points:
            point.velocities = np.full(len(point.velocities), value)
            point.effort = np.full(len(point.effort), value)
    elif kind == "covary_msgs/msg/State":
        message.value = np.full(len(message.value), value)


class Sim(Saboteur, SimNode):
    """The sim node."""


class Planner(Saboteur, PlannerNode):
    """The planner node."""


class Policy(Saboteur, PolicyNode):
    """The policy node."""


class Control(Saboteur, ControlNode):
    """The control node."""


class Recorder(Saboteur, RecorderNode):
    """The recorder node."""


class Perception(Saboteur):
    """Stands between the sensors and all others: what it sees is their state."""

    subscribes = {"/sensed": "covary_msgs/msg/State"}
    publishes = {"/state": "covary_msgs/msg/State"}

    def configure(self):
        self.estimates = self.create_publisher(messages.State, "/state")
        self.create_subscription(messages.State, "/sensed", self.on_sensed)

    def on_sensed(self, message):
        self.estimates.publish(message)


class Viewer(Saboteur):
    """Somebody who only looks on."""

    subscribes = {
        "/state": "covary_msgs/msg/State",
        "/plan": "trajectory_msgs/msg/JointTrajectory",
        "/command": "sensor_msgs/msg/JointState",
        "/joint_states": "sensor_msgs/msg/JointState",
    }

    def configure(self):
        self.stats["seen"] = 0
        for topic, kind in self.subscribes.items():
            self.create_subscription(messages.message_class(kind), topic, self.on_message)

    def on_message(self, message):
        self.stats["seen"] += 1
