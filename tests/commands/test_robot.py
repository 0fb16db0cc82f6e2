"""`covary robot`: writes files that load, and says in one line what is wrong."""

import subprocess
import sys

import mujoco
import pytest


def run(*arguments):
    command = [sys.executable, "-P", "-m", "covary.commands.main", "robot", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_both_files_load(tmp_path):
    paths = tmp_path / "arm.urdf", tmp_path / "arm.xml"
    done = run("arm", "--urdf", paths[0], "--mjcf", paths[1])
    assert done.returncode == 0, done.stderr
    assert [mujoco.MjModel.from_xml_path(str(path)).njnt for path in paths] == [9, 9]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("am", "--urdf", "x"), "did you mean 'arm'?"),
        (("arm",), "--urdf PATH"),
        (("arm", "--urdf", "/nowhere/x.urdf"), "/nowhere/x.urdf: No such file"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1
