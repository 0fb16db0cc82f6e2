"""What hostile input is held to: processor time and memory for each, and errors of one line."""

import contextlib
import resource
import signal

import pytest
from hypothesis import HealthCheck, Phase

COUNTS = [100, pytest.param(10_000, marks=pytest.mark.slow)]
"""Inputs a fuzz test tries: by default, and in `make test-all`."""
QUIET = dict(
    deadline=None,  # `bounded` counts processor time instead
    database=None,
    phases=[Phase.generate],  # making a failure small takes minutes
    suppress_health_check=list(HealthCheck),
)
"""Settings of hypothesis for all fuzz tests."""
CPU_S = 5.0
"""Processor time that one input may cost, s. A loaded machine does not change it."""
MEMORY = 512 * 2**20
"""Bytes that one input may add to the process."""


class TooLong(BaseException):
    """No `except Exception` must swallow it."""


def _out_of_time(number, frame):
    raise TooLong(f"more than {CPU_S} s of processor time")


@contextlib.contextmanager
def bounded(cpu_s=CPU_S, memory=MEMORY):
    """Ends what takes too long, and refuses memory beyond the limit."""
    with open("/proc/self/statm") as stream:
        size = int(stream.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, _out_of_time)
    resource.setrlimit(resource.RLIMIT_AS, (size + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def outcome(call, *expected, cpu_s=CPU_S, memory=MEMORY):
    """What a call gives, or the error of the expected types that it raises.

    Any other error goes through; an expected one must be a line without control characters (of
    several mistakes at once: a line each), and must not stand for memory that was refused.
    """
    with bounded(cpu_s, memory):
        try:
            return call()
        except expected as error:
            said, count = str(error), len(getattr(error, "errors", [None]))
    lines = said.split("\n")
    assert len(lines) == count and all(line and line.isprintable() for line in lines), repr(said)
    assert "MemoryError" not in said and "Unable to allocate" not in said, said
    return None
