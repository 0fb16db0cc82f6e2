"""Planner, control and recorder run a robot whose driver keeps to docs/topics.md; no sim node."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_driver import FakeDriver
from ros2_client import Client

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
from launches import left, start, wait_for  # noqa: E402

from covary.nodes import messages as m  # noqa: E402
from covary.nodes.bags.reader import Bag  # noqa: E402
from covary.nodes.bus.local_bus import LocalBus, LocalGraph  # noqa: E402

DRIVER = Path(__file__).with_name("fake_driver.py")
TICK, FRICTION = 0.005, 0.5  # of the driver: s, N s/m
LAUNCH = """
launch:
- arg: {name: realtime, default: true}
- node: {exec: "fake_driver:FakeDriver", name: driver, on_exit: shutdown}
- node:
    {pkg: covary, exec: planner_node, name: planner, x-required: false, param: [
      {name: task, value: point_mass},
      {name: planner, param: [{name: plugin, value: mppi}, {name: samples, value: 64},
        {name: horizon, value: 20}, {name: knots, value: 5}, {name: iterations, value: 1},
        {name: noise, value: 0.3}, {name: temperature, value: 0.3}]}]}
- node:
    {pkg: covary, exec: control_node, name: control, x-required: false, param: [
      {name: task, value: point_mass}]}
- node: {pkg: covary, exec: recorder_node, name: recorder}
"""


def test_it_is_short_enough_to_be_copied():
    """Sixty lines, blank ones not counted; it imports messages and Node, nothing of the task."""
    lines = [line for line in DRIVER.read_text().splitlines() if line.strip()]
    assert len(lines) <= 60
    imports = [line for line in lines if line.startswith(("import", "from"))]
    assert imports == [
        "import numpy as np",
        "from covary.nodes import messages as m",
        "from covary.nodes.node import Node",
    ]


def alone():
    """A driver at work with nobody around, its ticks counted by hand."""
    driver = FakeDriver("driver", LocalBus(LocalGraph(), "driver"))
    driver.configure()
    driver.start()
    return driver


def command(tick, effort, names=("mass_x", "mass_y")):
    empty = np.zeros(0)
    header = m.Header(m.stamp(tick * TICK), "world")
    return m.JointState(header, list(names), empty, empty, np.array(effort, float))


def force(driver):
    """What pushes in the next tick, N."""
    before = driver.v
    driver.on_tick()
    return ((driver.v - before) / TICK + FRICTION * before).round(9).tolist()


def test_it_obeys_what_is_valid_until_the_deadline():
    driver = alone()
    assert force(driver) == [0.0, 0.0]  # none yet
    driver.on_command(command(1, [1.0, -0.5]))
    assert [force(driver) for _ in range(20)] == [[1.0, -0.5]] * 20
    assert force(driver) == [0.0, 0.0]  # 100 ms after its stamp
    driver.on_command(command(15, [0.5, 0.0], ("mass_y", "mass_x")))
    assert force(driver) == [0.0, 0.5]  # in any order, and with what is left of its time
    driver.on_command(command(16, [3.0, 4.0]))
    assert force(driver) == [1.2, 1.6]  # onto the limit


@pytest.mark.parametrize(
    ("refused", "after"),
    [
        (command(3, [2.0, 0.0], ("mass_x", "mass_z")), [1.0, 1.0]),
        (command(3, [2.0, 0.0], ("mass_x", "mass_x")), [1.0, 1.0]),
        (command(3, [2.0]), [1.0, 1.0]),
        (command(2, [2.0, 0.0]), [1.0, 1.0]),  # no newer
        (command(6, [2.0, 0.0]), [1.0, 1.0]),  # of the future
        (command(3, [np.nan, 0.0]), [0.0, 0.0]),
        (command(1, [0.0, -np.inf]), [0.0, 0.0]),
    ],
)
def test_it_refuses_the_rest(refused, after):
    driver = alone()
    for _ in range(5):
        driver.on_tick()
    driver.on_command(command(2, [1.0, 1.0]))
    driver.on_command(refused)
    assert force(driver) == after


def test_a_stop_outlives_episodes_and_what_came_before_counts_no_more():
    driver = alone()
    for _ in range(5):
        driver.on_tick()
    driver.latch(True)
    driver.on_command(command(5, [1.0, 1.0]))
    assert force(driver) == [0.0, 0.0]
    while driver.index == 0:
        driver.on_tick()
    driver.on_command(command(driver.tick, [1.0, 1.0]))
    assert force(driver) == [0.0, 0.0]
    driver.latch(False)
    driver.on_command(command(driver.begin - 5, [1.0, 1.0]))  # of the episode before
    assert force(driver) == [0.0, 0.0]
    driver.on_command(command(driver.tick, [1.0, 1.0]))
    assert force(driver) == [1.0, 1.0]


@pytest.fixture
def started(tmp_path):
    """A launch of the driver, and a client of the convention that has joined it."""
    (tmp_path / "fake_driver.py").write_text(DRIVER.read_text())
    (tmp_path / "robot.yaml").write_text(LAUNCH)
    launcher = start(tmp_path, "robot.yaml")
    client = None
    try:
        (file,) = wait_for(lambda: list(tmp_path.glob("runs/*/endpoint.json")), launcher=launcher)
        client = Client("watcher", file)
        states = client.subscribe("/state", "covary_msgs/msg/State")
        yield launcher, client, file.parent, states
    finally:
        if client is not None:
            client.close()
        if launcher.poll() is None:
            launcher.send_signal(signal.SIGINT)
        launcher.communicate(timeout=60)


def table(bag):
    """States of an episode: times (n,), values (n, 6)."""
    decoded = [bag.decode(message) for message in bag.messages(["/state"])]
    times = [s.header.stamp.sec + s.header.stamp.nanosec * 1e-9 for s in decoded]
    return np.array(times), np.array([s.value for s in decoded])


def pushes(times, values):
    """Whether more than friction changed the speed from each state to the next. (n - 1,) bool"""
    ticks = np.round(np.diff(times) / TICK)[:, None]
    coasting = values[:-1, 2:4] * (1.0 - TICK * FRICTION) ** ticks
    return np.abs(values[1:, 2:4] - coasting).max(axis=1) > 1e-12


def test_the_loop_closes_and_opens_over_it(started):
    """It reaches the goal, and the bag holds it; then it is stopped, let go, and left alone."""
    launcher, client, folder, states = started
    first = take(states, lambda state: state["episode"] == 1)
    begun = len(first)
    assert client.client("/stop", "std_srvs/srv/Trigger")().message["success"]
    stopped = begun + len(take(states, later(states, 15)))
    assert client.client("/reset", "std_srvs/srv/Trigger")().message["success"]
    released = stopped + len(take(states, later(states, 15)))
    kill(folder, "planner")
    screen = launcher.communicate(timeout=60)[0]
    assert launcher.returncode == 0, screen
    run = left(folder, screen)
    assert run.summary["task"] == "point_mass" and not run.summary["failures"]
    assert (run.summary["episodes"], run.summary["success_rate"]) == (2, 0.5)

    begins, ways, pushed = [], [], []
    for index, path in enumerate(run.bags):
        bag = Bag(path)
        times, values = table(bag)
        begins.append(times[0])
        ways.append(values)
        pushed.append(pushes(times, values))
        assert np.allclose(times / 0.05, np.round(times / 0.05)) and len(times) >= 75
        topics = {message.topic for message in bag.messages()}
        assert {"/clock", "/joint_states", "/plan", "/command", "/episode"} <= topics
        phases = [bag.decode(message) for message in bag.messages(["/episode"])]
        assert [(e.phase, e.index) for e in phases] == [(0, index), (1, index)]
    assert begins == [0.0, pytest.approx(4.05)]

    away = np.linalg.norm(ways[0][:, 0:2] - ways[0][:, 4:6], axis=1)
    assert away[0] > 0.7 and away[-1] < 0.1 and Bag(run.bags[0]).metadata["success"] == "true"
    assert pushed[0].sum() > 60
    stopped, released = stopped - begun, released - begun
    assert not pushed[1][stopped - 12 : stopped - 1].any()
    assert pushed[1][stopped : released - 1].sum() > 5
    # Control sends the safe action for want of a plan (100 ms), with what was on its way.
    assert np.linalg.norm(ways[1][released, 2:4]) > 0.02
    assert not pushed[1][released + 8 :].any() and len(pushed[1]) > released + 15


@pytest.mark.slow
def test_without_a_controller_it_goes_safe_by_its_own_deadline(started):
    launcher, _, folder, states = started
    before = take(states, later(states, 20))
    kill(folder, "control")
    after = take(states, later(states, 25))
    stamps = [state["header"]["stamp"] for state in before + after]
    times = np.array([stamp["sec"] + stamp["nanosec"] * 1e-9 for stamp in stamps])
    pushed = pushes(times, np.array([state["value"] for state in before + after]))
    assert pushed[: len(before)].sum() > 10
    assert np.linalg.norm(after[0]["value"][2:4]) > 0.05
    assert not pushed[len(before) + 8 :].any()


def take(states, condition):
    """States up to the first of which a condition holds."""
    found = []
    while not (found and condition(found[-1])):
        found.append(states.get(timeout=30).message)
    return found


def later(states, count):
    """Holds for the state that is `count` after those that have come in."""
    left_over = [states.qsize() + count]

    def holds(state):
        left_over[0] -= 1
        return left_over[0] <= 0

    return holds


def kill(folder, name):
    """Kills a node of the launch by the pid that the launcher told."""
    lines = (folder / "launcher.log").read_text().splitlines()
    line = next(line for line in lines if name in line and "pid " in line)
    os.kill(int(line.split("pid ")[1].split()[0]), signal.SIGKILL)
