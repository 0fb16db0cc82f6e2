"""The control node: answers every state with the command that the newest plan holds for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from ..sim.load_task import check_task_parameter, load_task
from ..sim.task import Task
from ..sim.task_messages import TaskMessageError, command_message, plan_actions
from .action_noise import ActionNoise
from .plan_follower import PlanFollower

_LONGEST_DELAY_MS = 60_000.0
"""That can be simulated: as much as a planner can count on."""


class ControlNode(Node):
    """Listens to /state and /plan, publishes /command.

    In real time each state is answered at once from the plan at hand. Behind the tick barrier it
    waits for the plan made from that very state, and answers again where either is sent again.
    """

    publishes: ClassVar[dict[str, str]] = {"/command": "sensor_msgs/msg/JointState"}
    subscribes: ClassVar[dict[str, str]] = {
        "/state": "covary_msgs/msg/State",
        "/plan": "trajectory_msgs/msg/JointTrajectory",
    }

    plugins: ClassVar[dict[str, str]] = {"task": "sim.tasks"}
    check = staticmethod(check_task_parameter)

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the control node."""

        task: str
        """The task: a file of sim/tasks, or my_package.my_file:MyTask."""
        task_options: dict[str, str | int] = field(default_factory=dict)
        """What the task's class takes beside, such as actions; an empty text is not given."""
        plan_timeout_ms: float = 100.0
        """A plan made from a state older than this is refused, and the task's safe action sent."""
        plan_delay_ms: float = 0.0
        """A plan takes effect this long after its state: a simulated planning time."""
        action_noise: float = 0.0
        """Standard deviation of what is added to every action of a plan, over the largest action:
        so that a demonstration shows how to recover. The plan keeps what was intended."""
        seed: int = 0
        """With the episode's number and the tick, the key of that noise."""

        def __post_init__(self) -> None:
            if not self.plan_timeout_ms > 0:
                raise ValueError(f"plan_timeout_ms: {self.plan_timeout_ms} must be positive")
            if not 0 <= self.plan_delay_ms <= _LONGEST_DELAY_MS:
                raise ValueError(
                    f"plan_delay_ms: {self.plan_delay_ms} must not be negative, nor above "
                    f"{_LONGEST_DELAY_MS:g}"
                )
            if not 0 <= self.action_noise < np.inf:
                raise ValueError(
                    f"action_noise: {self.action_noise} must be a number of at least 0"
                )
            if not 0 <= self.seed < 2**64:
                raise ValueError(f"seed: {self.seed} must be at least 0 and below 2**64")

    def configure(self) -> None:
        """Load the task and open the topics."""
        p = self.parameters
        self.task: Task = load_task(p.task, p.task_options)
        self.follower = PlanFollower(self.task, p.plan_timeout_ms * 1e-3, p.plan_delay_ms * 1e-3)
        self.noise = ActionNoise(self.task, p.action_noise, p.seed)
        self.episode = -1
        self.begin = self.state_time = -1.0
        self.plan_time = -1.0
        self.planned = True
        self.stats.update(commands=0, without_plan=0, refused_plans=0)
        self.command = self.create_publisher(messages.JointState, "/command")
        self.create_subscription(messages.State, "/state", self.on_state)
        self.create_subscription(messages.JointTrajectory, "/plan", self.on_plan)

    def on_state(self, message: messages.State) -> None:
        """Note the state's time; in real time answer it."""
        time = messages.seconds(message.header.stamp)
        if message.episode != self.episode or time < self.state_time:
            # Time that goes back is another life of the plant, whatever its number.
            self.episode, self.begin = message.episode, time
            self.follower.reset(time)
            self.plan_time = -1.0
            self.planned = True
            self.write_stats()
        self.state_time = time
        if self.realtime or self.plan_time == time:
            self.answer()

    def on_plan(self, message: messages.JointTrajectory) -> None:
        """Take the plan; behind the barrier answer the state it was made from."""
        try:
            time, dt, actions = plan_actions(self.task, message)
        except TaskMessageError as error:
            self.log.warning("refused a plan: %s", error)
            self.stats["refused_plans"] += 1
            return
        if self.realtime or time != self.plan_time:  # else it is the one at hand, sent again
            self.plan_time = time
            self.follower.offer(time, dt, actions)
        if not self.realtime and self.state_time == time:
            self.answer()

    def answer(self) -> None:
        """Publish the command for the newest state."""
        action, planned = self.follower.action(self.state_time)
        if planned:
            action = self.noise.added(action, self.episode, self.state_time - self.begin)
        self.stats["commands"] += 1
        self.stats["without_plan"] += not planned
        if self.realtime and planned != self.planned:
            self.tell(planned)
        self.stats["refused_plans"] = max(self.stats["refused_plans"], self.follower.refused)
        self.command.publish(command_message(self.task, self.state_time, action))

    def tell(self, planned: bool) -> None:
        """Log that the plans have stopped, or that they have come back."""
        self.planned = planned
        if planned:
            self.log.info("t=%.3f s: follows plans again", self.state_time)
        else:
            newest = (
                "none has come" if self.plan_time < 0 else f"newest is of t={self.plan_time:.3f} s"
            )
            self.log.warning(
                "t=%.3f s: no plan young enough (%s), so the safe action", self.state_time, newest
            )
