"""BMIL and VINS: no interruption changes what comes out, what is done is learned, what is wrong."""

import numpy as np
import pytest
from made_demonstrations import demonstrations
from test_training import assert_equal, outcome, run

from covary.control.imitation.bmil import BMIL
from covary.control.imitation.imagined import transitions_of
from covary.control.imitation.training import Training
from covary.control.imitation.vins import VINS
from covary.nodes.launching.launch_file import read_assignments
from covary.nodes.launching.yaml_loader import InputError
from covary.nodes.training.recipe import Recipe, find_recipe, read_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

SMALL = {"width": 32, "depth": 1, "steps": 8, "batch": 16, "validate_every": 4, "model_width": 32}
TRACES = {
    "updates_per_epoch": 3, "last_steps": 3, "model_depth": 1, "model_steps": 5, "ensemble": 2,
    "consistency": 3.0, "margin": 0.5, "least_spread": 0.3, "persistence": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return demonstrations(tmp_path_factory.mktemp("springs"))


def recipe(kind, out, **given):
    name = kind.__name__.lower()
    parameters = kind.Parameters(method=name, data="", out=out, **{**SMALL, **given})
    return Recipe(f"{name}.yaml", kind, parameters)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (BMIL, {**TRACES, "mode": "exact"}),
        (BMIL, {**TRACES, "mode": "free", "augment": True}),
        (VINS, {"mode": "free", "candidates": 4, "correct_from": 0.4}),
    ],
)
def test_a_killed_training_ends_with_the_same_bits(tmp_path, data, kind, given):
    whole = run(Training(recipe(kind, tmp_path / "whole", **given), data))
    out = tmp_path / "killed"
    run(Training(recipe(kind, out, **given), data), 5)  # one update is lost
    stopped = run(Training(recipe(kind, out, **given), data), 1)
    assert (stopped.resumed, stopped.step) == (4, 5)
    stopped.save()  # as Ctrl-C does
    last = run(Training(recipe(kind, out, **given), data))
    assert last.resumed == 5 and last.done
    assert_equal(outcome(tmp_path / "whole"), outcome(out))
    if kind is BMIL:
        assert len(whole.method.memory["trace_state"])


def test_what_never_moved_does_not_bound_a_trace(tmp_path, data):
    from dataclasses import replace

    state, after = data.state.copy(), data.next_state.copy()
    state[:, 4:6] = after[:, 4:6] = [0.5, 0.0]  # the goal
    still = replace(data, state=state, next_state=after)
    given = {**TRACES, "mode": "free", "consistency": 0.0}
    method = run(Training(recipe(BMIL, tmp_path / "still", **given), still), 1).method
    assert len(method.memory["trace_state"]) > len(method.training) / 2


def test_what_was_done_and_not_what_was_meant_leads_to_the_next_state(data):
    rows = data.has_next
    noisy = data.executed + 0.1
    from dataclasses import replace

    assert np.array_equal(transitions_of(replace(data, executed=noisy))[1], noisy[rows])


@pytest.mark.parametrize("name", ["bmil", "bmil_symmetric", "vins"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images:=[heightmap]"], "images: "),
        (["chunk:=4"], "chunk: "),
        (["demonstration_share:=0"], "demonstration_share: 0.0 must be above 0"),
    ],
)
def test_what_a_recipe_cannot_have_is_a_line(name, words, said):
    given = read_assignments(["data:=d", "out:=o", *words])
    with pytest.raises(InputError, match=said) as error:
        read_recipe(find_recipe(name), given)
    assert "\n" not in str(error.value)
