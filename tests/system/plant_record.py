"""What a plant did and was told, from its own record and the bags; and what it must not do."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covary.nodes import messages
from covary.nodes.bags.reader import Bag
from covary.nodes.plugin import load

EPS = 1e-6


@dataclass(frozen=True)
class Sent:
    """A message of the robot's path: its stamp (s), its values, and whether a loss precedes it."""

    time: float
    values: np.ndarray
    after_loss: bool


class PlantRecord:
    """A run folder's safe spans (the sim's own record) beside the plans and commands of its bags.

    Args:
        folder: The run folder.
        task: The task's short name.
        deadline_s: The command deadline, s.
    """

    def __init__(self, folder: Path, task: str, deadline_s: float = 0.1) -> None:
        self.folder, self.deadline = folder, deadline_s
        self.task = load(task, "sim.tasks")()
        self.stats = json.loads((folder / "sim.json").read_text())
        path = folder / "sim.safe.jsonl"  # not there where the safe action never was
        lines = path.read_text().splitlines() if path.exists() else []
        self.spans = [json.loads(line) for line in lines]
        self.commands: list[Sent] = []
        self.plans: list[Sent] = []
        self.applied: list[np.ndarray] = []
        self.episodes: list[tuple[int, int, bool]] = []
        self.states: list[tuple[float, int]] = []
        seen: dict[str, int] = {}
        for path in sorted((folder / "bags").glob("episode_*")):
            if path.suffix != ".open":
                self._read(Bag(path), seen)

    def _read(self, bag: Bag, seen: dict) -> None:
        interface = self.task.action_interface
        for raw in bag.messages(("/command", "/plan", "/applied", "/episode", "/state")):
            message = bag.decode(raw)
            # A node that was started again counts from 1 again: that is no loss.
            lost = raw.sequence > seen.get(raw.topic, raw.sequence) + 1
            seen[raw.topic] = raw.sequence
            time = messages.seconds(message.header.stamp)
            if raw.topic == "/command":
                values = message.velocity if interface == "velocity" else message.effort
                self.commands.append(Sent(time, np.array(values), lost))
            elif raw.topic == "/plan":
                rows = [
                    p.velocities if interface == "velocity" else p.effort for p in message.points
                ]
                self.plans.append(Sent(time, np.array(rows), lost))
            elif raw.topic == "/applied":
                self.applied.append(np.array(message.action))
            elif raw.topic == "/episode":
                self.episodes.append((message.index, message.phase, message.aborted))
            else:
                self.states.append((time, message.episode))

    def safe_during(self, begin: float, end: float) -> bool:
        """Whether the plant executed the safe action all the time between two plant times (s)."""
        at, episode = begin, -1
        for span in self.spans:
            until = span["end"]
            # Between two episodes stands one control period in which nothing is executed.
            gap = self.task.dt if span["episode"] == episode + 1 and until > at > begin else 0.0
            if span["begin"] <= at + gap + EPS and until > at:
                at, episode = until, span["episode"]
        return at >= end - EPS

    def stands(self, window: tuple[float, float]) -> bool:
        """Whether the safe action ruled in a window of plant time, from the deadline on to its end.

        And what ended it was stamped after the window's begin.
        """
        begin, end = window
        for span in self.spans:
            if begin < span["end"] <= end and (span["next_command"] or np.inf) <= begin:
                return False
        return self.safe_during(begin + self.deadline + 2 * self.task.dt, end)

    def gaps(self, sent: list[Sent], longest: float) -> list[tuple[float, float]]:
        """(last, next) stamps of finite messages further apart than `longest` (s), losses apart."""
        good = [s for s in sent if np.isfinite(s.values).all()]
        pairs = zip(good, good[1:], strict=False)
        return [
            (a.time, b.time) for a, b in pairs if b.time - a.time > longest and not b.after_loss
        ]

    def unsafe(self) -> list[str]:
        """Every breach of the promises, one line each."""
        found = []
        for action in self.applied:
            if not np.isfinite(action).all():
                found.append(f"applied {action}: not finite")
            elif np.abs(self.task.limits.project(action) - action).max() > 1e-9:
                found.append(f"applied {action}: beyond the limits")
        tick, period = self.task.physics_dt, self.task.dt
        for last, following in self.gaps(self.commands, self.deadline + 2 * period):
            if not self.safe_during(last + self.deadline + tick, following):
                found.append(f"no command from {last:.3f} to {following:.3f} s, and not safe")
        for last, following in self.gaps(self.plans, self.deadline + 2 * period):
            if not self.safe_during(last + self.deadline + 2 * period, following):
                found.append(f"no plan from {last:.3f} to {following:.3f} s, and not safe")
        for span in self.spans:
            before, after = span["last_command"], span["next_command"]
            if span["why"] in ("LATE", "STOPPED") and after is not None and after <= before:
                found.append(f"an old command ended the safe action: {span}")
        return found
