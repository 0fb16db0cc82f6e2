"""Coverage-guided fuzzing by atheris: 10,000 executions each for CDR, MCAP and YAML."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mcap_inputs import channel, message, schema, small_bag
from test_fuzz_cdr import WHOLE
from yaml_inputs import FILES

from covary.nodes import messages
from covary.nodes.bags.bag import bag_file

RUNS = 10_000
TYPES = sorted(messages.TYPES.values())


def corpus(name, folder):
    """What a run begins with: right inputs."""
    if name == "cdr":
        return [bytes([TYPES.index(k)]) + data for k, data in WHOLE.items() if k in TYPES]
    if name == "yaml":
        return [text.encode() for text in FILES]
    bags = [small_bag(folder / kind, kind) for kind in ("none", "lz4", "zstd")]
    whole = [bag_file(bag).read_bytes() for bag in bags]
    inside = schema(1, "std_msgs/msg/String", "string data") + channel(1, 1, "/a")
    return [*whole, *(data[:-60] for data in whole), inside + message(1, bytes(12))]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cdr", "mcap", "yaml"])
def test_no_input_that_reaches_new_code_is_a_crash(tmp_path, name):
    pytest.importorskip("atheris", reason="atheris has wheels for Linux on x86-64 only")
    (tmp_path / "corpus").mkdir()
    for number, data in enumerate(corpus(name, tmp_path)):
        (tmp_path / "corpus" / str(number)).write_bytes(data)
    script = Path(__file__).with_name("coverage_guided.py")
    done = subprocess.run(
        [sys.executable, str(script), name, str(RUNS), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    assert int(re.search(r"Done (\d+) ", said)[1]) >= RUNS
