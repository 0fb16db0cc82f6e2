"""The sim node with an environment in it: the guard, the deadline, stops and goals as ever."""

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build
from covary.sim.gym.gym_task import GymTask
from covary.sim.sim_node import SimNode
from covary.sim.task_messages import command_message

TASK = GymTask("Reacher-v5")
TYPES = {
    "/state": "covary_msgs/msg/State",
    "/applied": "covary_msgs/msg/Applied",
    "/physics": "covary_msgs/msg/PhysicsState",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/cost": "covary_msgs/msg/Cost",
}
OK, NO_COMMAND, LATE, REJECTED, STOPPED = range(5)


class World:
    """A sim node on Reacher, and someone who commands it."""

    def __init__(self, folder, realtime=False, **params):
        self.graph = LocalGraph()
        task = {"task": "covary.sim.gym.gym_task:GymTask", "task_options": {"env_id": TASK.env_id}}
        spec = {"exec": "sim_node", "name": "sim", "realtime": realtime}
        spec |= {"run_folder": str(folder), "params": {**task, **params}}
        self.node = build(spec, LocalBus(self.graph, "sim"))
        self.node.configure()
        self.bus = LocalBus(self.graph, "outside")
        self.ends = {topic: self.bus.subscribe(kind, topic, 0) for topic, kind in TYPES.items()}
        self.commands = self.bus.publisher("sensor_msgs/msg/JointState", "/command")
        self.goals = self.bus.publisher("geometry_msgs/msg/PoseStamped", "/goal")
        self.node.start()
        self.settle()

    def settle(self):
        while self.graph.step():
            pass

    def take(self, topic):
        out = []
        while (taken := self.ends[topic].take()) is not None:
            out.append(messages.deserialize(taken[0], TYPES[topic]))
        return out

    def command(self, tick, action):
        message = command_message(TASK, tick * TASK.dt, np.array(action, float))
        self.commands.put(messages.serialize(message))
        self.settle()

    def call(self, service):
        nothing = messages.Trigger.Request(structure_needs_at_least_one_member=0)
        self.bus.call("std_srvs/srv/Trigger", service, messages.serialize(nothing))


def test_what_is_commanded_is_projected_and_what_is_not_finite_is_refused(tmp_path):
    world = World(tmp_path)
    world.command(0, [0.5, -0.5])
    world.command(1, [100.0, -0.5])
    world.command(2, [np.nan, 0.0])
    applied = world.take("/applied")
    assert [(a.tick, a.status) for a in applied] == [(0, OK), (1, OK), (2, REJECTED)]
    np.testing.assert_array_equal([a.action for a in applied], [[0.5, -0.5], [1.0, -0.5], [0, 0]])
    states = np.array([message.value for message in world.take("/state")])
    assert states.shape == (4, 10) and np.isfinite(states).all()
    assert len(world.take("/cost")) == 3
    assert [list(m.name)[:2] for m in world.take("/joint_states")] == [["joint0", "joint1"]] * 4
    assert [p.tick for p in world.take("/physics")] == [0, 1, 2, 3]


def test_a_command_that_stays_away_ends_in_the_safe_action(tmp_path):
    world = World(tmp_path, realtime=True, command_deadline_ms=60.0)
    world.command(0, [1.0, 0.0])
    for _ in range(5):
        world.node.on_physics_timer()
    world.settle()
    assert [(a.tick, a.status) for a in world.take("/applied")] == [(0, OK), (3, LATE)]


def test_stop_latches_until_reset_and_a_goal_is_refused(tmp_path):
    world = World(tmp_path)
    before = world.take("/state")[-1]
    pose = messages.Pose(
        position=messages.Point(x=0.1, y=0.1, z=0.0),
        orientation=messages.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
    )
    header = messages.Header(stamp=messages.stamp(0.0), frame_id="world")
    world.goals.put(messages.serialize(messages.PoseStamped(header=header, pose=pose)))
    world.settle()
    world.call("/stop")
    world.command(0, [1.0, 0.0])
    world.call("/reset")
    world.command(1, [1.0, 0.0])
    assert [(a.tick, a.status) for a in world.take("/applied")] == [(0, STOPPED), (1, OK)]
    after = world.take("/state")[-1]
    np.testing.assert_array_equal(after.value[4:6], before.value[4:6])


def test_a_deadline_shorter_than_a_step_is_refused():
    task = {"task": "covary.sim.gym.gym_task:GymTask", "task_options": {"env_id": TASK.env_id}}
    with pytest.raises(ValueError, match=r"5 is shorter than a physics tick \(20 ms\)"):
        SimNode.check(SimNode.Parameters(**task, command_deadline_ms=5.0))
