"""A hundred episodes through five kills, and a thousand that cost no more at the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import code_blocks
import pytest
from launches import command, covary, environment, wait_for

from covary.nodes.bags.dataset import Dataset
from covary.nodes.bags.reader import Bag
from covary.nodes.collecting.worker import Attempter, memory_mib
from covary.nodes.launching.launch_file import find, read_assignments, resolve

pytestmark = pytest.mark.slow
WORDS = ("collect", "block_pick.yaml", "episodes:=100", "success_only:=true", "heightmap:=32")


def messages_in(path):
    return [(m.topic, m.log_ns, m.publish_ns, m.payload) for m in Bag(path).messages()]


def test_five_kills_do_not_change_a_payload_of_a_hundred_episodes(tmp_path):
    alone, data = tmp_path / "alone", tmp_path / "data"
    done = covary(tmp_path, *WORDS, "workers:=1", f"out:={alone}", timeout=1200)
    assert done.returncode == 0, done.stderr + done.stdout
    rng = random.Random(4)
    # Two of them hit a worker alone, three collect itself; the last when all is nearly done.
    moments = sorted(rng.sample(range(5, 92), 4)) + [97]
    victims = rng.sample(["worker", "worker", "collect", "collect", "collect"], 5)
    words = (*WORDS, "workers:=2", f"out:={data}")
    child = None
    for moment, victim in zip(moments, victims, strict=True):
        child = child or started(tmp_path, words)
        wait_for(lambda at=moment: len(list(data.glob("bags/*"))) >= at, 1200, child)
        time.sleep(rng.uniform(0.0, 0.3))  # anywhere in an attempt
        if victim == "worker":
            workers = wait_for(lambda pid=child.pid: workers_of(pid))
            os.kill(rng.choice(workers), signal.SIGKILL)
        else:
            child.kill()
            child.communicate()
            child = None
    child = child or started(tmp_path, words)
    screen, _ = child.communicate(timeout=1200)
    assert child.returncode == 0, screen
    ours, theirs = Dataset(data), Dataset(alone)
    assert [path.name for path in ours.bags] == [path.name for path in theirs.bags]
    assert len(ours) == 100 and ours.card == theirs.card
    for one, two in zip(ours.bags, theirs.bags, strict=True):
        assert messages_in(one) == messages_in(two), one.name
        assert Bag(one).metadata == Bag(two).metadata
    assert (data / "attempts.jsonl").read_bytes() == (alone / "attempts.jsonl").read_bytes()


def started(place, words):
    return subprocess.Popen(
        command(*words),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def workers_of(parent):
    """Living children of a process: pids."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if words[1] == str(parent) and words[0] not in "ZX":
            found.append(int(entry.name))
    return found


def test_an_attempt_leaves_no_memory_behind(tmp_path):
    """A Bullet world is worth 15 MB that Python's collector knows nothing of."""
    pytest.importorskip("pybullet")
    words = read_assignments(["engine:=pybullet", "episodes:=1"])
    (tmp_path / "bags").mkdir()
    attempter = Attempter(resolve(find("block_pick"), words), tmp_path, tmp_path / "work", True)
    memory = []
    for number in range(16):
        assert "error" not in attempter.make(number)
        memory.append(memory_mib())
    attempter.close()
    assert memory[-1] - memory[5] < 40.0, memory


def test_a_thousand_episodes_cost_no_more_at_the_end(tmp_path):
    file = code_blocks.ROOT / "benchmarks" / "results" / "collecting.py"
    done = subprocess.run(
        [sys.executable, "-P", str(file), "1000"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    found = json.loads(done.stdout)
    first, last = found["cpu_ms_per_simulated_s"]
    assert last < 1.3 * first, found
    assert abs(found["cpu_slope_per_1000"]) < 0.3, found  # share of the mean
    assert found["memory_slope_mib_per_1000"] < 30.0, found
    assert found["memory_mib"][1] < 500.0, found
