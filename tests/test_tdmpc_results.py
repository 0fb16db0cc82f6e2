"""The ablation of TD-MPC: equal parameters, steps to a score, and what was never reached."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from covary.benchmarks.results import tdmpc as table  # noqa: E402


def test_ways_have_equal_parameters():
    exact = table.widths("point_mass", (), "D4", "exact")
    free = table.widths("point_mass", (), "D4", "free")
    assert exact == table.SIZES["width"] and free < exact


def row(way, seed, curve):
    best = max(score for _, score in curve)
    return {
        **{"problem": "reacher", "way": way, "seed": seed, "steps": 1450, "best_score": best},
        **{"curve": curve, "rollouts": 1, "cpu_s": 2.0, "wall_s": 3.0, "parameters": 4},
    }


def test_runs_that_never_reach_a_goal_count_with_all_their_steps():
    rows = [
        row("free, plain", 0, [[350, 0.2], [550, 0.4]]),
        row("free, plain", 1, [[350, 0.2], [550, 0.2]]),
        row("equivariant, plain", 0, [[350, 0.3], [550, 0.5]]),
        row("equivariant, plain", 1, [[350, 0.5], [550, 0.3]]),
    ]
    free, equivariant = table.points_of(rows)
    # The best return is 0.5, the mean of the better way.
    assert free["best_return"] == 0.5
    assert free["seeds"] == 2 and free["steps_0.75"] == 1000 and free["at_least_0.75"] == 1
    assert free["interval_0.75"][0] < 550 and free["parameters"] == 4
    assert free["at_least_0.9"] == 2 and free["steps_0.9"] == 1450
    assert equivariant["steps_0.9"] == 450 and equivariant["at_least_0.9"] == 0
    assert equivariant["mean_score"] == pytest.approx(0.4)


@pytest.mark.slow
def test_a_run_leaves_its_row_and_nothing_else(tmp_path, monkeypatch):
    small = replace(table.PROBLEMS["reacher"], episodes=2)
    monkeypatch.setitem(table.PROBLEMS, "reacher", small)
    monkeypatch.setattr(table, "SETTINGS", {**table.SETTINGS, "first_episodes": 1, "batch": 8})
    (tmp_path / "a").mkdir()
    whole = table.made("reacher", "free, plain", 0, tmp_path / "a")
    (place,) = (tmp_path / "a").glob("reference_*.json")
    assert json.loads(place.read_text())["best"] < whole["idle"]
    assert not list((tmp_path / "a" / "unfinished").iterdir())
    assert whole["curve"][-1][0] == whole["steps"] == 150
