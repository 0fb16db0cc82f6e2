"""What every test is held to: one thread for mathematics, and none left that keeps pytest going."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

# As in every node's process: on small arrays and busy cores, BLAS with more is many times slower.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Hundreds of processes start here. Where the environment forbids bytecode, each would compile a
# thousand modules again, which takes as long as the rest of a launch: it goes beside the packages.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.pycache_prefix = os.environ.setdefault(
        "PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "pycache")
    )
    sys.dont_write_bytecode = False

GRACE_S = 2.0


def lingering() -> set[threading.Thread]:
    """Threads that Python would wait for at its end: an open zenoh subscriber's is one."""
    others = set(threading.enumerate()) - {threading.main_thread()}
    return {thread for thread in others if not thread.daemon}


@pytest.fixture(autouse=True)
def no_thread_left():
    """Fails a test that leaves a thread running; what wider fixtures started before it may stay."""
    before = lingering()
    yield
    deadline = time.monotonic() + GRACE_S
    while (left := lingering() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    if left:
        pytest.fail(f"left running: {sorted(thread.name for thread in left)}; close what opened it")


def pytest_sessionfinish(session, exitstatus):
    """Remembers how the run ended."""
    session.config.stash[STATUS] = int(exitstatus)


STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends the process even so: a hang after the last test would look like a test that hangs."""
    if left := lingering():
        print(f"still running: {sorted(t.name for t in left)}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(config.stash.get(STATUS, 1) or 1)
