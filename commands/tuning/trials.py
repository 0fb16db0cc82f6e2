"""Trials: the launch with some values of its planner, in lockstep; and the file of them."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...nodes import plugin
from ...nodes.launching.description import LaunchDescription, NodeDescription
from ...nodes.launching.yaml_loader import InputError, in_a_line
from ...nodes.parameters import from_dict
from ...nodes.recorder_node import RecorderNode
from ...nodes.supervision.lockstep import Lockstep
from ...nodes.supervision.progress import RunProgress
from ...planners.planner_node import PlannerNode
from ..evaluating.episodes import EpisodeError

TRIALS = "trials.jsonl"
"""The file of trials, one a line, in the folder of the tuning."""
STARTS, OTHER_STARTS = 2**63, 2**63 + 2**62
"""What is added to a tuning's seed for the starts of its trials, and for those of the check at its
end: no evaluation has such a seed."""


@dataclass(frozen=True)
class Job:
    """What one trial is to try."""

    number: int
    """Its number."""
    values: Mapping[str, Any]
    """Of the planner's parameters."""
    check: bool = False
    """On the other starts, at the end."""


@dataclass(frozen=True)
class Trial:
    """How a trial ended; a line of the file of trials."""

    number: int
    check: bool
    values: Mapping[str, Any]
    costs: list[float]
    """Of each episode."""
    successes: int
    seconds: float
    """Wall time."""
    failed: str = ""
    """Why it came to nothing; empty: it did not."""

    @property
    def cost(self) -> float:
        """The mean of the episodes; infinite where it came to nothing."""
        return math.inf if self.failed else math.fsum(self.costs) / len(self.costs)

    def line(self) -> str:
        """As it stands in the file."""
        return json.dumps(dataclasses.asdict(self)) + "\n"


@dataclass(frozen=True)
class Setting:
    """What workers must know."""

    launch: LaunchDescription
    """Resolved, with its planner's options as they were given."""
    episodes: int
    """Of a trial; a check has twice as many."""
    seed: int
    work: Path
    """Where trials leave their logs while they run."""


def roles_of(launch: LaunchDescription) -> tuple[NodeDescription, NodeDescription]:
    """Who simulates, and who plans.

    Raises:
        InputError: There is not one of each.
    """
    sims, planners = [], []
    for node in launch.nodes:
        kind = plugin.load_node(node.executable) if node.executable else object
        parameters = getattr(kind, "Parameters", None)
        names = {f.name for f in dataclasses.fields(parameters)} if parameters else set()
        if {"episodes", "first_episode", "seed"} <= names:
            sims.append(node)
        if issubclass(kind, PlannerNode):
            planners.append(node)
    for found, what in ((sims, "node that simulates"), (planners, "planner node")):
        if len(found) != 1:
            said = ", ".join(node.full_name for node in found) or "none"
            raise InputError(f"tuning needs one {what}, it starts {said}", str(launch.file))
    return sims[0], planners[0]


def planner_with(node: NodeDescription, values: Mapping[str, Any]) -> Any:
    """The planner of a node, with some of its parameters changed; nothing is run.

    Raises:
        ParameterError: They do not fit each other or the task.
    """
    return PlannerNode.check(from_dict(PlannerNode.Parameters, _told(node, values), node.full_name))


def _told(node: NodeDescription, values: Mapping[str, Any]) -> dict[str, Any]:
    options = {**node.parameters.get("planner_options", {}), **values}
    return {**node.parameters, "planner_options": options}


class Trials:
    """Runs trials, one after the other, in this process.

    Args:
        setting: What to run.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._sim, self._planner = roles_of(setting.launch)

    def run(self, job: Job) -> Trial:
        """Run one.

        Raises:
            KeyboardInterrupt: Somebody ended it.
            EpisodeError: What it would run cannot be had at all.
            OSError: Nothing can be written.
        """
        begin = time.monotonic()
        place = self.setting.work / f"{'check' if job.check else 'trial'}_{job.number}"
        shutil.rmtree(place, ignore_errors=True)
        try:
            place.mkdir(parents=True)
            with open(os.devnull, "w") as silence:
                run = Lockstep(self._launch(job), place, RunProgress(stream=silence))
                outcome = run.run()
        except InputError as error:
            raise EpisodeError(str(error)) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)
            gc.collect()  # what nodes hold outside of Python is let go
        if outcome.exit_code > 128:
            raise KeyboardInterrupt
        failed = in_a_line(outcome.failures[0]) if outcome.failures else ""
        costs = [episode["cost"] for episode in outcome.episodes]
        if not failed and (not costs or not all(map(math.isfinite, costs))):
            failed = "the cost of an episode is not finite" if costs else "no episode ended"
        return Trial(
            number=job.number,
            check=job.check,
            values=dict(job.values),
            costs=[] if failed else costs,
            successes=sum(episode["success"] for episode in outcome.episodes),
            seconds=round(time.monotonic() - begin, 3),
            failed=failed,
        )

    def _launch(self, job: Job) -> LaunchDescription:
        """The launch with a trial's values and starts, and nobody who records."""
        setting = self.setting
        seed = (OTHER_STARTS if job.check else STARTS) + setting.seed
        episodes = (2 if job.check else 1) * setting.episodes
        nodes = []
        for node in setting.launch.nodes:
            kind = plugin.load_node(node.executable) if node.executable else object
            if issubclass(kind, RecorderNode):
                continue
            parameters = dict(node.parameters)
            if node.full_name == self._sim.full_name:
                parameters |= {"episodes": episodes, "first_episode": 0}
            if node.full_name == self._planner.full_name:
                parameters = _told(node, job.values)
            if "seed" in parameters:
                parameters["seed"] = seed
            nodes.append(replace(node, parameters=parameters))
        return replace(setting.launch, nodes=tuple(nodes))


class TrialFile:
    """The trials of a tuning that have ended, each written at once.

    Args:
        path: The file; what a kill left half written at its end is dropped.

    Attributes:
        trials: By number, and whether it is a check.

    Raises:
        InputError: It holds something else.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials: dict[tuple[int, bool], Trial] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        for count, line in enumerate(whole.splitlines(), 1):
            try:
                trial = Trial(**json.loads(line))
                _ = trial.cost
            except (ValueError, TypeError, ArithmeticError) as error:
                raise InputError(f"is no trial: {error}", str(path), count) from None
            self.trials[trial.number, trial.check] = trial
        if whole != text:
            path.write_text(whole, encoding="utf-8")

    def add(self, trial: Trial) -> None:
        """Keep one.

        Raises:
            OSError: The file cannot be written.
        """
        with self.path.open("a", encoding="utf-8") as file:
            file.write(trial.line())
        self.trials[trial.number, trial.check] = trial

    def searched(self) -> list[Trial]:
        """Those that are no checks, by number."""
        return [self.trials[key] for key in sorted(self.trials) if not key[1]]

    def best(self) -> Trial | None:
        """The one of the lowest cost, the first of several; None: none came to anything."""
        found = [trial for trial in self.searched() if not trial.failed]
        return min(found, key=lambda trial: trial.cost) if found else None
