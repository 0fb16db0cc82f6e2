"""What hostile input is held to: processor time and memory for each, and errors of one line."""

import contextlib
import resource
import signal

import pytest

COUNTS = [300, pytest.param(10_000, marks=pytest.mark.slow)]
"""Inputs a fuzz test tries: by default, and in `make test-all`."""
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

    Any other error goes through; an expected one must be a line without control characters, and
    must not stand for memory that was refused.
    """
    with bounded(cpu_s, memory):
        try:
            return call()
        except expected as error:
            said = str(error)
    assert said and said.isprintable(), repr(said)
    assert "MemoryError" not in said and "Unable to allocate" not in said, said
    return None
