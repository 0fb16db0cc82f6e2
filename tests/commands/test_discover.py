"""`covary discover`: what it says of data with and without a symmetry, and of bad data one line."""

import json

import numpy as np
import pytest
from made_demonstrations import recorded
from typer.testing import CliRunner

from covary.benchmarks.problems.clouds import orbit
from covary.commands.discovering.data import Transitions, given_of, read
from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.symmetry_file import read_symmetry
from covary.sim.tasks.point_mass import PointMass
from covary.symmetry.discovery import flow
from covary.symmetry.discovery.flow import Settings

TINY = Settings(steps=250, batch=128, width=64, layers=3, elements=300, integration=15)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(flow, "usual", lambda hypothesis: TINY)

    def discover(arrays, *words):
        np.savez("data.npz", **arrays)
        words = ("--out", "out", "--json", "found.json", *words)
        words = ("discover", "data.npz", *words)
        result = CliRunner().invoke(build("discover"), words)
        if isinstance(result.exception, InputError):
            raise result.exception
        assert result.exit_code == 0, result.output
        assert "verdict" in result.output
        return json.loads((tmp_path / "found.json").read_text())

    return discover


def steps_of(change, rows=1500):
    rng = np.random.default_rng(0)
    state, action = rng.standard_normal((rows, 4)), rng.standard_normal((rows, 2))
    along = np.concatenate([action * change, state[:, :2] - state[:, 2:]], axis=1)
    return {"state": state, "action": action, "next_state": state + 0.1 * along}


MOVED = ("--state", "vector+vector", "--action", "vector")


@pytest.mark.slow
def test_points_tell_the_group_of_the_data_and_no_more(run, tmp_path):
    found = run({"points": orbit("C4", 400, seed=1).points})
    assert (found["group"], found["verdict"]) == ("C4", "not verified")
    assert np.shape(found["elements"]) == (4, 2, 2) and 0.8 < found["score"] <= 1.0
    assert 0.0 < found["distance"] < 1.5 * found["floor"]
    assert (tmp_path / "out" / "elements.png").exists()
    assert not (tmp_path / "out" / "symmetry.yaml").exists()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["group"] == "C4"


@pytest.mark.slow
def test_one_way_to_lie_is_no_symmetry(run):
    found = run({"points": orbit("trivial", 500).points}, "--hypothesis", "O2")
    assert (found["group"], found["verdict"]) == ("trivial", "none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "weights", "hypothesis"),
    [
        ("C4", (1.0, 1.0, 1.0, 0.5), "SO2"),  # one arm thinned by half
        ("D4", (*(1.0,) * 7, 0.4), "O2"),
        ("C2", (1.0, 0.5), "SO2"),
    ],
)
def test_a_thinned_arm_is_no_symmetry_though_the_flow_finds_one(run, base, weights, hypothesis):
    from covary.benchmarks.problems.clouds import ARROW
    from covary.symmetry.group import group

    rng = np.random.default_rng(0)
    plane, share = group(base).plane, np.array(weights) / np.sum(weights)
    moved = plane[rng.choice(len(plane), 2000, p=share)]
    points = ARROW * rng.uniform(0.8, 1.2, (2000, 1, 1)) @ np.swapaxes(moved, 1, 2)
    found = run({"points": points}, "--hypothesis", hypothesis)
    assert found["group"] != base and found["verdict"] in ("none", "too few", "not verified")


@pytest.mark.slow
def test_transitions_that_have_a_symmetry_give_a_file(run, tmp_path):
    found = run(steps_of(1.0), *MOVED, "--hypothesis", "O2")
    assert (found["group"], found["verdict"]) == ("O2", "verified"), found["words"]
    said = read_symmetry(tmp_path / "out" / "symmetry.yaml")
    assert said.group == "O2" and said.evidence.samples == 1500


@pytest.mark.slow
def test_transitions_that_have_none_give_no_file(run, tmp_path):
    found = run(steps_of(np.array([2.0, 0.3])), *MOVED, "--hypothesis", "SO2")
    assert found["verdict"] != "verified" and found["group"] not in ("SO2", "O2", "C4")
    assert not (tmp_path / "out" / "symmetry.yaml").exists()


GOOD = np.random.default_rng(0).standard_normal((100, 3, 2))
STEPS = steps_of(1.0, 50)
NAN = np.where(np.arange(100)[:, None, None] == 5, np.nan, GOOD)


@pytest.mark.parametrize(
    ("arrays", "words", "why"),
    [
        ({"points": GOOD[:9]}, (), "9 samples are too few"),
        ({"points": np.ones((100, 3, 2))}, (), "constant data"),
        ({"points": NAN}, (), "1 of 100 rows are not finite, the first is row 5"),
        ({"points": GOOD[:, 0]}, (), "of shape"),
        ({"points": GOOD, "episode": np.arange(3)}, (), "'episode' is of shape"),
        ({"points": GOOD}, ("--hypothesis", "SO3"), "SO3 moves points of 3 coordinates"),
        ({"points": GOOD}, ("--hypothesis", "SO4"), "no hypothesis is called 'SO4'"),
        ({"points": GOOD}, MOVED, "it holds points: no states"),
        ({"point": GOOD}, (), "did you mean 'points'|unknown key 'point'"),
        ({"state": GOOD[:, 0]}, MOVED, "'action' is missing"),
        (steps_of(1.0, 50), (), "--state is missing"),
        (steps_of(1.0, 50), ("--state", "vektor", "--action", "vector"), "mean vector"),
        (steps_of(1.0, 50), ("--state", "vector", "--action", "vector"), "has 4 coordinates"),
        (steps_of(1.0, 50), ("--state", "scalar(4)", "--action", "scalar(2)"), "no motion acts"),
        (steps_of(1.0, 50), (*MOVED, "--hypothesis", "SE2"), "SE2 looks for a centre"),
        ({**steps_of(1.0, 50), "state": np.full((50, 4), np.nan)}, MOVED, "not finite"),
        ({"points": GOOD[:0]}, (), "0 samples are too few"),
        ({"points": GOOD + 0j}, (), "no array of numbers"),
        ({"points": 1e200 * GOOD}, (), "is too large"),
        ({"points": GOOD[:, :1]}, ("--hypothesis", "SE2"), "stay where they are"),
        ({"points": GOOD}, ("--json", "nowhere/found.json"), "no file that can be written"),
        ({"points": GOOD}, ("--out", "data.npz"), "--out: data.npz: File exists"),
        ({**steps_of(1.0, 50), "reward": np.zeros(3)}, MOVED, "'reward' is of shape"),
        ({**steps_of(1.0, 50), "reward": np.full(50, np.nan)}, MOVED, "'reward': 50 rows"),
        ({**STEPS, "next_state": STEPS["state"]}, MOVED, "nothing happens"),
    ],
)
def test_bad_input_is_one_line(run, arrays, words, why):
    with pytest.raises(InputError, match=why) as caught:
        run(arrays, *words)
    assert "\n" not in str(caught.value)


def test_a_datasets_task_says_how_its_state_is_moved(tmp_path):
    given = read(str(recorded(tmp_path / "data", episodes=8)), "", "")
    known = given.transitions
    assert given.task == "point_mass" and len(given.cloud) == len(known.state)
    assert len(np.unique(given.episode)) == 8 and given.cloud.dimension == 2
    symmetry = PointMass().symmetry
    for g in symmetry.group.elements:  # the points are moved as the state that they stand for is
        state, action = symmetry.act(g, state=known.state, action=known.action)
        after = symmetry.act(g, state=known.next_state)
        there = Transitions(state, action, after, None, known.state_parts, known.action_parts)
        moved = given.cloud.moved(symmetry.group.plane[g])
        seen = given_of("", there, given.episode, "").cloud
        np.testing.assert_allclose(seen.flat(), moved.flat(), atol=1e-9)
    with pytest.raises(InputError, match="task says how its state is moved"):
        read(str(tmp_path / "data"), "vector", "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        read(str(tmp_path / "empty"), "", "")
    assert "\n" not in str(caught.value)


def test_what_is_no_npz_file(run, tmp_path):
    (tmp_path / "some.npz").write_text("no")
    for name, why in (("some.npz", "no npz file"), ("nowhere.npz", "no such file")):
        result = CliRunner().invoke(build("discover"), ("discover", name))
        assert isinstance(result.exception, InputError) and why in str(result.exception)
    np.savez("objects.npz", points=np.array([{}], dtype=object))
    result = CliRunner().invoke(build("discover"), ("discover", "objects.npz"))
    assert "no npz file of plain arrays" in str(result.exception)
