"""Kernels never run on foreign memory: an index out of range is one line that names the place."""

import importlib
import re
import sys

import numpy as np
import pytest

from covary.nodes.plugin import PluginError
from covary.planners.mppi import MPPI
from covary.sim.kernel_errors import KernelError
from covary.sim.kernel_loops import loops
from covary.sim.kernel_trial import check_kernels
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.drone import Drone

KERNELS = '''"""A mass without friction, and what is wrong with it."""

import sys

from numba import njit
from covary.sim.tasks.point_mass import PointMass


class Mass(PointMass):
    def __init__(self):
        super().__init__()
        self.kernels = sys.modules[__name__]
        self.constraint_names = {names}


@njit
def last(v):
    return v[{i}]


@njit
def step(x, u, p, out):
    for i in range({numbers}):
        out[i] = x[i]
    out[0], out[1] = x[0] + 0.05 * u[0], x[1] + 0.05 * u[1]
    {step}


@njit
def running_cost(x, u, p):
    {cost}
    return (x[0] - x[4]) ** 2 + (x[1] - x[5]) ** 2


@njit
def terminal_cost(x, p):
    return 0.0 * p[{p}]


@njit
def constraint(x, out):
    out[0] = -1.0
    if x[0] > 1e9:
        out[{c}] = 0.0
'''
FINE = {"numbers": 6, "step": "pass", "cost": "pass", "p": 1, "i": -1, "c": 0, "names": ()}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a task of somebody's; its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def written(**changed):
        (tmp_path / "wrong.py").write_text(KERNELS.format(**{**FINE, **changed}))
        importlib.invalidate_caches()
        sys.modules.pop("wrong", None)
        return "wrong:Mass"

    yield written
    sys.modules.pop("wrong", None)
    for name in [name for name in sys.modules if name.startswith("wrong_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"step": "out[6] = 1.0"}, "wrong.py:26: out[6]: index 6 is out of bounds .* size 6"),
        ({"step": "if x[0] > 1e9: out[-7] = 1.0"}, "wrong.py:26: out[-7]: index -7 .* size 6"),
        ({"cost": "u[1] += x[9]"}, "wrong.py:31: x[9]: index 9 .* size 6"),
        ({"p": 2}, "wrong.py:37: p[2]: index 2 .* size 2"),
        ({"cost": "last(u)", "i": 2}, "wrong.py:18: v[2]: index 2 .* size 2"),
        ({"c": 1, "names": ("far",)}, "wrong.py:44: out[1]: index 1 .* size 1"),
        ({"numbers": 5}, "wrong.py:21: step does not write out[5] (goal_y)"),
        # What Numba compiles first: a running index, and words it does not know.
        ({"numbers": 7}, "wrong.py:24: x[i]: index 6 is out of bounds for axis 0 with size 6"),
        ({"cost": "u.nothing"}, "wrong.py:31: Unknown attribute 'nothing' of type array"),
    ],
)
def test_one_line_before_anything_runs(write, changed, said):
    with pytest.raises(PluginError) as caught:
        load_task(write(**changed))
    words = re.escape(said).replace(r"\.\*", ".*")
    assert re.match(f"^task 'wrong:Mass': {words}", str(caught.value)), caught.value
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_what_is_allowed_is_not_refused(write):
    """Indices from the end, and sizes that a function asks for itself, in a branch not taken."""
    module = module_of(write, cost="last(u)", step="if len(x) > 6: out[6] = 1.0")
    check_kernels(module.Mass())
    check_kernels(Drone())


LATE = "k = 0\n    if x[0] > 9: k = int(x[0])\n    out[5] = x[5] + 0.0 * x[k]"
FAR = np.array([1e7, 0.0, 0.0, 0.0, 0.0, 0.0])
SAID = r"^wrong.py:28: x\[k\]: index 10000000 is out of bounds for axis 0 with size 6$"


def module_of(write, **changed):
    write(**changed)
    return importlib.import_module("wrong")


def test_an_index_that_is_out_of_range_later_is_caught_there(write):
    """No start shows anything of it."""
    task = module_of(write, step=LATE).Mass()
    check_kernels(task)
    with pytest.raises(KernelError, match=SAID):
        NumbaDynamics(task).next_state(FAR, np.zeros(2))


@pytest.mark.slow
def test_a_fused_kernel_and_a_fused_plan_catch_it_too(write):
    task = module_of(write, step=LATE).Mass()
    model, costs = NumbaDynamics(task), np.zeros((1, 4))
    model.rollout(np.zeros(6), np.zeros((4, 2, 2)), costs)
    assert not model.not_fused
    with pytest.raises(KernelError, match=SAID):
        model.rollout(FAR, np.zeros((4, 2, 2)), costs)
    planner = MPPI(model, "none", samples=4, horizon=4, knots=2)
    assert planner.fused
    with pytest.raises(KernelError, match=SAID):
        planner.plan(FAR, 0.0, planner.initial_memory())


@pytest.mark.slow
def test_a_loop_of_ones_own_is_checked_too(write):
    own = "pass\n\n\n@njit\ndef step_batch(x, u, p, out):\n    for b in range(len(x) + 1):\n"
    made = loops(module_of(write, step=f"{own}        out[b] = x[b]"))
    said = r"x\[b\]: index 2 is out of bounds for axis 0 with size 2"
    with pytest.raises(KernelError, match=said):
        made.step_batch(np.zeros((2, 6)), np.zeros((2, 2)), np.zeros(2), np.zeros((2, 6)))
