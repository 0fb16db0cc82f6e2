"""A user's own model: a function of arrays as a `Dynamics`, and `model:=my_file:my_model`."""

import json
import sys

import code_blocks
import numpy as np
import pytest
from in_process import covary_here
from numba import njit

from covary.nodes.parameters import ParameterError
from covary.nodes.plugin import PluginError
from covary.planners.mppi import MPPI
from covary.sim.function_dynamics import FunctionDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.planner_plugin import build_dynamics
from covary.sim.tasks.point_mass import PointMass

TASK = PointMass()
EXACT = NumbaDynamics(TASK)


def rolled_out(model, x0, actions):
    states = np.empty((1, *actions.shape[:2], len(x0)))
    costs = np.empty((1, len(actions)))
    model.rollout(x0, actions, costs, states)
    return costs, states


def test_a_function_is_a_dynamics_with_the_costs_of_the_task():
    model = FunctionDynamics(TASK, EXACT.next_state)
    rng = np.random.default_rng(0)
    x0, actions = TASK.initial_state(rng), rng.uniform(-1.0, 1.0, (7, 9, 2))
    found, wanted = rolled_out(model, x0, actions), rolled_out(EXACT, x0, actions)
    assert np.abs(found[0] - wanted[0]).max() < 1e-12 * np.abs(wanted[0]).max()
    assert np.abs(found[1] - wanted[1]).max() < 1e-13
    batch = np.tile(x0, (2, 4, 1))
    assert model.next_state(batch, actions[0, 0]).shape == (2, 4, 6)
    plans = [MPPI(m, samples=32).plan(x0, 0.0, MPPI(m, samples=32).initial_memory(1))[0]
             for m in (model, EXACT)]  # fmt: skip
    assert np.abs(plans[0].actions - plans[1].actions).max() < 1e-10


@njit(cache=True)
def falls(x, u):
    for k in range(x.shape[0]):
        for i in range(2):
            x[k, 2 + i] += 0.05 * u[k, i]
            x[k, i] += 0.05 * x[k, 2 + i]
    return x


def test_a_numba_function_is_one_and_what_it_writes_into_is_its_own():
    model, x0 = FunctionDynamics(TASK, falls), TASK.initial_state(np.random.default_rng(0))
    before, actions = x0.copy(), np.ones((3, 4, 2))
    _, states = rolled_out(model, x0, actions)
    assert np.array_equal(x0, before) and np.allclose(states[0, 0, :, 2], 0.05 * np.arange(1, 5))
    model.next_state(x0, actions[0, 0])
    assert np.array_equal(x0, before)


def still(x, u):
    return x


def off_by(index, value):
    def moved(x, u):
        x[:, index] = value
        return x

    return moved


async def waits(x, u):
    return x


@njit
def one_too_many(x, u):
    for k in range(len(x)):
        x[k, 6] = 0.0
    return x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x, u: x[:, :4], "gave (3, 4), not (3, 6); it takes rows"),
        (lambda x, u: np.hstack([x[0:2], u]), "it failed for states (3, 6) and actions (3, 2)"),
        (lambda x, u: None, "it gave a NoneType, not an array of real numbers"),
        (lambda x, u: (yield x), "it gave a generator"),
        (waits, "it gave a coroutine"),
        (lambda x, u: x.astype(str), "it gave numbers of type <U32"),
        (lambda x, u: x + 1j, "it gave numbers of type complex128"),
        (lambda x, u: sys.exit(3), "(SystemExit: 3)"),
        (one_too_many, "test_own_model.py:82: x[k, 6]: index 6 is out of bounds for axis 1"),
        (lambda x, u: x @ u, "(ValueError: matmul"),
        (off_by(3, np.nan), "velocity_y is nan after one control period"),
        (off_by(4, 0.0), "it moves the goal (goal_x); that part of a state stays"),
        (lambda x, u: x + np.eye(6)[0] * x.mean(), "hangs on the rows beside it"),
    ],
)
def test_what_does_not_fit_is_one_line(function, said):
    with pytest.raises(ValueError) as caught:
        FunctionDynamics(TASK, function, "theirs:model")
    assert said in str(caught.value) and str(caught.value).startswith("model: theirs:model: ")
    assert "\n" not in str(caught.value)


def test_a_model_that_blows_up_everywhere_says_where_and_somewhere_is_only_the_worst():
    def explodes(x, u):
        x[u[:, 0] > 0.5, 1] = np.inf
        return x

    model, x0 = (
        FunctionDynamics(TASK, explodes, "m:f"),
        TASK.initial_state(np.random.default_rng(0)),
    )
    actions = np.zeros((2, 3, 2))
    actions[0, 1, 0] = 1.0
    costs = np.empty((1, 2))
    model.rollout(x0, actions, costs)
    assert not np.isfinite(costs[0, 0]) and np.isfinite(costs[0, 1])
    actions[1] = actions[0]
    with pytest.raises(ValueError, match="m:f: mass_y is inf after 2 control periods"):
        model.rollout(x0, actions, costs)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The page's file in the working folder, and two that are wrong."""
    page = code_blocks.ROOT / "docs" / "planners.md"
    blocks = {block.file: block.text for block in code_blocks.blocks(page) if block.file}
    (tmp_path / "my_model.py").write_text(blocks["my_model.py"])
    (tmp_path / "their_model.py").write_text(
        "def flat(x, u):\n    return x[0]\n\n\nclass Empty:\n    def __init__(self, task): pass\n"
        "\n\nclass Broken:\n    def __init__(self): pass\n\n\n"
        "class Kept:\n    def __init__(self, task): self.task = task\n"
        "    def next_state(self, x, u): return x\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("my_model", "their_model"):
        sys.modules.pop(name, None)


def test_the_page_s_model_plans_in_a_launch(here):
    said = covary_here(
        here, *("launch", "point_mass.yaml", "model:=my_model:slippery", "--lockstep"),
        *("episodes:=1", "record:=false", "--summary", "s.json"),
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert json.loads((here / "s.json").read_text())["success_rate"] == 1.0
    words = next(b for b in _commands() if "my_model" in b)
    assert "covary launch point_mass.yaml model:=my_model:slippery" in words


def _commands():
    page = code_blocks.ROOT / "docs" / "planners.md"
    return [block.text for block in code_blocks.blocks(page) if block.language == "bash"]


def test_a_wrong_model_is_refused_before_anything_starts(here):
    for word, said in {
        "my_model:slipery": "has no function or class 'slipery'; did you mean slippery?",
        "my_modle:slippery": "there is no module 'my_modle'; did you mean my_model?",
        "their_model:flat": "gave (6,), not (3, 6)",
        "their_model:Empty": "has neither next_state nor rollout",
        "their_model:Broken": "cannot be built (TypeError",
        "nimba": "model: 'nimba' is none; did you mean 'numba'?",
    }.items():
        done = covary_here(here, "check", "point_mass", f"model:={word}")
        assert done.returncode == 2 and said in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert isinstance(build_dynamics(TASK, "their_model:Kept", 1.0), FunctionDynamics)
    with pytest.raises(ParameterError):
        build_dynamics(TASK, "mujco", 1.0)
    with pytest.raises(PluginError):
        build_dynamics(TASK, "their_model:none", 1.0)
