"""The wheel stands alone: built in a folder called `x y`, it runs when the checkout is gone."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, timeout: float = 600) -> str:
    """Runs a command without this process's Python path; gives its output, fails with it."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=keep,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel, and the python of a fresh environment that has it and nothing of the checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a git checkout to clone from")
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "x y"
    run("git", "clone", "--quiet", ROOT, clone, cwd=folder)
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder / "dist", "."),
        cwd=clone,
    )
    (wheel,) = (folder / "dist").glob("covary-*.whl")
    constraints = folder / "constraints.txt"
    shutil.copy(clone / "constraints.txt", constraints)
    shutil.rmtree(clone)
    venv.create(folder / "fresh", with_pip=True)
    python = folder / "fresh" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel, cwd=folder)
    return wheel, python


def test_the_wheel_holds_data_and_nothing_that_stays_at_home(installed):
    names = zipfile.ZipFile(installed[0]).namelist()
    for folder in ("launch", "sim/models", "nodes/msg"):
        tracked = run("git", "ls-files", folder, cwd=ROOT).split()
        assert tracked
        assert {f"covary/{file}" for file in tracked} <= set(names)
    tops = {n.split("/")[1] for n in names if n.startswith("covary/")}
    assert not tops & {"setup.py", "tests", "benchmarks", "docs", "conftest.py"}
    assert {n.split("/")[0] for n in names if ".dist-info" not in n} == {"covary"}


def test_it_launches_from_an_empty_directory(installed, tmp_path):
    _, python = installed
    summary = tmp_path / "summary.json"
    covary = python.parent / "covary"
    arguments = ("push.yaml", "--lockstep", "--summary", summary, "episodes:=1", "samples:=32")
    run(covary, "launch", *arguments, cwd=tmp_path)
    found = json.loads(summary.read_text(encoding="utf-8"))
    assert found["task"] == "push"
    assert found["episodes"] == 1
    assert found["samples"] == 32


def test_only_the_name_covary_is_taken(installed, tmp_path):
    _, python = installed
    run(python, "-c", "import covary.planners.mppi", cwd=tmp_path)
    for room in ("control", "sim", "nodes", "planners", "symmetry", "commands"):
        code = f"import importlib.util as u; assert u.find_spec({room!r}) is None"
        run(python, "-c", code, cwd=tmp_path)


def test_gymnasium_makes_the_environments(installed, tmp_path):
    _, python = installed
    code = (
        "import gymnasium\n"
        "from covary.sim.env import register\n"
        "register()\n"
        "ours = sorted(name for name in gymnasium.registry if name.startswith('covary/'))\n"
        "assert ours, 'none registered'\n"
        "env = gymnasium.make(ours[0]); env.reset(seed=0)\n"
        "env.step(env.action_space.sample())\n"
    )
    run(python, "-c", code, cwd=tmp_path)
