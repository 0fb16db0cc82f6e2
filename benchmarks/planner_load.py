"""A planner at 20 Hz on `push` while the cores are three times over-subscribed, as JSON.

Real launches of push.yaml (sim, planner, control, recorder), with as many processes beside them
that do nothing but count as three times the cores: `none` without them, `bounded` with them and the
anytime budget, `unbounded` with them and no budget. What is told of each plan on /diagnostics is
read from the bags: latency, iterations, samples. `late` plans took longer than the period; what the
plant executed is held to its limits, and the time it spent in the safe action is told.

`--quick`: one short episode each, one process for each core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from covary.nodes.bags.reader import Bag
from covary.sim.tasks.push import Push

QUICK = "--quick" in sys.argv
PERIOD_MS = 50.0
CORES = os.cpu_count() or 1
BURNERS = CORES if QUICK else 3 * CORES
PLANNER = {"samples": 512, "iterations": 8}
EPISODES = 1 if QUICK else 3
SPREAD = {"p1": 1, "p10": 10, "p50": 50, "p90": 90, "p99": 99, "max": 100}
ROWS = {"none": (0, PERIOD_MS), "bounded": (BURNERS, PERIOD_MS), "unbounded": (BURNERS, 1e9)}


@contextmanager
def busy(count: int):
    """Processes that keep a core busy each."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def launched(folder: Path, budget_ms: float) -> Path:
    """The run folder of one launch."""
    command = [sys.executable, "-P", "-m", "covary.commands.main", "launch", "push.yaml"]
    command += ["realtime:=true", f"episodes:={EPISODES}", f"budget_ms:={budget_ms}", "seed:=7"]
    command += [f"{name}:={value}" for name, value in PLANNER.items()]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    (run,) = folder.glob("runs/*")
    return run


def told(run: Path) -> tuple[list[dict[str, float]], float]:
    """What the bags say of each plan, and how far beyond the limits anything applied was."""
    plans, task, beyond = [], Push(), 0.0
    for path in sorted((run / "bags").glob("episode_*")):
        bag = Bag(path)
        for raw in bag.messages(("/diagnostics", "/applied")):
            message = bag.decode(raw)
            if raw.topic == "/applied":
                action = np.array(message.action)
                off = np.abs(task.limits.project(action) - action).max()
                beyond = max(beyond, float(off) if np.isfinite(action).all() else np.inf)
                continue
            for status in message.status:
                if status.name == "/planner: plans":
                    plans.append({value.key: float(value.value) for value in status.values})
    return plans, beyond


def spread(values: list[float]) -> dict[str, float]:
    """Percentiles of values."""
    cuts = zip(SPREAD.items(), np.percentile(values, list(SPREAD.values())), strict=True)
    return {name: round(float(value), 2) for (name, _), value in cuts}


def row(name: str) -> dict[str, object]:
    """One way: burners, and a budget."""
    burners, budget_ms = ROWS[name]
    with tempfile.TemporaryDirectory() as place, busy(burners):
        run = launched(Path(place), budget_ms)
        plans, beyond = told(run)
        stats = json.loads((run / "planner.json").read_text())
        sim = json.loads((run / "sim.json").read_text())
        summary = json.loads((run / "summary.json").read_text())
    if not plans:
        return {"way": name, "plans": stats["plans"], "told": 0, "summary": summary}
    latency = [plan["latency_ms"] for plan in plans]
    return {
        "way": name,
        "burners": burners,
        "budget_ms": budget_ms if budget_ms < 1e9 else None,
        "plans": stats["plans"],
        "told": len(plans),
        "latency_ms": spread(latency),
        "late": sum(taken > PERIOD_MS for taken in latency) / len(latency),
        "overruns": stats["overruns"],
        "iterations": spread([plan["iterations"] for plan in plans]),
        "samples": spread([plan["samples"] for plan in plans]),
        "success_rate": summary["success_rate"],
        "safe_s": round(sim["safe_s"], 3),
        "interventions": sim["interventions"],
        "beyond_limits": beyond,
    }


def main() -> None:
    """Run all ways and print the figures."""
    figures = {
        "benchmark": "planner_load",
        "cores": CORES,
        "load": list(os.getloadavg()),
        "period_ms": PERIOD_MS,
        **PLANNER,
        "rows": [row(name) for name in ROWS],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
