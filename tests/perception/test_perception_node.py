"""The perception node: what it makes of images, and that no fault of one moves the robot."""

import json
import re
import shutil

import numpy as np
import pytest
from hand_policies import hand_policy, homing_gain
from in_process import covary_here

from covary.nodes import messages
from covary.nodes.bags.dataset import read_episode
from covary.nodes.launching.launch_file import find
from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.parameters import ParameterError
from covary.perception.image_estimator import read_estimator
from covary.perception.model_card import write_model_card
from covary.perception.perception_node import PerceptionNode
from covary.sim.task_messages import command_message, header, state_message
from covary.sim.tasks.point_mass import PointMass

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from hand_eyes import TOPIC, hand_card, hand_eyes, shown  # noqa: E402
from looked_at import LookedAt  # noqa: E402

TASK = PointMass()
ERROR = 2


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    return hand_eyes(tmp_path_factory.mktemp("eyes") / "eyes")


@pytest.fixture(scope="module")
def plant():
    return TASK.plant()


class World(LookedAt):
    """A perception node, someone who sends what is seen and done, and all that comes back."""

    def __init__(self, eyes, plant, realtime=True, **params):
        self.plant = plant
        super().__init__(realtime, **{"task": "point_mass", "perception": str(eyes), **params})

    def image(self, time, pixels):
        pixels = np.asarray(pixels, np.float32)
        height, width = pixels.shape
        self.put(
            TOPIC,
            messages.Image(
                header=header(time), height=height, width=width, encoding="32FC1", is_bigendian=0,
                step=4 * width, data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
            ),
        )  # fmt: skip

    def moment(self, time, x, u=None, image=None, episode=0):
        """One period: what is seen of x, and the command for it."""
        self.image(time, shown(TASK, self.plant, x) if image is None else image)
        hidden = np.full(len(x), np.nan)  # of /state nothing but the goal may be used
        hidden[TASK.goal_slice] = x[TASK.goal_slice]
        self.put("/state", state_message(TASK.state_names, time, episode, hidden))
        self.put("/command", command_message(TASK, time, TASK.safe_action() if u is None else u))
        return self.estimates()

    def estimates(self):
        found = []
        while (taken := self.heard.take()) is not None:
            found.append(messages.deserialize(taken[0], "covary_msgs/msg/State"))
        return found

    def said(self):
        """The newest status."""
        newest = None
        while (taken := self.told.take()) is not None:
            newest = messages.deserialize(taken[0], "diagnostic_msgs/msg/DiagnosticArray")
        (status,) = newest.status
        return status


def motion(count, seed=0):
    """States and actions of the task's own model."""
    from covary.sim.planner_plugin import build_dynamics

    dynamics, rng = build_dynamics(TASK, "numba", 0.8), np.random.default_rng(seed)
    x, states, actions = TASK.initial_state(rng), [], []
    u = 0.3 * TASK.limits.project(rng.uniform(-1, 1, len(TASK.action_names)))
    for _ in range(count):
        states.append(x)
        actions.append(u)
        x = dynamics.next_state(x[None], u[None])[0]
    return states, actions


def test_it_tells_the_whole_state_rates_too(eyes, plant):
    world = World(eyes, plant)
    states, actions = motion(20)
    for k, (x, u) in enumerate(zip(states, actions, strict=True)):
        (found,) = world.moment(k * TASK.dt, x, u)
        assert messages.seconds(found.header.stamp) == pytest.approx(k * TASK.dt)
        assert tuple(found.name) == tuple(TASK.state_names)
    np.testing.assert_allclose(found.value, x, atol=0.05)
    values = {v.key: float(v.value) for v in world.said().values}
    assert values["anomaly"] < 3 and 0 < values["uncertainty"] <= 1
    # Another scene than foretold is a surprise.
    world.moment(20 * TASK.dt, states[0], actions[0])
    assert float(world.said().values[0].value) > 10


def after(world, count=8):
    states, actions = motion(count + 1)
    for k in range(count):
        assert len(world.moment(k * TASK.dt, states[k], actions[k])) == 1
    return count * TASK.dt, states, actions


@pytest.mark.parametrize(
    "fault, said",
    [
        (lambda good: np.zeros_like(good), "shows nothing: all pixels are 0"),
        (lambda good: np.where(good > 0, np.nan, good), "it is not finite"),
        (lambda good: good[:24, :24], "it is 24 x 24 x 1; the model sees 96 x 96 x 1"),
    ],
    ids=["black", "NaN", "resolution"],
)
def test_an_image_that_tells_nothing_gives_no_estimate(eyes, plant, fault, said):
    world = World(eyes, plant)
    time, states, actions = after(world)
    bad = fault(shown(TASK, plant, states[-1]))
    assert world.moment(time, states[-1], actions[-1], bad) == []
    status = world.said()
    assert status.level == ERROR and said in status.message
    assert len(world.moment(time + TASK.dt, states[-1])) == 1  # and then goes on
    assert world.said().level == 0
    # Behind the barrier time waits for an answer: that there is no estimate.
    world = World(eyes, plant, realtime=False)
    time, states, actions = after(world)
    (empty,) = world.moment(time, states[-1], actions[-1], bad)
    assert len(empty.value) == len(empty.name) == 0 and said in world.said().message


def test_a_frozen_image_is_one_that_does_not_change_while_the_scene_moves(eyes, plant):
    world = World(eyes, plant)
    time, states, actions = after(world)
    stuck = shown(TASK, plant, states[-2])
    answers = [len(world.moment(time + k * TASK.dt, states[-1], actions[0], stuck))
               for k in range(40)]  # fmt: skip
    assert answers[-1] == 0 and "it is frozen" in world.said().message
    # At rest images are equal, and that is no fault.
    world = World(eyes, plant)
    x = states[0].copy()
    still = [len(world.moment(k * TASK.dt, x, image=shown(TASK, plant, x))) for k in range(40)]
    assert still == [1] * 40


def test_a_dropped_image_is_said_and_nothing_is_made_up(eyes, plant):
    world = World(eyes, plant)
    time, states, actions = after(world)
    for k in (0, 1):
        hidden = state_message(TASK.state_names, time + k * TASK.dt, 0, states[-1])
        world.put("/state", hidden)
    assert world.estimates() == [] and f"{TOPIC} never came" in world.said().message


def test_what_is_above_the_anomaly_limit_is_no_estimate(eyes, plant):
    world = World(eyes, plant, anomaly_limit=20)
    time, states, actions = after(world)
    assert world.moment(time, -states[-1], actions[-1]) == []
    assert "above the limit of 20" in world.said().message
    assert len(world.moment(time + TASK.dt, states[-1], actions[-1])) == 1


def test_behind_the_barrier_it_waits_for_the_command_before_and_says_again_what_it_said(
    eyes, plant
):
    world = World(eyes, plant, realtime=False)
    states, actions = motion(2)
    assert len(world.moment(0.0, states[0], actions[0])) == 1
    world.image(TASK.dt, shown(TASK, plant, states[1]))
    world.put("/state", state_message(TASK.state_names, TASK.dt, 0, states[1]))
    (first,) = world.estimates()
    world.put("/state", state_message(TASK.state_names, TASK.dt, 0, states[1]))
    (again,) = world.estimates()
    np.testing.assert_array_equal(first.value, again.value)
    world.image(2 * TASK.dt, shown(TASK, plant, states[1]))
    world.put("/state", state_message(TASK.state_names, 2 * TASK.dt, 0, states[1]))
    assert world.estimates() == []  # the command for the moment before is still missing
    world.put("/command", command_message(TASK, TASK.dt, actions[1]))
    assert len(world.estimates()) == 1


def test_joint_sensors_beside_the_image(eyes, plant):
    world = World(eyes, plant, joint_states=True)
    joints = set(TASK.joint_names) & set(TASK.state_names)
    assert world.node.joints is not None and len(world.node.joints.places) >= len(joints)


def test_a_model_of_another_task_is_one_line(eyes, plant, tmp_path):
    other = hand_eyes(tmp_path / "other", task="push")
    with pytest.raises(ParameterError, match="a model of push is not one of point_mass") as found:
        World(other, plant)
    assert found.value.key == "perception"
    parameters = PerceptionNode.Parameters("point_mass", f"{tmp_path / 'othre'}")
    with pytest.raises(
        ParameterError, match=r"othre: no model: there is.* did you mean '.*other'\?"
    ):
        PerceptionNode.check(parameters)
    torn = shutil.copytree(eyes, tmp_path / "torn")
    (torn / "estimate.onnx").write_bytes((torn / "estimate.onnx").read_bytes()[:-1])
    with pytest.raises(ParameterError, match="estimate.onnx: truncated or changed"):
        PerceptionNode.check(PerceptionNode.Parameters("point_mass", str(torn)))
    (torn / "estimate.onnx").unlink()
    with pytest.raises(ParameterError, match="estimate.onnx: there is none; the same"):
        PerceptionNode.check(PerceptionNode.Parameters("point_mass", str(torn)))
    done = covary_here(tmp_path, "check", "point_mass", f"perception:={other}", "heightmap:=96")
    assert done.returncode == 2 and "a model of push is not one of point_mass" in done.stderr
    done = covary_here(tmp_path, "check", "point_mass", f"perception:={eyes}")
    assert done.returncode == 2 and "say heightmap:=96" in done.stderr
    seen = ("check", "point_mass", "policy:=a:B", f"perception:={eyes}", "heightmap:=96")
    done = covary_here(tmp_path, *seen, "foretold_by:=numbaa")
    assert done.returncode == 2 and "'numbaa' is none; did you mean 'numba'?" in done.stderr


def test_a_model_that_plans_in_a_latent_foretells_no_states(eyes, plant, tmp_path):
    latent = hand_eyes(tmp_path / "latent", does=("encodes", "plans"))
    with pytest.raises(
        ParameterError, match="plans in a latent .* say foretold_by:=numba"
    ) as found:
        World(eyes, plant, model=str(latent))
    assert found.value.key == "model"
    words = ("check", "point_mass", f"perception:={eyes}", "heightmap:=96", f"model:={latent}")
    assert "say foretold_by:=numba" in covary_here(tmp_path, *words).stderr
    said = covary_here(tmp_path, *words, "foretold_by:=numba").stderr
    assert "foretold_by" not in said and "/planner" in said  # its network is none


@pytest.mark.parametrize(
    "facts, said",
    (
        ({"frames": 3}, "frames: 3 is not 1 or 2"),
        ({"deviation": 5}, "is not one number for each"),
        ({"deviation": [0.1, float("nan")]}, "is not one number for each"),
        ({"deviation": ["a", "b"]}, "is not one number for each"),
        ({"deviation": [0.1, -1.0]}, "is not one number for each"),
        ({"told": [["mass_x"], "mass_y"]}, "no coordinates of the state"),
        ({"told": []}, "no coordinates of the state"),
        ({"told": ["mass_x", "goal_x"]}, "'goal_x' is no coordinate"),
        ({"told": ["mass_x", "mass_x"]}, "'mass_x' is no coordinate"),
    ),
)
def test_facts_that_do_not_fit_are_one_line(tmp_path, facts, said):
    right = {"told": ["mass_x", "mass_y"], "frames": 1, "deviation": [0.1, 0.1]}
    folder = tmp_path / "eyes"
    folder.mkdir()
    card = hand_card(task="point_mass", pixels=8, facts=right | facts)
    write_model_card(folder, card)
    with pytest.raises((InputError, ValueError), match=re.escape(said)) as found:
        read_estimator(folder, TASK)
    assert "\n" not in str(found.value)


LAUNCH = ("point_mass.yaml", "samples:=64", "heightmap:=96", "--lockstep")


def test_a_launch_plans_from_what_is_seen(eyes, tmp_path):
    done = covary_here(tmp_path, "launch", *LAUNCH, f"perception:={eyes}", "episodes:=2")
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["success_rate"] == 1.0
    seen = summary["perception"]
    assert seen["estimates"] > 20 and seen["failed_estimates"] == 0
    assert seen["estimate_ms"]["p50"] > 0 and seen["share_of_sensor_to_command"] is None
    bag = read_episode(sorted((run / "bags").iterdir())[0], False)
    assert len(bag) > 10


def test_a_policy_acts_on_what_is_seen(eyes, tmp_path):
    hand_policy(tmp_path / "homing", TASK, homing_gain())
    words = ("point_mass.yaml", "policy:=homing", f"perception:={eyes}", "heightmap:=96")
    done = covary_here(tmp_path, "launch", *words, "episodes:=2", "--lockstep")
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["perception"]["failed_estimates"] == 0
    stats = json.loads((run / "policy.json").read_text())
    assert stats["plans"] == summary["perception"]["estimates"] > 20


CAMERA = '''
"""A camera that goes black."""
import numpy as np
from covary.nodes import messages
from covary.nodes.node import Node


class Bad(Node):
    subscribes = {"/camera/heightmap/image_raw": "sensor_msgs/msg/Image"}
    publishes = {"/camera/bad/image_raw": "sensor_msgs/msg/Image"}

    def configure(self):
        self.out = self.create_publisher(messages.Image, "/camera/bad/image_raw")
        self.create_subscription(messages.Image, "/camera/heightmap/image_raw", self.on_image)

    def on_image(self, message):
        if messages.seconds(message.header.stamp) > 0.3:
            message.data = np.zeros_like(message.data)
        self.out.publish(message)
'''


def bad_launch(folder):
    """Our launch file with that camera between sim and perception."""
    text = (find("reach").parent / "include" / "planning.yaml").read_text()
    spot = "      exec: perception_node\n      name: perception\n"
    assert spot in text
    remap = f"      remap:\n        - {{from: {TOPIC}, to: /camera/bad/image_raw}}\n"
    text = text.replace(spot, spot + remap)
    text += "\n  - node: {pkg: covary, exec: 'bad_camera:Bad', name: bad}\n"
    (folder / "bad_camera.py").write_text(CAMERA)
    (folder / "include").mkdir()
    (folder / "include" / "planning.yaml").write_text(text)
    (folder / "mine.yaml").write_text(find("point_mass").read_text())
    return "./mine.yaml"


def test_where_the_camera_goes_black_the_robot_is_safe(eyes, tmp_path):
    mine = bad_launch(tmp_path)
    done = covary_here(tmp_path, "launch", mine, *LAUNCH[1:], f"perception:={eyes}", "episodes:=1")
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["success_rate"] == 0.0 and summary["perception"]["failed_estimates"] > 10
    episode = read_episode(sorted((run / "bags").iterdir())[0], False)
    late = episode.time > 0.3 + 1e-9
    assert (episode.action[~late] != TASK.safe_action()).any()
    np.testing.assert_array_equal(
        episode.action[late], np.tile(TASK.safe_action(), (late.sum(), 1))
    )


@pytest.mark.slow
def test_in_real_time_a_black_camera_brings_the_safe_action(eyes, tmp_path):
    mine = bad_launch(tmp_path)
    given = [w for w in LAUNCH[1:] if w != "--lockstep"]
    words = (*given, f"perception:={eyes}", "episodes:=1", "realtime:=true", "record:=false")
    done = covary_here(tmp_path, "launch", mine, *words)
    assert done.returncode == 0, done.stderr + done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["safe_s"] > 1.0 and summary["success_rate"] == 0.0
    assert 0 < summary["perception"]["share_of_sensor_to_command"] < 1
    assert "shows nothing" in (run / "perception.log").read_text()
