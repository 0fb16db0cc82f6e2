"""Each dial moves the residual that it names beyond its interval, and no other leaves its floor."""

import dataclasses
import runpy
from pathlib import Path

import pytest

from covary.sim.dials import COMPONENTS, Dials
from covary.sim.residuals import TOLERANCE, Grading, inexact
from covary.sim.tasks.block_pick import BlockPick
from covary.sim.tasks.push import Push

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "dials.py"
FLOOR = 1e-11
"""Rounding of a second in contact."""


@pytest.fixture(scope="module")
def grading():
    return Grading(Push(), samples=12, seed=0)


@pytest.fixture(scope="module")
def plain(grading):
    return grading.grade()


def worst(report, component):
    return max(part["worst"] or 0.0 for part in report["components"][component].values())


def test_with_all_dials_at_zero_everything_is_exact(plain):
    assert {c: worst(plain, c) for c in COMPONENTS if worst(plain, c) > FLOOR} == {}
    assert inexact(plain) == [] and plain["dials"] == {} and plain["broken_on_purpose"] == {}
    dynamics = plain["components"]["dynamics"]
    assert min(part["draws"] for part in dynamics.values()) >= 2, "contact and free motion"
    assert sum(ring["second"]["draws"] for ring in plain["rings"]) == 12


@pytest.mark.parametrize("field", dataclasses.fields(Dials), ids=lambda f: f.name)
@pytest.mark.parametrize("share", [0.5, pytest.param(0.9, marks=pytest.mark.slow)])
def test_a_dial_moves_what_it_names_and_nothing_else(grading, plain, field, share):
    low, high = field.metadata["low"], field.metadata["high"]
    value = type(field.default)(low + share * (high - low) if low >= 0 else share * high)
    dials = Dials(**{field.name: value})
    report = grading.grade(dials)
    named = field.metadata["moves"]
    for component in COMPONENTS:
        if component == named:
            continue
        moved = {
            name: part
            for name, part in report["components"][component].items()
            if part != plain["components"][component][name]
        }
        # Bit-equal, or at the floor where the very path of the computation is another one.
        assert all((part["worst"] or 0.0) <= FLOOR for part in moved.values()), moved
    if named:
        rises = [
            part["interval"][0] > plain["components"][named][name]["interval"][1]
            and part["mean"] > TOLERANCE
            for name, part in report["components"][named].items()
            if part["draws"]
        ]
        assert any(rises), report["components"][named]
        assert report["broken_on_purpose"] == {named: [field.name]}
        assert inexact(report) == [], "it was broken on purpose"


@pytest.fixture(scope="module", params=["push", "block_pick"])
def many(request):
    """More draws, also of a task whose dynamics have a floor of their own."""
    task = Push() if request.param == "push" else BlockPick("floating_gripper")
    grading = Grading(task, samples=48, seed=1)
    return grading, grading.grade()


@pytest.mark.slow
@pytest.mark.parametrize("field", dataclasses.fields(Dials), ids=lambda f: f.name)
def test_over_five_values(many, field):
    benchmark = runpy.run_path(str(BENCHMARK))
    grading, plain = many
    for share in benchmark["SHARES"]:
        row = benchmark["row"](grading, plain, field, share)
        assert set(row["others"].values()) <= {"bit-equal", "at its floor"}, row
        assert not field.metadata["moves"] or row["rises"], row
