"""A goal published on /goal: the next state carries it, and the plan for that state aims at it."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from launches import SMALL, launch, left, messages_of, start, wait_for

from covary.commands.replay import verify
from covary.nodes import messages
from covary.nodes.bags.reader import Bag
from covary.nodes.bus.zenoh_bus import ZenohBus

GOALS = {"point_mass": (-0.3, 0.5, 0.0), "reach": (-0.25, 0.2, 0.0), "push": (0.25, -0.2, 1.0)}
"""(x, y, yaw), metres and radians."""
AT = 12  # the state at which the new goal is given

GIVER = '''
"""Gives a goal once, at the twelfth state."""
from dataclasses import dataclass
import math
from covary.nodes import messages
from covary.nodes.node import Node

class Giver(Node):
    publishes = {"/goal": "geometry_msgs/msg/PoseStamped"}
    subscribes = {"/state": "covary_msgs/msg/State"}

    @dataclass(frozen=True)
    class Parameters:
        goal: str = "0 0 0"

    def configure(self):
        self.count = 0
        self.goal = self.create_publisher(messages.PoseStamped, "/goal")
        self.create_subscription(messages.State, "/state", self.on_state)

    def on_state(self, message):
        self.count += 1
        if self.count == 12:
            x, y, yaw = map(float, self.parameters.goal.split())
            position = messages.Point(x=x, y=y, z=0.0)
            turn = messages.Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2))
            pose = messages.Pose(position=position, orientation=turn)
            self.goal.publish(messages.PoseStamped(header=message.header, pose=pose))
'''
LAUNCH = """
launch:
- arg: {name: goal}
- include: {file: "$(find-pkg-share covary)/launch/FILE.yaml"}
- node: {exec: giver:Giver, name: giver, param: [{name: goal, value: "$(var goal)"}]}
"""


def arrays(run, topic):
    """The messages of a topic of the only bag, decoded."""
    bag = Bag(run.bags[0])
    return [bag.decode(message) for message in bag.messages([topic])]


def payloads(run, topic):
    return [payload for _, _, payload in messages_of(run, topic)]


def in_lockstep(place, name, goal):
    """One episode to which a node of ours gives a goal."""
    (place / "giver.py").write_text(GIVER)
    (place / "with_goal.yaml").write_text(LAUNCH.replace("FILE", name))
    given = " ".join(map(str, goal))
    words = ("with_goal.yaml", *SMALL, f"goal:='{given}'", "episodes:=1", "--lockstep")
    return launch(place, *words, here=True)


def goal_of(state):
    """The goal's coordinates in a /state message."""
    return [v for n, v in zip(state.name, state.value, strict=True) if n.startswith("goal")]


@pytest.mark.parametrize("name", GOALS)
def test_in_lockstep_the_very_next_state_and_plan_know_it(tmp_path, name):
    before = launch(tmp_path / "before", name, *SMALL, "episodes:=1", "--lockstep", here=True)
    run = in_lockstep(tmp_path, name, GOALS[name])
    states = arrays(run, "/state")
    old, new = goal_of(states[0]), list(GOALS[name][: len(goal_of(states[0]))])
    assert np.abs(np.subtract(old, new)).max() > 0.05
    for place, state in enumerate(states):
        assert goal_of(state) == pytest.approx(old if place < AT else new, abs=1e-12)
    for topic in ("/state", "/plan", "/command"):
        ours, theirs = payloads(run, topic), payloads(before, topic)
        assert ours[:AT] == theirs[:AT] and ours[AT] != theirs[AT], topic
    assert len(arrays(run, "/goal")) == 1
    assert verify(run.bags[0]).difference is None


@pytest.mark.parametrize("goal", [(math.nan, 0.0, 0.0), (0.1, math.inf, 0.0), (0.0, 0.0, math.nan)])
def test_a_goal_that_is_no_pose_is_refused(tmp_path, goal):
    before = launch(tmp_path / "before", "push", *SMALL, "episodes:=1", "--lockstep", here=True)
    run = in_lockstep(tmp_path, "push", goal)
    assert payloads(run, "/state") == payloads(before, "/state")
    assert payloads(run, "/command") == payloads(before, "/command")
    assert "refused a goal" in (run.folder / "sim.log").read_text()


def join(folder):
    """An outside client's session in a launch, as its endpoint.json says."""
    found = json.loads((folder / "endpoint.json").read_text())
    return ZenohBus(f"outside_{os.getpid()}", found["endpoint"], found["domain"])


def pose(x, y, yaw):
    turn = messages.Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2))
    header = messages.Header(stamp=messages.stamp(0.0), frame_id="world")
    where = messages.Pose(position=messages.Point(x=x, y=y, z=0.0), orientation=turn)
    return messages.serialize(messages.PoseStamped(header=header, pose=where))


def test_from_outside_over_zenoh(tmp_path):
    """Behind the tick barrier all before the goal is bit-equal to lockstep, so what differs shows.

    A plan is big enough here for the goal to come in within the episode.
    """
    words = ("push", "samples:=1024", "iterations:=3", "episodes:=1")
    launcher = start(tmp_path, *words, "realtime:=false")
    bus, goal = None, GOALS["push"]
    try:
        (folder,) = wait_for(lambda: list(tmp_path.glob("runs/*")), launcher=launcher)
        wait_for(lambda: (folder / "endpoint.json").exists(), launcher=launcher)
        bus = join(folder)
        state_type = messages.TYPES["State"]
        states = bus.subscribe(state_type, "/state", 0)
        publisher = bus.publisher(messages.TYPES["PoseStamped"], "/goal")
        wait_for(states.take, launcher=launcher)
        publisher.put(pose(math.nan, 0.0, 0.0))
        publisher.put(pose(*goal))

        def with_goal():
            while (item := states.take()) is not None:
                if goal_of(messages.deserialize(item[0], state_type)) == pytest.approx(goal):
                    return True
            return False

        wait_for(with_goal, launcher=launcher)
        screen, _ = launcher.communicate(timeout=60)
        assert launcher.returncode == 0, screen
    finally:
        if bus is not None:
            bus.close()
        if launcher.poll() is None:
            launcher.send_signal(signal.SIGINT)
            launcher.communicate(timeout=30)
    run = left(folder)
    plain = launch(tmp_path / "plain", *words, "--lockstep", here=True)
    reached = [goal_of(state) == pytest.approx(goal) for state in arrays(run, "/state")]
    first = reached.index(True)
    assert first > 0 and all(reached[first:])
    for topic in ("/state", "/plan", "/command"):
        ours, theirs = payloads(run, topic), payloads(plain, topic)
        assert ours[:first] == theirs[:first] and ours[first] != theirs[first], topic
    assert verify(Path(run.bags[0])).difference is None
