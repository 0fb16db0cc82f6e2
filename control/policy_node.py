"""The policy node: answers what is seen with plans, where a planner node would stand."""

from __future__ import annotations

import time as wall
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..nodes import messages
from ..nodes.launching.yaml_loader import InputError
from ..nodes.moments import Moments
from ..nodes.node import Node
from ..nodes.parameters import ParameterError
from ..nodes.plugin import PluginError
from ..sim.load_task import load_task
from ..sim.pixels import pixels_of, words_for
from ..sim.planner_plugin import in_a_line, planner_of
from ..sim.task import Task
from ..sim.task_messages import plan_message
from .load_policy import Wants, check_loadable, is_folder, load_policy, wants_of
from .policy import draws_of
from .policy_runner import NoAnswerError, PolicyRunner, state_of
from .success_map import read_map
from .takeover import Takeover, TakeoverLimits

NEWEST = 20_000
"""Times and uncertainties that the statistics are taken over; a run of days keeps no more."""
GROUND_TRUTH = "/ground_truth"
STATE, IMAGE = "covary_msgs/msg/State", "sensor_msgs/msg/Image"
FALLBACK_DRAWS = 2
"""Last word of the key of the fallback's draws: neither the start's nor the policy's."""


class PolicyNode(Node):
    """Listens to what its policy wants to see, publishes /plan.

    A moment is answered when the state, or perception's estimate of it, and all images of one stamp
    are there. Behind the tick barrier every moment is answered, one that is sent again with the
    same plan; where the policy has no answer (it is not finite, or there is no estimate) the plan
    is the task's safe action. In real time there is no
    plan then, and control falls to the safe action at its deadline.
    """

    publishes: ClassVar[dict[str, str]] = {"/plan": "trajectory_msgs/msg/JointTrajectory"}
    plugins: ClassVar[dict[str, str]] = {"task": "sim.tasks", "fallback": "planners"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the policy node."""

        task: str
        """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
        policy: str
        """A trained policy's folder, or my_file:MyPolicy."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside, such as robot; an empty text is not given."""
        estimated: bool = False
        """Listen to /estimate, what a perception node tells of the state, instead of the state."""
        seed: int = 0
        """With the episode's number, the key of all draws."""
        ground_truth: bool = False
        """Whether it may listen to /ground_truth, where the poses of all objects stand."""
        horizon: int = 3
        """Points of a plan, at least: behind a chunk's end its last action is held. In real time
        control follows the plan before the newest, up to its deadline."""
        fallback: dict[str, Any] | str | None = None
        """Who takes over: a file of planners/, my_file:MyClass, or {plugin: NAME, ...}; null:
        nobody."""
        tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
        """Parameters of some fallbacks only, by plugin name."""
        model: str = "numba"
        """What the fallback plans with."""
        uncertainty_limit: float = 0.0
        """The fallback takes over above this uncertainty; 0: whatever the policy says."""
        success_limit: float = 0.0
        """It takes over where the policy's map says less success than this, or nothing; 0: the map
        is not looked at."""
        settle_s: float = 0.5
        """The policy goes on when nothing was wrong for so long, s of plant time."""

        def __post_init__(self) -> None:
            if not 0 <= self.seed < 2**64:
                raise ValueError(f"seed: {self.seed} must be at least 0 and below 2**64")
            if self.horizon < 1:
                raise ValueError(f"horizon: {self.horizon} must be at least 1")
            for name in ("uncertainty_limit", "success_limit", "settle_s"):
                if getattr(self, name) < 0:
                    raise ValueError(f"{name}: {getattr(self, name)} must not be negative")
            if self.success_limit > 1:
                raise ValueError(f"success_limit: {self.success_limit} is a rate, at most 1")
            limited = self.uncertainty_limit or self.success_limit
            if self.fallback is not None and not limited:
                raise ValueError(
                    "fallback: when is it to take over? say uncertainty_limit or success_limit"
                )
            if self.fallback is None and limited:
                name = "uncertainty_limit" if self.uncertainty_limit else "success_limit"
                raise ValueError(f"{name}: there is no fallback that could take over")

    @staticmethod
    def also_subscribes(parameters: Parameters) -> dict[str, str]:
        """The topics of its policy, and of its fallback, as far as it may listen to them."""
        p = parameters
        task = load_task(p.task, p.task_options)
        topics = topics_of(wants_of(p.policy, task), task, p.fallback is not None, p.estimated)
        return {t: kind for t, kind in topics.items() if t != GROUND_TRUTH or p.ground_truth}

    @staticmethod
    def asks_for(parameters: Parameters) -> dict[str, str]:
        """What publishes the images that its policy sees: topic -> the words to type."""
        task = load_task(parameters.task, parameters.task_options)
        wants = wants_of(parameters.policy, task)
        return {
            topic: words_for(topic, wants.shapes.get(name)) for name, topic in wants.images.items()
        }

    @staticmethod
    def check(parameters: Parameters) -> tuple[Task, Wants, Takeover | None]:
        """The task, what the policy wants in it, and who takes over; no network is opened.

        Raises:
            ParameterError: A policy that does not fit the task, or may not see what it wants to.
            PluginError: An outsider's class that cannot be had.
        """
        p = parameters
        task = load_task(p.task, p.task_options)
        wants = wants_of(p.policy, task)
        check_loadable(p.policy)
        if p.uncertainty_limit and not wants.doubts:
            said = f"{p.policy} has a deterministic head, which is never unsure: say success_limit"
            raise ParameterError(f"uncertainty_limit: {said}", "uncertainty_limit")
        takeover = None if p.fallback is None else _takeover(p, task)
        seen = topics_of(wants, task, takeover is not None, p.estimated)
        if GROUND_TRUTH in seen and not p.ground_truth:
            who = p.policy if wants.state_topic == GROUND_TRUTH else "fallback"
            raise ParameterError(
                f"ground_truth: {who} needs the poses of the things of {p.task}, which no sensor "
                "tells: say ground_truth: true",
                "ground_truth",
            )
        return task, wants, takeover

    def configure(self) -> None:
        """Load the policy and have it answer once, so that everything is there."""
        p = self.parameters
        self.task, self.wants, self.takeover = self.check(p)
        policy = load_policy(p.policy, self.task)
        self.runner = PolicyRunner(policy, self.task, self.wants, p.horizon)
        self._warm()
        if self.realtime and self.wants.chunk == 1:
            self.log.warning(
                "its answers are one action, which is held; in real time control is a period late "
                "and takes up a plan's second one: train with chunk:=3"
            )
        self.episode, self.state_time = -1, -1.0
        self.names: dict[str, dict[str, int]] = {}  # where each coordinate stands, by topic
        self.plan_ms: deque[float] = deque(maxlen=NEWEST)
        self.uncertainty: deque[float] = deque(maxlen=NEWEST)
        self.stats.update(plans=0, plan_ms=None, failed_plans=0, uncertainty=None, incomplete=0)
        self.stats.update(planner=p.policy, symmetry=self.wants.symmetry or "none")
        if self.takeover is not None:
            self.stats.update(takeovers=0, plans_of_fallback=0)
        self.reason = ""  # why there was no answer last; empty if there was one
        self.answered = False  # the newest moment
        self.plans = self.create_publisher(messages.JointTrajectory, "/plan")
        self.state_topic = heard(self.wants.state_topic, p.estimated)
        self.whole_topic = heard(whole_topic(self.task), p.estimated)
        topics = topics_of(self.wants, self.task, self.takeover is not None, p.estimated)
        self.moments = Moments(topics)
        for topic, kind in topics.items():
            cls = messages.message_class(kind)
            self.create_subscription(cls, topic, lambda m, t=topic: self.on_message(t, m))

    def on_message(self, topic: str, message: Any) -> None:
        """Answer the moment that this message completes."""
        incomplete = self.moments.incomplete
        moment = self.moments.offer(topic, messages.nanoseconds(message.header.stamp), message)
        if self.moments.incomplete > incomplete:
            stamp, topics = self.moments.lost
            self.miss(stamp / 1e9, f"{' and '.join(topics)} never came")
        if moment is None:
            return
        state = moment[self.state_topic]
        time = messages.seconds(state.header.stamp)
        if state.episode != self.episode or time < self.state_time:
            # Time that goes back is another life of the plant, whatever its number.
            self.begin(state.episode)
        elif time == self.state_time:
            # Somebody has not heard one of us. To ask again would draw again.
            if self.answered and not self.realtime and topic == self.state_topic:
                self.plans.repeat()
            return
        self.state_time, self.answered = time, False
        before = wall.perf_counter()
        actions = self.answer(time, moment)
        if actions is None:
            return
        self.plans.publish(plan_message(self.task, time, self.task.dt, actions))
        self.answered = True
        self.plan_ms.append((wall.perf_counter() - before) * 1e3)
        self.stats["plans"] += 1

    def begin(self, episode: int) -> None:
        """Another episode: policy and fallback forget the one before."""
        self.episode = episode
        seed, number = self.parameters.seed, max(episode, 0)
        self.runner.reset(draws_of(seed, number))
        if self.takeover is not None:
            seeds = np.random.SeedSequence([seed, number, FALLBACK_DRAWS])
            self.takeover.reset(int(seeds.generate_state(1)[0]))
        self.write_stats()

    def answer(self, time: float, moment: dict[str, Any]) -> np.ndarray | None:
        """The actions for a moment, of whoever acts; None: there are none. (H, m)"""
        missed, actions = "", None
        if self.takeover is not None and self.takeover.acts:
            self.runner.interrupt()
        try:
            actions = self.runner.plan(time, self.observed(moment))
            if np.isfinite(self.runner.uncertainty):
                self.uncertainty.append(self.runner.uncertainty)
        except NoAnswerError as error:
            missed = str(error)
        if self.takeover is not None:
            actions, missed = self._taken_over(time, moment, actions, missed)
        if missed:
            self.miss(time, missed)
            return None if self.realtime else self.task.safe_action()[None]
        if self.reason:
            self.log.info("t=%.3f s: answers again", time)
            self.reason = ""
        return actions

    def observed(self, moment: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the policy is shown of a moment.

        Raises:
            NoAnswerError: Something of it is not there.
        """
        state = self._coordinates(self.state_topic, moment, self.wants.state_names)
        if not np.isfinite(state).all():
            raise NoAnswerError("the state is not finite")
        seen = {"state": state}
        for name, topic in self.wants.images.items():
            try:
                seen[name] = pixels_of(moment[topic])
            except ValueError as error:
                raise NoAnswerError(f"the image {name}: {error}") from None
        return seen

    def miss(self, time: float, reason: str) -> None:
        """Count a moment without an answer, and log why: once while the reason is the same."""
        self.stats["failed_plans"] += 1
        if reason != self.reason:
            self.log.error("no plan for t=%.3f s: %s", time, reason)
        self.reason = reason

    def write_stats(self) -> None:
        """Write the statistics so far: percentiles of the times, and of the uncertainty."""
        if hasattr(self, "moments"):
            self.stats["incomplete"] = self.moments.incomplete
            for name in ("plan_ms", "uncertainty"):
                if values := getattr(self, name):
                    p50, p99 = np.percentile(values, [50, 99])
                    self.stats[name] = {"p50": float(p50), "p99": float(p99)}
        super().write_stats()

    def _taken_over(
        self, time: float, moment: dict[str, Any], actions: np.ndarray | None, missed: str
    ) -> tuple[np.ndarray | None, str]:
        """Actions and what is missing, after somebody has decided who acts."""
        assert self.takeover is not None
        try:
            state = self._coordinates(self.whole_topic, moment, tuple(self.task.state_names))
            said = self.takeover.choose(time, state, self.runner.uncertainty, missed)
            if said:
                self.log.info("t=%.3f s: %s", time, said)
                self.stats["takeovers"] += self.takeover.acts
            if not self.takeover.acts:
                return actions, missed
            actions = self.takeover.plan(state, time)
        except ValueError as error:
            return None, f"{missed}; the fallback: {error}" if missed else str(error)
        if not np.isfinite(actions).all():
            return None, "the fallback's plan is not finite"
        self.stats["plans_of_fallback"] += 1
        return actions, ""

    def _coordinates(
        self, topic: str, moment: dict[str, Any], wanted: tuple[str, ...]
    ) -> np.ndarray:
        """Coordinates of a state message of a moment. (k,)

        Raises:
            NoAnswerError: Perception had no estimate.
            ValueError: It does not tell what is wanted.
        """
        message = moment[topic]
        if not len(message.value):
            raise NoAnswerError("there is no estimate of the state")
        if topic not in self.names or len(self.names[topic]) != len(message.value):
            self.names[topic] = {name: k for k, name in enumerate(message.name)}
        return state_of(self.names[topic], wanted, message.value)

    def _warm(self) -> None:
        """One answer, so that nothing is made at the first real one.

        Raises:
            PluginError: It fails.
        """
        p, names = self.parameters, self.task.state_names
        x = self.task.initial_state(np.random.default_rng(0))
        if self.takeover is not None:
            fallback = self.takeover.fallback
            fallback.plan(x, 0.0, fallback.initial_memory(0))
        unknown = [name for name in self.wants.images if name not in self.wants.shapes]
        if unknown:  # an outsider's: nobody knows how large they are
            return
        if self.wants.state_topic == "/state" and not self.wants.state_names:
            x, names = x[self.task.sensed_state()[1]], ()
        where = {name: k for k, name in enumerate(names)}
        seen = {"state": state_of(where, self.wants.state_names, x)}
        for name, (channels, height, width) in self.wants.shapes.items():
            colours = channels > 1
            shape = (height, width, channels) if colours else (height, width)
            seen[name] = np.zeros(shape, np.uint8 if colours else np.float32)
        try:
            self.runner.reset(draws_of(p.seed, 0))
            self.runner.plan(0.0, seen)
        except NoAnswerError:
            pass  # what is made up may be more than it can take; the real ones are judged
        except (Exception, SystemExit) as error:  # an outsider's may fail in any way
            text = f"policy {p.policy}: its first answer failed ({in_a_line(error)})"
            raise PluginError(text, True, "policy") from error


def whole_topic(task: Task) -> str:
    """Where the whole state of a task is published."""
    return GROUND_TRUTH if task.sensed else "/state"


def heard(topic: str, estimated: bool) -> str:
    """What is listened to for a state: its topic, or its estimate."""
    return "/estimate" if estimated else topic


def topics_of(wants: Wants, task: Task, planned: bool, estimated: bool) -> dict[str, str]:
    """Topic -> type of all that a moment consists of, the state first.

    Args:
        wants: The policy's.
        task: The task.
        planned: Whether somebody plans too, who needs the whole state.
        estimated: Whether perception tells states.
    """
    topics = {heard(wants.state_topic, estimated): STATE}
    if planned:
        topics[heard(whole_topic(task), estimated)] = STATE
    return topics | dict.fromkeys(wants.images.values(), IMAGE)


def _takeover(p: PolicyNode.Parameters, task: Task) -> Takeover:
    """Who takes over, and when.

    Raises:
        ParameterError: A fallback that does not fit, or a map that is not there.
        PluginError: There is no such fallback.
    """
    block = {"plugin": p.fallback} if isinstance(p.fallback, str) else dict(p.fallback or {})
    try:
        fallback = planner_of(task, block, p.tuned, "full", p.model, 0.8)
    except (ParameterError, PluginError) as error:
        first, dot, rest = error.key.partition(".")
        error.key = f"fallback{dot}{rest}" if first == "planner" else error.key
        raise
    found = None
    if p.success_limit:
        if not is_folder(p.policy):
            raise ParameterError(f"success_limit: {p.policy} has no folder with a map in it")
        try:
            found = read_map(Path(p.policy))
            found.at_state(np.zeros(len(task.state_names)), task.state_names)
        except (InputError, ValueError) as error:
            raise ParameterError(f"success_limit: {error}", "success_limit") from None
    limits = TakeoverLimits(p.uncertainty_limit, p.success_limit, p.settle_s)
    return Takeover(fallback, limits, found, tuple(task.state_names))
