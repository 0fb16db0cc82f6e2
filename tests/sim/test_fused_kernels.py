"""Fused kernels do what the loops do, whatever stands in a task, and never run old code."""

import importlib.util
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from covary.benchmarks.problems.reacher2 import Reacher2
from covary.sim import fused_kernels
from covary.sim.fused_source import NotFusableError
from covary.sim.kernel_loops import loops
from covary.sim.limits import Interval, Limits
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

OPENING = """
import math
import numpy as np
from numba import njit
"""


def outsider(folder, name, body, states, width, parameters=()):
    """A task of somebody's file, as far as rollouts ask for it."""
    path = folder / f"{name}.py"
    path.write_text(f'"""Somebody\'s."""\n{OPENING}{body}')
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    limits = Limits({"u": Interval(-1.0, 1.0)}, {"u": slice(0, width)})
    words = {"state_names": "x" * states, "action_names": "u" * width, "limits": limits}
    numbers = np.array(parameters, float)
    return SimpleNamespace(
        name=name, kernels=module, parameters=numbers, parameter_names=(), **words
    )


def both(task, x, actions, precision="float64", parameters=None):
    """Costs by the fused kernel and by the loop round the task's own. (M, K) each"""
    model = NumbaDynamics(task, parameters, precision)
    fused, own = (np.full((model.models, len(actions)), np.nan) for _ in range(2))
    model.rollout(x, actions, fused)
    assert model.not_fused == "", model.not_fused
    states = np.empty((0, 0, 0, 0))
    if precision == "float64":
        states = np.full((model.models, *actions.shape[:2], len(x)), np.nan)
        kept, costs = states.copy(), fused.copy()
        model.rollout(x, actions, costs, kept)
        np.testing.assert_array_equal(costs, fused)
    loops(task.kernels).rollout(x, actions, model.parameters, own, states)
    if precision == "float64":
        np.testing.assert_allclose(kept, states, rtol=1e-12, atol=1e-12)
    return fused, own


def sampled(task, rng, samples=70, horizon=20):
    """A start and action sequences; not a whole number of blocks."""
    low, high = task.limits.bound()
    return (
        task.initial_state(rng),
        task.limits.project(rng.normal(size=(samples, horizon, len(low))) * high),
    )


SLOW = [pytest.mark.slow]


@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=SLOW)])
@pytest.mark.parametrize(
    "task", [PointMass(), Push(), Reacher(), pytest.param(Reacher2(), marks=SLOW)]
)
def test_costs_and_states_are_those_of_the_loop(task, precision):
    rng = np.random.default_rng(0)
    spread = task.parameters * rng.uniform(0.9, 1.1, (2, len(task.parameters)))
    for _ in range(3):
        x, actions = sampled(task, rng)
        fused, own = both(task, x, actions, precision, spread)
        bound = 1e-12 if precision == "float64" else 2e-5
        assert np.abs(fused - own).max() <= bound * np.abs(own).max()


LOOPS = """
BALLS, RATE = 2, 0.1
PULL = np.array([0.5, 0.25, 0.125])

@njit(cache=True)
def near(a, b):
    if a == b:
        return 0
    for i in range(2):
        if a + i > 5:
            return i * 0.5
    return math.hypot(a, 2 * b) ** 3

@njit(cache=True)
def move(x, u, p, out):
    for i in range(BALLS):
        for j in range(2):
            v = x[2 * BALLS + 2 * i + j] + RATE * (u[j] * PULL[i] - p[0] * x[2 * i + j])
            out[2 * BALLS + 2 * i + j] = v
            out[2 * i + j] = x[2 * i + j] + RATE * v
    out[8] = x[8]

@njit(cache=True)
def price(x, u, p):
    cost = 0
    for i in range(BALLS):
        cost += near(x[2 * i], x[2 * i + 1]) + math.atan2(x[2 * i], 1 + x[8] ** 2)
    return cost + (1 if u[0] > 0 else 2) * abs(u[1])

@njit(cache=True)
def rest(x, p):
    return max(0, x[0]) + min(x[1], 1) - math.floor(3 * x[2]) + 1 / (2 + x[3] ** 2)

step, running_cost, terminal_cost = move, price, rest
"""


def test_an_outsiders_loops_branches_whole_numbers_and_names(tmp_path):
    task = outsider(tmp_path, "loops", LOOPS, 9, 2, [0.7])
    rng = np.random.default_rng(1)
    for _ in range(3):
        x, actions = rng.normal(size=9), rng.uniform(-1, 1, (65, 9, 2))
        fused, own = both(task, x, actions)
        assert np.abs(fused - own).max() <= 1e-12 * np.abs(own).max()
    assert list((tmp_path / "__pycache__").glob("loops_float64_*.kernels"))


WIDTHS = """
@njit(cache=True)
def squares(v):
    total = 0.0
    for i in range(v.size):
        total += v[i] * v[i]
    return total

@njit(cache=True)
def step(x, u, p, out):
    n, rate = x.shape[0] // 2, p[len(p) - 1]
    last = n - 1
    for i in range(n):
        out[i] = x[i] + rate * x[n + i]
    for i in range(n, len(x)):
        out[i] = x[i] + rate * (u[i - n] if i < n + len(u) else x[last])

@njit(cache=True)
def running_cost(x, u, p):
    half = x.shape[0] // 2
    if half > 3:
        half = 2
    return squares(x[0:9]) + 2 * squares(x[9:]) / len(x) + squares(u) + half

@njit(cache=True)
def terminal_cost(x, p):
    n = len(x)
    return n * x[n - 1] ** 2
"""


@pytest.mark.parametrize("precision", list(fused_kernels.LANES))
def test_how_many_coordinates_there_are_is_known(tmp_path, precision):
    """Also in what is called, for each width it is called with; and long loops are unrolled."""
    source, _ = fused_kernels.source_of(
        outsider(tmp_path, "widths", WIDTHS, 18, 3, [0.5, 0.1]), precision
    )
    assert source.count("def squares_") == 2 and "x[9:]" in source  # widths 9 and 3
    assert "real(18.0)" in source and "len(" not in source


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(fused_kernels.LANES))
def test_loops_over_coordinates_are_the_same_fused(tmp_path, precision):
    """Also those of a step that reads a state which it has begun to write."""
    task = outsider(tmp_path, f"widths_{precision}", WIDTHS, 18, 3, [0.5, 0.1])
    rng = np.random.default_rng(1)
    x, actions = rng.normal(size=18), rng.uniform(-1, 1, (65, 5, 3))
    fused, own = both(task, x, actions, precision)
    bound = 1e-12 if precision == "float64" else 2e-5
    assert np.abs(fused - own).max() <= bound * np.abs(own).max()


FUNCTIONS = """
@njit(cache=True)
def step(x, u, p, out):
    out[0] = u[0]

@njit(cache=True)
def running_cost(x, u, p):
    if p[2] > 0.0:
        return 0.0
    return math.sin(x[0]) if p[0] > 0.0 else math.cos(x[0])

@njit(cache=True)
def terminal_cost(x, p):
    return math.exp(x[0]) if p[2] > 0 else 0.0
"""


@pytest.mark.parametrize("precision", ["float32", pytest.param("float64", marks=SLOW)])
def test_sine_cosine_and_exponential_are_as_accurate_as_stated(tmp_path, precision):
    task = outsider(tmp_path, f"functions_{precision}", FUNCTIONS, 1, 1, [0.0] * 3)
    rng = np.random.default_rng(2)
    quarter = np.arange(-40, 41) * (np.pi / 2)
    x = np.concatenate([rng.uniform(-1e3, 1e3, 4000), rng.uniform(-7, 7, 4000), quarter])
    x = x.astype(precision).astype(float)
    model = NumbaDynamics(task, np.eye(3), precision)
    costs = np.empty((3, len(x)))
    model.rollout(np.zeros(1), x[:, None, None], costs)
    most = 2.5e-16 if precision == "float64" else 1.2e-7
    assert np.abs(costs[0] - np.sin(x)).max() <= most
    assert np.abs(costs[1] - np.cos(x)).max() <= most
    low = -680 if precision == "float64" else -80
    y = rng.uniform(low, -low, 4000).astype(precision).astype(float)
    costs = np.empty((3, len(y)))
    model.rollout(np.zeros(1), y[:, None, None], costs)
    assert np.abs(costs[2] / np.exp(y) - 1).max() <= (4e-16 if precision == "float64" else 2.5e-7)
    ends = np.array([-np.inf, -1e9, 1e9, np.inf, np.nan])
    costs = np.empty((3, 5))
    model.rollout(np.zeros(1), ends[:, None, None], costs)
    assert np.isnan(costs[0, [0, 3, 4]]).all() and np.isnan(costs[1, [0, 3, 4]]).all()
    np.testing.assert_array_equal(costs[2], [0.0, 0.0, np.inf, np.inf, np.nan])


REFUSED = {
    "hands out on": ("helper(out)", "step hands out on"),
    "a list": ("out[0] = [1.0][0]", "step has a list"),
    "a power": ("out[0] = x[0] ** 2.5", "power"),
    "keywords": ("out[0] = np.sum(x, axis=0)", "keywords"),
    "numpy's": ("out[0] = np.linalg.norm(x)", "np.linalg.norm"),
    "an index that is not known": ("out[int(x[0])] = 1.0", "step writes out"),
    # A tuple's arithmetic is another than an array's.
    "slices at once": ("out[0] = (x[0:1] + u[0:1])[0]", r"computes with all of x\[0:1\]"),
    "all of it at once": ("out[0] = (x + x)[0]", "computes with all of x"),
    "an array from outside at once": ("out[0] = (Q + Q)[0]", "computes with all of Q"),
    "a sign for all": ("out[0] = (-Q)[0]", "computes with all of Q"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_translated_is_said(tmp_path, what):
    line, said = REFUSED[what]
    body = FUNCTIONS.replace("out[0] = u[0]", f"{line}\n    out[0] = u[0]")
    helper = "Q = np.array([1.0, 2.0])\n\n@njit(cache=True)\ndef helper(out):\n    out[0] = 1.0\n"
    body = f"\n{helper}{body}"
    task = outsider(tmp_path, f"refused_{list(REFUSED).index(what)}", body, 1, 1, [1.0, 0.0, 0.0])
    with pytest.raises(NotFusableError, match=said):
        fused_kernels.source_of(task, "float64")
    with pytest.raises(ValueError, match=r"precision: float32 cannot be had: .*" + said):
        NumbaDynamics(task, precision="float32")


def test_a_task_that_cannot_be_fused_is_rolled_out_all_the_same(tmp_path):
    body = FUNCTIONS.replace("out[0] = u[0]", "out[0] = np.sum(u)")
    task = outsider(tmp_path, "unfused", body, 1, 1, [1.0, 0.0, 0.0])
    model, costs, states = NumbaDynamics(task), np.empty((1, 2)), np.empty((1, 2, 1, 1))
    for kept in (None, states):
        model.rollout(np.zeros(1), np.array([[[0.5]], [[0.25]]]), costs, kept)
        np.testing.assert_allclose(costs[0], np.sin([0.5, 0.25]))
    np.testing.assert_array_equal(states.ravel(), [0.5, 0.25])
    assert model.not_fused == "step calls np.sum"


def test_kernels_are_translated_once_in_a_process_and_again_when_they_are_others(
    tmp_path, monkeypatch
):
    made = []

    class Counted(fused_kernels.Translation):
        def __init__(self, *given):
            made.append(given)
            super().__init__(*given)

    monkeypatch.setattr(fused_kernels, "Translation", Counted)
    body = """
@njit
def step(x, u, p, out):
    out[0] = x[0] + 0.125 * u[0]


@njit
def running_cost(x, u, p):
    return x[0] * x[0]


@njit
def terminal_cost(x, p):
    return 0.0
"""
    task = outsider(tmp_path, "again", body, 1, 1)
    texts = [fused_kernels.source_of(task, "float64", wide)[0] for wide in (None, None, 32)]
    assert len(made) == 1 and texts[0] == texts[1] != texts[2]
    fused_kernels.source_of(task, "float32")
    assert len(made) == 2
    path = tmp_path / "again.py"
    path.write_text(path.read_text().replace("0.125", "0.12500001"))
    task.kernels.__spec__.loader.exec_module(task.kernels)
    assert "0.12500001" in fused_kernels.source_of(task, "float64")[0] and len(made) == 3


def test_precision_is_a_word():
    with pytest.raises(ValueError, match="'half' is none; take float64 or float32"):
        NumbaDynamics(PointMass(), precision="half")
    model = NumbaDynamics(PointMass())
    assert model.at("float64") is model and model.at("float32").precision == "float32"


PROGRAM = """
import json, sys
import numpy as np
from covary.sim import fused_kernels
from test_fused_kernels import outsider
from pathlib import Path
body = Path("body.txt").read_text()
task = outsider(Path("."), "kept", body, 1, 1, [1.0, 0.0, 0.0])
module = fused_kernels.load(task, "float64")
costs = np.empty((1, 1))
no_states = np.empty((0, 0, 0, 0))
module.rollout(np.zeros(1), np.array([[[0.5]]]), task.parameters[None], costs, no_states)
stats = module.rollout.stats
print(json.dumps([costs[0, 0], sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_an_edit_is_seen(tmp_path):
    """Also an edit of what stands beside step and cost, a constant. Nothing old stays."""
    import json

    here = os.path.dirname(__file__)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment["PYTHONPATH"] = os.pathsep.join([here, *sys.path])

    def run(body):
        (tmp_path / "body.txt").write_text(body)
        command = [sys.executable, "-P", "-c", PROGRAM]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    body = "\nGAIN = 1.0\n" + FUNCTIONS.replace("math.sin(x[0])", "GAIN * x[0]")
    assert run(body) == [0.5, 0, 1]
    assert run(body) == [0.5, 1, 0]
    (old,) = (tmp_path / "__pycache__").glob("*.kernels")
    kept = len(list((tmp_path / "__pycache__").rglob("*.nb[ic]")))
    assert run(body.replace("GAIN = 1.0", "GAIN = 3.0")) == [1.5, 0, 1]
    (new,) = (tmp_path / "__pycache__").glob("*.kernels")
    assert new != old and not list(tmp_path.rglob(f"{old.stem}*"))
    assert len(list((tmp_path / "__pycache__").rglob("*.nb[ic]"))) == kept


TRAPS = """
Q = np.array([1.0, 2.0])

@njit(cache=True)
def drag(c1, c2: float, k=2.0):
    return k * c1 - c2

@njit(cache=True)
def step(x: np.ndarray, u, p, out):
    out_0 = 3.0 * u[0]
    for i in range(2):
        out[i] = x[i] + 0.1 * drag(x[1], out_0)
    out[2] = x[2] + i

@njit(cache=True)
def running_cost(x, u, p):
    c0 = x[0] - x[2]
    return 2.0 * c0 * c0 + drag(x[1], 1.0, 3.0)

@njit(cache=True)
def terminal_cost(x, p):
    return abs(x[2])
"""


def test_names_and_words_of_a_task_mean_what_they_mean_there(tmp_path):
    """Locals named as generated ones were, a loop's variable after it, annotations, defaults."""
    task = outsider(tmp_path, "traps", TRAPS, 3, 1)
    rng = np.random.default_rng(3)
    fused, own = both(task, rng.normal(size=3), rng.uniform(-1, 1, (20, 5, 1)))
    assert np.abs(fused - own).max() <= 1e-12 * np.abs(own).max()
