"""Ctrl-C while a command is still importing or checking: exit code 130, no traceback, no orphan."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
AT = sys.argv.pop(1)

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == AT:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:  # as libraries do that are written in C
                raise ImportError("initialization failed") from None

sys.meta_path.insert(0, Interrupted())
print("up", flush=True)
from covary.commands.main import main
main()
"""


def begun(folder, at, *words):
    command = [sys.executable, "-P", "-c", PROGRAM, at, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = subprocess.Popen(command, cwd=folder, process_group=0, **pipes)
    assert started.stdout is not None and started.stdout.readline() == "up\n"
    return started


def alive(group):
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def held(started, timeout=120.0):
    said = started.communicate(timeout=timeout)[0]
    assert started.returncode in (130, -signal.SIGINT), said  # a shell says 130 to both
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    deadline = time.monotonic() + 60.0
    while alive(started.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(started.pid)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("typer", ["check", "point_mass.yaml"]),
        ("covary.sim.tasks.point_mass", ["launch", "point_mass.yaml", "--lockstep"]),
    ],
)
def test_in_an_import_that_would_make_another_error_of_it(tmp_path, at, words):
    held(begun(tmp_path, at, *words))
    assert not list(tmp_path.iterdir())


COMMANDS = {
    "launch": ["point_mass.yaml"],
    "tune": ["point_mass.yaml", "planner:=mppi", "trials:=2", "episodes:=1", "out:=out"],
    "train": ["bc", "data:=nothing", "out:=out"],
    "collect": ["push.yaml", "planner:=expert", "episodes:=2", "workers:=2", "out:=out"],
    "check": ["point_mass.yaml"],
    "audit": ["push", "--episodes", "2000", "--group", "C2", "--samples", "100", "--out", "out"],
}


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
@pytest.mark.parametrize("command", COMMANDS)
def test_at_any_moment(tmp_path, command, after):
    started = begun(tmp_path, "", command, *COMMANDS[command])
    time.sleep(after)
    if started.poll() is None:
        started.send_signal(signal.SIGINT)
        held(started)
