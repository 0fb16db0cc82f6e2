"""A policy in the planner's place, in whole launches; who takes over from it; what it proposes."""

import json
import re
from pathlib import Path

import code_blocks
import numpy as np
import pytest
from hand_policies import chasing_gain, hand_policy, homing_gain
from launches import FILES, TABLETOP, covary_here, launch, messages_of
from test_launch_files import TOPICS, assert_recorded

from covary.commands.replay import verify
from covary.control.success_map import MAP, SuccessMap
from covary.nodes import messages
from covary.nodes.bags.dataset import read_episode
from covary.nodes.bags.reader import read
from covary.sim.load_task import load_task
from covary.sim.tasks.block_pick import BlockPick
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SLOW = pytest.mark.slow
MASS = PointMass()


def light(run):
    """No process needed torch for it."""
    assert not run.stats("policy")["imported_torch"]


@pytest.fixture(scope="module")
def homing(tmp_path_factory):
    """A policy that does `point_mass`, and sees a heightmap too."""
    folder = tmp_path_factory.mktemp("homing") / "policy"
    return hand_policy(folder, MASS, homing_gain(), chunk=2, execute=2, images={"heightmap": 16})


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """Policies of the arm that do nothing, and are unsure while the gripper is high."""
    task = BlockPick()
    place = tmp_path_factory.mktemp("idle")

    def make(whole):
        names = task.state_names if whole else task.sensed_state()[0]
        unsure = np.zeros(len(names))
        unsure[list(names).index(task.state_names[3])] = 1.0
        gain = np.zeros((5, len(names)))
        return hand_policy(place / str(whole), task, gain, unsure, whole=whole)

    return make


def test_it_stands_where_the_planner_stands(tmp_path, homing):
    words = (f"policy:={homing}", "heightmap:=16", "episodes:=2", "--lockstep")
    run = launch(tmp_path, "point_mass", *words)  # by itself: here others have imported torch
    said = run.summary
    assert (said["task"], said["planner"], said["symmetry"]) == ("point_mass", str(homing), "D8")
    assert (said["episodes"], said["success_rate"], said["failures"]) == (2, 1.0, [])
    assert 0 < said["plan_ms"]["p50"] <= said["plan_ms"]["p99"] and said["samples"] is None
    images = {"/camera/heightmap/image_raw", "/camera/heightmap/camera_info"}
    assert_recorded(run, TOPICS - {"/diagnostics"} | images)  # a policy has no samples to tell of
    light(run)
    for bag in run.bags:
        verdict = verify(bag)
        assert verdict.difference is None and verdict.ticks > 10
        plans = read(bag, ["/plan", "/state"]).topics
        assert len(plans["/plan"]) == len(plans["/state"])
    again = launch(tmp_path / "again", "point_mass", *words, here=True)
    assert messages_of(run) == messages_of(again)


@pytest.mark.parametrize(
    "realtime", [pytest.param(True, marks=SLOW), pytest.param(False, marks=SLOW)]
)
def test_as_processes(tmp_path, homing, realtime):
    words = (f"policy:={homing}", "heightmap:=16", "episodes:=2", f"realtime:={realtime}".lower())
    run = launch(tmp_path, "point_mass", *words)
    assert run.summary["episodes"] == 2 and run.summary["failures"] == []
    light(run)
    stats = run.stats("policy")
    assert stats["failed_plans"] == stats["incomplete"] and (realtime or not stats["incomplete"])
    if not realtime:
        assert run.summary["success_rate"] == 1.0
        here = launch(tmp_path / "here", "point_mass", *words[:3], "--lockstep", here=True)
        for topic in ("/state", "/plan", "/command"):
            there, same = (
                [payload for _, _, payload in messages_of(one, topic)] for one in (run, here)
            )
            assert there == same, topic


ONE_OF_EACH = ("push", "block_pick")
EVERY = [
    pytest.param(name, marks=() if name in ONE_OF_EACH else SLOW)
    for name in (*FILES, *TABLETOP, "gym")
]


def idle_policy(folder, name, images=None):
    """A policy that does nothing, for the task of a launch file."""
    spec, options = {"reach": "reacher"}.get(name, name), {}
    if name == "gym":
        spec, options = "covary.sim.gym.gym_task:GymTask", {"env_id": "Reacher-v5"}
    task = load_task(spec, options)
    gain = np.zeros((len(task.action_names), len(task.state_names)))
    return task, hand_policy(folder, task, gain, whole=bool(task.sensed), images=images)


@pytest.mark.parametrize("name", EVERY)
def test_every_launch_file_takes_one(tmp_path, name):
    """Checked only: classes, parameters, topics."""
    task, folder = idle_policy(tmp_path / "policy", name)
    done = covary_here(tmp_path, "check", name, f"policy:={folder}")
    assert done.returncode == 0, done.stderr
    assert "4 nodes" in done.stdout
    done = covary_here(tmp_path, "graph", name, f"policy:={folder}", "--mermaid")
    assert "/policy" in done.stdout and "/planner" not in done.stdout
    if task.sensed:
        done = covary_here(tmp_path, "check", name, f"policy:={folder}", "ground_truth:=false")
        assert done.returncode == 2 and "say ground_truth: true" in done.stderr
        assert done.stderr.count("\n") == 1


@SLOW
@pytest.mark.parametrize("name", [*FILES, *TABLETOP, "gym"])
def test_every_launch_file_runs_one(tmp_path, name):
    """An episode in lockstep, with all images that it can have."""
    sizes = {"gym": {}}.get(name, {"heightmap": 16} | ({"in_hand": 8} if name in TABLETOP else {}))
    _, folder = idle_policy(tmp_path / "policy", name, sizes)
    words = [f"{image}:={pixels}" for image, pixels in sizes.items()]
    run = launch(tmp_path, name, f"policy:={folder}", "episodes:=1", *words, "--lockstep")
    assert (run.summary["episodes"], run.summary["failed_plans"]) == (1, 0)
    light(run)
    (bag,) = run.bags
    seen = read(bag, ["/plan", "/state"]).topics
    assert len(seen["/plan"]) == len(seen["/state"])
    assert verify(bag).difference is None


def test_what_its_policy_does_not_see_is_one_line_that_says_what_to_type(tmp_path, homing):
    place = tmp_path
    cases = {
        (): "/policy listens to '/camera/heightmap/image_raw', which nobody publishes; "
        "say heightmap:=16",
        ("heightmap:=32",): "/policy: needs heightmap:=16; it is 32 (heightmap:=32",
        ("policy:=nowhere",): "policy: there is no folder nowhere",
        ("fallback:=mppi",): "fallback: when is it to take over?",
        ("heightmap:=16", "fallback:=mpi", "uncertainty_limit:=1"): "did you mean mppi?",
    }
    for words, said in cases.items():
        given = [f"policy:={homing}"] if not any("policy:=" in w for w in words) else []
        done = covary_here(place, "check", "point_mass", *given, *words)
        assert done.returncode == 2 and said in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and ".yaml:" in done.stderr, done.stderr
    done = covary_here(place, "check", "push", f"policy:={homing}", "heightmap:=16")
    assert done.returncode == 2 and "push has none" in done.stderr
    (place / "somebodys.py").write_text(SEES)
    check = ("check", "point_mass", "policy:=somebodys:Sees")
    assert covary_here(place, *check, "heightmap:=16").returncode == 0
    assert "say heightmap:=64, or another size" in covary_here(place, *check).stderr


SEES = """
class Sees:
    images = {"heightmap": "/camera/heightmap/image_raw"}

    def __init__(self, task):
        self.task = task

    def reset(self, rng):
        pass

    def act(self, observation):
        return self.task.safe_action()
"""


def test_an_expert_takes_over_from_a_policy_that_does_nothing(tmp_path, idle):
    words = (f"policy:={idle(True)}", "robot:=floating_gripper", "episodes:=1", "seed:=7")
    alone = launch(tmp_path / "alone", "block_pick", *words, "--lockstep", here=True)
    assert alone.summary["success_rate"] == 0.0
    helped = ("fallback:=expert", "uncertainty_limit:=0.01")
    run = launch(tmp_path / "helped", "block_pick", *words, *helped, "--lockstep", here=True)
    assert run.summary["success_rate"] == 1.0
    stats = run.stats("policy")
    assert stats["takeovers"] >= 1 and stats["plans_of_fallback"] > 20
    told = [run.summary[name] for name in ("takeovers", "plans_of_fallback")]
    assert told == [stats["takeovers"], stats["plans_of_fallback"]]
    assert "the fallback takes over: uncertainty" in (run.folder / "policy.log").read_text()


def test_it_takes_over_where_the_map_says_so(tmp_path, idle):
    """The policy sees /state, the expert the ground truth; both are listened to."""
    folder = idle(False)
    axis = np.linspace(-0.3, 0.3, 7)
    tried = np.full((7, 7), 5)
    names = tuple(BlockPick().state_names[k] for k in (0, 1))
    SuccessMap(names, axis, axis, tried, 0 * tried).save(folder / MAP)
    words = (f"policy:={folder}", "robot:=floating_gripper", "episodes:=1", "seed:=7")
    more = ("fallback:=expert", "success_limit:=0.5")
    run = launch(tmp_path, "block_pick", *words, *more, "--lockstep", here=True)
    assert run.summary["success_rate"] == 1.0
    assert "its map over" in (run.folder / "policy.log").read_text()
    SuccessMap(names, axis, axis, tried, tried).save(folder / MAP)
    run = launch(tmp_path / "sure", "block_pick", *words, *more, "--lockstep", here=True)
    assert run.summary["success_rate"] == 0.0 and run.stats("policy")["takeovers"] == 0


def test_a_network_that_answers_nothing_is_a_failure_and_no_broken_run(tmp_path):
    broken = hand_policy(tmp_path / "broken", MASS, homing_gain(), bias=np.nan)
    words = (f"policy:={broken}", "episodes:=1", "--lockstep")
    run = launch(tmp_path / "alone", "point_mass", *words, here=True)
    assert (run.summary["success_rate"], run.summary["failures"]) == (0.0, [])
    plans = messages_of(run, "/plan")
    assert run.summary["failed_plans"] == len(plans)
    for _, _, raw in plans:
        points = messages.deserialize(raw, "trajectory_msgs/msg/JointTrajectory").points
        assert not any(point.effort.any() for point in points)
    more = ("fallback:=mppi", "uncertainty_limit:=1", "samples:=64")
    run = launch(tmp_path / "helped", "point_mass", *words, *more, here=True)
    assert (run.summary["success_rate"], run.summary["failed_plans"]) == (1.0, 0)


def test_a_policy_proposes_to_a_planner(tmp_path):
    """Where 17 samples are one orbit and one: the homing policy makes the difference."""
    policy = hand_policy(tmp_path / "homing", MASS, homing_gain())
    words = ("samples:=17", "iterations:=1", "noise:=0.05", "episodes:=2", "--lockstep")
    alone = launch(tmp_path / "alone", "point_mass", *words, here=True)
    helped = launch(tmp_path / "helped", "point_mass", *words, f"proposal:={policy}", here=True)
    assert helped.summary["cost"]["mean"] < alone.summary["cost"]["mean"]
    assert helped.summary["success_rate"] == 1.0
    done = covary_here(tmp_path, "check", "push", f"proposal:={policy}")
    assert done.returncode == 2 and "push has none" in done.stderr
    done = covary_here(tmp_path, "check", "point_mass", "samples:=16", f"proposal:={policy}")
    assert "samples: 16 have no room for a proposal" in done.stderr


@SLOW
def test_a_dataset_is_collected_with_a_policy(tmp_path, homing):
    words = (f"policy:={homing}", "heightmap:=16", "out:=data", "episodes:=2")
    done = covary_here(tmp_path, "collect", "point_mass", *words)
    assert done.returncode == 0, done.stderr + done.stdout
    book = (tmp_path / "data" / "attempts.jsonl").read_text().splitlines()
    assert [json.loads(line)["success"] for line in book] == [True, True]


@SLOW
def test_the_pages_own_policy_runs(tmp_path):
    page = code_blocks.ROOT / "docs" / "policies.md"
    (block,) = [b for b in code_blocks.blocks(page) if b.file == "my_policy.py"]
    (tmp_path / block.file).write_text(block.text)
    words = ("policy:=my_policy:Chase", "episodes:=1", "--lockstep")
    run = launch(tmp_path, "push", *words, here=True)
    assert run.summary["episodes"] == 1 and run.summary["failed_plans"] == 0
    (block,) = [b for b in code_blocks.blocks(page) if b.file == "my_looker.py"]
    (tmp_path / block.file).write_text(block.text)
    words = ("policy:=my_looker:Hover", "robot:=floating_gripper", "heightmap:=64", "episodes:=1")
    run = launch(tmp_path, "block_pick", *words, "--lockstep", here=True)
    (bag,) = run.summary["bags"]
    last = read_episode(Path(bag), images=False)
    end = dict(zip(last.ground_truth_names, last.ground_truth[-1], strict=True))
    assert np.hypot(end["gripper_x"] - end["block_x"], end["gripper_y"] - end["block_y"]) < 0.01
    shown = "".join(b.text for b in code_blocks.blocks(page) if b.language == "bash")
    launches = re.findall(r"^covary (?:launch|check) [^#\n]*", shown, re.MULTILINE)
    words = set(re.findall(r"(\w+):=", " ".join(launches)))
    args = covary_here(tmp_path, "launch", "block_pick", "--show-args").stdout
    assert sorted(word for word in words if word not in args) == []


@SLOW
def test_push_with_proposals_of_a_bad_policy_is_as_good_as_without(tmp_path):
    policy = hand_policy(tmp_path / "chasing", Push(), chasing_gain())
    words = ("samples:=65", "iterations:=1", "episodes:=10", "--lockstep")
    alone = launch(tmp_path / "alone", "push", *words, timeout=600)
    helped = launch(tmp_path / "helped", "push", *words, f"proposal:={policy}", timeout=600)
    assert helped.summary["cost"]["mean"] < 1.1 * alone.summary["cost"]["mean"]
