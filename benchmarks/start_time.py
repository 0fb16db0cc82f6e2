"""Time from process start to the first plan, against its bare imports: prints one JSON object."""

import json
import statistics
import subprocess
import sys
import time

RUNS = 5

BARE = "import numpy, numba, zenoh, rosbags.typesys, yaml"
PLAN = """
import zenoh, rosbags.typesys, yaml
import numpy as np
from covary.planners.mppi import MPPI
from covary.planners.planner_node import PlannerNode
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.push import Push
planner = MPPI(NumbaDynamics(Push()))
x = planner.task.initial_state(np.random.default_rng(0))
planner.plan(x, 0.0, planner.initial_memory(seed=0))
"""


def seconds(code: str) -> float:
    """Median wall time of a fresh Python that runs `code` (s), caches filled."""
    taken = []
    for _ in range(RUNS + 1):
        before = time.perf_counter()
        subprocess.run([sys.executable, "-P", "-c", code], check=True)
        taken.append(time.perf_counter() - before)
    return statistics.median(taken[1:])


def main() -> None:
    """Measures both and prints them with their ratio."""
    bare, plan = seconds(BARE), seconds(PLAN)
    print(
        json.dumps(
            {
                "benchmark": "start_time",
                "runs": RUNS,
                "bare_imports_s": round(bare, 3),
                "first_plan_s": round(plan, 3),
                "ratio": round(plan / bare, 2),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
