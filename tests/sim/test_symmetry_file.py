"""symmetry.yaml: what is written is read back, and what is wrong is one line with its place."""

import re

import numpy as np
import pytest

from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.parameters import ParameterError
from covary.sim.load_task import load_task
from covary.sim.symmetry_file import Evidence, SymmetryFile, read_symmetry, write_symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Position, Vector

EVIDENCE = Evidence(
    {"correct": (0.9, 0.85, 0.95)},
    {"rotation by 1/4 turn": 0.4},
    *(200, 3, "covary audit push", "2026-01-02", "push"),
)
GOOD = """\
covary_symmetry: 1
group: C4
state: {pusher: position, box: pose, goal: pose}
action: {pusher: vector}
task: push
"""


@pytest.mark.parametrize("name", ["push", "drone", "cart_pole"])
def test_every_subgroup_reads_back(name, tmp_path):
    declared = load_task(name).symmetry
    for word in (declared.group.name, *declared.group.subgroup_names()):
        restricted = declared.restrict(word)
        path = write_symmetry(tmp_path / "a.yaml", SymmetryFile.of(restricted, name, EVIDENCE))
        found = read_symmetry(path)
        assert (found.group, found.task, found.evidence) == (restricted.group.name, name, EVIDENCE)
        assert (found.state, found.action) == (dict(declared.state), dict(declared.action))
        assert np.array_equal(group(found.group).space, restricted.group.space)


def test_parts_that_no_task_named_stand_in_order(tmp_path):
    """What was found in an npz file is taken by a task, whatever that calls its parts."""
    symmetry = load_task("push").symmetry
    found = read_symmetry(write_symmetry(tmp_path / "a.yaml", SymmetryFile.of(symmetry)))
    assert found.state == tuple(symmetry.state.values())
    assert found.action == tuple(symmetry.action.values())


def test_parts_without_names_and_a_centre_read_back(tmp_path):
    said = SymmetryFile("SE2", (Position((0.1, -0.2)), Vector(2)), (Vector(),))
    assert read_symmetry(write_symmetry(tmp_path / "a.yaml", said)) == said
    assert said.centre == (0.1, -0.2)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("covary_symmetry: 1", "covary_symmetry: 2", 1, "this covary has 1"),
        ("group: C4", "group: c4", 2, "did you mean C4"),
        ("group: C4", "group: SE4", 2, "no group is called 'SE4'"),
        ("group: C4", "grup: C4", 2, "unknown key 'grup'; did you mean 'group'?"),
        ("group: C4", "group: [C4]", 2, "group: a list is no word"),
        ("box: pose", "box: poze", 3, "state: box: 'poze' is no part; did you mean pose?"),
        ("box: pose", "box: scalar(9999)", 3, "1 to 64 entries"),
        ("box: pose", "box: position(3)", 3, "no part"),
        ("pusher: vector}", "pusher: angle}", 4, "acts by a matrix"),
        ("action: {pusher: vector}", "action: {}", 4, "no parts"),
        ("task: push", "task: 3", 5, "no word"),
        ("task: push", "centre: [1, .inf]", 5, "no point"),
        ("task: push", "evidence: {samples: many}", 5, "samples"),
        ("task: push", "evidence:\n  sample: 3", 6, "did you mean samples?"),
        ("task: push", "evidence: {p_values: {a: 2}}", 5, "no probability"),
        ("task: push", "evidence: {degrees: {correct: [1, 2]}}", 5, "has 2 values, not 3"),
        ("task: push", "evidence: !!python/name:os.system", 5, "tag"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(old, new, line, said, tmp_path):
    path = tmp_path / "symmetry.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_symmetry(path)
    text = str(caught.value)
    assert text.startswith(f"{path}:{line}: ")
    assert said in text
    assert "\n" not in text


def test_a_file_that_is_not_there_or_too_large(tmp_path):
    path = tmp_path / "symmetry.yaml"
    path.write_text(GOOD + "#" * 100_000, encoding="utf-8")
    with pytest.raises(InputError, match="at most 100000"):
        read_symmetry(path)
    with pytest.raises(InputError, match=f"did you mean '{re.escape(str(path))}'"):
        read_symmetry(tmp_path / "symetry.yaml")


def test_a_centre_needs_something_that_is_moved_about_it(tmp_path):
    path = tmp_path / "symmetry.yaml"
    text = "covary_symmetry: 1\ngroup: C4\nstate: [vector]\naction: [vector]\ncentre: [0.1, 0]\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="5: centre: no part is a position or a pose"):
        read_symmetry(path)
    with pytest.raises(ParameterError, match="more than one centre"):
        SymmetryFile("C4", (Position((1.0, 0.0)), Position()), (Vector(),))
