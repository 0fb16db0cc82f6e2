"""Numba's disk cache never runs old code, and a second process compiles nothing.

The cache watches only the file of the kernel that is called from outside. So a cached kernel must
find all it calls and all constants it reads in its own file, or in a generated one (tests/sim/
test_kernel_loops.py).
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import covary

ROOT = Path(covary.__file__).resolve().parent
NOT_THE_PACKAGE = {"tests", "docs", "benchmarks", "build", "runs", "__pycache__"}
JIT = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "stencil"}


# (a) The law, read off the sources.


def sources(root):
    """Dotted name inside the package -> syntax tree, and which of them are packages."""
    trees = {}
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root)
        if any(part in NOT_THE_PACKAGE or part.startswith(".") for part in where.parts[:-1]):
            continue
        parts = where.with_suffix("").parts
        package = parts[-1] == "__init__"
        name = ".".join(("covary", *(parts[:-1] if package else parts)))
        trees[name] = (ast.parse(path.read_text(encoding="utf-8")), package)
    return trees


def is_jit(node):
    """Whether an expression is numba's njit or one of its kin, called with options or not."""
    node = node.func if isinstance(node, ast.Call) else node
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in JIT


def is_cached(decorator):
    return isinstance(decorator, ast.Call) and any(
        word.arg == "cache" and getattr(word.value, "value", True) for word in decorator.keywords
    )


def cached_kernels(tree):
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(is_jit(d) and is_cached(d) for d in node.decorator_list)
    ]


def imports(name, tree, package, trees):
    """What a file takes from other files of the package: name in the file -> where it stands."""
    taken = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = name.split(".")
            up = node.level - package
            base = base[: len(base) - up] if node.level else []
            origin = ".".join([*base, *(node.module.split(".") if node.module else [])])
            if origin.split(".")[0] != "covary":
                continue
            for alias in node.names:
                if alias.name == "*":
                    stars = (n for n in ast.walk(trees[origin][0]) if hasattr(n, "name"))
                    taken |= {n.name: f"{origin}.{n.name}" for n in stars if n.name}
                else:
                    taken[alias.asname or alias.name] = f"{origin}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "covary":
                    whole = alias.asname is not None
                    taken[alias.asname or "covary"] = alias.name if whole else "covary"
    # A value of this file made from one of another file is frozen into the kernel just the same.
    grown = True
    while grown:
        grown = False
        for node in tree.body:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            read = [n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)]
            origin = next((taken[n] for n in read if n in taken), None)
            for target in (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)):
                if origin and target.id not in taken:
                    taken[target.id] = origin
                    grown = True
    return taken


def strangers(trees):
    """One line for every cached kernel that uses what stands in another file of the package."""
    found = []
    for name, (tree, package) in trees.items():
        taken = imports(name, tree, package, trees)
        for kernel in cached_kernels(tree):
            own = {arg.arg for arg in ast.walk(kernel.args) if isinstance(arg, ast.arg)}
            body = [n for line in kernel.body for n in ast.walk(line)]
            own |= {n.id for n in body if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for node in body:
                if isinstance(node, ast.Name) and node.id in taken and node.id not in own:
                    found.append(f"{name}.{kernel.name} uses {taken[node.id]}")
    return found


@pytest.fixture(scope="module")
def ours():
    """The sources of this package."""
    return sources(ROOT)


def test_no_cached_kernel_uses_another_file(ours):
    assert strangers(ours) == []


def test_the_law_sees_the_tasks_kernels(ours):
    named = {
        f"{name}.{kernel.name}"
        for name, (tree, _) in ours.items()
        for kernel in cached_kernels(tree)
    }
    assert {"covary.sim.tasks.push.step", "covary.sim.tasks.push.gap"} <= named


OTHER = (
    "from numba import njit\nSIZE = 2.0\n\n\n@njit(cache=True)\ndef double(x):\n    return 2 * x\n"
)
KERNEL = "\n\n@njit(cache=True)\ndef kernel(x):\n    return {}\n"


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        ("from .other import double", "double(x)"),
        ("from .other import double as twice", "twice(x)"),
        ("from . import other", "other.double(x)"),
        ("from ..room.other import double", "double(x)"),
        ("from covary.room.other import double", "double(x)"),
        ("import covary.room.other as other", "other.double(x)"),
        ("import covary.room.other", "covary.room.other.double(x)"),
        ("from .other import *", "double(x)"),
        ("from . import other\nmine = other.double", "mine(x)"),
        ("from .other import SIZE", "SIZE * x"),
        ("from .other import SIZE\nHALF = SIZE / 2", "HALF * x"),
    ],
)
def test_the_law_finds_every_way_to_another_file(tmp_path, line, expression):
    room = tmp_path / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    (room / "other.py").write_text(OTHER)
    (room / "mine.py").write_text(f"from numba import njit\n{line}\n{KERNEL.format(expression)}")
    (line_found,) = set(strangers(sources(tmp_path)))
    assert line_found.startswith("covary.room.mine.kernel uses covary")


def test_the_law_leaves_honest_files_alone(tmp_path):
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "mine.py").write_text(
        "import math\nfrom numba import njit\nfrom .other import double\nSIZE = math.pi\n"
        + KERNEL.format("math.sin(SIZE * x)")
        + "\n\ndef plain(double_of):\n    return double(double_of)\n"
        + "\n\n@njit(cache=True)\ndef shadow(double):\n    return double + 1\n"
    )
    assert strangers(sources(tmp_path)) == []


# (b) and (c): a copy of the package, run in processes of its own.

PROGRAM = """
import importlib, inspect, json, pkgutil, sys
import numpy as np
import covary.sim.tasks
from covary.sim.kernel_loops import loops
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.task import Task

told = {"file": covary.__file__}
for module in pkgutil.iter_modules(covary.sim.tasks.__path__):
    loaded = importlib.import_module("covary.sim.tasks." + module.name)
    for _, cls in inspect.getmembers(loaded, inspect.isclass):
        if not issubclass(cls, Task) or cls.__module__ != loaded.__name__:
            continue
        task = cls()
        if task.kernels is None or sys.argv[2:] and task.name not in sys.argv[2:]:
            continue
        rng, made = np.random.default_rng(0), loops(task.kernels)
        x = np.stack([task.initial_state(rng) for _ in range(3)])
        u = task.limits.project(np.ones((3, len(task.action_names))))
        costs, called = task.running_cost(x, u), [made.running_cost_batch]
        if sys.argv[1] == "all":
            NumbaDynamics(task).next_state(x, u)
            task.terminal_cost(x)
            called += [made.step_batch, made.terminal_cost_batch]
        kernels = [loop.__wrapped__ for loop in called]
        kernels += [k for k in vars(task.kernels).values() if hasattr(k, "stats")]
        told[task.name] = {
            "costs": costs.tolist(),
            "hits": sum(sum(k.stats.cache_hits.values()) for k in kernels),
            "misses": sum(sum(k.stats.cache_misses.values()) for k in kernels),
        }
print(json.dumps(told))
"""


def run(folder, kernels="all", names=()):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kernels, *names],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(told.pop("file")).parent == folder / "covary", "another copy was imported"
    return told


def cache(folder):
    """Every cache file with its size and time of writing."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in (folder / "covary").rglob("*.nb[ic]")
    }


def copied(folder):
    """A folder that holds a copy of the package, its sources only."""
    (folder / "covary").mkdir()
    for entry in ROOT.iterdir():
        if entry.name.startswith(".") or entry.name in NOT_THE_PACKAGE:
            continue
        if entry.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(entry, folder / "covary" / entry.name, ignore=ignored)
        elif entry.suffix == ".py":
            shutil.copy(entry, folder / "covary")
    return folder


@pytest.mark.parametrize("names", [("point_mass",), pytest.param((), marks=pytest.mark.slow)])
def test_a_second_process_compiles_nothing(tmp_path, names):
    """Of one task, or of all."""
    folder = copied(tmp_path)
    first = run(folder, names=names)
    assert set(names or ("push",)) <= set(first)
    assert all(task["misses"] >= 3 for task in first.values())
    kept = cache(folder)
    assert kept, "nothing was cached"
    second = run(folder, names=names)
    assert cache(folder) == kept, "the second process wrote to the cache"
    for name, task in second.items():
        assert task["hits"] >= 3 and task["misses"] == 0, f"{name}: {task}"
        assert task["costs"] == first[name]["costs"]


def called(tree, name):
    """Kernels of a file that a kernel calls, itself or through others -> how far down."""
    kernels = {kernel.name: kernel for kernel in cached_kernels(tree)}
    depth, todo = {name: 0}, [name]
    while todo:
        caller = todo.pop(0)
        for node in ast.walk(kernels[caller]):
            callee = node.func.id if isinstance(node, ast.Call) and hasattr(node.func, "id") else ""
            if callee in kernels and callee not in depth:
                depth[callee] = depth[caller] + 1
                todo.append(callee)
    return depth


def edit(path, deep):
    """Add 0.001 to what one kernel of the task's cost returns; say which.

    The kernel is the running cost, or the farthest from it of those that it calls.
    """
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    cost = called(tree, "running_cost")
    chosen = (max if deep else min)(cost, key=lambda name: cost[name])
    kernel = next(k for k in cached_kernels(tree) if k.name == chosen)
    lines = text.splitlines(keepends=True)
    for node in [n for n in ast.walk(kernel) if isinstance(n, ast.Return)][::-1]:
        assert not isinstance(node.value, ast.Tuple)
        end = node.value
        row = lines[end.end_lineno - 1]
        lines[end.end_lineno - 1] = (
            row[: end.end_col_offset] + ") + 0.001" + row[end.end_col_offset :]
        )
        row = lines[end.lineno - 1]
        lines[end.lineno - 1] = row[: end.col_offset] + "(" + row[end.col_offset :]
    path.write_text("".join(lines), encoding="utf-8")
    return chosen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy in which tasks are edited."""
    return copied(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def latest(folder):
    """What the latest process told."""
    return run(folder)


@pytest.mark.slow  # by default tests/sim/test_fused_kernels.py edits one
@pytest.mark.parametrize("deep", [True, False])
def test_an_edit_of_a_task_changes_the_next_run(folder, latest, deep):
    edited = {
        name: edit(folder / "covary" / "sim" / "tasks" / f"{name}.py", deep) for name in latest
    }
    before = dict(latest)
    latest.update(run(folder, "running_cost"))
    for name, kernel in edited.items():
        costs = zip(latest[name]["costs"], before[name]["costs"], strict=True)
        apart = min(abs(now - then) for now, then in costs)
        assert apart > 1e-5, f"{name}: an edit of {kernel} changed nothing"
