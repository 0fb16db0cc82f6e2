"""Small nodes of an outsider's, for the tests of launching; copied beside their launch files."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from covary.nodes import messages
from covary.nodes.node import Node


def episode(index, phase, success=True, aborted=False, time_s=0.0):
    """An Episode message."""
    header = messages.Header(stamp=messages.stamp(time_s), frame_id="")
    return messages.Episode(
        header=header,
        index=index,
        seed=7,
        options="{}",
        engine="mujoco",
        dials="{}",
        task="nothing",
        phase=phase,
        success=success,
        aborted=aborted,
        cost=float(index),
        duration=0.5,
        model="",
        model_sha256="",
    )


class Ticker(Node):
    """Says a word again and again, counts the answers, and ends after so many ticks."""

    publishes = {"/word": "std_msgs/msg/String", "/episode": "covary_msgs/msg/Episode"}
    subscribes = {"/answer": "std_msgs/msg/String"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters."""

        episodes: int = 2
        """Episodes, of five ticks each; 0 for ever."""
        word: str = "hello"
        """What it says."""
        aborted: bool = False
        """Whether its last episode is aborted."""
        slow_configure_s: float = 0.0
        """Time its configure takes, s."""

    def configure(self):
        """Opens its topics."""
        time.sleep(self.parameters.slow_configure_s)
        self.words = self.create_publisher(messages.String, "/word", depth=0)
        self.episodes = self.create_publisher(messages.Episode, "/episode", depth=0)
        self.create_subscription(messages.String, "/answer", self.on_answer, depth=0)
        self.stats.update(task="nothing", episodes=[], answers=0, foreign=0, dropped=0)
        self.ticks = 0

    def activate(self):
        """Says the first word; in real time a timer says the others."""
        if self.realtime:
            self.create_timer(0.02, self.tick)
        self.tick()

    def tick(self):
        """One word; every fifth one ends an episode."""
        index, place = divmod(self.ticks, 5)
        if place == 0:
            self.episodes.publish(episode(index, 0))
        self.ticks += 1
        self.words.publish(messages.String(data=f"{self.parameters.word} {self.ticks}"))
        if place == 4:
            last = index + 1 == self.parameters.episodes
            aborted = last and self.parameters.aborted
            self.episodes.publish(episode(index, 1, success=index == 0, aborted=aborted))
            row = {"index": index, "seed": 7, "success": index == 0, "cost": float(index)}
            self.stats["episodes"].append({**row, "duration": 0.5, "aborted": aborted})
            self.write_stats()
            if last:
                self.finish("all said")

    def on_answer(self, message):
        """Counts, and without a clock says the next word."""
        self.stats["answers"] += 1
        self.stats["foreign"] += self.parameters.word not in message.data
        if not self.realtime:
            self.tick()


class Answerer(Node):
    """Answers every word; may do every wrong thing at a given word."""

    publishes = {"/answer": "std_msgs/msg/String"}
    subscribes = {"/word": "std_msgs/msg/String"}

    @dataclass(frozen=True)
    class Parameters:
        """Parameters."""

        fail: str = ""
        """crash, exit, hang (a busy loop), or deaf (to SIGINT and SIGTERM)."""
        at: int = 3
        """Number of the word at which it does so."""
        once: bool = True
        """Whether only its first life fails."""
        samples: int = 4
        """A number for the tests of types."""

    def configure(self):
        """Opens its topics."""
        self.answers = self.create_publisher(messages.String, "/answer", depth=0)
        self.create_subscription(messages.String, "/word", self.on_word, depth=0)
        mark = Path(f"{self.name}.mark")
        self.first = not mark.exists()
        mark.touch()
        self.stats.update(plan_ms={"p50": 1.5, "p99": 2.5}, overruns=3, planner="answerer")
        self.stats.update(samples=self.parameters.samples, dropped={"/word": 2})
        self.count = 0

    def on_word(self, message):
        """Answers, or fails."""
        self.count += 1
        fail = self.parameters.fail
        if fail and self.count >= self.parameters.at and (self.first or not self.parameters.once):
            if fail == "crash":
                raise RuntimeError("as I was told")
            if fail == "exit":
                os._exit(7)
            if fail == "deaf":
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)
            while fail in ("hang", "deaf"):
                pass
        self.answers.publish(messages.String(data=message.data))


class Listener(Node):
    """Keeps what it hears, in order."""

    subscribes = {"/word": "std_msgs/msg/String", "/answer": "std_msgs/msg/String"}

    def configure(self):
        """Opens its topics."""
        self.stats.update(heard=[], bags=["bags/episode_000"])
        for topic in self.subscribes:
            self.create_subscription(messages.String, topic, self.on_word, depth=0)

    def on_word(self, message):
        """Keeps it."""
        self.stats["heard"].append(message.data)
