"""The control node on a local bus: which command answers which state, real time and barrier."""

import numpy as np

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build
from covary.sim.task_messages import command_action, plan_message, state_message
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
ACTIONS = 0.1 * np.arange(1.0, 6.0)[:, None] * np.ones((5, 2))


class World:
    """A control node between a sender of states and plans and a listener to commands."""

    def __init__(self, realtime, **params):
        self.graph = LocalGraph()
        spec = {"exec": "control_node", "name": "control", "realtime": realtime}
        spec["params"] = {"task": "point_mass", **params}
        self.node = build(spec, LocalBus(self.graph, "control"))
        self.node.configure()
        self.node.start()
        bus = LocalBus(self.graph, "outside")
        self.states = bus.publisher("covary_msgs/msg/State", "/state")
        self.plans = bus.publisher("trajectory_msgs/msg/JointTrajectory", "/plan")
        self.commands = bus.subscribe("sensor_msgs/msg/JointState", "/command", 0)

    def state(self, time, episode=0):
        message = state_message(TASK.state_names, time, episode, np.zeros(6))
        self.states.put(messages.serialize(message))
        return self.answers()

    def plan(self, time, actions=ACTIONS, message=None):
        message = message or plan_message(TASK, time, TASK.dt, actions)
        self.plans.put(messages.serialize(message))
        return self.answers()

    def answers(self):
        while self.graph.step():
            pass
        out = []
        while (taken := self.commands.take()) is not None:
            message = messages.deserialize(taken[0], "sensor_msgs/msg/JointState")
            action = command_action(TASK, message)
            out.append((messages.seconds(message.header.stamp), round(float(action[0]), 6)))
        return out


def test_in_real_time_every_state_is_answered_at_once():
    world = World(realtime=True)
    assert world.state(0.0) == [(0.0, 0.0)]
    assert world.plan(0.0) == []
    assert world.state(0.05) == [(0.05, 0.2)]
    assert world.state(0.1) == [(0.1, 0.3)]
    assert world.state(0.5) == [(0.5, 0.0)]  # the plan is too old
    assert world.node.stats["without_plan"] == 2


def test_behind_the_barrier_a_state_waits_for_its_plan():
    world = World(realtime=False)
    assert world.state(0.0) == []
    assert world.plan(0.0) == [(0.0, 0.1)]
    assert world.plan(0.05, -ACTIONS) == []
    assert world.state(0.05) == [(0.05, -0.1)]


def test_a_simulated_delay_applies_a_plan_that_much_later():
    world = World(realtime=False, plan_delay_ms=100.0)
    seen = []
    for tick in range(4):
        world.state(tick * TASK.dt)
        seen += world.plan(tick * TASK.dt, ACTIONS)
    assert [action for _, action in seen] == [0.0, 0.0, 0.3, 0.3]


def test_plans_of_an_earlier_episode_are_refused():
    world = World(realtime=True)
    world.state(0.0)
    world.plan(0.0)
    assert world.state(0.1, episode=1) == [(0.1, 0.0)]
    world.plan(0.05)
    assert world.state(0.15, episode=1) == [(0.15, 0.0)]
    assert world.node.stats["refused_plans"] == 1


def test_plans_that_are_none_are_refused():
    world = World(realtime=True)
    world.state(0.0)
    for actions in (np.full((5, 2), np.nan), np.full((5, 2), np.inf)):
        world.plan(0.0, actions)
    odd = plan_message(TASK, 0.0, TASK.dt, ACTIONS)
    odd.joint_names = ["mass_x", "elbow"]
    world.plan(0.0, message=odd)
    empty = plan_message(TASK, 0.0, TASK.dt, ACTIONS)
    empty.points = []
    world.plan(0.0, message=empty)
    assert world.state(0.05) == [(0.05, 0.0)]
    assert world.node.stats["refused_plans"] == 4


def test_joints_in_another_order_are_sorted():
    world = World(realtime=True)
    world.state(0.0)
    message = plan_message(TASK, 0.0, TASK.dt, np.array([[0.1, 0.2]] * 5))
    message.joint_names = list(reversed(message.joint_names))
    world.plan(0.0, message=message)
    assert world.state(0.0) == [(0.0, 0.2)]


def test_time_that_goes_back_is_another_life(caplog):
    world = World(realtime=True)
    world.state(5.0)
    world.plan(5.0)
    assert world.state(5.05) == [(5.05, 0.2)]
    assert world.state(0.0) == [(0.0, 0.0)]  # the same number of episode, from its beginning
    world.plan(0.0)
    assert world.state(0.05) == [(0.05, 0.2)]
    assert world.state(1.0) == [(1.0, 0.0)]
    assert "t=1.000 s: no plan young enough (newest is of t=0.000 s)" in caplog.text
