"""A person demonstrates in the page: a pick by the gizmo, kept, recorded and replayed."""

import numpy as np
import pytest
from page_client import PageClient

from covary.commands.main import main
from covary.commands.replay import verify
from covary.nodes import messages
from covary.nodes.bags.reader import Bag
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.parameters import ParameterError
from covary.nodes.run import build

TASK = {"task": "block_pick", "task_options": {"robot": "floating_gripper"}}


class World:
    """Sim, control, recorder and a page in which a person stands for the planner."""

    def __init__(self, folder, robot="floating_gripper", **params):
        self.graph, self.nodes = LocalGraph(), {}
        task = {**TASK, "task_options": {"robot": robot}}
        self.add("viewer", folder, port=0, person=True, ground_truth=True, **task)
        self.add("control", folder, **task)
        self.add("recorder", folder, ground_truth=True)
        self.add("sim", folder, on_request=True, **task, **params)
        self.viewer, self.sim = self.nodes["viewer"], self.nodes["sim"]
        for node in self.nodes.values():
            node.start()
        self.settle()

    def add(self, name, folder, **params):
        spec = {"exec": f"{name}_node", "name": name, "realtime": False}
        spec |= {"run_folder": str(folder), "params": params}
        self.nodes[name] = build(spec, LocalBus(self.graph, name))
        self.nodes[name].configure()

    def settle(self):
        """Deliver everything; with an episode that runs this has no end."""
        while self.graph.step():
            pass

    def look(self):
        """What a person does in the page is done; the episode stands still."""
        self.viewer.drawn_at = -1.0
        self.viewer.draw()

    def run(self, condition, steps=20_000):
        """Let the episode run until the condition is true: time here is simulated."""
        while not condition():
            assert self.graph.step() and (steps := steps - 1), "it never came about"
        self.look()

    def close(self):
        for node in reversed(self.nodes.values()):
            node.shutdown()


@pytest.fixture
def world(tmp_path, request):
    made = World(tmp_path, getattr(request, "param", "floating_gripper"), episodes=1)
    yield made
    made.close()


def click(world, client, label, condition):
    client.click(label)
    client.wait(condition, world.look)


def drag(world, client, position, yaw):
    """Drag the gizmos to a place that is within reach."""
    client.drag("/target", position)
    client.drag("/target_yaw", position, [np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
    hand = world.viewer.hand
    client.wait(
        lambda: np.allclose([*hand.position, hand.yaw], [*position, yaw], atol=1e-6), world.look
    )


def reach(world, client, position, yaw):
    """Drag the gizmo, and let the gripper come."""
    drag(world, client, position, yaw)
    names = world.sim.task.state_names
    at = [names.index(n) for n in ("gripper_x", "gripper_y", "gripper_height")]
    world.run(lambda: np.abs(world.sim.plant.state()[at] - position).max() < 0.004)


@pytest.mark.parametrize(
    "world", ["floating_gripper", pytest.param("arm", marks=pytest.mark.slow)], indirect=True
)
def test_a_person_picks_the_block_up_and_the_recording_replays(world, tmp_path):
    with PageClient(world.viewer.page.url) as client:
        assert not world.sim.running and client.has("start")
        click(world, client, "start", lambda: world.sim.running)
        world.run(lambda: world.viewer.hand.ready)
        x = world.sim.plant.state()
        block, yaw = x[5:8], x[7]
        reach(world, client, [block[0], block[1], 0.10], yaw)
        reach(world, client, [block[0], block[1], 0.02], yaw)
        click(world, client, "close gripper", lambda: world.viewer.hand.closed)
        world.run(lambda: world.sim.plant.state()[4] < 0.05)
        client.wait(lambda: client.has("open gripper"), world.look)
        drag(world, client, [block[0], block[1], 0.25], yaw)
        world.run(lambda: world.sim.finished)  # the task itself says that it is done
        world.settle()
        client.wait(lambda: "episode 0: success" in client.text(), world.look)
    (episode,) = world.sim.stats["episodes"]
    assert episode["success"] and not episode["aborted"]
    world.close()
    (bag,) = sorted((tmp_path / "bags").iterdir())
    assert Bag(bag).metadata["success"] == "true"
    verdict = verify(bag)
    assert verdict.difference is None and verdict.ticks > 100


def test_an_episode_that_is_discarded_is_aborted_and_does_not_count(world, tmp_path):
    with PageClient(world.viewer.page.url) as client:
        for label in ("success", "discard"):  # nothing runs
            before = world.viewer.stats["refused"]
            click(world, client, label, lambda b=before: world.viewer.stats["refused"] > b)
        assert "no episode is running" in str(client.notes[-1])
        click(world, client, "start", lambda: world.sim.running)
        click(world, client, "start", lambda: world.viewer.stats["refused"] == 3)
        click(world, client, "discard", lambda: not world.sim.running)
        assert not world.sim.finished  # one that counts is still to come
        world.settle()
        client.wait(lambda: "episode 0: discarded" in client.text(), world.look)
        click(world, client, "start", lambda: world.sim.index == 1 and world.sim.running)
        click(world, client, "success", lambda: world.sim.finished)
        world.settle()
        client.wait(lambda: "episode 1: kept" in client.text(), world.look)
    found = [(e["index"], e["aborted"], e["success"]) for e in world.sim.stats["episodes"]]
    assert found == [(0, True, False), (1, False, False)]  # kept, but the task does not praise it
    world.close()
    bags = [Bag(bag) for bag in sorted((tmp_path / "bags").iterdir())]
    assert [bag.metadata["aborted"] for bag in bags] == ["true", "false"]


def test_fields_and_gizmo_show_one_target_and_take_only_what_is_one(world):
    with PageClient(world.viewer.page.url) as client:
        click(world, client, "start", lambda: world.sim.running)
        hand = world.viewer.hand
        world.run(lambda: hand.ready)
        client.put("target", [0.1, 0.05, 0.2])
        client.wait(lambda: np.allclose(hand.position, [0.1, 0.05, 0.2]), world.look)
        client.put("yaw", 0.5)
        client.wait(lambda: abs(hand.yaw - 0.5) < 1e-9, world.look)
        client.wait(lambda: np.allclose(client.nodes["/target"]["position"], [0.1, 0.05, 0.2]),
                    world.look)  # fmt: skip
        client.drag("/target", [3.0, 0.0, 0.2])
        client.wait(lambda: np.allclose(client.value("target"), [0.4, 0.0, 0.2]), world.look)
        client.drag("/target", [float("nan"), 0.0, 0.2])
        client.wait(lambda: world.viewer.stats["refused"] == 1, world.look)
        np.testing.assert_allclose(hand.position, [0.4, 0.0, 0.2])


def test_a_person_has_no_time_limit(world):
    with PageClient(world.viewer.page.url) as client:
        click(world, client, "start", lambda: world.sim.running)
        world.run(lambda: world.sim.time > world.sim.task.time_limit + 0.5)
        assert world.sim.running


@pytest.mark.parametrize("truth", [True, False])
def test_what_no_sensor_tells_is_drawn_only_by_the_ground_truth(truth):
    spec = {"exec": "viewer_node", "name": "viewer", "realtime": False}
    spec["params"] = {"port": 0, "ground_truth": truth, **TASK}
    viewer = build(spec, LocalBus(LocalGraph(), "viewer"))
    viewer.configure()
    try:
        seen = {name for name, body in viewer.page.bodies.items() if body.visible}
        assert ("block" in seen) is truth and {"world", "hand", "finger_left"} <= seen
    finally:
        viewer.shutdown()


def test_without_a_request_episodes_follow_each_other(tmp_path):
    graph = LocalGraph()
    spec = {"exec": "sim_node", "name": "sim", "realtime": False, "params": TASK}
    node = build(spec, LocalBus(graph, "sim"))
    node.configure()
    bus = LocalBus(graph, "outside")

    def ask(service, name, **values):
        raw = bus.call(service.__srvtype__, name, messages.serialize(service.Request(**values)))
        return messages.deserialize(raw, service.Response.__msgtype__)

    empty = {"structure_needs_at_least_one_member": 0}
    assert "not active" in ask(messages.Trigger, "/episode/begin", **empty).message
    node.start()
    for answer in (
        ask(messages.Trigger, "/episode/begin", **empty),
        ask(messages.SetBool, "/episode/end", data=False),
    ):
        assert not answer.success and "on_request is false" in answer.message
    assert node.running
    node.shutdown()


@pytest.mark.parametrize("words", [("launch", "--lockstep"), ("collect", "out:=there")])
def test_where_nobody_can_press_start_a_person_is_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command, *more = words
    line = ["covary", command, "block_pick", "planner:=person", "episodes:=1", *more]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2 and "a person" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_person_needs_real_time_and_a_gripper(tmp_path):
    spec = {"exec": "viewer_node", "name": "viewer", "realtime": False}
    node = build(spec | {"params": {"task": "push", "person": True, "port": 0}},
                 LocalBus(LocalGraph(), "viewer"))  # fmt: skip
    with pytest.raises(ParameterError, match="a person moves a gripper") as caught:
        node.configure()
    assert caught.value.key == "person"
    node.shutdown()
