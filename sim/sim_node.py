"""The sim node: the plant and its clock, the last guard before the actuators, and the judge."""

from __future__ import annotations

import hashlib
import json
import time as wall
from collections import deque
from typing import Any, ClassVar

import numpy as np

from ..nodes import messages
from ..nodes.node import Node
from ..nodes.parameters import ParameterError
from .barrier import ANSWERS, Barrier
from .dialled_senses import is_flipped
from .engines.engine import EngineError
from .episode_requests import EpisodeRequests
from .freeze import Freeze
from .guard import PlantGuard
from .judge import Judge
from .load_task import load_task
from .plant import Plant
from .safe_spans import SafeSpans
from .senses import Senses, check_senses, sensed_topics
from .sim_parameters import SimParameters
from .task import Task
from .task_messages import TaskMessageError, command_action, goal_of, header

PHYSICS_EVERY = 100
"""A full physics state is published at the first tick of an episode and every so many ticks."""

SAID_AGAIN = 16
"""What was applied last is said again, so often, by a sim that is told to end in an episode: others
end at the same moment, and while one leaves the bus a message to another may be lost."""

NEWEST = 20_000
"""Sensor-to-command times that the percentiles are taken over."""


class SimNode(Node):
    """Runs a task's episodes in MuJoCo; publishes what sensors see, obeys /command, judges.

    In real time the plant is stepped by the wall clock and takes up the newest valid command at
    every physics tick. Behind the tick barrier time stands still until the command for the newest
    state has come, and a state that is not answered is sent again. Time runs on over episodes and
    never goes back.
    """

    publishes: ClassVar[dict[str, str]] = {
        "/clock": "rosgraph_msgs/msg/Clock",
        "/state": "covary_msgs/msg/State",
        "/joint_states": "sensor_msgs/msg/JointState",
        "/tf": "tf2_msgs/msg/TFMessage",
        "/applied": "covary_msgs/msg/Applied",
        "/cost": "covary_msgs/msg/Cost",
        "/physics": "covary_msgs/msg/PhysicsState",
        "/episode": "covary_msgs/msg/Episode",
    }
    subscribes: ClassVar[dict[str, str]] = {
        "/command": "sensor_msgs/msg/JointState",
        "/goal": "geometry_msgs/msg/PoseStamped",
    }

    plugins: ClassVar[dict[str, str]] = {"task": "sim.tasks"}
    check = staticmethod(check_senses)
    also_publishes = staticmethod(sensed_topics)

    Parameters = SimParameters

    def configure(self) -> None:
        """Load the task, compile the model, open the topics."""
        p = self.parameters
        self.running = False
        self.freeze = Freeze(p.freeze_limit_s)
        self.senses = None
        self.task: Task = load_task(p.task, p.task_options)
        try:
            self.plant: Plant = self.task.plant(p.engine, dials=p.dials)
        except EngineError as error:
            raise ParameterError(str(error), "engine") from error
        self.plant.begin(np.random.default_rng(0))
        self.plant.cost(self.task.safe_action())  # its kernels are loaded now
        # What a state vector does not tell must be seen in every period.
        self.physics_every = 1 if self.task.opaque else PHYSICS_EVERY
        self.ticks_per_period = round(self.task.dt / self.task.physics_dt)
        deadline = round(p.command_deadline_ms * 1e-3 / self.task.physics_dt)
        delay = p.dials.action_delay * self.ticks_per_period
        self.guard = PlantGuard(self.task, deadline, self.task.rates, delay)
        model = self.task.model_text()
        self.model, self.model_sha256 = model, hashlib.sha256(model.encode()).hexdigest()
        self.stats.update(
            task=p.task, seed=p.seed, episodes=[], sensor_to_command_ms=None, rejected=0
        )
        record = self.run_folder / f"{self.name}.safe.jsonl" if self.run_folder else None
        self.safe = SafeSpans(self.task.safe_action(), self.log, record)
        self.stats.update(late_ticks=0, limited=0, interventions=0, safe_s=0.0, repeated=0)
        self.publishers = {
            topic: self.create_publisher(messages.message_class(self.publishes[topic]), topic)
            for topic in ("/applied", "/physics", "/episode")
        }
        self.create_subscription(messages.JointState, "/command", self.on_command)
        self.create_subscription(messages.PoseStamped, "/goal", self.on_goal)
        self.barrier = Barrier(p.path, p.tick_timeout_s)
        for topic in () if self.realtime else p.path.values():
            if topic != "/command":
                kind = getattr(messages, ANSWERS[topic])
                self.create_subscription(kind, topic, lambda m, t=topic: self.note(t, m), depth=0)
        self.create_service(messages.Trigger, "/stop", self.on_stop)
        self.create_service(messages.Trigger, "/reset", self.on_reset)
        self.requests = EpisodeRequests(self)
        self.senses = Senses(self, self.task, self.plant, p)
        self.latencies_ms: deque[float] = deque(maxlen=NEWEST)
        self.index = p.first_episode - 1
        self.tick = 0  # physics ticks since the node's start: simulated time

    def activate(self) -> None:
        """Start the first episode, and the clock that drives it."""
        if self.realtime:
            self.create_timer(self.task.physics_dt, self.on_physics_timer)
        else:
            self.create_timer(max(self.barrier.repeat_s / 2, 0.05), self.check_barrier, wall=True)
        if not self.parameters.on_request:
            self.begin_episode()

    # Time.

    @property
    def time(self) -> float:
        """Simulated time, s; a whole number of nanoseconds, so that stamps compare exactly."""
        return self.tick * round(self.task.physics_dt * 1e9) / 1e9

    def begin_episode(self) -> None:
        """Reset the plant to the episode's start and say so."""
        self.index += 1
        p = self.parameters
        self.plant.begin(np.random.default_rng([p.seed, self.index]))
        if not np.isfinite(self.plant.state()).all():
            raise ValueError(f"episode {self.index}: the start that the task drew is not finite")
        self.guard.reset()
        self.first_tick = self.tick
        self.judge = Judge(self.plant, is_flipped(p.dials, p.seed, self.index))
        self.applied: tuple | None = None
        self.last_applied: deque[messages.Applied] = deque(maxlen=SAID_AGAIN)
        self.running = True
        self.log.info("episode %d begins at t=%.3f s", self.index, self.time)
        self.publish(
            "/episode", self.episode_message(phase=messages.Episode.START, model=self.model)
        )
        self.publish_physics_state()
        self.sense()
        self.freeze.begin()

    def sense(self) -> None:
        """Publish what the sensors see now."""
        self.sensed_at = self.time
        self.sensed_wall = wall.perf_counter()
        self.senses.publish(self.sensed_at, self.index)
        self.barrier.begin(self.sensed_at)

    def step(self) -> None:
        """One physics tick with whatever the guard lets through."""
        local = self.tick - self.first_tick
        action, status = self.guard.action(local)
        self.stats["late_ticks"] += status == messages.Applied.LATE
        self.safe.note(self.time, self.index, action, status, self.guard.command_time)
        now = (status, tuple(action))
        if now != self.applied:
            self.applied = now
            message = messages.Applied(
                header=header(self.time),
                tick=local,
                action=np.array(action),
                status=int(status),
                command_stamp=messages.stamp(self.guard.command_time),
            )
            self.publish("/applied", message)
            self.last_applied.append(message)
        self.plant.apply(action)
        self.plant.step()
        self.last_action = action
        self.tick += 1
        if (self.tick - self.first_tick) % self.physics_every == 0:
            self.publish_physics_state()

    def end_of_period(self) -> None:
        """Judge the state at the end of a control period; sense again or end the episode."""
        elapsed = (self.tick - self.first_tick) * self.task.physics_dt
        if self.parameters.on_request:
            elapsed = 0.0  # a person takes the time that it takes, and ends what is vain
        success = self.judge.period(self.last_action, elapsed)
        if not np.isfinite(self.judge.running):
            self.abort(f"the task's cost is {self.judge.running} at t={self.time:.3f} s")
            return
        self.senses.publish_cost(self.sensed_at, self.judge, success is not None)
        if success is not None:
            self.end_episode(success)
        else:
            self.sense()

    def end_episode(self, success: bool) -> None:
        """Close the episode; begin the next or end the node."""
        self.close_episode(success)
        self.go_on()

    def close_episode(self, success: bool, aborted: str = "") -> None:
        """Say how the episode ended; `aborted` is why it was not brought to its end."""
        self.running = False
        self.publish_physics_state()
        duration = (self.tick - self.first_tick) * self.task.physics_dt
        self.publish(
            "/episode",
            self.episode_message(
                phase=messages.Episode.END,
                success=success,
                aborted=bool(aborted),
                duration=duration,
            ),
        )
        self.safe.end(self.time)
        self.stats.update(limited=self.guard.limited, interventions=self.safe.interventions)
        self.stats["safe_s"] = self.safe.seconds
        self.stats["episodes"].append(
            {
                "index": self.index,
                "seed": self.parameters.seed,
                "success": success,
                "aborted": bool(aborted),
                "cost": self.judge.cost,
                "duration": duration,
            }
        )
        result = f"aborted: {aborted}" if aborted else "success" if success else "failure"
        self.log.info("episode %d ends at t=%.3f s: %s", self.index, self.time, result)
        self.write_stats()

    def go_on(self) -> None:
        """Begin the next episode or wait for its request, or end the node after the last."""
        self.tick += self.ticks_per_period  # a gap, so that stamps tell episodes apart
        p = self.parameters
        if self.index + 1 - self.requests.discarded >= p.first_episode + p.episodes:
            self.finish("all episodes done")
        elif not p.on_request:
            self.begin_episode()

    # Real time.

    def on_physics_timer(self) -> None:
        """One physics tick of wall time has passed."""
        if self.freeze.thawed():
            # Nobody knows what the world did meanwhile: the episode is not taken up again.
            self.close_episode(success=False, aborted=self.freeze.reason)
            self.freeze.begin()
            self.go_on()
        if not self.running:
            return
        if self.freeze.noticed():
            self.log.error("episode %d: %s", self.index, self.freeze.reason)
            self.running = False
            return
        self.step()
        if (self.tick - self.first_tick) % self.ticks_per_period == 0:
            self.end_of_period()

    # The tick barrier.

    def note(self, topic: str, message) -> None:
        """Remember which state a node has answered last."""
        self.barrier.note(topic, messages.seconds(message.header.stamp))

    def check_barrier(self) -> None:
        """Send a state again that is not answered; abort the run when that was long in vain."""
        if not self.running:
            return
        if self.barrier.is_over():
            silent, time = self.barrier.silent(), self.sensed_at
            self.abort(f"{silent} did not answer t={time:.3f} s within the tick timeout")
        elif self.barrier.repeats():
            self.stats["repeated"] += 1
            self.senses.repeat()

    def abort(self, reason: str) -> None:
        """End the episode as aborted, and the node as failed."""
        self.log.error("run aborted: %s", reason)
        self.stats["aborted"] = reason
        self.close_episode(success=False, aborted=reason)
        self.finish(reason, failed=True)

    # What comes in.

    def on_command(self, message: messages.JointState) -> None:
        """Offer the command to the guard; behind the barrier it also moves time on."""
        time = messages.seconds(message.header.stamp)
        if not self.running or time < self.first_tick * self.task.physics_dt - 1e-9:
            return  # of an earlier episode
        if not self.realtime and time < self.sensed_at:
            return  # it was answered twice, since the state was sent twice
        try:
            action = command_action(self.task, message)
        except TaskMessageError as error:
            self.log.warning("refused a command: %s", error)
            self.stats["rejected"] += 1
            return
        stamp_tick = round(time / self.task.physics_dt) - self.first_tick
        if not self.guard.offer(action, stamp_tick, self.tick - self.first_tick, time):
            self.stats["rejected"] += 1
        if time != self.sensed_at:
            return
        if self.realtime:
            self.latencies_ms.append((wall.perf_counter() - self.sensed_wall) * 1e3)
        else:
            for _ in range(self.ticks_per_period):
                self.step()
            self.end_of_period()

    def on_goal(self, message: messages.PoseStamped) -> None:
        """Take a new goal; the next state carries it."""
        try:
            self.plant.set_goal(goal_of(self.task, self.plant.state(), message))
        except TaskMessageError as error:
            self.log.warning("refused a goal: %s", error)

    def on_stop(self, request):
        """Latch the safe action until /reset."""
        self.log.warning("t=%.3f s: /stop", self.time)
        self.guard.stop()
        return messages.Trigger.Response(success=True, message="stopped; /reset lets it move again")

    def on_reset(self, request):
        """Let commands through again."""
        self.log.warning("t=%.3f s: /reset", self.time)
        self.guard.clear_stop()
        return messages.Trigger.Response(success=True, message="commands are obeyed again")

    # What goes out.

    def publish(self, topic: str, message: Any) -> None:
        """Send a message on one of the topics this node `publishes`."""
        self.publishers[topic].publish(message)

    def publish_physics_state(self) -> None:
        """Publish all that MuJoCo needs to go on from here."""
        self.publish(
            "/physics",
            messages.PhysicsState(
                header=header(self.time),
                tick=self.tick - self.first_tick,
                state=self.plant.physics_state(),
            ),
        )

    def episode_message(self, phase: int, **said: Any) -> messages.Episode:
        """Start or end of the running episode: what it is, and what is `said` of it."""
        said = {"success": False, "aborted": False, "duration": 0.0, "model": ""} | said
        return messages.Episode(
            header=header(self.time),
            index=self.index,
            seed=self.parameters.seed,
            task=self.parameters.task,
            options=json.dumps(self.parameters.task_options, sort_keys=True),
            engine=self.parameters.engine,
            dials=self.parameters.dials.text(),
            phase=phase,
            cost=self.judge.cost,
            model_sha256=self.model_sha256,
            **said,
        )

    def write_stats(self) -> None:
        """Write the statistics so far, with the percentiles of the sensor-to-command time."""
        if getattr(self, "latencies_ms", None):
            p50, p99 = np.percentile(self.latencies_ms, [50, 99])
            self.stats["sensor_to_command_ms"] = {"p50": float(p50), "p99": float(p99)}
        super().write_stats()

    def shutdown(self) -> None:
        """End a running episode as aborted."""
        if self.running or self.freeze.reason:
            for message in self.last_applied:
                self.publish("/applied", message)
            aborted = self.freeze.reason or "the node was told to end"
            self.close_episode(success=False, aborted=aborted)
        if self.senses is not None:
            self.senses.close()
        super().shutdown()
