"""The prediction table: its demonstrators, its score, and cells that hang on their seeds alone."""

import argparse
import dataclasses

import numpy as np
import pytest
from made_demonstrations import demonstrations, recorded

from covary.benchmarks.results import prediction
from covary.benchmarks.results.prediction import Cell, Sizes, World
from covary.sim.load_task import load_task


@pytest.fixture
def even(tmp_path):
    return demonstrations(tmp_path / "even", episodes=6)


def of(dial, value):
    return World("point_mass", dial, value, 4)


def test_a_demonstrator_that_knows_the_gain_moves_as_before(even):
    found = prediction.relabelled(even, of("actuator_gain", -0.5)).action
    there = np.where(found[:, 0] > 0.0, 0.5 * found[:, 0], found[:, 0])
    inside = np.linalg.norm(found, axis=1) < 1.999
    assert inside.any() and (even.action[:, 0] > 0.0).any()
    np.testing.assert_allclose(there[inside], even.action[inside, 0], atol=1e-12)
    assert np.linalg.norm(found, axis=1).max() <= 2.0 + 1e-12


def test_leaning_and_drag_are_made_up_for_within_the_limits(even):
    small = dataclasses.replace(even, action=0.1 * even.action)
    lean = prediction.relabelled(small, of("gravity_tilt", 2.0)).action - small.action
    np.testing.assert_allclose(lean, [[-9.81 * np.sin(np.radians(2.0)), 0.0]] * len(lean))
    drag = prediction.relabelled(small, of("damping", 1.0)).action - small.action
    np.testing.assert_allclose(drag[:, 0], small.state[:, 2], atol=1e-12)
    assert not drag[:, 1].any()


def test_a_flipped_verdict_leaves_starts_on_one_side(tmp_path):
    folder = recorded(tmp_path / "data", episodes=12)
    learned, judged = prediction.demonstrated(of("label_flip", 1.0), folder, held_out=range(6, 12))
    for some in (learned, judged):
        first = np.searchsorted(some.episode, np.arange(some.episodes))
        assert some.episodes and (some.state[first, 0] <= 0.0).all()
    apart = prediction.demonstrated(of("none", 0.0), folder, held_out=range(6, 12))
    assert apart[0].episodes == 4 and apart[1].episodes == 6


def test_the_score_counts_cells_whose_interval_excludes_zero():
    def row(ratio, interval):
        fold = {"plain": 1.0, "folded": ratio, "change": 0.0, "interval": (0.0, 0.0)}
        world = dataclasses.asdict(World("block_push", "none", 0.0, 10))
        return {**world, "audit": {"fold": fold}, "interval": interval}

    rows = [row(0.5, [-2, -1]), row(2.0, [1, 2]), row(0.5, [1, 2]), row(0.5, [-1, 1]),
            row(2.0, None)]  # fmt: skip
    rows[0]["demonstrations"] = 30
    found = prediction.scored(rows)
    assert found["cells"] == 3 and found["run"] == 4 and found["not_run"] == 1
    assert found["right"] == {"audit": 2, "always impose": 1, "never impose": 2}
    words = ["right", "right (seen)", "**miss** (seen)", "level", "not run"]
    assert [prediction.verdict(r) for r in rows] == words
    assert [prediction.was_seen(r) for r in rows] == [False, True, True, True, True]


def test_networks_are_of_equal_size():
    from covary.control.policies.network import Architecture, PolicyNetwork

    task = load_task("block_push", {"robot": "floating_gripper"})
    widths = prediction.matched(task, task.state_names, 128)
    counts = [
        PolicyNetwork(task, task.state_names, {}, Architecture(mode=mode, width=w)).parameter_count
        for mode, w in widths.items()
    ]
    assert max(counts) / min(counts) < 1.5 and widths["exact"] > 128, counts


@pytest.mark.slow  # it trains
def test_cells_hang_on_their_seeds_alone(even, tmp_path):
    training, judged = even.of(range(4)), even.of([4, 5])
    sizes = Sizes(width=16, steps=6, batch=8)

    def error(way, seed, name):
        cell = Cell(of("none", 0.0), way, seed, sizes)
        return prediction.policy(cell, training, judged, tmp_path / name)["error"]

    for way in prediction.WAYS:
        first = error(way, 0, "a")
        assert first == error(way, 0, "b") != error(way, 1, "c")
        assert not (tmp_path / "a").exists()


@pytest.mark.slow  # it trains, in processes of its own
def test_what_is_finished_is_not_done_again(tmp_path, monkeypatch):
    recorded(tmp_path / "data" / "point_mass", episodes=12)
    monkeypatch.setattr(prediction.cells, "collected", lambda words, out: None)
    monkeypatch.setattr(prediction, "HELD_OUT", range(8, 12))
    cell = Cell(of("none", 0.0), "exact", 0, Sizes(width=16, steps=4, batch=8))
    once = prediction.made(cell, tmp_path)
    kept = cell.path(tmp_path)
    before = kept.stat().st_mtime_ns
    assert prediction.made(cell, tmp_path) == once and kept.stat().st_mtime_ns == before
    asked = argparse.Namespace(
        folder=tmp_path, tasks=["point_mass"], ways=2, quick=True, hours=0.0, workers=1
    )
    run = prediction.Table(asked)
    run.results = lambda cells: [{} for _ in cells]
    rows = run.run()
    assert rows and all(row["interval"] is None for row in rows)
