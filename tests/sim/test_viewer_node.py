"""The viewer node beside a sim node on a local bus: it shows what is said, and asks for stops."""

import mujoco
import numpy as np
import pytest
from page_client import PageClient

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.parameters import ParameterError
from covary.nodes.run import build
from covary.sim.task_messages import command_message, plan_message
from covary.sim.tasks.push import Push
from covary.sim.viewer_node import ViewerNode

TASK = Push()
STOPPED = 4


class World:
    """A sim node, a viewer node and somebody who plans and commands."""

    def __init__(self, tmp_path, **params):
        self.graph = LocalGraph()
        self.viewer = self.node("viewer", tmp_path, port=0, camera=True, **params)
        self.sim = self.node("sim", tmp_path, episodes=2)
        self.bus = LocalBus(self.graph, "outside")
        self.commands = self.bus.publisher("sensor_msgs/msg/JointState", "/command")
        self.plans = self.bus.publisher("trajectory_msgs/msg/JointTrajectory", "/plan")
        self.images = self.bus.publisher("sensor_msgs/msg/Image", "/camera/top/image_raw")
        self.tick = 0
        for node in (self.viewer, self.sim):
            node.start()
        self.settle()

    def node(self, name, folder, **params):
        spec = {"exec": f"{name}_node", "name": name, "realtime": False, "run_folder": str(folder)}
        node = build(spec | {"params": {"task": "push", **params}}, LocalBus(self.graph, name))
        node.configure()
        return node

    def settle(self):
        while self.graph.step():
            pass

    def step(self, action=(0.1, 0.0)):
        """A plan and a command for the newest state."""
        time, actions = self.sim.sensed_at, np.tile(action, (5, 1))
        self.plans.put(messages.serialize(plan_message(TASK, time, TASK.dt, actions)))
        self.commands.put(messages.serialize(command_message(TASK, time, actions[0])))
        self.settle()

    def draw(self):
        self.viewer.drawn_at = -1.0
        self.viewer.draw()


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.viewer.shutdown()


def test_the_page_shows_where_the_plant_is(world):
    with PageClient(world.viewer.page.url) as client:
        for _ in range(20):
            world.step()
        plant = world.sim.plant
        mujoco.mj_kinematics(plant.model, plant.data)  # else as the last tick began
        pusher = plant.data.body("pusher").xpos
        client.wait(lambda: np.allclose(client.pose("/scene/pusher")[0], pusher, atol=2e-6),
                    world.draw)  # fmt: skip
        for name in ("pusher", "box"):
            there = plant.data.body(name)
            position, rotation = client.pose(f"/scene/{name}")
            # The state knows the plane only, not how deep the soft contact lets the box sink.
            np.testing.assert_allclose(position[:2], there.xpos[:2], atol=2e-6)
            assert abs(position[2] - there.xpos[2]) < 2e-3
            np.testing.assert_allclose(rotation, there.xmat.reshape(3, 3), atol=1e-2)
        client.wait(lambda: "1.00 s" in client.text() and "ok" in client.text(), world.draw)
        client.wait(lambda: "/plan" in client.nodes and "/orbit" in client.nodes, world.draw)


def test_stop_and_reset_reach_the_plant(world):
    with PageClient(world.viewer.page.url) as client:
        world.step()
        client.click("stop")
        client.wait(lambda: world.sim.guard.stopped, world.draw)
        world.step()
        client.wait(lambda: "stopped" in client.text(), world.draw)
        client.click("reset")
        client.wait(lambda: not world.sim.guard.stopped, world.draw)


def test_an_end_counts_and_a_start_may_bring_another_model(world):
    header = messages.Header(stamp=messages.stamp(1.0), frame_id="world")
    said = {"header": header, "index": 7, "seed": 0, "task": "push", "duration": 3.0}
    said |= {"options": "{}", "engine": "mujoco", "dials": "{}"}
    said |= {"model_sha256": "", "aborted": False}
    viewer = world.viewer
    for success in (True, False):
        viewer.on_episode(messages.Episode(phase=1, success=success, cost=2.5, model="", **said))
    larger = TASK.model_text().replace('"0.08 0.05 0.025"', '"0.16 0.05 0.025"')
    start = {"phase": 0, "success": False, "cost": 0.0, **said}
    with PageClient(viewer.page.url) as client:
        assert client.nodes["/scene/box/box"]["props"]["dimensions"][0] == pytest.approx(0.16)
        viewer.on_episode(messages.Episode(model=larger, **start))
        client.wait(lambda: "/scene/box/box" in client.nodes
                    and client.nodes["/scene/box/box"]["props"]["dimensions"][0] > 0.3)  # fmt: skip
        client.wait(lambda: "1 of 2" in client.text(), world.draw)
        viewer.on_episode(messages.Episode(model="<mujoco><broken", **start))
        assert "/scene/box/box" in client.nodes


def test_an_image_is_shown_and_what_is_none_is_not(world):
    good = messages.Image(
        header=messages.Header(stamp=messages.stamp(0.0), frame_id="camera_top"),
        height=4, width=4, encoding="rgb8", is_bigendian=0, step=12, data=np.zeros(48, np.uint8),
    )  # fmt: skip
    with PageClient(world.viewer.page.url) as client:
        for encoding in ("odd", "rgb8"):
            good.encoding = encoding
            world.images.put(messages.serialize(good))
            world.settle()
            world.viewer.image_shower("/other")(good)
        client.wait(lambda: client.has("/camera/top/image_raw") or client.has("/other"))


def test_what_is_not_finite_moves_nothing(world):
    before = world.viewer.x.copy()
    state = messages.State(
        header=messages.Header(stamp=messages.stamp(0.0), frame_id="world"),
        episode=0, name=[*TASK.state_names, "odd"], value=np.full(9, np.nan),
    )  # fmt: skip
    world.viewer.on_state(state)
    np.testing.assert_array_equal(world.viewer.x, before)
    joints = messages.JointState(header=state.header, name=["pusher_x"], position=[np.inf],
                                 velocity=[], effort=[])  # fmt: skip
    world.viewer.on_joints(joints)
    world.draw()
    assert world.viewer.joints == {}


def test_a_service_that_nobody_serves_is_told_in_the_page(world):
    del world.graph.services["/stop"]
    with PageClient(world.viewer.page.url) as client:
        client.click("stop")
        client.wait(lambda: client.notes, world.draw)
    assert world.viewer.stats["refused"] == 1


def test_without_viser_it_says_what_to_type(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ParameterError, match="needs viser: pip install viser"):
        ViewerNode.check(ViewerNode.Parameters(task="push"))


def test_bad_ports_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="below 65536"):
        spec = {"exec": "viewer_node", "name": "viewer", "params": {"task": "push", "port": 70000}}
        build(spec, LocalBus(LocalGraph(), "viewer"))


def test_a_slider_sets_the_planner_and_what_it_refuses_goes_back(world, tmp_path):
    block = {"plugin": "mppi", "samples": 64, "horizon": 8, "knots": 4}
    planner = world.node("planner", tmp_path, planner=block)
    planner.start()
    with PageClient(world.viewer.page.url) as client:
        client.wait(lambda: client.has("samples") and client.has("temperature"), world.draw)
        assert client.value("samples") == 64
        client.put("samples", 128)
        client.wait(lambda: planner.planner.parameters.samples == 128, world.draw)
        world.sim.sense()
        world.settle()
        assert planner.stats["samples"] == 128
        client.put("samples", 3)  # less than one orbit
        client.wait(lambda: client.notes and client.value("samples") == 128, world.draw)
        assert "less than one orbit" in str(client.notes[-1])
        client.put("noise", float("nan"))
        client.wait(lambda: world.viewer.stats["refused"] == 2, world.draw)
    assert planner.planner.parameters.samples == 128


def test_the_panel_says_what_the_planner_says_of_its_plans(world):
    told = world.bus.publisher("diagnostic_msgs/msg/DiagnosticArray", "/diagnostics")

    def say(name, **values):
        pairs = [messages.KeyValue(key=key, value=value) for key, value in values.items()]
        status = messages.DiagnosticStatus(
            level=0, name=name, message="", hardware_id="", values=pairs
        )
        header = messages.Header(stamp=messages.stamp(0.0), frame_id="")
        told.put(messages.serialize(messages.DiagnosticArray(header=header, status=[status])))
        world.settle()

    say("/planner: plans", best_cost="1.25", samples="64", effective_samples="12.5", odd="<b>")
    say("/planner", plans="7")  # its heartbeat
    assert world.viewer.status["planner"] == "cost 1.25, 12.5 of 64 samples count"
    say("/planner: plans", best_cost="one", latency_ms="8.04", budget_used="0.1608")
    assert world.viewer.status["planner"] == "8.0 ms, 16% of the budget"
