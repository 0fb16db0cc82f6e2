"""Every launch file of a manipulation task: the expert does it, and what is left is whole."""

import pytest
import yaml
from launches import TABLETOP, covary_here, launch
from test_launch_files import TOPICS, assert_light, assert_recorded

from covary.commands.replay import verify
from covary.nodes.bags.reader import read


@pytest.mark.parametrize("name", TABLETOP)
def test_the_expert_does_it_and_the_replay_is_identical(tmp_path, name):
    run = launch(tmp_path, name, "episodes:=1", "seed:=7", "--lockstep", here=True)
    said = run.summary
    assert (said["task"], said["planner"], said["episodes"]) == (name, "expert", 1)
    assert said["success_rate"] == 1.0 and said["failures"] == []
    assert_recorded(run, TOPICS | {"/ground_truth"})
    (bag,) = run.bags
    verdict = verify(bag)
    assert verdict.difference is None and verdict.notes == ()
    seen = read(bag, ["/state", "/ground_truth"]).topics
    things = [word for word in seen["/ground_truth"]["name"][0] if "block" in word]
    assert not any("block" in word for word in seen["/state"]["name"][0]) or not things


def test_as_processes(tmp_path):
    run = launch(tmp_path, "block_stack", "episodes:=1", "seed:=7")
    assert run.summary["success_rate"] == 1.0 and run.summary["dropped"] == 0
    assert_light(run)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLETOP)
def test_by_the_wall_clock(tmp_path, name):
    run = launch(tmp_path, name, "episodes:=5", "seed:=7", "realtime:=true")
    assert run.summary["success_rate"] >= 0.6  # a busy machine is late at times


@pytest.mark.slow
def test_a_planner_moves_the_arm_by_the_analytic_model(tmp_path):
    run = launch(tmp_path, "block_pick", "planner:=mppi", "episodes:=2", "--lockstep", here=True)
    assert run.summary["success_rate"] >= 0.5 and run.summary["failures"] == []
    said = yaml.safe_load((run.folder / "launch.yaml").read_text())["launch"]
    (planner,) = (e["node"] for e in said if e.get("node", {}).get("name") == "planner")
    told = {entry["name"]: entry.get("value", entry.get("param")) for entry in planner["param"]}
    assert told["model"] == "numba" and told["task_options"]["robot"] == "arm"


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLETOP)
def test_planners_run_on_all_by_the_wall_clock_and_by_joints(tmp_path, name):
    words = ("planner:=cem", "episodes:=2")
    for folder in ("cartesian", "joint"):
        (tmp_path / folder).mkdir()
    run = launch(tmp_path / "cartesian", name, *words, "realtime:=true")
    assert run.summary["episodes"] == 2 and run.summary["failures"] == []
    run = launch(tmp_path / "joint", name, *words, "actions:=joint", "--lockstep", here=True)
    assert run.summary["episodes"] == 2 and run.summary["failures"] == []


def test_the_ground_truth_is_for_who_is_told(tmp_path):
    done = covary_here(tmp_path, "check", "block_pick.yaml", "ground_truth:=false")
    assert done.returncode == 2 and "say ground_truth: true" in done.stderr
    (tmp_path / "spy.py").write_text(
        "from covary.nodes.node import Node\n"
        "class Spy(Node):\n"
        "    subscribes = {'/ground_truth': 'covary_msgs/msg/State'}\n"
    )
    (tmp_path / "spied.yaml").write_text(
        "launch:\n"
        "  - include: {file: $(find-pkg-share covary)/launch/block_pick.yaml}\n"
        "  - node: {pkg: covary, exec: 'spy:Spy', name: spy}\n"
    )
    done = covary_here(tmp_path, "check", "spied.yaml")
    assert done.returncode == 2
    assert "/spy: listens to /ground_truth, which is for nodes with the parameter" in done.stderr


@pytest.mark.parametrize("name", ["push", "block_push"])  # one for each file of launch/include
def test_a_planner_is_told_how_to_use_symmetry_and_time(tmp_path, name):
    words = ("planner:=mppi", "symmetry_mode:=memory", "memory_size:=9", "memory_distance:=1.5")
    words += ("memory_file:=m.npz", "budget_ms:=50", "error_every:=7", "late_policy:=brake")
    done = covary_here(tmp_path, "check", name, *words, "memory_nearest:=2")
    assert done.returncode == 0, done.stderr
    done = covary_here(tmp_path, "check", name, *words, "memory_nearest:=0")
    assert done.returncode == 2 and "memory_nearest: 0 must be from 1" in done.stderr


@pytest.mark.slow
def test_an_episode_in_a_canonical_frame(tmp_path):
    words = ("planner:=mppi", "symmetry_mode:=canonical", "samples:=8", "horizon:=4", "knots:=2")
    run = launch(tmp_path, "block_push", "episodes:=1", *words, "--lockstep", here=True)
    assert run.summary["episodes"] == 1 and run.summary["failures"] == []
    said = (run.folder / "launch.yaml").read_text()
    assert "name: symmetry_mode\n      value: canonical" in said
