"""Who acts in an evaluation: a trained policy, an outsider's class, or a planner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...control.load_policy import load_policy, policy_class, wants_of
from ...control.policy import draws_of
from ...control.policy_card import CARD
from ...control.policy_runner import NoAnswerError, PolicyRunner, state_of
from ...nodes import plugin
from ...nodes.launching.launch_file import find, read_assignments, resolve
from ...nodes.launching.yaml_loader import InputError, in_a_line, nearest, nearest_path
from ...nodes.parameters import ParameterError, from_dict
from ...planners.planner_node import PlannerNode
from ...sim.senses import GROUND_TRUTH
from ...sim.task import Task

PLACE = "command line"


@dataclass(frozen=True)
class Who:
    """What stands in the place of POLICY; plain values, so that workers can be told."""

    kind: str
    """``folder`` (it has a card), ``class`` (an outsider's policy) or ``planner``."""
    name: str
    """The folder, ``my_file:MyPolicy``, or the planner's name."""
    seed: int
    """Key of its draws, with the episode's number."""
    planner: Mapping[str, Any] = field(default_factory=dict)
    """Of a planner: the parameters of its node."""


class Actor(Protocol):
    """Acts in one episode after the other.

    Attributes:
        missed: How often it had no answer, and the safe action was taken.
        reason: Why, the last time; empty: it never had none.
    """

    missed: int
    reason: str

    def begin(self, episode: int) -> None:
        """Forget the episode before."""
        ...

    def act(self, seen: Mapping[str, np.ndarray], time: float) -> np.ndarray:
        """The action (m,) for what is seen, by topics, at a time of the episode (s)."""
        ...


class PolicyActor:
    """A policy, asked as the policy node asks it.

    Args:
        who: Which one, and the key of its draws.
        task: The task.
    """

    def __init__(self, who: Who, task: Task) -> None:
        self.task, self.seed, self.missed, self.reason = task, who.seed, 0, ""
        self.wants = wants_of(who.name, task)
        self.runner = PolicyRunner(load_policy(who.name, task), task, self.wants)
        names = task.state_names
        if self.wants.state_topic == "/state":
            names = task.sensed_state()[0]
        self._where = {name: k for k, name in enumerate(names)}

    def begin(self, episode: int) -> None:
        """Its draws are keyed by seed and episode, as the policy node's."""
        self.runner.reset(draws_of(self.seed, episode))

    def act(self, seen: Mapping[str, np.ndarray], time: float) -> np.ndarray:
        """What it answers; the safe action where it has no answer. (m,)"""
        values = seen[self.wants.state_topic]
        state = {"state": state_of(self._where, self.wants.state_names, values)}
        images = {name: seen[topic] for name, topic in self.wants.images.items()}
        try:
            return self.runner.plan(time, state | images)[0]
        except NoAnswerError as error:
            self.missed, self.reason = self.missed + 1, str(error)
            return self.task.safe_action()


class PlannerActor:
    """A planner, asked as the planner node asks it.

    Args:
        parameters: Of its node.
    """

    def __init__(self, parameters: PlannerNode.Parameters) -> None:
        self.planner = PlannerNode.check(parameters)
        self.seed, self.missed, self.reason = parameters.seed, 0, ""
        self.topic = GROUND_TRUTH if parameters.ground_truth else "/state"
        start = self.planner.task.initial_state(np.random.default_rng(0))
        self.memory: Any = self.planner.initial_memory(0)
        self.planner.plan(start, 0.0, self.memory)  # so that everything is compiled

    def begin(self, episode: int) -> None:
        """Its draws are keyed by seed and episode, as the planner node's."""
        seeds = np.random.SeedSequence([self.seed, episode])
        self.memory = self.planner.initial_memory(int(seeds.generate_state(1)[0]))

    def act(self, seen: Mapping[str, np.ndarray], time: float) -> np.ndarray:
        """The first action of its plan. (m,)"""
        plan, self.memory = self.planner.plan(seen[self.topic], time, self.memory)
        return np.asarray(plan.actions[0], float)


def actor(who: Who, task: Task) -> Actor:
    """Who acts in a task.

    Raises:
        InputError: It cannot be had, or does not fit; one line.
    """
    try:
        if who.kind == "planner":
            return PlannerActor(from_dict(PlannerNode.Parameters, who.planner, "planner"))
        return PolicyActor(who, task)
    except InputError:
        raise
    except (plugin.PluginError, ParameterError) as error:
        raise InputError(in_a_line(str(error)), PLACE) from error
    except (Exception, SystemExit) as error:  # an outsider's may fail in any way
        said = in_a_line(f"{type(error).__name__}: {error}")
        raise InputError(f"{who.name}: cannot be built ({said})", PLACE) from error


def kind_of(name: str) -> str:
    """What a word names: a policy's ``folder``, an outsider's ``class``, or a ``planner``.

    Raises:
        InputError: Nothing that could act.
    """
    known = [name for name in plugin.offered("planners") if name not in plugin.node_names()]
    if ":" not in name and Path(name).is_dir():
        # A folder of that name without a card is some other folder.
        return "folder" if name not in known or (Path(name) / CARD).exists() else "planner"
    if ":" in name:
        try:
            cls = plugin.load(name, "planners")
        except plugin.PluginError as error:
            raise InputError(str(error), PLACE) from error
        if all(hasattr(cls, word) for word in ("Parameters", "initial_memory", "plan")):
            return "planner"
        try:
            policy_class(name)
        except plugin.PluginError as error:
            raise InputError(str(error), PLACE) from error
        return "class"
    if name not in known:
        beside = [found.parent.name for found in Path(name).parent.glob(f"*/{CARD}")]
        hint = nearest_path(Path(name), beside) or nearest(name, known)
        hint = hint or f"; planners are {', '.join(known)}"
        said = f"{name}: is no policy's folder, no my_file:MyPolicy and no planner{hint}"
        raise InputError(said, PLACE)
    return "planner"


# A planner's parameters are those of the task's own launch file, so that it is as good as there.


def launch_of(task: str, options: Mapping[str, str]) -> Path | None:
    """Our launch file in which a task is simulated; None where there is none."""
    for path in sorted(find("push").parent.glob("*.yaml")):
        words = [f"env_id:={options['env_id']}"] if "env_id" in options else []
        try:
            launch = resolve(path, read_assignments(words))
        except InputError:  # one that has no such argument
            continue
        sims = [node.parameters for node in launch.nodes if "episodes" in node.parameters]
        if sims and sims[0].get("task") == task:
            return path
    return None


def planner_parameters(
    name: str,
    task: Task,
    spec: str,
    options: Mapping[str, str],
    launch: Path | None,
    words: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    """The parameters of the planner node, as the task's launch file has them.

    Args:
        name: The planner.
        task: The task.
        spec: Its name.
        options: Its options.
        launch: From `launch_of`.
        words: What else was given, arguments of the launch file or of the planner.
        seed: Key of its draws.

    Raises:
        InputError: Words that do not fit.
    """
    own = {"task": spec, "task_options": dict(options), "seed": seed}
    own["ground_truth"] = bool(task.sensed)
    if launch is None:
        given = {key: variable.value for key, variable in read_assignments(
            [f"{key}:={value}" for key, value in words.items()]).items()}  # fmt: skip
        model = "mujoco" if task.kernels is None else "numba"
        return {**own, "model": model, "planner": {"plugin": name, **given}}
    given = {"planner": name, **words}
    if "env_id" in options:
        given["env_id"] = options["env_id"]
    assigned = read_assignments([f"{key}:={value}" for key, value in given.items()])
    nodes = [node.parameters for node in resolve(launch, assigned).nodes]
    found = next((dict(p) for p in nodes if "planner" in p), {"planner": {"plugin": name}})
    # What the file says of sampling planners is nothing to one that has no such parameter.
    known = {field.name for field in fields(plugin.load(name, "planners").Parameters)}
    block = {k: v for k, v in found["planner"].items() if k in {"plugin", *known, *words}}
    return {**found, **own, "planner": block}
