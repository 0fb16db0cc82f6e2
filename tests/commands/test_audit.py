"""`covary audit planner`: residuals by component, the worst coordinate, a code for scripts."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from covary.commands.auditing.planner import audit, elements_of
from covary.commands.main import build
from covary.nodes.launching.yaml_loader import InputError
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.symmetry.audit.residuals import Residual, audited
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Angle, Vector

SMALL = ("samples:=64", "horizon:=12", "--states", "2")


def run(*words):
    return CliRunner().invoke(build("audit"), ["audit", "planner", *map(str, words)])


def test_an_exact_planner(tmp_path):
    out = tmp_path / "audit.json"
    result = run("point_mass", *SMALL, "--json", out)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text())
    assert (report["task"], report["planner"], report["group"]) == ("point_mass", "mppi", "D8")
    assert {"model", "running cost", "terminal cost", "limits", "planner"} <= set(
        report["residuals"]
    )
    assert report["residuals"]["planner"]["compared"] == report["compared"] == 2 * 3 * 16
    assert all(one["error"] < 1e-9 for one in report["residuals"].values())
    assert "mppi on point_mass under D8, orbit" in result.output


def test_a_continuous_group():
    result = run("point_mass", *SMALL, "symmetry_mode:=canonical", "symmetry:=O2")
    assert result.exit_code == 0 and "under O2, canonical" in result.output


def test_a_planner_that_does_not_use_the_symmetry_is_held_to_it(tmp_path):
    out = tmp_path / "audit.json"
    result = run("point_mass", *SMALL, "symmetry_mode:=off", "--json", out)
    assert result.exit_code == 1
    report = json.loads(out.read_text())
    worst = report["residuals"].pop("planner")
    assert worst["error"] > 1e-3 and worst["coordinate"] in ("mass_x", "mass_y")
    assert all(one["error"] < 1e-9 for one in report["residuals"].values())
    assert f"planner: {worst['error']:.2g} in {worst['coordinate']}" in result.output
    assert run("point_mass", *SMALL, "symmetry:=none").exit_code == 0


def test_what_does_not_say_how_it_is_moved_cannot_be_told():
    result = run("point_mass", "planner:=uniform", "--states", "1")
    assert result.exit_code == 1 and "planner: Draws, its memory, does not say" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["psh"], "psh"),
        (["push", "planer:=mppi"], "did you mean 'planner'"),
        (["push", "symmetry:=C5"], "C5 is no subgroup of D8"),
    ],
)
def test_bad_words_are_one_line(words, said):
    result = run(*words)
    assert isinstance(result.exception, InputError), result.output
    assert said in str(result.exception) and "\n" not in str(result.exception)


class Leaning(NumbaDynamics):
    """A model in which everything drifts."""

    def next_state(self, x, u):
        moved = super().next_state(x, u)
        moved[..., 2] += 1e-4
        return moved

    def rollout(self, x0, actions, costs, states=None):
        super().rollout(x0, actions, costs, states)
        costs += 0.3 * actions[:, 0, 1]


class Progress:
    """Nobody who looks."""

    def advance(self):
        pass


def test_a_plan_that_fails_is_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "calls = []\n\n\ndef model(x, u):\n    calls.append(0)\n"
    text += "    if len(calls) > 9:\n        raise RuntimeError('no\\nmore')\n    return x\n"
    (tmp_path / "fails_later.py").write_text(text)
    result = run("point_mass", *SMALL, "model:=fails_later:model")
    assert isinstance(result.exception, InputError)
    assert "mppi: a plan failed: RuntimeError: no more" in str(result.exception)


def test_a_model_that_is_not_symmetric_is_blamed_and_not_the_planner():
    planner = MPPI(Leaning(PointMass()), samples=64, horizon=12)
    found = audit(planner, elements_of(planner, "full"), 1, 0, Progress())
    model = found.residuals["model"]
    assert 5e-5 < model.error < 2e-4 and model.coordinate in ("velocity_x", "velocity_y")
    assert found.decided > 0.5 * found.compared
    lines = found.failures()
    assert [line.split(":")[0] for line in lines] == ["model", "planner"]
    assert "the model's rollouts differ" in lines[1]


def test_a_rollout_is_given_back_as_it_was():
    planner = MPPI(NumbaDynamics(PointMass()), samples=32, horizon=8)
    before = planner.dynamics.rollout
    audit(planner, elements_of(planner, "C2"), 1, 0, Progress())
    assert planner.dynamics.rollout == before


def test_residuals_of_maps():
    s = Symmetry(group("D4"), {"p": Vector(), "a": Angle()}, {"u": Vector()})
    x, u = np.random.default_rng(0).normal(size=(5, 3)), np.zeros((5, 2))
    names = ("x", "y", "a")
    same = audited(s, lambda x, u: s.act(0, state=x), x, u, names, "state")
    assert same.error < 1e-14 and same.compared == 5 * 8
    shifted = audited(s, lambda x, u: x + [0.0, 0.0, 0.1], x, u, names, "state")
    assert shifted.coordinate == "a" and shifted.element.endswith("s")
    height = audited(s, lambda x, u: np.where(x[:, :1] > 0, np.inf, 0.0), x, u, ["height"])
    assert height.error == np.inf
    assert Residual(1.0, "a", "e", 2).worst(Residual(2.0, "b", "r", 3)) == Residual(
        2.0, "b", "r", 5
    )
