"""`Simulator`: the episodes of the sim node in the own process, a control period a call."""

from __future__ import annotations

import numpy as np

from ..nodes.parameters import ParameterError
from .dialled_senses import is_flipped, state_as_sensed
from .engines.engine import EngineError
from .guard import PlantGuard
from .images import Views
from .judge import Judge
from .load_task import load_task
from .plant import Plant
from .senses import GROUND_TRUTH
from .sim_parameters import SimParameters
from .task import Task


class Simulator:
    """What a `SimNode` with these parameters simulates, senses, guards and judges, without a bus.

    The same starts, dials, images, limits, rates and verdicts: an episode here is the episode of
    the same seed and number in `covary launch`, where every command is in time (the tick barrier).

    Args:
        parameters: As of the sim node. Images are seen in every period, whatever `camera_hz`.

    Attributes:
        task: The task.
        plant: What is simulated.
        judge: Of the running episode: its cost so far.
        episode: Its number.

    Raises:
        PluginError: There is no such task.
        ParameterError: Its options, the engine, a dial or an image cannot be had.
    """

    def __init__(self, parameters: SimParameters) -> None:
        self.parameters = p = parameters
        self.task: Task = load_task(p.task, p.task_options)
        try:
            self.plant: Plant = self.task.plant(p.engine, dials=p.dials)
        except EngineError as error:
            raise ParameterError(str(error), "engine") from error
        self.plant.begin(np.random.default_rng(0))
        self.plant.cost(self.task.safe_action())  # its kernels are loaded now
        self.views = Views(self.plant, p)
        self._ticks = round(self.task.dt / self.task.physics_dt)
        deadline = round(p.command_deadline_ms * 1e-3 / self.task.physics_dt)
        delay = p.dials.action_delay * self._ticks
        self._guard = PlantGuard(self.task, deadline, self.task.rates, delay)
        self._sensed = self.task.sensed_state()[1]
        self.judge, self.episode = Judge(self.plant), -1

    def begin(self, episode: int, start: np.ndarray | None = None) -> None:
        """Begin an episode where its number says, or in a state of the task (n,).

        Raises:
            ValueError: The start is not finite, or the plant can begin nowhere else.
        """
        p, self.episode = self.parameters, episode
        if start is None:
            self.plant.begin(np.random.default_rng([p.seed, episode]))
        else:
            self.plant.reset(start)
        if not np.isfinite(self.plant.state()).all():
            raise ValueError(f"episode {episode}: the start that the task drew is not finite")
        self._guard.reset()
        self.judge = Judge(self.plant, is_flipped(p.dials, p.seed, episode))

    @property
    def tick(self) -> int:
        """Physics ticks since the episode's start."""
        return self.plant.tick

    @property
    def time(self) -> float:
        """Simulated time since the episode's start, s; a whole number of nanoseconds."""
        return self.tick * round(self.task.physics_dt * 1e9) / 1e9

    def seen(self) -> dict[str, np.ndarray]:
        """What is on the topics now: /state, /ground_truth, and images (H, W) or (H, W, 3)."""
        x = self.plant.state()
        key = (self.parameters.seed, self.episode, self.tick)
        found = self.views.images(key)
        if self.task.sensed:
            found[GROUND_TRUTH] = x
        found["/state"] = state_as_sensed(self.task, self.parameters.dials, x, key)[self._sensed]
        return found

    def step(self, u: np.ndarray) -> bool | None:
        """Obey a command (m,) for one control period, as far as the guard lets it through.

        Returns:
            Whether the episode was a success; None while it goes on.

        Raises:
            ValueError: The command, or what the period cost, is not finite.
        """
        if not np.isfinite(u).all():
            raise ValueError(f"episode {self.episode}, t={self.time:.3f} s: the action is {u}")
        tick = self.tick
        # Once where a plan is followed, once by the guard, as a command on its way through nodes.
        self._guard.offer(self.task.limits.project(u), tick, tick, self.time)
        for local in range(tick, tick + self._ticks):
            action, _ = self._guard.action(local)
            self.plant.apply(action)
            self.plant.step()
        verdict = self.judge.period(action, self.tick * self.task.physics_dt)
        if not np.isfinite(self.judge.running):
            said = f"the task's cost is {self.judge.running}"
            raise ValueError(f"episode {self.episode}, t={self.time:.3f} s: {said}")
        return verdict

    def close(self) -> None:
        """Let the cameras go."""
        self.views.close()
