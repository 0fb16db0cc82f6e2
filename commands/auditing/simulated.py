"""A task as what is audited: its plant asked at moved states, and its expert's demonstrations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ...nodes.launching.yaml_loader import InputError, in_a_line
from ...sim.dials import Dials
from ...sim.task import Task
from .source import Source

TICKS = 60
"""Control periods that a start is rolled forward at most."""


class World:
    """A task's plant as functions of states and actions.

    Args:
        task: The task.
        dials: Of its world.
    """

    def __init__(self, task: Task, dials: Dials) -> None:
        self.task, self.plant = task, task.plant(dials=dials)
        self.plant.begin(np.random.default_rng(0))
        self._ticks = round(task.dt / task.physics_dt)
        self._known: dict[bytes, tuple[np.ndarray, float]] = {}

    def one(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, float]:
        """The state a control period later, and minus what that cost."""
        key = x.tobytes() + u.tobytes()
        if key not in self._known:
            self.plant.reset(x)
            self._known[key] = self._on(u)
        return self._known[key]

    def _on(self, u: np.ndarray) -> tuple[np.ndarray, float]:
        for _ in range(self._ticks):
            self.plant.apply(u)
            self.plant.step()
        return self.plant.state(), -self.plant.cost(u)

    def step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(B, n), (B, m) -> (B, n)"""
        return np.stack([self.one(*row)[0] for row in zip(x, u, strict=True)])

    def reward(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(B, n), (B, m) -> (B,)"""
        return np.array([self.one(*row)[1] for row in zip(x, u, strict=True)])

    def sampled(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """States on the way from starts under held random actions, and other random actions."""
        rng = np.random.default_rng(seed)
        low, high = self.task.limits.bound()
        states, actions = [], []
        for _ in range(count):
            self.plant.reset(self.task.initial_state(rng))
            held = self.task.limits.project(rng.uniform(low, high))
            for _ in range(int(rng.integers(TICKS // 2))):
                self._on(held)
            x = self.plant.state()
            if np.isfinite(x).all() and self._is_start(x):
                states.append(x)
                actions.append(self.task.limits.project(rng.uniform(low, high)))
        return np.stack(states), np.stack(actions)

    def _is_start(self, x: np.ndarray) -> bool:
        """Whether the plant can begin there: soft limits may be passed on the way, not before."""
        try:
            self.task.physics_from_state(x)
        except ValueError:
            return False
        return True


def demonstrated(
    spec: str,
    task: Task,
    options: dict[str, Any],
    dials: Dials,
    episodes: int,
    seed: int,
    step: Callable[[], None],
) -> Source | None:
    """What the task's scripted expert does in some episodes; None where it has none.

    Ctrl-C ends it early, with the episodes that there are.

    Args:
        spec: The task's name.
        task: It.
        options: Its options.
        dials: Of the world.
        episodes: How many.
        seed: Of the starts.
        step: Called after each.

    Raises:
        InputError: The expert fails.
        KeyboardInterrupt: Before there are enough episodes for an audit.
    """
    from ...planners.expert import Expert
    from ...sim.sim_parameters import SimParameters
    from ...sim.simulator import Simulator
    from ...symmetry.audit.neighbours import LEAST_EPISODES

    try:
        expert = Expert(task)
    except ValueError:
        return None
    simulator = Simulator(SimParameters(spec, options, dials=dials, seed=seed))
    rows: dict[str, list[np.ndarray]] = {"state": [], "action": [], "next_state": []}
    reward, number = [], []
    episode = 0
    try:
        for episode in range(episodes):
            simulator.begin(episode)
            memory, verdict = expert.initial_memory(seed), None
            while verdict is None:
                x = simulator.plant.state()
                plan, memory = expert.plan(x, simulator.time, memory)
                verdict = simulator.step(plan.actions[0])
                rows["state"].append(x)
                rows["action"].append(task.limits.project(plan.actions[0]))
                rows["next_state"].append(simulator.plant.state())
                reward.append(-simulator.plant.cost(plan.actions[0]))
                number.append(episode)
            step()
    except KeyboardInterrupt:
        if episode < LEAST_EPISODES:
            needed = f"an audit needs {LEAST_EPISODES}; nothing was written"
            print(f"interrupted in episode {episode + 1} of the expert: {needed}", file=sys.stderr)
            raise
    except ValueError as error:
        raise InputError(f"{spec}: the expert: {in_a_line(str(error))}") from None
    finally:
        simulator.close()
    whole = len(number)  # a pass that was interrupted may have left more in the first lists
    return Source(
        spec,
        **{name: np.stack(values[:whole]) for name, values in rows.items()},
        reward=np.array(reward[:whole]),
        episode=np.array(number),
        declared=task.symmetry,
        task=spec,
        state_names=tuple(task.state_names),
        action_names=tuple(task.action_names),
    )
