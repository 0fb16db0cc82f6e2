"""A recording in the live page, with a slider for its time: `covary view BAG --live`."""

from __future__ import annotations

import time as wall
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..nodes.bags.bag import BagError
from ..nodes.bags.reader import Bag, RawMessage
from ..sim.task import Task
from ..sim.task_messages import TaskMessageError, plan_actions
from ..sim.viewing.images import pixels
from ..sim.viewing.page import Input, Page
from ..sim.viewing.plan_paths import PlanPaths
from ..sim.viewing.scene import Scene

RATE_HZ = 30.0
"""The page is brought up to date this often."""
STATES = ("/ground_truth", "/state")
"""Where it stands where everything is; the first that a bag has counts."""
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""How fast it can be played."""


@dataclass
class Track:
    """Messages of one topic in the order of their stamps, decoded when they are asked for."""

    times: np.ndarray
    """Of each since the recording's start, s. (T,)"""
    raw: list[RawMessage] = field(default_factory=list)

    def at(self, time: float) -> int:
        """Which is the newest at a time; -1 before the first."""
        return int(np.searchsorted(self.times, time + 1e-9, side="right")) - 1


class Playback:
    """What was recorded, by time.

    Args:
        bag: The recording.
        task: Its task.

    Attributes:
        duration: From the first state to the last, s.

    Raises:
        BagError: It has no state, or is damaged.
    """

    def __init__(self, bag: Bag, task: Task) -> None:
        self.bag, self.task = bag, task
        self.names = {name: i for i, name in enumerate(task.state_names)}
        self.topic = next((t for t in STATES if t in bag.types), "")
        if not self.topic:
            raise BagError(f"{bag.path}: neither {' nor '.join(STATES)} in it")
        images = [t for t, kind in bag.types.items() if kind == "sensor_msgs/msg/Image"]
        wanted = [self.topic, "/joint_states", "/plan", "/physics", *images]
        found: dict[str, list[RawMessage]] = {topic: [] for topic in wanted}
        for message in bag.messages([t for t in wanted if t in bag.types]):
            found[message.topic].append(message)
        if not found[self.topic]:
            raise BagError(f"{bag.path}: no state in it")
        start = found[self.topic][0].log_ns
        self.tracks = {
            topic: Track(np.array([(m.log_ns - start) * 1e-9 for m in raw]), raw)
            for topic, raw in found.items()
        }
        self.images = images
        self.duration = float(self.tracks[self.topic].times[-1])
        self._last: dict[str, tuple[int, Any]] = {}
        self._x = task.initial_state(np.random.default_rng(0))

    def message(self, topic: str, time: float) -> Any:
        """The newest message of a topic at a time (s), or None."""
        track = self.tracks[topic]
        index = track.at(time)
        if index < 0:
            return None
        if self._last.get(topic, (-1, None))[0] != index:
            self._last[topic] = index, self.bag.decode(track.raw[index])
        return self._last[topic][1]

    def state(self, time: float) -> np.ndarray:
        """The state at a time (s); what it does not tell is as at a start. (n,)"""
        message = self.message(self.topic, max(time, 0.0))
        for name, value in zip(message.name, message.value, strict=False):
            if name in self.names and np.isfinite(value):
                self._x[self.names[name]] = value
        return self._x

    def joints(self, time: float) -> dict[str, float]:
        """What the joints said of themselves at a time (s)."""
        message = self.message("/joint_states", time)
        if message is None:
            return {}
        values = zip(message.name, message.position, strict=False)
        return {name: float(q) for name, q in values if np.isfinite(q)}

    def plan(self, time: float) -> np.ndarray | None:
        """The actions of the newest plan at a time (s). (H, m)"""
        message = self.message("/plan", time)
        try:
            return None if message is None else plan_actions(self.task, message)[2]
        except TaskMessageError:
            return None


class Player:
    """Plays a recording in a page.

    Args:
        playback: What was recorded.
        page: Where.
        facts: What is said of it above the slider.
    """

    def __init__(self, playback: Playback, page: Page, facts: list[tuple[str, str]]) -> None:
        self.playback, self.page, self.facts = playback, page, facts
        task = playback.task
        self.scene = Scene(task, playback.bag.model)
        page.show_scene(self.scene)
        self.paths = PlanPaths(task, self.scene) if self.scene.tells_all else None
        self.time, self.shown = 0.0, -1.0
        gui = page.server.gui
        with gui.add_folder("recording", order=-1):
            end = max(playback.duration, task.dt)
            self.slider = gui.add_slider("time", 0.0, end, task.dt, 0.0, hint="s since the start")
            self.playing = gui.add_checkbox("play", True)
            self.speed = gui.add_dropdown(
                "speed", tuple(f"{s:g} x" for s in SPEEDS), initial_value="1 x"
            )

        @self.slider.on_update
        async def _(event: Any) -> None:
            if event.client is not None:
                page.put(Input("time", "", event.target.value))

    def turn(self, seconds: float) -> None:
        """Go on for so long (s of the wall clock), do what was asked for, and show it."""
        for given in self.page.taken():
            if given.what == "time" and np.isfinite(given.value):
                self.time = float(np.clip(given.value, 0.0, self.playback.duration))
                self.shown = -1.0
        if self.playing.value:
            self.time += seconds * float(self.speed.value.split()[0])
            if self.time > self.playback.duration + 1.0:  # a moment's rest, then again
                self.time = 0.0
        time = min(self.time, self.playback.duration)
        if time != self.shown:
            self.show(time)

    def show(self, time: float) -> None:
        """Show how it was at a time (s)."""
        self.shown = time
        self.slider.value = time
        state = self.playback.state(time)
        if not self.scene.tells_all:
            physics = self.playback.message("/physics", time)
            if physics is not None:
                self.scene.restore(physics.state)
        self.page.move(*self.scene.poses(state, self.playback.joints(time)))
        actions = self.playback.plan(time)
        if self.paths is not None and actions is not None and self.page.wants_paths:
            self.page.show_paths(self.paths.trace(state, actions))
        for topic in self.playback.images:
            message = self.playback.message(topic, time)
            found = None if message is None else pixels(message)
            if found is not None:
                self.page.show_image(topic, found)
        self.page.say([*self.facts, ("time", f"{time:.2f} of {self.playback.duration:.2f} s")])


def play(path: Path, task: Task, page: Page, facts: list[tuple[str, str]]) -> None:
    """Play a recording in a page until Ctrl-C.

    Raises:
        BagError: Not a bag, or one without states.
        ValueError: Its model does not load.
    """
    player = Player(Playback(Bag(path), task), page, facts)
    before = wall.monotonic()
    while True:
        now = wall.monotonic()
        player.turn(now - before)
        before = now
        wall.sleep(1.0 / RATE_HZ)
