"""Memory that a node's process frees stays with it, so that an image costs no page faults."""

import ctypes
import subprocess
import sys

import pytest

IMAGES = 50

FAULTS = f"""
import resource, sys
import numpy as np
from covary.nodes import messages, run

if sys.argv[1] == "kept":
    run.keep_freed_memory()
header = messages.Header(stamp=messages.stamp(0.0), frame_id="camera")
size = dict(height=480, width=640, encoding="rgb8", is_bigendian=0, step=1920)
image = messages.Image(header=header, data=np.zeros(921600, np.uint8), **size)
for number in range({IMAGES} + 10):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    messages.deserialize(messages.serialize(image), image.__msgtype__)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    command = [sys.executable, "-P", "-c", FAULTS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="memory is glibc's affair",
)
def test_images_fault_no_pages_in():
    kept = faults("kept")
    assert kept < 20 * IMAGES
    assert kept < faults("as it is") / 5  # 225 pages of an image, more than once: the test sees it
