"""Where compiled kernels can be kept nowhere a launch runs all the same, and says so once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import covary

PACKAGE = Path(covary.__file__).resolve().parent

PROGRAM = """
import os, warnings
import numpy as np

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from covary.sim.tasks.push import Push, step
    from covary.sim.robots import chain

if {compiled}:
    x = Push().initial_state(np.random.default_rng(0))[None]
    Push().running_cost(x, np.zeros((1, 2)))
print(len(said), os.environ.get("NUMBA_CACHE_DIR", ""), said and said[0].message)
"""


def installed(folder):
    """A copy of what ships, in which files stand where caches would."""
    where = folder / "site" / "covary"
    left_out = shutil.ignore_patterns("tests", "docs", "benchmarks", "runs", "__pycache__", ".*")
    shutil.copytree(PACKAGE, where, ignore=left_out)
    for file in where.rglob("__init__.py"):
        file.with_name("__pycache__").write_text("no folder")
    return where.parent


def environment(site, cache):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHONPYCACHE"))}
    return {**kept, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(cache)}


def run(site, cache, compiled=False):
    words = [sys.executable, "-P", "-c", PROGRAM.format(compiled=compiled)]
    done = subprocess.run(
        words, env=environment(site, cache), cwd=cache.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_any_cache_a_folder_for_the_run_is_taken_and_said_once(tmp_path):
    site, cache = installed(tmp_path), tmp_path / "cache"
    cache.write_text("no folder either")
    count, folder, *said = run(site, cache).split(" ")
    assert count == "1" and "kernels are compiled anew in every run" in " ".join(said)
    assert "covary-kernels-" in folder and not Path(folder).exists()


@pytest.mark.slow
def test_the_users_cache_is_taken_before_that(tmp_path):
    site, cache = installed(tmp_path), tmp_path / "cache"
    assert run(site, cache, compiled=True).startswith("0  ")
    assert list(cache.rglob("*.nbi")) and list((cache / "covary" / "kernels").rglob("*.kernels"))


@pytest.mark.slow
def test_a_launch_runs_without_any_cache(tmp_path):
    site, cache = installed(tmp_path), tmp_path / "cache"
    cache.write_text("no folder either")
    words = ["launch", "point_mass.yaml", "episodes:=1", "samples:=16", "realtime:=false"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "covary.commands.main", *words],
        env=environment(site, cache), cwd=tmp_path, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("kernels are compiled anew") == 1
