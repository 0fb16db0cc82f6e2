"""The tick barrier on a local bus: what is lost on the way is sent again, and changes nothing."""

from types import SimpleNamespace

import pytest

from covary.nodes.bags.reader import Bag
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build

PLANNER = {"plugin": "mppi", "samples": 16, "horizon": 6, "knots": 3}
PARAMETERS = {
    "recorder": {},
    "planner": {"task": "point_mass", "planner": PLANNER},
    "control": {"task": "point_mass"},
    "sim": {"task": "point_mass", "episodes": 2},
}


class World:
    """All nodes of a launch in one process, and a wall clock that the test moves."""

    def __init__(self, folder, monkeypatch, without=(), **sim):
        self.now = 0.0
        monkeypatch.setattr("covary.sim.barrier.wall", SimpleNamespace(monotonic=lambda: self.now))
        self.graph, self.nodes = LocalGraph(), {}
        for name, params in PARAMETERS.items():
            if name not in without:
                params = params | (sim if name == "sim" else {})
                spec = {"exec": f"{name}_node", "name": name, "realtime": False}
                spec |= {"run_folder": str(folder), "params": params}
                self.nodes[name] = build(spec, LocalBus(self.graph, name))
                self.nodes[name].configure()
        self.sim = self.nodes["sim"]

    def end(self, name, topic):
        """A node's end of a topic."""
        return next(s for s, _ in self.nodes[name]._handlers if s.topic == topic)

    def lose(self, name, topic, number):
        """A node does not get the message of that number, from 0 on."""
        end, count = self.end(name, topic), iter(range(10**6))
        push = end.push
        end.push = lambda *message: next(count) == number or push(*message)

    def begin(self):
        for node in self.nodes.values():
            node.start()

    def run(self, every_s=0.0):
        """Runs to the end. Wall time passes when all is still, or with every message."""
        self.begin()
        while not self.sim.finished:
            moved = self.graph.step()
            if every_s or not moved:
                self.now += every_s or 0.6
                self.sim.check_barrier()
        while self.graph.step():
            pass
        for node in self.nodes.values():
            node.shutdown()
            node.write_stats()
        return self

    def recorded(self):
        """Every message of every bag."""
        return [
            [(m.topic, m.log_ns, m.payload) for m in Bag(path).messages()]
            for path in self.nodes["recorder"].stats["bags"]
        ]

    def count(self, name, what):
        return self.nodes[name].stats[what]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run in which nothing is lost."""
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("whole"), patch).run()
    assert world.count("sim", "repeated") == 0 and world.now == 0.0
    assert len(world.sim.stats["episodes"]) == 2
    return SimpleNamespace(world=world, recorded=world.recorded())


def assert_same(world, whole):
    """The same run: costs, every recorded byte, and nothing counted as refused."""
    assert world.recorded() == whole.recorded
    assert world.sim.stats["episodes"] == whole.world.sim.stats["episodes"]
    assert not world.sim.failed
    assert world.count("planner", "plans") == whole.world.count("planner", "plans")
    assert (world.count("sim", "rejected"), world.count("control", "refused_plans")) == (0, 0)
    assert world.count("control", "without_plan") == 0


LATER = 57


@pytest.mark.parametrize("number", [0, 5, LATER])
@pytest.mark.parametrize(
    ("name", "topic"),
    [("planner", "/state"), ("control", "/state"), ("control", "/plan"), ("sim", "/command")],
)
def test_a_lost_message_changes_nothing(tmp_path, monkeypatch, whole, name, topic, number):
    world = World(tmp_path, monkeypatch)
    world.lose(name, topic, number)
    assert_same(world.run(), whole)
    assert world.count("sim", "repeated") == 1


def test_the_first_state_of_the_second_episode_may_be_lost(tmp_path, monkeypatch, whole):
    states = [sum(topic == "/state" for topic, *_ in bag) for bag in whole.recorded]
    world = World(tmp_path, monkeypatch)
    for name in ("planner", "control", "recorder"):
        world.lose(name, "/state", states[0])
    assert_same(world.run(), whole)


def test_whatever_is_sent_again_changes_nothing(tmp_path, monkeypatch, whole):
    """A repetition before, while and after every answer, as when a planner is slow."""
    world = World(tmp_path, monkeypatch, tick_timeout_s=1e6).run(every_s=1.0)
    assert_same(world, whole)
    assert world.count("sim", "repeated") > 2 * world.count("planner", "plans")
    assert {name: world.count(name, "dropped") for name in ("planner", "control", "sim")} == {
        name: {} for name in ("planner", "control", "sim")
    }


def test_who_never_answers_ends_the_run_by_name(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch, without=["planner"]).run()
    assert world.sim.failed and world.now == pytest.approx(10.2)
    assert "node planner (/plan) did not answer t=0.000 s" in world.sim.finished
    assert 5 <= world.count("sim", "repeated") <= 10


@pytest.mark.parametrize("hz", [0.0, 1.0])
def test_all_that_is_answered_is_sent_again_byte_for_byte(tmp_path, monkeypatch, hz):
    only = dict(task="block_pick", heightmap=8, camera_hz=hz)
    world = World(tmp_path, monkeypatch, without=["recorder", "planner", "control"], **only)
    topics = ("/camera/heightmap/camera_info", "/camera/heightmap/image_raw")
    topics, order = (*topics, "/ground_truth", "/state"), []
    send = world.graph.send
    world.graph.send = lambda topic, payload, a: (
        order.append((topic, payload)),
        send(topic, payload, a),
    )
    world.begin()
    first = [item for item in order if item[0] in topics]
    assert [topic for topic, _ in first] == list(topics)
    order.clear()
    world.sim.check_barrier()
    assert order == []
    world.now = 1.1
    world.sim.check_barrier()
    assert order == first
    world.sim.check_barrier()
    assert order == first
