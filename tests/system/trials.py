"""A launch of saboteurs: started, watched by plant time, broken on purpose, ended, judged."""

import json
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

from launches import SMALL, left, processes_in, start, wait_for
from plant_record import PlantRecord

from covary.nodes import messages
from covary.nodes.bus.zenoh_bus import ZenohBus
from covary.nodes.launching.description import NodeDescription, to_yaml
from covary.nodes.launching.launch_file import find, read_assignments, resolve

NODES = {
    **{"sim": "Sim", "planner": "Planner", "policy": "Policy"},
    **{"control": "Control", "recorder": "Recorder"},
}


def write_launch(place: Path, *words: str, **changes: dict) -> None:
    """Writes ``faulty.yaml``: push with every node a saboteur, a perception and a viewer beside."""
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("sabotage.py"), place)
    launch = resolve(find("push"), read_assignments([*SMALL, *words]))
    nodes = [
        replace(node, executable=f"sabotage:{NODES[node.name]}", **changes.get(node.name, {}))
        for node in launch.nodes
    ]
    nodes[0] = replace(nodes[0], remaps={"/state": "/sensed"})
    for name in ("perception", "viewer"):
        more = {"respawn": True, "respawn_delay": 0.1, **changes.get(name, {})}
        nodes.append(NodeDescription(name, f"sabotage:{name.capitalize()}", **more))
    (place / "faulty.yaml").write_text(to_yaml(replace(launch, nodes=tuple(nodes))))


class Trial:
    """One running launch of ``faulty.yaml``.

    Args:
        place: Working folder.
        words: Launch arguments.
    """

    def __init__(self, place: Path, *words: str, **changes: dict) -> None:
        self.place = place
        write_launch(place, *words, **changes)
        self.launcher = start(place, "faulty.yaml")
        self.bus = None
        (self.folder,) = wait_for(lambda: list(place.glob("runs/*")), launcher=self.launcher)
        path = self.folder / "endpoint.json"
        wait_for(path.exists, launcher=self.launcher)
        joined = json.loads(path.read_text())
        self.bus = ZenohBus("witness", joined["endpoint"], joined["domain"])
        self.clock = self.bus.subscribe("rosgraph_msgs/msg/Clock", "/clock")
        self.newest = -1.0

    def time(self) -> float:
        """Plant time, s; -1 before the first tick."""
        taken = self.clock.take()
        if taken is not None:
            clock = messages.deserialize(taken[0], "rosgraph_msgs/msg/Clock")
            self.newest = messages.seconds(clock.clock)
        return self.newest

    def reach(self, time_s: float, timeout_s: float = 60.0) -> float:
        """Waits for a plant time (s)."""
        wait_for(lambda: self.time() >= time_s, timeout_s, self.launcher)
        return self.newest

    def on(self, seconds: float) -> float:
        """Waits for so much more plant time (s)."""
        return self.reach(self.time() + seconds)

    def pid(self, node: str) -> int:
        """Process id of a node; waits until there is one."""

        def found() -> list[int]:
            here = processes_in(self.place).items()
            return [pid for pid, line in here if f"/{node}.json" in line]

        return wait_for(found, launcher=self.launcher)[0]

    def send(self, node: str, number: signal.Signals) -> None:
        """Signals a node's process."""
        os.kill(self.pid(node), number)

    def order(self, node: str, word: str) -> float:
        """Orders a fault and waits until the node has taken the order; plant time of that, s."""
        path = self.place / f"sabotage.{node}"
        half = path.with_name("half")
        half.write_text(word)
        half.rename(path)
        wait_for(lambda: not path.exists(), 20, self.launcher)
        return self.time()

    def freeze(self, node: str, seconds: float) -> None:
        """Stops a process for so much wall time (s)."""
        self.send(node, signal.SIGSTOP)
        time.sleep(seconds)
        self.send(node, signal.SIGCONT)

    def moves(self, timeout_s: float = 60.0) -> None:
        """Waits until the plant obeys commands that are not the safe action."""
        applied = self.bus.subscribe("covary_msgs/msg/Applied", "/applied")

        def moved() -> bool:
            taken = applied.take()
            if taken is None:
                return False
            message = messages.deserialize(taken[0], "covary_msgs/msg/Applied")
            return message.status == 0 and any(message.action)

        wait_for(moved, timeout_s, self.launcher)
        self.on(0.3)

    def call(self, service: str) -> None:
        """Calls a std_srvs/Trigger."""
        request = messages.Trigger.Request(structure_needs_at_least_one_member=0)
        self.bus.call("std_srvs/srv/Trigger", service, messages.serialize(request), 5.0)

    def log(self, name: str = "launcher") -> str:
        """A log of the run folder."""
        return (self.folder / f"{name}.log").read_text()

    def says(self, words: str, name: str = "launcher", timeout_s: float = 30.0) -> None:
        """Waits until a log says something."""
        wait_for(lambda: words in self.log(name), timeout_s, self.launcher)

    def end(self) -> PlantRecord:
        """Ctrl-C; everything is gone, and the record is read."""
        self.close()
        self.launcher.send_signal(signal.SIGINT)
        screen, _ = self.launcher.communicate(timeout=60)
        assert self.launcher.returncode == 130, screen
        return self.judge(screen)

    def judge(self, screen: str = "") -> PlantRecord:
        """The record of a launch that has ended; nothing of it is left."""
        self.close()
        assert processes_in(self.place) == {}
        self.run = left(self.folder, screen)
        return PlantRecord(self.folder, "push")

    def close(self) -> None:
        """Leaves the bus."""
        if self.bus is not None:
            self.bus.close()
            self.bus = None

    def kill(self) -> None:
        """Ends it whatever has become of it."""
        self.close()
        if self.launcher.poll() is None:
            self.launcher.kill()
            self.launcher.communicate()
        until = time.monotonic() + 10
        while processes_in(self.place) and time.monotonic() < until:
            time.sleep(0.02)
