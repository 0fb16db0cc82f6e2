"""Control steps a second on both engines, and what of the time is the engine's own tick.

One process, one thread, no camera. `push`: a pusher that drives at the box for 10 s; `block_pick`
with the arm: whole episodes with the expert, the judge and the resets. A control step is 10 and 20
physics ticks. Seconds are the processor's, as a busy machine takes others; the median of rounds
counts. `bare` is a round with nothing but `mj_step` or `stepSimulation` counted.

`--quick`: one round, and one block to pick up.
"""

import importlib.util
import json
import os
import statistics
import sys
import time

import numpy as np

from covary.planners.expert import Expert
from covary.sim.engines import mujoco_engine
from covary.sim.judge import Judge
from covary.sim.load_task import load_task

QUICK = "--quick" in sys.argv
ROUNDS, STARTS = (1, 1) if QUICK else (9, 3)


class Timed:
    """A module of which one function is timed."""

    def __init__(self, module, name):
        self.module, self.name, self.seconds = module, name, []

    def __getattr__(self, name):
        found = getattr(self.module, name)
        if name != self.name:
            return found

        def timed(*words, **named):
            before = time.process_time()
            found(*words, **named)
            self.seconds.append(time.process_time() - before)

        return timed


def straight(plant):
    """Pushes for 10 s; control steps."""
    task = plant.task
    plant.reset(np.array([-0.12, 0.01, 0.0, 0.0, 0.1, 0.2, 0.0, 0.0]))
    for step in range(200):
        x = plant.state()
        u = task.limits.project(2.0 * (x[2:4] - x[0:2]) * [1.0, 3.0 if step < 100 else -1.0])
        for _ in range(10):
            plant.apply(u)
            plant.step()
    return 200


def picked(plant):
    """Picks a block up, three times; control steps."""
    steps = 0
    for seed in range(STARTS):
        plant.begin(np.random.default_rng([9000, seed]))
        expert, judge = Expert(plant.task), Judge(plant)
        memory, done, k = expert.initial_memory(0), None, 0
        while done is None:
            plan, memory = expert.plan(plant.state(), k * plant.task.dt, memory)
            for _ in range(20):
                plant.apply(plan.actions[0])
                plant.step()
            k += 1
            done = judge.period(plan.actions[0], k * plant.task.dt)
        steps += k
    return steps


def row(name, robot, engine, episode):
    """Rates of one task on one engine."""
    plant = load_task(name, {"robot": robot}).plant(engine)
    if engine == "pybullet":
        from covary.sim.engines import pybullet_engine as module

        function, place = "stepSimulation", "bullet"
    else:
        module, function, place = mujoco_engine, "mj_step", "mujoco"
    episode(plant)
    rates, real = [], getattr(module, place)
    for _ in range(ROUNDS):
        before = time.process_time()
        steps = episode(plant)
        rates.append(steps / (time.process_time() - before))
    timed = Timed(real, function)
    setattr(module, place, timed)
    try:
        episode(plant)
    finally:
        setattr(module, place, real)
    ticks = round(plant.task.dt / plant.task.physics_dt)
    bare = 1.0 / (ticks * statistics.fmean(timed.seconds))
    rate = statistics.median(rates)
    return {
        **{"task": name, "robot": robot, "engine": engine, "steps_per_s": round(rate)},
        **{"us_per_tick": round(1e6 / (rate * ticks), 1), "bare_steps_per_s": round(bare)},
        "ratio": round(bare / rate, 2),
    }


def main():
    """Print one JSON object."""
    engines = ["mujoco"] + ["pybullet"] * (importlib.util.find_spec("pybullet") is not None)
    rows = [row("push", "", engine, straight) for engine in engines]
    rows += [row("block_pick", "arm", engine, picked) for engine in engines]
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "engines", "load": load, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
