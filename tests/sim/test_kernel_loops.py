"""Loops round scalar kernels: a task's own are taken, and no edit in any file is missed."""

import importlib
import os
import shutil
import sys

import numpy as np
import pytest

from covary.sim import cache_folder, kernel_files
from covary.sim.kernel_loops import Loops, loops
from covary.sim.tasks.point_mass_obstacles import OBSTACLES, PointMassObstacles

OTHER = '''"""What kernels call."""

from numba import njit

HALF = {half}


@njit(cache=True)
def pull(x):
    return {pull}
'''

KERNELS = '''"""Kernels that call another file's."""

import math

from numba import njit

{line}

GAIN = {gain}


@njit(cache=True)
def step(x, u, p, out):
    out[0] = GAIN * u[0] + {call}
'''


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Writes two files of somebody's and imports them anew, as the next process does."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(line="from other import pull", call="pull(x[0])", gain=1.0, half=0.5, pull="x"):
        (tmp_path / "other.py").write_text(OTHER.format(half=half, pull=pull))
        (tmp_path / "mine.py").write_text(KERNELS.format(line=line, call=call, gain=gain))
        importlib.invalidate_caches()
        for name in ("mine", "other"):
            sys.modules.pop(name, None)
        sys.dont_write_bytecode = True  # a second edit within a second would not be seen
        try:
            return importlib.import_module("mine")
        finally:
            sys.dont_write_bytecode = False

    yield write
    for name in [name for name in sys.modules if name.startswith(("mine", "other"))]:
        del sys.modules[name]


def stepped(module):
    """What its step makes of x = 2, u = 1."""
    out = np.empty((1, 1))
    loops(module).step_batch(np.full((1, 1), 2.0), np.ones((1, 1)), np.zeros(0), out)
    return out[0, 0]


def files(folder):
    return sorted(path.name for path in (folder / "__pycache__").glob("*.kernels"))


def test_an_edit_of_another_file_is_seen_and_nothing_old_stays(kernels, tmp_path):
    assert stepped(kernels()) == 3.0
    (first,) = files(tmp_path)
    assert list(tmp_path.rglob(f"{first.removesuffix('.kernels')}.step_batch*.nbi"))
    assert stepped(kernels(pull="10.0 * x")) == 21.0  # `step` alone would answer with old code
    (second,) = files(tmp_path)
    assert second != first and not list(tmp_path.rglob(f"{first.removesuffix('.kernels')}*"))


def named(module):
    """The name of the file for its loops; nothing is compiled."""
    return Loops(module)._generated.__name__


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"line": "from other import pull as drawn", "call": "drawn(x[0])"},
        {"line": "import other", "call": "other.pull(x[0])"},
        {"line": "from other import HALF, pull", "call": "pull(x[0])"},
    ],
)
def test_the_name_tells_what_all_files_do(kernels, place):
    first = named(kernels(**place))
    assert named(kernels(**place)) == first
    assert named(kernels(**place, gain=2.0)) != first
    assert named(kernels(**place, pull="x + 1.0")) != first
    reads = {
        **place,
        "line": f"{place.get('line', 'from other import pull')}\nfrom other import HALF",
    }
    reads["call"] = f"HALF * {place.get('call', 'pull(x[0])')}"
    assert named(kernels(**reads)) != named(kernels(**reads, half=0.25))


def test_what_is_kept_is_found_where_files_have_moved(kernels, tmp_path):
    """What was compiled names no file but its own, which is in use."""
    first = kernels()
    assert stepped(first) == 3.0
    sys.modules.pop(loops(first)._generated.__name__)
    (tmp_path / "other.py").rename(tmp_path / "moved.py")
    moved = kernels(line="from moved import pull")
    for name in ("mine", "other", "moved"):
        (tmp_path / f"{name}.py").unlink()
        sys.modules.pop(name, None)
    assert stepped(moved) == 3.0
    assert sum(loops(moved).step_batch.__wrapped__.stats.cache_hits.values()) == 1


def test_what_a_module_has_itself_is_taken(kernels):
    module = kernels()
    module.step_batch = lambda x, u, p, out: out.fill(7.0)
    module.running_cost_batch = lambda x, u, out: out.fill(8.0)
    module.terminal_cost_batch = lambda x, out: out.fill(9.0)
    out, x = np.empty(3), np.zeros((3, 1))
    ours = Loops(module)
    module.rollout = object()
    assert ours.rollout is module.rollout
    for call, value in (
        (lambda: ours.step_batch(x, x, None, out), 7.0),
        (lambda: ours.running_cost_batch(x, x, None, out), 8.0),
        (lambda: ours.terminal_cost_batch(x, None, out), 9.0),
    ):
        call()
        assert (out == value).all()


def test_what_is_missing_is_named(kernels):
    module = kernels()
    with pytest.raises(ValueError, match=r"^mine: running_cost is not there$"):
        _ = loops(module).rollout
    module.constraint = lambda x, out: None
    with pytest.raises(ValueError, match=r"^mine: constraint is not jitted$"):
        _ = loops(module).constraint_batch


def test_constraints_and_costs_get_what_they_ask_for():
    task = PointMassObstacles("constrained")
    x = np.stack([task.initial_state(np.random.default_rng(seed)) for seed in range(4)])
    one = np.empty(OBSTACLES)
    for row, told in zip(x, task.constraint(x), strict=True):
        task.kernels.constraint(row, one)
        np.testing.assert_array_equal(told, one)


def test_older_files_go_and_others_stay(tmp_path):
    module = type(sys)("somebody")
    module.__file__ = str(tmp_path / "somebody.py")
    text = "from numba import njit\n\n\n@njit(cache=True)\ndef one():\n    return {}\n"
    first = kernel_files.load(module, "a", text.format(1))
    other = kernel_files.load(module, "a_b", text.format(1))
    assert first.one() == other.one() == 1
    assert kernel_files.load(module, "a", text.format(1)) is first
    entries = {path.name for path in tmp_path.rglob("*.nb[ic]")}
    assert any(name.startswith(first.__name__) for name in entries)
    (tmp_path / "__pycache__" / f"somebody_a_{'0' * 16}.kernels").mkdir()  # cannot be unlinked
    second = kernel_files.load(module, "a", text.format(2))
    assert second.one() == 2 and first.one() == 1  # it is loaded
    left = files(tmp_path)
    assert left == sorted(
        f"{m}.kernels" for m in (second.__name__, other.__name__, f"somebody_a_{'0' * 16}")
    )
    assert not list(tmp_path.rglob(f"{first.__name__}*"))


def test_where_nothing_can_be_written_the_users_cache_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    module = type(sys)("elsewhere")
    module.__file__ = str(tmp_path / "blocked" / "elsewhere.py")
    (tmp_path / "blocked").write_text("a file where a folder should be")
    made = kernel_files.load(module, "a", '"""Generated."""\n')
    assert str(made.__file__).startswith(str(tmp_path / "cache" / "covary" / "kernels"))
    typed = kernel_files.load(type(sys)("typed"), "a", '"""Generated."""\n')  # it has no file
    assert str(made.__file__).rpartition("/")[0].startswith(str(typed.__file__).rpartition("/")[0])
    (tmp_path / "cache").rename(tmp_path / "away")
    (tmp_path / "cache").write_text("here too")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    cache_folder.for_this_run.cache_clear()
    with pytest.warns(UserWarning, match="kernels are compiled anew in every run; export NUMBA_"):
        made = kernel_files.load(module, "b", '"""Generated."""\n')
    assert str(made.__file__).startswith(os.environ["NUMBA_CACHE_DIR"])
    kernel_files.load(module, "c", '"""Generated."""\n')  # says nothing more
    shutil.rmtree(os.environ["NUMBA_CACHE_DIR"])
    cache_folder.for_this_run.cache_clear()
