"""Where time waits for the nodes, messages wait for a busy reader; in real time they never do."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from covary.nodes.bus.session import free_endpoint
from covary.nodes.bus.zenoh_bus import ZenohBus

STRING = "std_msgs/msg/String"
COUNT = 4000
SIZE = 2000
READER = """
import sys
from covary.nodes.bus.zenoh_bus import ZenohBus
bus = ZenohBus("reader", sys.argv[1], 7)
try:
    heard = bus.subscribe("std_msgs/msg/String", "/words", 0)
    bus.announce()
    got = 0
    while True:
        bus.wait(1.0)
        while (item := heard.take()) is not None:
            got += 1
            if item[0].startswith(b"end"):
                print(got, flush=True)
                sys.exit()
finally:
    bus.close()
"""


def received(patient: bool) -> tuple[int, float]:
    """Messages that a reader got which stood still in the middle, and the longest put (s)."""
    endpoint = free_endpoint()
    bus = ZenohBus("writer", None, 7, listen=endpoint, patient=patient)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, endpoint], stdout=subprocess.PIPE, text=True
    )
    try:
        words = bus.publisher(STRING, "/words")
        until = time.monotonic() + 30
        while not bus.sees(["/reader"]):
            assert time.monotonic() < until
            bus.wait(0.05)
        reader.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(0.5, reader.send_signal, [signal.SIGCONT])
        thaw.start()
        longest = 0.0
        for _ in range(COUNT):
            before = time.monotonic()
            words.put(bytes(SIZE))
            longest = max(longest, time.monotonic() - before)
        thaw.join()
        time.sleep(0.2)  # room for the last word, which must not be lost even in real time
        words.put(b"end" + bytes(SIZE))
        out, _ = reader.communicate(timeout=30)
        return int(out), longest
    finally:
        reader.kill()
        reader.communicate()
        bus.close()


def test_the_patient_lose_nothing():
    got, _ = received(patient=True)
    assert got == COUNT + 1


@pytest.mark.slow
def test_in_real_time_what_cannot_be_sent_is_dropped():
    got, longest = received(patient=False)
    assert 1 < got < COUNT and longest < 0.4
