"""The perception node: images in; state or latent out, how sure it is, and how expected."""

from __future__ import annotations

import math
import time as wall
from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from ..nodes import messages
from ..nodes.moments import Moments
from ..nodes.node import Node
from ..sim.load_task import load_task
from ..sim.pixels import pixels_of, words_for
from ..sim.planner_plugin import build_dynamics
from ..sim.task import Task
from ..sim.task_messages import TaskMessageError, command_action, state_message
from .image_estimator import ImageError
from .latent_task import is_latent
from .model_card import ModelCard
from .observer import Stillness
from .observing import checked, opened

NEWEST = 20_000
"""Times and scores that the statistics are taken over; a run of days keeps no more."""
ESTIMATE, DEVIATION = "/estimate", "/estimate/deviation"
STATE, IMAGE = "covary_msgs/msg/State", "sensor_msgs/msg/Image"
ESTIMATES = "estimates"
"""The status on /diagnostics is called ``NODE: estimates``; a heartbeat's is the node's name."""
LOST = 25
"""After so many periods without an estimate, or surprises on end, it begins anew."""
DEADLINE_S = 0.1
"""A command older than this is taken to have given way to the safe action, as plants do, s."""
ERROR = 2
"""Level of a status that says that there is no estimate."""


class PerceptionNode(Node):
    """Listens to an image, /state (for the goal alone) and /command; publishes /estimate.

    A moment is answered when the image and the state of one stamp are there; behind the tick
    barrier also the command before it, so that the same run gives the same estimates. An image
    that tells nothing (black, frozen, not finite, of another size) is said on /diagnostics and in
    the log, and there is no estimate: in real time nothing is published, and the robot comes to its
    safe action at its deadline; behind the barrier the estimate is empty, which whoever plans
    answers with the safe action.
    """

    publishes: ClassVar[dict[str, str]] = {
        ESTIMATE: STATE,
        DEVIATION: STATE,
        "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    }
    subscribes: ClassVar[dict[str, str]] = {
        "/state": STATE,
        "/command": "sensor_msgs/msg/JointState",
    }
    plugins: ClassVar[dict[str, str]] = {"task": "sim.tasks"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the perception node."""

        task: str
        """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
        perception: str
        """The folder of a network that tells the task's state, or of a latent world model of its
        images, from covary train."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside, such as robot; an empty text is not given."""
        model: str = "numba"
        """What foretells the next image: numba, mujoco, a trained model's folder, or
        my_file:my_model; empty: nothing, and an estimate is what the image tells."""
        planned_with: str | None = None
        """What the planner plans with, as its model says it; empty: nobody plans; null: not said. A
        latent is understood by its own model alone."""
        joint_states: bool = False
        """Whether it also takes in the robot's own sensors, /joint_states."""
        anomaly_limit: float = 0.0
        """Above this anomaly score there is no estimate; 0: whatever the score."""
        device: Literal["cpu", "cuda"] = "cpu"
        """Where the encoder runs: on a CPU by onnxruntime, on a GPU by torch, as one CUDA graph."""
        frozen_s: float = 1.0
        """Without a model: images that stay equal for so long are frozen, s."""

        def __post_init__(self) -> None:
            if not self.anomaly_limit >= 0:
                raise ValueError(f"anomaly_limit: {self.anomaly_limit} must not be negative")
            if not self.frozen_s > 0:
                raise ValueError(f"frozen_s: {self.frozen_s} must be positive")
            if self.anomaly_limit and not self.model:
                raise ValueError("anomaly_limit: without a model nothing is foretold")

    @staticmethod
    def also_subscribes(parameters: Parameters) -> dict[str, str]:
        """The image, and the joints where it takes them in."""
        _, card = PerceptionNode._read(parameters)
        joints = {"/joint_states": "sensor_msgs/msg/JointState"}
        return dict.fromkeys(card.images, IMAGE) | (joints if parameters.joint_states else {})

    @staticmethod
    def asks_for(parameters: Parameters) -> dict[str, str]:
        """What publishes the image that it sees: topic -> the words to type."""
        _, card = PerceptionNode._read(parameters)
        return {topic: words_for(topic, shape) for topic, shape in card.images.items()}

    @staticmethod
    def check(parameters: Parameters) -> tuple[Task, ModelCard]:
        """The task and the encoder's card; no network that sees is opened.

        Raises:
            ParameterError: No encoder, or one of another task; no model, or one that foretells no
                states; somebody who plans with another model than latents are of.
            PluginError: A user's own model that cannot be had.
        """
        p = parameters
        task, card = PerceptionNode._read(p)
        if p.model and p.model != p.planned_with and not is_latent(card):  # else a planner says it
            build_dynamics(task, p.model, 0.8)
        return task, card

    @staticmethod
    def _read(parameters: Parameters) -> tuple[Task, ModelCard]:
        """The task and the encoder's card, held to each other."""
        p = parameters
        task = load_task(p.task, p.task_options)
        card = checked(task, p.perception, p.model, p.planned_with, p.joint_states)
        return task, card

    def configure(self) -> None:
        """Load encoder and model, and have them answer once."""
        p = self.parameters
        self.task, _ = self._read(p)
        self.eyes, self.joints, self.observer = opened(
            self.task, p.perception, p.model, p.joint_states, p.device
        )
        self.stillness = Stillness(self.observer, max(1, round(p.frozen_s / self.task.dt)))
        self._warm()
        self.episode, self.state_time, self.answered = -1, -1.0, False
        self.estimated_at = math.nan  # when the observer took an image in last
        self.command: tuple[float, np.ndarray] = -1.0, self.task.safe_action()
        self.waiting: tuple[float, dict[str, Any]] | None = None
        self.surprises, self.reason = 0, ""
        self.estimate_ms: deque[float] = deque(maxlen=NEWEST)
        self.anomaly: deque[float] = deque(maxlen=NEWEST)
        self.uncertainty: deque[float] = deque(maxlen=NEWEST)
        self.stats.update(estimates=0, failed_estimates=0, estimate_ms=None, anomaly=None)
        self.stats.update(perception=p.perception, foretold_by=p.model, incomplete=0)
        self.estimates = self.create_publisher(messages.State, ESTIMATE)
        self.deviations = self.create_publisher(messages.State, DEVIATION)
        self.diagnostics = self.create_publisher(messages.DiagnosticArray, "/diagnostics")
        topics = {"/state": STATE, self.eyes.topic: IMAGE}
        if self.joints is not None:
            topics["/joint_states"] = "sensor_msgs/msg/JointState"
        self.moments = Moments(topics)
        for topic, kind in topics.items():
            cls = messages.message_class(kind)
            self.create_subscription(cls, topic, lambda m, t=topic: self.on_message(t, m))
        self.create_subscription(messages.JointState, "/command", self.on_command)

    def on_message(self, topic: str, message: Any) -> None:
        """Answer the moment that this message completes."""
        incomplete = self.moments.incomplete
        moment = self.moments.offer(topic, messages.nanoseconds(message.header.stamp), message)
        if self.moments.incomplete > incomplete:
            stamp, topics = self.moments.lost
            self.miss(stamp / 1e9, f"{' and '.join(topics)} never came")
        if moment is None:
            return
        state = moment["/state"]
        time = messages.seconds(state.header.stamp)
        if state.episode != self.episode or time < self.state_time:
            # Time that goes back is another life of the plant, whatever its number.
            self.begin(state.episode)
        elif time == self.state_time:
            # Somebody has not heard it. To take the image in again would move the estimate on.
            if self.answered and not self.realtime and topic == "/state":
                self.estimates.repeat()
            return
        self.before, self.state_time, self.answered = self.state_time, time, False
        self.waiting = (time, moment)
        self.go_on()

    def on_command(self, message: Any) -> None:
        """Note what is done from now on."""
        time = messages.seconds(message.header.stamp)
        try:
            action = command_action(self.task, message)
        except TaskMessageError:
            return  # it is refused by the plant too, which says so
        if time >= self.command[0] and np.isfinite(action).all():
            self.command = time, self.task.limits.project(action)
            self.go_on()

    def go_on(self) -> None:
        """Answer the moment that waits, if there is nothing left to wait for."""
        if self.waiting is None:
            return
        time, moment = self.waiting
        # Behind the barrier nobody's plan is late: the command for the moment before is coming.
        if not self.realtime and not self.first and self.command[0] < self.before:
            return
        self.waiting = None
        begin = wall.perf_counter()
        try:
            self.answer(time, moment)
        except ImageError as error:
            self.miss(time, str(error))
            if not self.realtime:
                self.estimates.publish(state_message((), time, self.episode, np.zeros(0)))
                self.answered = True
        else:
            self.estimate_ms.append((wall.perf_counter() - begin) * 1e3)
            self.stats["estimates"] += 1
        self.first = False

    def begin(self, episode: int) -> None:
        """Another episode: everything before is forgotten."""
        self.episode, self.first, self.surprises = episode, True, 0
        self.state_time = self.before = -1.0
        self.estimated_at = math.nan
        self.command = -1.0, self.task.safe_action()
        self.eyes.reset()
        self.observer.reset()
        self.stillness.reset()
        self.write_stats()

    def answer(self, time: float, moment: dict[str, Any]) -> None:
        """Estimate and publish.

        Raises:
            ImageError: The image tells nothing, or what nobody expected.
        """
        try:
            image = pixels_of(moment[self.eyes.topic])
        except ValueError as error:
            raise ImageError(f"{self.eyes.topic}: {error}") from None
        action, observer = self._done(time), self.observer
        try:
            checked = self.eyes.check(image)
            if self.stillness.frozen(checked, action, self._all(self.eyes.deviation)):
                raise ImageError("it is frozen: equal images while the scene moves")
            value, deviation = self.eyes.estimate(image)
        except ImageError as error:
            raise ImageError(f"{self.eyes.topic}: {error}") from None
        if self.joints is not None:
            more = self.joints.read(moment["/joint_states"])
            value = np.concatenate([value, more])
            deviation = np.concatenate([deviation, self.joints.deviation])
        self._catch_up(time, action)
        limit = self.parameters.anomaly_limit or math.inf
        goal = self._goal(moment["/state"])
        found = observer.update(goal, action, value, deviation, limit)
        self.estimated_at = time
        if found.anomaly > limit:
            self.surprises += 1
            if self.surprises >= LOST:
                observer.reset()
                self.surprises = 0
            said = f"an anomaly of {found.anomaly:.3g}, above the limit of {limit:g}"
            raise ImageError(f"{self.eyes.topic}: {said}")
        self.surprises = 0
        if not np.isfinite(found.state).all():
            observer.reset()
            raise ImageError("the estimate is not finite")
        names = observer.task.state_names
        self.deviations.publish(state_message(names, time, self.episode, found.deviation))
        self.estimates.publish(state_message(names, time, self.episode, found.state))
        self.answered = True
        self._told(time, found.anomaly, found.deviation)

    def _done(self, time: float) -> np.ndarray:
        """What was done in the period that has just ended. (m,)"""
        stamp, action = self.command
        late = self.realtime and time - stamp > DEADLINE_S + self.task.dt
        return self.task.safe_action() if late else action

    def miss(self, time: float, reason: str) -> None:
        """Count a moment without an estimate, and say why: in the log once for each reason."""
        self.stats["failed_estimates"] += 1
        self._say(time, ERROR, reason, {})
        if reason != self.reason:
            self.log.error("no estimate for t=%.3f s: %s", time, reason)
        self.reason = reason

    def write_stats(self) -> None:
        """Write the statistics so far: percentiles of times, anomaly and uncertainty."""
        if hasattr(self, "moments"):
            self.stats["incomplete"] = self.moments.incomplete
            for name in ("estimate_ms", "anomaly", "uncertainty"):
                if values := getattr(self, name):
                    p50, p99 = np.percentile(values, [50, 99])
                    self.stats[name] = {"p50": float(p50), "p99": float(p99)}
        super().write_stats()

    def _catch_up(self, time: float, action: np.ndarray) -> None:
        """Let periods pass of which there was no estimate; after many begin anew."""
        if math.isnan(self.estimated_at):
            return
        missed = round((time - self.estimated_at) / self.task.dt) - 1
        if missed >= LOST:
            self.observer.reset()
        for _ in range(missed if missed < LOST else 0):
            self.observer.skip(action)

    def _goal(self, message: Any) -> np.ndarray:
        """The goal as /state tells it. (g,)

        Raises:
            ImageError: It does not.
        """
        where = {name: k for k, name in enumerate(message.name)}
        names = self.task.state_names[self.task.goal_slice]
        try:
            goal = np.array([message.value[where[name]] for name in names])
        except (LookupError, ValueError):
            raise ImageError("/state tells no goal") from None
        if not np.isfinite(goal).all():
            raise ImageError("/state: the goal is not finite")
        return goal

    def _told(self, time: float, anomaly: float, deviation: np.ndarray) -> None:
        """Say how expected and how sure an estimate is."""
        if self.reason:
            self.log.info("t=%.3f s: estimates again", time)
            self.reason = ""
        usual = np.maximum(self.eyes.deviation, 1e-9)
        unsure = float(np.sqrt(np.mean((deviation[self.eyes.places] / usual) ** 2)))
        self.uncertainty.append(unsure)
        if math.isfinite(anomaly):
            self.anomaly.append(anomaly)
        self._say(time, 0, "", {"anomaly": anomaly, "uncertainty": unsure})

    def _say(self, time: float, level: int, message: str, known: dict[str, float]) -> None:
        values = [
            messages.KeyValue(key=key, value=f"{value:.6g}")
            for key, value in known.items()
            if math.isfinite(value)
        ]
        name = f"{self.naming.namespace}/{self.name}: {ESTIMATES}"
        status = messages.DiagnosticStatus(
            level=level, name=name, message=message, hardware_id="", values=values
        )
        header = messages.Header(stamp=messages.stamp(time), frame_id="")
        self.diagnostics.publish(messages.DiagnosticArray(header=header, status=[status]))

    def _all(self, deviation: np.ndarray) -> np.ndarray:
        return np.concatenate([deviation, self.joints.deviation]) if self.joints else deviation

    def _warm(self) -> None:
        """One answer, so that nothing is made at the first real one."""
        rng = np.random.default_rng(0)
        channels, height, width = self.eyes.shape
        shape = (height, width, channels) if channels > 1 else (height, width)
        image = rng.uniform(0.0, 0.1, shape).astype(np.float32)
        whose = self.observer.task
        start, safe = whose.initial_state(rng), whose.safe_action()
        deviation = self._all(self.eyes.deviation)
        for _ in range(2):
            self.eyes.estimate(image)
            value = start[self.observer.places]
            self.observer.update(start[whose.goal_slice], safe, value, deviation)
        self.eyes.reset()
        self.observer.reset()
