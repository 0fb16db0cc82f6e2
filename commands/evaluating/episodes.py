"""The episodes of an evaluation, one after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...nodes.launching.yaml_loader import InputError, in_a_line
from ...nodes.parameters import ParameterError, from_dict
from ...nodes.plugin import PluginError
from ...sim.sim_parameters import SimParameters
from ...sim.simulator import Simulator
from .actors import PLACE, Actor, Who, actor
from .grid import Grid, start_in


@dataclass(frozen=True)
class Job:
    """One episode to be run."""

    condition: int
    """Which of the dials' values."""
    episode: int
    """Its number."""
    cell: tuple[int, int] | None = None
    """Of the grid that it is to begin in; None: where its number says."""


@dataclass(frozen=True)
class Result:
    """How an episode ended."""

    job: Job
    success: bool
    cost: float
    """The running cost, summed over its periods."""
    seconds: float
    """Simulated."""
    start: np.ndarray | None
    """The whole state at its start (n,); None: no start in the cell could be found."""
    latency_ms: np.ndarray
    """How long each answer took. (T,)"""
    missed: int = 0
    """Periods without an answer."""
    reason: str = ""
    """Why there was none, if there was none."""


@dataclass(frozen=True)
class Setting:
    """What workers must know; plain values."""

    who: Who
    conditions: tuple[Mapping[str, Any], ...]
    """The sim node's parameters for each of the dials' values."""
    grid: Grid | None = None
    """Where the starts are, if a map is made."""


class EpisodeError(RuntimeError):
    """An episode that could not be brought to its end; one line."""


class Episodes:
    """Runs episodes of a setting; what they need is built when it is needed first.

    Args:
        setting: What to run.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._built: dict[int, tuple[Simulator, Actor]] = {}

    def prepare(self, condition: int) -> tuple[Simulator, Actor]:
        """The world and who acts in it.

        Raises:
            InputError: One of them cannot be had, or they do not fit; one line.
        """
        if condition not in self._built:
            given = self.setting.conditions[condition]
            try:
                simulator = Simulator(from_dict(SimParameters, given, "evaluate"))
            except (ParameterError, PluginError) as error:
                raise InputError(in_a_line(str(error)), PLACE) from error
            self._built[condition] = simulator, actor(self.setting.who, simulator.task)
        return self._built[condition]

    def run(self, job: Job) -> Result:
        """Run an episode to its end.

        Raises:
            EpisodeError: It has none; one line that says why.
        """
        try:
            return self._run(job)
        except InputError as error:
            raise EpisodeError(str(error)) from error
        except (Exception, SystemExit) as error:  # an outsider's may fail in any way
            said = (
                str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            )
            raise EpisodeError(in_a_line(f"episode {job.episode}: {said}")) from error

    def _run(self, job: Job) -> Result:
        simulator, who = self.prepare(job.condition)
        start = None
        if job.cell is not None:
            assert self.setting.grid is not None
            start = start_in(simulator.plant, self.setting.grid, job.cell, job.episode)
            if start is None:
                return Result(job, False, np.nan, 0.0, None, np.zeros(0))
        simulator.begin(job.episode, start)
        who.begin(job.episode)
        start = simulator.plant.state()
        latency: list[float] = []
        missed = who.missed
        verdict = None
        while verdict is None:
            seen, now = simulator.seen(), simulator.time
            begin = time.perf_counter()
            action = who.act(seen, now)
            latency.append(1e3 * (time.perf_counter() - begin))
            if action.shape != (len(simulator.task.action_names),):
                said = f"the action has shape {action.shape}"
                raise ValueError(f"{said}, not ({len(simulator.task.action_names)},)")
            verdict = simulator.step(action)
        cost, seconds = simulator.judge.cost, simulator.tick * simulator.task.physics_dt
        taken = np.array(latency, np.float32)
        missed = who.missed - missed
        why = who.reason if missed else ""
        return Result(job, bool(verdict), cost, seconds, start, taken, missed, why)

    def close(self) -> None:
        """Let the cameras go."""
        for simulator, _ in self._built.values():
            simulator.close()
