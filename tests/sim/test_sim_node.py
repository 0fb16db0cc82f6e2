"""The sim node on a local bus: the barrier, the guard, goals, stops, judging episodes."""

import json

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build
from covary.sim.freeze import THAW_S
from covary.sim.task_messages import command_message
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
TYPES = {
    "/state": "covary_msgs/msg/State",
    "/applied": "covary_msgs/msg/Applied",
    "/episode": "covary_msgs/msg/Episode",
    "/physics": "covary_msgs/msg/PhysicsState",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/joint_states": "sensor_msgs/msg/JointState",
}
OK, NO_COMMAND, LATE, REJECTED, STOPPED = range(5)


class World:
    """A sim node and someone who commands it."""

    def __init__(self, tmp_path, realtime=False, **params):
        self.graph = LocalGraph()
        spec = {"exec": "sim_node", "name": "sim", "realtime": realtime}
        spec |= {"run_folder": str(tmp_path), "params": {"task": "point_mass", **params}}
        self.folder = tmp_path
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

    def state(self):
        return self.take("/state")[-1]

    def command(self, time, action):
        self.commands.put(messages.serialize(command_message(TASK, time, np.array(action, float))))
        self.settle()


def stamp(message):
    return messages.seconds(message.header.stamp)


def test_time_waits_for_the_command_of_the_newest_state(tmp_path):
    world = World(tmp_path)
    first = world.state()
    assert (stamp(first), first.episode, list(first.name)) == (0.0, 0, list(TASK.state_names))
    world.command(0.0, [1.0, 0.0])
    second = world.state()
    assert stamp(second) == TASK.dt
    assert second.value[2] > 0.04  # 1 N on 1 kg for 50 ms
    world.command(0.0, [1.0, 0.0])  # an old stamp moves nothing
    assert world.take("/state") == []


def test_what_is_applied_is_recorded_with_its_reason(tmp_path):
    world = World(tmp_path)
    world.command(0.0, [1.0, 0.0])
    world.command(TASK.dt, [100.0, 0.0])
    world.command(2 * TASK.dt, [np.nan, 0.0])
    applied = world.take("/applied")
    assert [(a.tick, a.status) for a in applied] == [(0, OK), (10, OK), (20, REJECTED)]
    np.testing.assert_allclose(applied[1].action, [2.0, 0.0])  # projected onto the limits
    np.testing.assert_array_equal(applied[2].action, [0.0, 0.0])
    assert world.node.stats["rejected"] == 1


def test_a_command_that_stays_away_ends_in_the_safe_action(tmp_path):
    world = World(tmp_path, realtime=True, command_deadline_ms=40.0)
    world.command(0.0, [1.0, 0.0])
    for _ in range(12):
        world.node.on_physics_timer()
    applied = world.take("/applied")
    assert [(a.tick, a.status) for a in applied] == [(0, OK), (8, LATE)]
    assert world.node.stats["late_ticks"] == 4


def test_stop_latches_until_reset(tmp_path):
    world = World(tmp_path)
    request = messages.serialize(messages.Trigger.Request(structure_needs_at_least_one_member=0))
    world.bus.call("std_srvs/srv/Trigger", "/stop", request)
    world.command(0.0, [1.0, 0.0])
    world.command(TASK.dt, [1.0, 0.0])
    world.bus.call("std_srvs/srv/Trigger", "/reset", request)
    world.command(2 * TASK.dt, [1.0, 0.0])
    assert [(a.tick, a.status) for a in world.take("/applied")] == [(0, STOPPED), (20, OK)]


def test_a_goal_is_in_the_next_state_unless_it_is_none(tmp_path):
    world = World(tmp_path)

    def ask(x, y):
        pose = messages.Pose(
            position=messages.Point(x=x, y=y, z=0.0),
            orientation=messages.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
        )
        header = messages.Header(stamp=messages.stamp(0.0), frame_id="world")
        world.goals.put(messages.serialize(messages.PoseStamped(header=header, pose=pose)))
        world.settle()

    ask(0.25, -0.3)
    world.command(0.0, [0.0, 0.0])
    np.testing.assert_array_equal(world.state().value[4:], [0.25, -0.3])
    ask(float("nan"), 0.0)
    ask(1e308, -1e308)  # its cost is infinite
    world.command(TASK.dt, [0.0, 0.0])
    np.testing.assert_array_equal(world.state().value[4:], [0.25, -0.3])


def test_the_first_physics_state_comes_first_and_then_every_hundred_ticks(tmp_path):
    world = World(tmp_path)
    for tick in range(25):
        world.command(tick * TASK.dt, [0.1, 0.0])
    assert [p.tick for p in world.take("/physics")] == [0, 100, 200]


def test_an_episode_ends_at_its_time_limit_and_the_next_begins_later(tmp_path):
    world = World(tmp_path, episodes=2)
    periods = round(TASK.time_limit / TASK.dt)
    for tick in range(periods):
        world.command(tick * TASK.dt, [0.0, 0.0])
    start, end, again = world.take("/episode")
    assert (start.phase, start.index, len(start.model) > 100) == (0, 0, True)
    assert (end.phase, end.success, end.aborted) == (1, False, False)
    assert end.duration == pytest.approx(TASK.time_limit)
    assert (again.phase, again.index) == (0, 1)
    assert stamp(again) > stamp(end)
    states = world.take("/state")
    assert [s.episode for s in states[-2:]] == [0, 1]
    assert np.abs(states[-1].value - states[0].value).max() > 1e-3


def test_success_must_be_held(tmp_path):
    world = World(tmp_path)
    x = np.zeros(6)
    x[:2] = x[4:] = 0.5, 0.0
    world.node.plant.reset(x)
    tick = 0
    while world.node.running:
        world.command(tick * TASK.dt, [0.0, 0.0])
        tick += 1
    end = world.take("/episode")[-1]
    assert end.success and end.duration == pytest.approx(TASK.hold + TASK.dt)
    world.node.shutdown()
    world.node.write_stats()
    kept = json.loads((world.folder / "sim.json").read_text())["episodes"]
    assert [(e["index"], e["success"]) for e in kept] == [(0, True)]


def test_a_node_that_does_not_answer_aborts_the_run_by_name(tmp_path):
    world = World(tmp_path, tick_timeout_s=1e-9)
    world.node.check_barrier()
    assert world.node.failed
    assert "node planner (/plan) did not answer t=0.000 s" in world.node.finished
    assert world.take("/episode")[-1].aborted


def test_a_shutdown_in_the_middle_says_again_what_was_applied(tmp_path):
    world = World(tmp_path)
    for tick in range(3):
        world.command(tick * TASK.dt, [0.1 * tick, 0.0])
    said = world.take("/applied")
    world.node.shutdown()
    again = world.take("/applied")
    assert len(said) == 3 and [m.tick for m in again] == [m.tick for m in said]
    assert world.take("/episode")[-1].aborted


def test_a_shutdown_in_the_middle_says_aborted(tmp_path):
    world = World(tmp_path)
    world.command(0.0, [1.0, 0.0])
    world.node.shutdown()
    assert world.take("/episode")[-1].aborted


def test_frames_and_joints_are_published_with_every_state(tmp_path):
    world = World(tmp_path)
    world.command(0.0, [1.0, 0.0])
    assert {t.child_frame_id for t in world.take("/tf")[-1].transforms} == {"mass", "goal"}
    joints = world.take("/joint_states")[-1]
    assert list(joints.name) == ["mass_x", "mass_y"] and joints.velocity[0] > 0.04


def test_a_node_that_stood_still_aborts_its_episode_and_begins_the_next(tmp_path, monkeypatch):
    world = World(tmp_path, realtime=True, episodes=2, freeze_limit_s=0.5)
    now = [world.node.freeze.turned]
    monkeypatch.setattr("covary.sim.freeze.time.monotonic", lambda: now[0])
    for _ in range(12):
        now[0] += 0.4
        world.node.on_physics_timer()
    world.settle()
    assert [m.phase for m in world.take("/episode")] == [0]
    last = world.state()
    now[0] += 0.6
    world.node.on_physics_timer()
    world.settle()
    assert world.take("/episode") == []  # others have to find it again first
    now[0] += THAW_S
    world.node.on_physics_timer()
    world.settle()
    end, start = world.take("/episode")
    assert (end.phase, end.aborted, end.index) == (1, True, 0)
    assert (start.phase, start.index) == (0, 1)
    fresh = world.state()
    assert fresh.episode == 1 and stamp(fresh) > stamp(last)
    # A command that answers a state from before the freeze moves nothing.
    world.command(stamp(last), [1.0, 0.0])
    world.node.on_physics_timer()
    world.settle()
    assert {m.status for m in world.take("/applied")} == {NO_COMMAND}
    now[0] += 0.6
    world.node.on_physics_timer()
    now[0] += THAW_S
    world.node.on_physics_timer()
    assert world.node.finished == "all episodes done" and not world.node.failed
