"""launch/gym.yaml: other people's environments run, record and replay like tasks of our own."""

import numpy as np
import pytest
from launches import covary_here, launch

from covary.commands.replay import ReplayError, verify
from covary.nodes.bags.dataset import Dataset
from covary.nodes.bags.reader import read

pytest.importorskip("gymnasium_robotics")

ENVIRONMENTS = {"FetchPickAndPlace-v4": 31, "PointMaze_UMaze-v3": 8, "Reacher-v5": 10}
"""Id -> coordinates of its state."""


@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_it_runs_and_records_and_a_replay_is_identical(tmp_path, env_id):
    words = (f"env_id:={env_id}", "episodes:=2", "--lockstep")
    run = launch(tmp_path, "gym.yaml", *words, here=True)
    assert (run.summary["episodes"], run.summary["planner"]) == (2, "uniform")
    assert len(run.bags) == 2
    for bag in run.bags:
        verdict = verify(bag)
        assert verdict.difference is None and verdict.notes == () and verdict.ticks >= 10
        recording = read(bag)
        assert recording.state.shape[1] == ENVIRONMENTS[env_id]
        assert np.ptp(recording.state, axis=0).max() > 0
        assert env_id in recording.metadata["task_options"]
        assert recording.model.startswith(f"<!-- {env_id}, gymnasium ")
    starts = [read(bag).state[0] for bag in run.bags]
    assert not np.array_equal(*starts)
    # Episode 1 alone is the one that came after episode 0.
    words = (f"env_id:={env_id}", "episodes:=1", "first_episode:=1", "--lockstep")
    alone = launch(tmp_path / "alone", "gym.yaml", *words, here=True)
    (bag,) = alone.bags
    np.testing.assert_array_equal(read(bag).state, read(run.bags[1]).state)


@pytest.mark.parametrize(
    "realtime", [pytest.param(k, marks=pytest.mark.slow) for k in ("true", "false")]
)
def test_it_runs_as_processes(tmp_path, realtime):
    words = ("env_id:=FetchReach-v4", "episodes:=1", f"realtime:={realtime}")
    run = launch(tmp_path, "gym.yaml", *words)
    assert run.summary["episodes"] == 1 and run.summary["failures"] == []
    assert verify(run.bags[0]).difference is None
    assert not run.stats("sim")["imported_torch"]


def test_an_environment_that_is_not_mujocos_records_but_has_no_physics_to_replay(tmp_path):
    words = ("env_id:=Pendulum-v1", "episodes:=1", "--lockstep")
    run = launch(tmp_path, "gym.yaml", *words, here=True)
    (bag,) = run.bags
    assert read(bag).state.shape == (200, 3)
    with pytest.raises(ReplayError, match="Pendulum-v1 is no MuJoCo environment"):
        verify(bag)
    done = covary_here(tmp_path, "replay", bag)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_a_wrong_id_is_one_line_with_the_nearest(tmp_path):
    done = covary_here(tmp_path, "check", "gym.yaml", "env_id:=Fetchpick")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "gym.yaml:" in line and "'Fetchpick'; did you mean FetchPickAndPlace-v4?" in line
    done = covary_here(tmp_path, "check", "gym.yaml", "env_id:=FetchReach-v4")
    assert done.returncode == 0, done.stderr


def test_a_planner_that_needs_a_model_is_refused_in_one_line(tmp_path):
    done = covary_here(tmp_path, "check", "gym.yaml", "planner:=mppi")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "model" in line


@pytest.mark.slow
def test_its_expert_demonstrates_and_the_dataset_can_be_exported(tmp_path):
    words = ("env_id:=FetchPickAndPlace-v4", "planner:=gym_expert", "episodes:=4", "workers:=2")
    done = covary_here(tmp_path, "collect", "gym.yaml", *words, "success_only:=true", "out:=demo")
    assert done.returncode == 0, done.stderr
    episodes = list(Dataset(tmp_path / "demo"))
    assert len(episodes) == 4 and all(episode.success for episode in episodes)
    done = covary_here(tmp_path, "export", "demo", "--robomimic", "demo.hdf5")
    assert done.returncode == 0, done.stderr
