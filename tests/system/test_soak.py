"""Push for long in real time: memory and latency stay flat, nothing is unsafe, all is readable.

Ten minutes, or ``COVARY_SOAK_S`` (s).
"""

import json
import os
import signal
import statistics
import time
from pathlib import Path

import pytest
from launches import left, processes_in, start, wait_for
from plant_record import PlantRecord

from covary.nodes.bags.reader import Bag

LENGTH_S = float(os.environ.get("COVARY_SOAK_S", 600.0))
PARTS = 6
"""Parts that are compared; the first one is for warming up."""
MORE_MB = 8.0
"""A process may have grown by this much from the second part to the last, and by a twentieth."""


def resident_mb(pid):
    """Resident memory of a process (MB), None if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processes(place, launcher):
    """Name -> pid of everything that runs."""
    found = {line.rsplit("/", 1)[1].split(".json")[0]: pid
             for pid, line in processes_in(place).items()}  # fmt: skip
    return {**found, "launcher": launcher.pid}


def latencies(run):
    """Seconds since the start and milliseconds from a state's sending to its command's."""
    found = []
    for path in run.bags:
        sent = {}
        for raw in Bag(path).messages(("/state", "/command")):
            stamp = raw.payload[4:12]
            if raw.topic == "/state":
                sent[stamp] = raw.publish_ns
            elif stamp in sent:
                found.append((raw.publish_ns, (raw.publish_ns - sent[stamp]) / 1e6))
    first = found[0][0]
    return [((at - first) / 1e9, ms) for at, ms in found]


def parts(samples, length_s):
    """The medians of (time, value) samples over equal parts of the time."""
    sorted_in = [[] for _ in range(PARTS)]
    for at, value in samples:
        sorted_in[min(int(PARTS * at / length_s), PARTS - 1)].append(value)
    return [statistics.median(values) for values in sorted_in]


@pytest.mark.slow
def test_push_for_long(tmp_path):
    launcher = start(tmp_path, "push", "realtime:=true", "episodes:=100000", "seed:=7000")
    memory = {}
    try:
        wait_for(lambda: list(tmp_path.glob("runs/*/bags/episode_000")), 120, launcher)
        began = time.monotonic()
        while (now := time.monotonic() - began) < LENGTH_S:
            assert launcher.poll() is None, launcher.communicate()[0]
            for name, pid in processes(tmp_path, launcher).items():
                memory.setdefault(name, []).append((now, resident_mb(pid)))
            time.sleep(max(LENGTH_S / 360, 0.2))
        launcher.send_signal(signal.SIGINT)
        screen, _ = launcher.communicate(timeout=120)
    finally:
        if launcher.poll() is None:
            launcher.kill()
            launcher.communicate()
    assert launcher.returncode == 130, screen
    (folder,) = tmp_path.glob("runs/*")
    run = left(folder)
    record = PlantRecord(folder, "push")
    delays = latencies(run)
    medians = parts(delays, max(at for at, _ in delays) + 1e-9)
    resident = {name: parts(samples, LENGTH_S) for name, samples in memory.items()}
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(
        json.dumps(
            {
                "length_s": LENGTH_S,
                "episodes": run.summary["episodes"],
                "aborted": run.summary["aborted"],
                "success_rate": run.summary["success_rate"],
                "respawns": run.summary["respawns"],
                "dropped": run.summary["dropped"],
                "interventions": run.summary["interventions"],
                "safe_s": run.summary["safe_s"],
                "commands": len(record.commands),
                "unsafe": len(record.unsafe()),
                "latency_ms_p50": medians,
                "resident_mb": resident,
                "disk_mb": disk / 1e6,
            }
        )
    )
    assert record.unsafe() == []
    assert run.summary["respawns"] == 0
    assert len(run.bags) >= run.summary["episodes"]  # the last one was interrupted
    for path in run.bags:
        bag = Bag(path)
        assert sum(1 for _ in bag.messages()) == sum(bag.counts.values()) > 0
    for name, (_, early, *_, late) in resident.items():
        assert late <= 1.05 * early + MORE_MB, (name, resident[name])
    assert medians[-1] <= 1.5 * statistics.median(medians[1:]), medians
