"""A planner on cores three times over-subscribed: no unsafe command, all late plans counted."""

import json
import os
import subprocess
import sys

import pytest
from launches import launch
from plant_record import PlantRecord

from covary.nodes.bags.reader import Bag

BUDGET_MS = 50.0


@pytest.fixture
def busy():
    """Three processes for each core that do nothing but count."""
    words = [sys.executable, "-c", "while True: pass"]
    burners = [subprocess.Popen(words) for _ in range(3 * (os.cpu_count() or 1))]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


@pytest.mark.slow
def test_no_unsafe_command_and_every_late_plan_counted(tmp_path, busy):
    run = launch(
        *(tmp_path, "push", "realtime:=true", "episodes:=1", "seed:=7"),
        *("samples:=512", "iterations:=8", f"budget_ms:={BUDGET_MS}"),
        timeout=300,
    )
    assert PlantRecord(run.folder, "push").unsafe() == []
    stats = json.loads((run.folder / "planner.json").read_text())
    assert stats["iterations_done"]["least"] >= 1 and stats["plans"] > 20
    assert run.summary["iterations_done"] == stats["iterations_done"]
    late = told = 0
    for path in run.bags:
        bag = Bag(path)
        for raw in bag.messages(("/diagnostics",)):
            for status in bag.decode(raw).status:
                if status.name == "/planner: plans":
                    values = {value.key: float(value.value) for value in status.values}
                    told += 1
                    late += values["latency_ms"] > BUDGET_MS
                    assert (status.message == "late") == (values["budget_used"] > 1.0)
    assert told > 20
    # What the recorder did not hear may have been late as well, and nothing else.
    assert late <= stats["overruns"] <= late + stats["plans"] - told
