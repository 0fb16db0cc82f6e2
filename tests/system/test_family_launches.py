"""Planners with covariances, tubes and derivatives solve a launched task, in MuJoCo's world."""

import pytest
from launches import launch

QUIET = ("record:=false", "--lockstep")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["covo", "tube_mppi", "ilqr", "mppi_ilqr"])
def test_reach_is_solved(tmp_path, name):
    words = (f"planner:={name}", "horizon:=25", "episodes:=3")
    run = launch(tmp_path, "reach", *words, *QUIET, here=True)
    assert run.summary["success_rate"] == 1.0 and run.summary["planner"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["covo", "tube_mppi"])
def test_push_is_solved(tmp_path, name):
    run = launch(tmp_path, "push", f"planner:={name}", "episodes:=3", *QUIET, here=True)
    assert run.summary["success_rate"] >= 0.6


@pytest.mark.slow
def test_ilqr_differentiates_mujoco_too(tmp_path):
    words = ("planner:=ilqr", "model:=mujoco", "planner_options:={iterations: 2}", "episodes:=1")
    run = launch(tmp_path, "point_mass", *words, *QUIET, here=True, timeout=300)
    assert run.summary["success_rate"] == 1.0
