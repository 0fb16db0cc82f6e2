"""Time from process start to the first plan, against its bare imports: prints one JSON object."""

import json
import statistics
import subprocess
import sys
import time

RUNS = 7

IMPORTS = """
import numpy as np
import zenoh, rosbags.typesys, yaml, numba
"""

# What Numba loads when the first compiled function of a process is called, cached or not (SciPy is
# among it): its own start-up, which its import only puts off.
NUMBA = """
from numba.core.registry import cpu_target
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
"""

PLAN = """
from covary.nodes import zenoh_bus
from covary.planners.mppi import MPPI
from covary.planners.planner_node import PlannerNode
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.push import Push
planner = MPPI(NumbaDynamics(Push()))
x = planner.task.initial_state(np.random.default_rng(0))
planner.plan(x, 0.0, planner.initial_memory(seed=0))
"""


def seconds(codes: list[str]) -> list[float]:
    """Median wall time of a fresh Python for each code (s), taken in turns, caches filled."""
    taken = [[] for _ in codes]
    for _ in range(RUNS + 1):
        for times, code in zip(taken, codes, strict=True):
            before = time.perf_counter()
            subprocess.run([sys.executable, "-P", "-c", code], check=True)
            times.append(time.perf_counter() - before)
    return [statistics.median(times[1:]) for times in taken]


def main() -> None:
    """Measures and prints, with both ratios."""
    imports, numba, plan = seconds([IMPORTS, IMPORTS + NUMBA, IMPORTS + PLAN])
    figures = {
        "benchmark": "start_time",
        "runs": RUNS,
        "imports_s": round(imports, 3),
        "imports_and_numba_start_s": round(numba, 3),
        "first_plan_s": round(plan, 3),
        "ratio_to_imports": round(plan / imports, 2),
        "ratio_to_imports_and_numba_start": round(plan / numba, 2),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
