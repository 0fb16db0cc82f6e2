"""A driver in the sim node's place: a cart of 1 kg on a table, pushed with up to 2 N."""

import numpy as np

from covary.nodes import messages as m
from covary.nodes.node import Node

TICK, PERIOD, DEADLINE, EPISODE = 0.005, 10, 20, 800  # s of the actuators; the others in ticks
JOINTS = ["mass_x", "mass_y"]
STATE = [*JOINTS, "velocity_x", "velocity_y", "goal_x", "goal_y"]
GOAL, LIMIT = np.array([0.0, 0.5]), 2.0  # m, N
START = (0, False, False, 0.0, 0.0, "", "", "", "", "")


class FakeDriver(Node):
    """Obeys docs/topics.md. Its time is its own count of the actuators' ticks."""

    publishes = {
        "/clock": "rosgraph_msgs/msg/Clock", "/joint_states": "sensor_msgs/msg/JointState",
        "/state": "covary_msgs/msg/State", "/episode": "covary_msgs/msg/Episode",
    }  # fmt: skip
    subscribes = {"/command": "sensor_msgs/msg/JointState"}

    def configure(self):
        for topic, kind in self.publishes.items():
            publisher = self.create_publisher(m.message_class(kind), topic)
            setattr(self, f"send_{topic[1:]}", publisher.publish)
        self.create_subscription(m.JointState, "/command", self.on_command)
        self.create_service(m.Trigger, "/stop", lambda _: self.latch(True))
        self.create_service(m.Trigger, "/reset", lambda _: self.latch(False))
        self.create_timer(TICK, self.on_tick)
        self.tick, self.index, self.stopped = 0, 0, False

    def activate(self):  # and at the start of every episode
        self.begin, self.x, self.v = self.tick, np.array([0.5, -0.1]), np.zeros(2)
        self.force, self.stamp = None, self.begin - 1  # none yet, and none of before counts
        self.send_episode(m.Episode(self.header(), self.index, 0, "point_mass", *START))
        self.sense()

    def on_command(self, message):
        stamp, force = round(m.seconds(message.header.stamp) / TICK), message.effort
        if not np.isfinite(force).all():
            self.force = None  # this ends the command before it too
        elif sorted(message.name) == JOINTS and len(force) == 2 and self.stamp < stamp <= self.tick:
            self.stamp, force = stamp, force[[message.name.index(joint) for joint in JOINTS]]
            self.force = force * (LIMIT / max(np.linalg.norm(force), LIMIT))

    def latch(self, stopped):
        self.stopped, self.force = stopped, None
        return m.Trigger.Response(success=True, message=f"stopped: {stopped}")

    def on_tick(self):
        safe = self.stopped or self.force is None or self.tick - self.stamp >= DEADLINE
        self.v = self.v + TICK * ((0.0 if safe else self.force) - 0.5 * self.v)
        self.x, self.tick = self.x + TICK * self.v, self.tick + 1
        if (lasted := self.tick - self.begin) < EPISODE:
            return None if lasted % PERIOD else self.sense()
        away = float(np.linalg.norm(self.x - GOAL))
        end = (1, away < 0.1, False, away, lasted * TICK, "", "", "", "", "")
        self.send_episode(m.Episode(self.header(), self.index, 0, "point_mass", *end))
        self.index, self.tick = self.index + 1, self.tick + PERIOD
        self.activate() if self.index < 2 else self.finish("all episodes done")

    def header(self):
        return m.Header(m.stamp(self.tick * TICK), "world")

    def sense(self):
        header, value = self.header(), np.concatenate([self.x, self.v, GOAL])
        self.send_clock(m.Clock(header.stamp))
        self.send_joint_states(m.JointState(header, JOINTS, self.x, self.v, []))
        self.send_state(m.State(header, self.index, STATE, value))
