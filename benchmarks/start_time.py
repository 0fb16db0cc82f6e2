"""First import to first plan of the planner node, against importing the same modules, as JSON."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 9

# A planner node as a launch builds it, configured: it has planned once. Caches are filled.
PLAN = """
import time
start = time.perf_counter()
import json, sys
from covary.nodes.bus import zenoh_bus
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.run import build
planner = {"plugin": "mppi", "samples": 512, "horizon": 40, "knots": 8, "iterations": 2}
spec = {"exec": "planner_node", "name": "planner", "realtime": False}
spec["params"] = {"task": "push", "planner": planner}
build(spec, LocalBus(LocalGraph(), "planner")).configure()
print(json.dumps({"seconds": time.perf_counter() - start, "modules": list(sys.modules)}))
"""

# Every module that the node has loaded by then, in the same order, and nothing else.
IMPORTS = """
import time
start = time.perf_counter()
import contextlib, importlib, json, sys
for name in json.load(open(sys.argv[1])):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
print(json.dumps({"seconds": time.perf_counter() - start}))
"""


def run(code: str, *arguments: str) -> dict:
    """What a fresh Python prints."""
    command = [sys.executable, "-P", "-c", code, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure in turns; print medians and their ratio."""
    modules = [name for name in run(PLAN)["modules"] if name != "__main__"]
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "modules.json"
        names.write_text(json.dumps(modules))
        rounds = [(run(PLAN)["seconds"], run(IMPORTS, str(names))["seconds"]) for _ in range(RUNS)]
    first_plan, imports = (statistics.median(times) for times in zip(*rounds, strict=True))
    figures = {
        "benchmark": "start_time",
        "runs": RUNS,
        "modules": len(modules),
        "imports_s": round(imports, 3),
        "first_plan_s": round(first_plan, 3),
        "ratio": round(statistics.median(a / b for a, b in rounds), 2),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
