"""Frames and steps a second of the worlds seen as pixels, on one core, as JSON.

Rates are of the process's own time (`per_cpu_s`), which other processes do not change, beside the
wall's (`per_s`), which they do.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from covary.nodes.plugin import offered
from covary.sim.pixel_worlds.world import load_world, transitions

QUICK = "--quick" in sys.argv
BATCH, ROUNDS = (64, 1) if QUICK else (1024, 7)
EPISODES, STEPS = (20, 5) if QUICK else (500, 20)
TARGETS = {"shapes": 50_000, "blocks": 5_000}
"""Frames a second."""


def measured(work: Callable[[], object], count: int) -> dict[str, int]:
    """Median rates over some rounds, after one that is not counted."""
    work()
    wall, busy = [], []
    for _ in range(ROUNDS):
        started, used = time.perf_counter(), time.process_time()
        work()
        wall.append(count / (time.perf_counter() - started))
        busy.append(count / (time.process_time() - used))
    return {"per_s": round(statistics.median(wall)), "per_cpu_s": round(statistics.median(busy))}


def main() -> None:
    """Print one JSON object."""
    rows = []
    for name in offered("sim.pixel_worlds"):
        world = load_world(name)
        states = world.initial(np.random.default_rng(0), BATCH)
        frames = measured(lambda w=world, s=states: w.frames(s), BATCH)
        steps = measured(
            lambda w=world: transitions(w, np.random.default_rng(0), EPISODES, STEPS),
            EPISODES * STEPS,
        )
        rows.append(
            {"world": name, "frame": list(world.frame_shape), "target": TARGETS.get(name)}
            | {f"frames_{key}": value for key, value in frames.items()}
            | {f"transitions_{key}": value for key, value in steps.items()}
        )
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "pixel_worlds", "load": load, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
