"""A planner on cores three times over-subscribed: no unsafe command, all late plans counted."""

import json
import os
import signal

import pytest
from launches import left, start, wait_for
from plant_record import PlantRecord

from covary.benchmarks.planner_load import busy
from covary.nodes.bags.reader import Bag

BUDGET_MS, PLANS = 50.0, 40


def planned(place):
    """How many plans the planner says it has made."""
    try:
        (path,) = place.glob("runs/*/planner.json")
        return json.loads(path.read_text())["plans"]
    except (OSError, ValueError, KeyError):
        return 0


@pytest.mark.slow
def test_no_unsafe_command_and_every_late_plan_counted(tmp_path):
    """It starts in peace, and goes on until there are plans enough, however long they take."""
    launcher = start(
        *(tmp_path, "push", "realtime:=true", "episodes:=1000", "seed:=7"),
        *("samples:=512", "iterations:=8", f"budget_ms:={BUDGET_MS}"),
    )
    try:
        wait_for(lambda: planned(tmp_path), 120, launcher)
        with busy(3 * (os.cpu_count() or 1)):
            before = planned(tmp_path)
            wait_for(lambda: planned(tmp_path) > before + PLANS, 300, launcher)
        launcher.send_signal(signal.SIGINT)
        screen, _ = launcher.communicate(timeout=120)
    finally:
        launcher.kill()
    assert launcher.returncode == 130, screen
    (folder,) = tmp_path.glob("runs/*")
    run = left(folder, screen)
    assert PlantRecord(run.folder, "push").unsafe() == []
    stats = run.stats("planner")
    assert stats["iterations_done"]["least"] >= 1 and stats["plans"] > PLANS
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
    assert told > PLANS // 2
    # What the recorder did not hear may have been late as well, and nothing else.
    assert late <= stats["overruns"] <= late + stats["plans"] - told
