"""`covary audit linear`: free numbers, and slopes and gains that go with the group."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError
from covary.sim.tasks.drone import Drone
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import GroupError, o2, o3
from covary.symmetry.linear_control.laws import laws
from covary.symmetry.linear_control.linearised import LinearError
from covary.symmetry.linear_control.stabiliser import fixing
from covary.symmetry.part import Angle, Pose, Position, Pseudovector, Vector, Vector3


def run(*words):
    return CliRunner().invoke(build("audit"), ["audit", "linear", *map(str, words)])


def test_a_ball_in_space(tmp_path):
    out = tmp_path / "linear.json"
    result = run("point_masses", "balls:=1", "group:=Ih", "horizon:=5", "--json", out)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    free = [(one["held_to"], one["A"], one["B"]) for one in report["free_numbers"]]
    assert free == [("", 36, 18), ("Ih", 36, 18), ("SO3", 12, 6), ("O3", 8, 4)]
    assert set(report["errors"]) == {"A", "B", "P", "K", "P, 5 steps", "K, 5 steps"}
    assert all(len(by) == 120 and max(by.values()) < 1e-8 for by in report["errors"].values())
    assert np.shape(report["A"]) == (6, 6) and np.shape(report["K"]) == (3, 6)
    assert 0.0 < report["closed_loop_radius"] < 1.0 and not report["failures"]


def test_what_a_mirror_leaves_halves_the_numbers_and_a_slanted_model_is_told(tmp_path, monkeypatch):
    (tmp_path / "slanted.py").write_text(
        "import numpy as np\n"
        "def step(x, u):\n"
        "    after = x.copy()\n"
        "    after[:, :2] += 0.05 * x[:, 2:4]\n"
        "    after[:, 2:4] = 0.9 * x[:, 2:4] + 0.05 * u * [1.0, 2.0]\n"
        "    return after\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    out = tmp_path / "linear.json"
    at = "at:=[0.3, 0, 0, 0, 0, 0]"
    result = run("point_mass", "model:=slanted:step", at, "symmetry:=D4", "--json", out)
    assert result.exit_code == 1, result.exception
    report = json.loads(out.read_text())
    assert report["free_numbers"][1] == {"held_to": "D4", "fixing": 2, "A": 8, "B": 4}
    assert max(report["errors"]["A"].values()) < 1e-9
    assert max(report["errors"]["B"].values()) > 0.04
    assert "B: off by 0.045 under r2" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    (
        (("pointmass",), "did you mean point_mass"),
        (("point_mass", "horizn:=3"), "did you mean 'horizon'"),
        (("point_mass", "at:=[1, 2]"), "at: 2 numbers; it takes 6: mass_x"),
        (("point_mass", "at:=begin"), "at: 'begin' is neither start nor a list of numbers"),
        (("point_mass", "action:=[.nan, 0]"), "is neither safe nor a list of numbers"),
        (("point_mass", "horizon:=0"), "horizon: 0 is no whole number from 1 on"),
        (("point_mass", "action_cost:=0"), "action_cost: 0: without a cost"),
        (("point_mass", "apart:=far"), "apart: far is no positive number"),
        (("point_mass", "symmetry:=fulll"), "did you mean full"),
        (("point_mass", "model:=nummba"), "did you mean 'numba'"),
        (("point_mass", "model:=runs/none"), "there is no such folder"),
        (("point_mass", "--json", "there/is/none.json"), "make it first"),
    ),
)
def test_bad_input_is_one_line(words, said):
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(
            build("audit"), ["audit", "linear", *words], catch_exceptions=False,
            standalone_mode=False,
        )  # fmt: skip
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_that_sees_the_goal_has_no_slopes_of_its_own():
    s = Symmetry(o2(8), {"place": Vector(), "goal": Vector()}, {"push": Vector()})

    def step(x, u):
        return np.hstack([x[:, :2] + 0.1 * u - 0.1 * (x[:, :2] - x[:, 2:]), x[:, 2:]])

    with pytest.raises(LinearError, match="depends on the goal, by 0.1"):
        laws(step, s, np.ones(4), np.zeros(2), "goal")
    found = laws(step, s, np.zeros(4), np.zeros(2))
    assert [(one.held_to, one.fixing, one.A, one.B) for one in found.counts] == [
        ("", 1, 16, 8), ("D8", 16, 4, 2), ("SO2", None, 8, 4), ("O2", None, 4, 2),
    ]  # fmt: skip
    assert found.endless is None and "leave out coordinates" in found.why


def test_points_are_told_by_their_vectors_places_and_directions():
    s = Symmetry(
        o2(8), {"at": Position((1.0, 0.0)), "box": Pose(), "way": Angle()}, {"u": Vector()}
    )
    box = [0.0, 0.0, 0.5]
    assert len(fixing(s, "O2", np.array([1.0, 0.0, *box, 0.5]), np.zeros(2))) == 1  # its mirror
    assert fixing(s, "SO2", np.array([1.0, 0.0, *box, 0.5]), np.zeros(2)) == []
    assert fixing(s, "O2", np.array([1.2, 0.0, *box, 0.5]), np.zeros(2)) == []
    spin = Symmetry(o3(), {"at": Vector3(), "spin": Pseudovector()}, {"u": Vector3()})
    assert len(fixing(spin, "SO3", np.array([0, 0, 1.0, 0, 0, 2.0]), np.zeros(3))) == 1
    with pytest.raises(GroupError, match="Pseudovector 'spin' is there"):
        fixing(spin, "O3", np.array([0, 0, 1.0, 0, 0, 2.0]), np.zeros(3))
    drone = Drone().symmetry  # upright and at rest above a place
    x = np.zeros(drone.width("state"))
    x[drone.slices("state")["attitude"]] = [1.0, 0.0, 0.0, 0.0]
    assert len(fixing(drone, "SO2", x, np.zeros(drone.width("action")))) == 1
