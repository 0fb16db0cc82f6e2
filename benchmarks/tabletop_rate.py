"""Control steps a second of the tabletop tasks, expert included, no camera, beside bare physics.

One process, one thread. A control step is 20 physics ticks, the expert's plan, and the judge's
look at the state. The floor is `mj_step` alone, 20 times from states of the same episodes.
"""

import json
import statistics
import time

import mujoco
import numpy as np

from covary.planners.expert import Expert
from covary.sim.judge import Judge
from covary.sim.load_task import load_task

TASKS = (
    *("block_push", "block_pull", "block_pick", "block_in_bowl"),
    *("block_stack", "drawer_open", "peg_in_hole", "two_block_sort"),
)
ON_BULLET = ("block_push", "block_pick", "drawer_open")
ROUNDS = 5


def episode(task, plant, seed: int) -> tuple[float, float, int]:
    """Seconds with everything and of physics alone, and control steps, of one episode."""
    expert, judge = Expert(task), Judge(plant)
    memory, done, steps = expert.initial_memory(0), None, 0
    plant.begin(np.random.default_rng([9000, seed]))
    states, whole = [], 0.0
    while done is None:
        if steps % 8 == 0 and plant.engine.name == "mujoco":
            states.append(plant.physics_state())
        before = time.perf_counter()
        plan, memory = expert.plan(plant.state(), steps * task.dt, memory)
        for _ in range(20):
            plant.apply(plan.actions[0])
            plant.step()
        steps += 1
        done = judge.period(plan.actions[0], steps * task.dt)
        whole += time.perf_counter() - before
    data, bare = mujoco.MjData(plant.model), 0.0
    for state in states:
        mujoco.mj_setState(plant.model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
        before = time.perf_counter()
        for _ in range(20):
            mujoco.mj_step(plant.model, data)
        bare += time.perf_counter() - before
    return whole, bare * steps / max(len(states), 1), steps


def measured(name: str, robot: str, engine: str) -> dict:
    """Medians over rounds; the floor stands beside MuJoCo's."""
    task = load_task(name, {"robot": robot})
    plant = task.plant(engine)
    episode(task, plant, 0)
    rounds = [episode(task, plant, seed) for seed in range(ROUNDS)]
    rate = statistics.median(steps / whole for whole, _, steps in rounds)
    found = {"task": name, "robot": robot, "engine": engine, "steps_per_s": round(rate)}
    if engine == "mujoco":
        floor = statistics.median(steps / bare for _, bare, steps in rounds)
        found |= {"bare_mj_step_per_s": round(floor), "ratio": round(floor / rate, 2)}
    return found


def main() -> None:
    """Print one JSON object."""
    rows = [
        measured(name, robot, "mujoco") for name in TASKS for robot in ("arm", "floating_gripper")
    ]
    rows += [
        measured(name, "arm", "pybullet") for name in ("block_push", "block_pick", "drawer_open")
    ]
    print(json.dumps({"benchmark": "tabletop_rate", "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
