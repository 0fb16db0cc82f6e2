"""The policy node on a local bus: moments, chunks, repetitions, misses, who may see what."""

import sys
import types

import numpy as np
import pytest
from hand_policies import hand_policy, homing_gain
from outside import Outside

from covary.control.load_policy import wants_of
from covary.control.policy_node import PolicyNode
from covary.nodes import messages
from covary.nodes.parameters import ParameterError
from covary.nodes.plugin import PluginError
from covary.sim.pixels import pixels_of
from covary.sim.task_messages import header, plan_actions, state_message
from covary.sim.tasks.block_pick import BlockPick
from covary.sim.tasks.point_mass import PointMass

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TASK = PointMass()
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"


class World(Outside):
    """A policy node, someone who sends what sensors see, and all plans that come back."""

    def __init__(self, policy, realtime=False, folder=None, task=TASK, **params):
        self.task = task
        super().__init__("policy", realtime, folder, task=task.name, policy=str(policy), **params)
        self.plans = self.outside.subscribe(TRAJECTORY, "/plan", 0)

    def state(self, time, x, episode=0, topic="/state", names=None):
        self.put(topic, state_message(names or self.task.state_names, time, episode, x))
        return self.taken()

    def image(self, time, pixels, topic="/camera/heightmap/image_raw"):
        pixels = np.asarray(pixels, np.float32)
        height, width = pixels.shape
        self.put(
            topic,
            messages.Image(
                header=header(time),
                height=height,
                width=width,
                encoding="32FC1",
                is_bigendian=0,
                step=4 * width,
                data=pixels.reshape(-1).view(np.uint8),
            ),
        )
        return self.taken()

    def taken(self):
        """Bytes of the plans that have come."""
        found = []
        while (taken := self.plans.take()) is not None:
            found.append(taken[0])
        return found


def read(raw, task=TASK):
    return plan_actions(task, messages.deserialize(raw, TRAJECTORY))


def start(seed=0):
    return TASK.initial_state(np.random.default_rng(seed))


@pytest.fixture
def policy(tmp_path):
    """Makes policies for the point mass."""

    def make(name="policy", task=TASK, gain=None, **more):
        return hand_policy(tmp_path / name, task, homing_gain() if gain is None else gain, **more)

    return make


def test_every_state_is_answered_with_its_own_stamp_and_within_limits(policy):
    world = World(policy())
    for tick in range(4):
        (raw,) = world.state(tick * TASK.dt, start(tick))
        time, dt, actions = read(raw)
        assert time == pytest.approx(tick * TASK.dt) and dt == pytest.approx(TASK.dt)
        expected = TASK.limits.project(homing_gain() @ start(tick))
        np.testing.assert_allclose(actions, np.tile(expected, (3, 1)), atol=1e-5)
    assert world.node.stats["plans"] == 4


def test_a_chunk_is_a_plan_and_goes_on_for_as_long_as_it_is_executed(policy):
    world = World(policy(chunk=5, execute=3))
    first = read(*world.state(0.0, start(1)))[2]
    assert len(first) == 5
    for step in (1, 2):  # whatever is seen meanwhile
        time, _, actions = read(*world.state(step * TASK.dt, start(2)))
        assert time == pytest.approx(step * TASK.dt)
        np.testing.assert_array_equal(actions[0], first[step])
        assert len(actions) == max(5 - step, 3)
    again = read(*world.state(3 * TASK.dt, start(2)))[2]
    assert np.abs(again[0] - first[0]).max() > 1e-3


def test_an_estimate_stands_in_place_of_the_state(policy):
    world = World(policy(), estimated=True)
    assert not world.state(0.0, start())
    (raw,) = world.state(0.0, start(), topic="/estimate")
    expected = TASK.limits.project(homing_gain() @ start())
    np.testing.assert_allclose(read(raw)[2], np.tile(expected, (3, 1)), atol=1e-5)
    # An empty one: perception saw nothing that it knows.
    world.put("/estimate", state_message((), TASK.dt, 0, np.zeros(0)))
    (raw,) = world.taken()
    np.testing.assert_array_equal(read(raw)[2], TASK.safe_action()[None])
    assert world.node.reason == "there is no estimate of the state"
    (raw,) = world.state(2 * TASK.dt, start(), topic="/estimate")
    np.testing.assert_allclose(read(raw)[2][0], expected, atol=1e-5)


def test_after_a_gap_it_is_asked_again(policy):
    world = World(policy(chunk=5, execute=3))
    first = read(*world.state(0.0, start(1)))[2]
    later = read(*world.state(9 * TASK.dt, start(2)))[2]
    assert np.abs(first[0] - later[0]).max() > 1e-3


def test_behind_the_barrier_a_repetition_has_the_same_bytes(policy):
    world = World(policy())
    (first,) = world.state(0.0, start())
    assert world.state(0.0, start()) == [first]
    assert world.node.stats["plans"] == 1
    assert len(world.state(TASK.dt, start())) == 1


@pytest.mark.parametrize("order", ["image first", "state first"])
def test_a_moment_is_answered_when_all_of_it_is_there(policy, order):
    world = World(policy(images={"heightmap": 8}))
    image = np.zeros((8, 8))
    for tick in range(3):
        time = tick * TASK.dt
        if order == "image first":
            assert world.image(time, image) == []
            answers = world.state(time, start())
        else:
            assert world.state(time, start()) == []
            answers = world.image(time, image)
        assert len(answers) == 1 and read(answers[0])[0] == pytest.approx(time)


def test_a_moment_that_is_never_whole_is_counted_and_named_once(policy, tmp_path, caplog):
    caplog.set_level("INFO", "covary")
    world = World(policy(images={"heightmap": 8}), realtime=True, folder=tmp_path)
    for tick in range(4):
        assert world.state(tick * TASK.dt, start()) == []
    assert world.image(3 * TASK.dt, np.zeros((8, 8)))
    world.node.write_stats()
    assert (world.node.stats["incomplete"], world.node.stats["failed_plans"]) == (3, 3)
    said = [r.message for r in caplog.records if "never came" in r.message]
    assert said == ["no plan for t=0.000 s: /camera/heightmap/image_raw never came"]


@pytest.mark.parametrize("realtime", [True, False])
def test_what_is_not_finite_never_becomes_a_plan(policy, realtime, caplog):
    world = World(policy(bias=np.nan), realtime=realtime)
    for tick in range(5):
        answers = world.state(tick * TASK.dt, start())
        if realtime:
            assert answers == []  # control falls to the safe action at its deadline
        else:  # time waits for an answer
            assert not read(*answers)[2].any()
    assert world.node.stats["failed_plans"] == 5
    assert len([r for r in caplog.records if "not finite" in r.message]) == 1


def test_a_state_that_is_not_finite_is_a_miss_and_the_next_one_is_not(policy):
    world = World(policy(), realtime=True)
    assert world.state(0.0, np.full(6, np.nan)) == []
    assert len(world.state(TASK.dt, start())) == 1


def test_an_image_of_another_size_is_a_miss(policy, caplog):
    world = World(policy(images={"heightmap": 8}), realtime=True)
    world.image(0.0, np.zeros((4, 4)))
    assert world.state(0.0, start()) == []
    assert "(4, 4)" in caplog.text and "(8, 8)" in caplog.text


DRAWING = """
import numpy
class Drawing:
    def __init__(self, task): self.task = task
    def reset(self, rng): self.rng = rng
    def act(self, seen): return self.rng.normal(size=2)
class Lame:
    def __init__(self, task): pass
    def act(self, seen): return None
class Late(Drawing):
    def act(self, seen): raise KeyError("now")
class Odd(Drawing):
    def act(self, seen): return numpy.zeros(3)
"""


@pytest.fixture
def outsiders(tmp_path, monkeypatch):
    """A file of somebody's policies."""
    (tmp_path / "their_policies.py").write_text(DRAWING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_policies", raising=False)


def test_in_real_time_one_action_is_too_few_and_it_says_so(policy, caplog):
    World(policy("three", chunk=3), realtime=True)
    World(policy("one"))
    assert "train with chunk:=3" not in caplog.text
    World(policy("one"), realtime=True)
    assert "train with chunk:=3" in caplog.text


def test_draws_are_keyed_by_seed_and_episode(outsiders):
    def answers(seed, episodes):
        world = World("their_policies:Drawing", seed=seed)
        time = 0.0
        found = []
        for episode in episodes:
            for _ in range(2):
                time += TASK.dt
                found.append(read(*world.state(time, start(), episode))[2][0])
        return np.array(found)

    both = answers(3, [0, 1])
    np.testing.assert_array_equal(answers(3, [1]), both[2:])
    assert np.abs(both[:2] - both[2:]).max() > 1e-3
    assert np.abs(answers(4, [0]) - both[:2]).max() > 1e-3
    starts = np.random.default_rng([3, 0]).normal(size=2)  # what the sim draws starts from
    assert np.abs(TASK.limits.project(starts) - both[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Lame", "is no policy; it lacks reset"),
        ("Late", "its first answer failed .KeyError"),
        ("Lat", "did you mean Late"),
    ],
)
def test_an_outsiders_policy_fails_in_one_line(outsiders, name, message):
    with pytest.raises(PluginError, match=message) as caught:
        World(f"their_policies:{name}")
    assert "\n" not in str(caught.value)


def test_an_answer_of_another_shape_is_a_miss(outsiders, caplog):
    world = World("their_policies:Odd", realtime=True)
    assert world.state(0.0, start()) == []
    assert "not (chunk, 2)" in caplog.text


PICK = BlockPick()


def check(policy, task=TASK, **more):
    return PolicyNode.check(PolicyNode.Parameters(task.name, str(policy), **more))


def test_what_does_not_fit_is_one_line(policy, tmp_path):
    made = policy()
    cases = {
        "there is no folder .*polcy; did you mean 'policy'": (tmp_path / "polcy", {}),
        "sees 'mass_x', push has none": (made, {"task": "push"}),
        "fallback: when is it to take over": (made, {"fallback": "mppi"}),
        "uncertainty_limit: there is no fallback": (made, {"uncertainty_limit": 1.0}),
        "no planners file is called 'mpi'": (made, {"fallback": "mpi", "uncertainty_limit": 1.0}),
        "success_limit: .*map.npz: no map": (made, {"fallback": "mppi", "success_limit": 0.5}),
        "has a deterministic head, which is never unsure": (
            policy("sure", recipe={"head": "deterministic"}),
            {"fallback": "mppi", "uncertainty_limit": 1.0},
        ),
        "acts every 0.1 s": (policy("slow", dt=0.1), {}),
        "moves left, right": (policy("other", action_names=("left", "right")), {}),
        "has the action part": (
            policy("part", symmetry={"group": "C4", "action": {"force": "Scalar()"}}),
            {},
        ),
        "there is no policy.onnx in it; covary export": (policy("bare", network=False), {}),
    }
    for message, (spec, more) in cases.items():
        with pytest.raises((ParameterError, PluginError, ValueError), match=message) as caught:
            PolicyNode.check(
                PolicyNode.Parameters(**{"task": "point_mass", "policy": str(spec)} | more)
            )
        assert "\n" not in str(caught.value)
    path = made / "policy.onnx"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ParameterError, match="policy.onnx is truncated, or not the file"):
        check(made)


def test_without_onnxruntime_it_says_what_to_type(policy, monkeypatch):
    made = policy()
    monkeypatch.setattr("covary.control.load_policy.find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"pip install 'covary\[deploy\]'"):
        check(made)


def test_the_ground_truth_is_for_who_is_told(policy):
    width = len(PICK.state_names)
    made = policy("whole", PICK, np.zeros((5, width)), whole=True)
    with pytest.raises(ParameterError, match="say ground_truth: true"):
        check(made, PICK)
    parameters = PolicyNode.Parameters("block_pick", str(made), ground_truth=True)
    PolicyNode.check(parameters)
    assert list(PolicyNode.also_subscribes(parameters)) == ["/ground_truth"]
    sensed = policy("sensed", PICK, np.zeros((5, len(PICK.sensed_state()[0]))))
    parameters = PolicyNode.Parameters("block_pick", str(sensed), ground_truth=True)
    assert list(PolicyNode.also_subscribes(parameters)) == ["/state"]
    with pytest.raises(ParameterError, match="fallback needs the poses"):
        check(sensed, PICK, fallback="expert", uncertainty_limit=1.0)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "16UC1", "32FC1"])
def test_pixels_are_taken_as_they_lie(encoding):
    """Rows may be padded, and the other byte order is read too."""
    kind, values = {"rgb8": ("u1", 3), "mono8": ("u1", 1), "16UC1": ("u2", 1), "32FC1": ("f4", 1)}[
        encoding
    ]
    shape = (3, 4) if values == 1 else (3, 4, values)
    wanted = np.random.default_rng(0).integers(0, 200, shape).astype(kind)
    for order in "<>":
        rows = wanted.astype(order + kind).reshape(3, -1).view(np.uint8)
        padded = np.pad(rows, ((0, 0), (0, 5)))
        message = messages.Image(header(0.0), 3, 4, encoding, int(order == ">"), padded.shape[1],
                                 padded.reshape(-1))  # fmt: skip
        np.testing.assert_array_equal(pixels_of(message), wanted)
    message.data = message.data[:-9]
    with pytest.raises(ValueError, match="are too few for 4 x 3"):
        pixels_of(message)
    message.encoding = "bayer"
    with pytest.raises(ValueError, match="'bayer' is none of"):
        pixels_of(message)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("execute = 'many'", "execute: 'many' is no whole number >= 1"),
        ("execute = 0", "execute: 0 is no whole number >= 1"),
        ("images = 3", "images: 3 is no mapping of names to topics"),
        ("state_names = ('mas_x',)", "has no 'mas_x'; did you mean 'mass_x'?"),
        ("state_names = 'mass_x'", "state_names: 'mass_x' is no list of coordinates"),
        ("state_topic = '/plan'", "state_topic: '/plan' is none of /state, /ground_truth"),
    ],
)
def test_an_outsiders_class_that_wants_nonsense_is_refused_in_a_line(line, said, monkeypatch):
    module = types.ModuleType("odd_policy")
    methods = "    def reset(self, rng): ...\n    def act(self, seen): ...\n"
    exec(f"class Odd:\n    {line}\n{methods}", module.__dict__)
    monkeypatch.setitem(sys.modules, "odd_policy", module)
    with pytest.raises(ParameterError) as found:
        wants_of("odd_policy:Odd", TASK)
    assert said in str(found.value) and "\n" not in str(found.value)
