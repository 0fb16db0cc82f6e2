"""Episodes of a planner in a task's MuJoCo plant, in one process and without a bus."""

import numpy as np


def episodes(task, planner, seeds, watch=None, start=None):
    """Whether each of some episodes was a success.

    Args:
        task: The task.
        planner: What plans in every control period.
        seeds: Keys of the starts.
        watch: Is told each state at the end of a period.
        start: Where all begin, instead of where the seeds say.
    """
    plant, ticks = task.plant(), round(task.dt / task.physics_dt)
    for seed in seeds:
        plant.reset(
            task.initial_state(np.random.default_rng([0, seed])) if start is None else start
        )
        memory, held, period = planner.initial_memory(seed), 0, 0
        while period * task.dt < task.time_limit and held * task.dt < task.hold - 1e-9:
            plan, memory = planner.plan(plant.state(), period * task.dt, memory)
            for _ in range(ticks):
                plant.apply(plan.actions[0])
                plant.step()
            period, held = period + 1, held + 1 if plant.success() else 0
            if watch is not None:
                watch(plant.state())
        yield held * task.dt >= task.hold - 1e-9
