"""Launches as a person makes them: from the shell, in a folder of their own; and what they left."""

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from in_process import covary_here, environment

from covary.nodes.bags.reader import Bag

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch"


def _including(name):
    """The launch files that include one of launch/include."""
    files = sorted(LAUNCH.glob("*.yaml"))
    return [file.stem for file in files if f"include/{name}.yaml" in file.read_text()]


FILES = _including("planning")
WHOLE = ("point_mass", "push", "reach")
"""Of these everything is looked at by default; the others are run once, and the rest is slow."""
MOST = [pytest.param(f, marks=() if f in WHOLE else pytest.mark.slow) for f in FILES]
TABLETOP = _including("tabletop")
SMALL = ("samples:=64", "horizon:=20", "iterations:=1")
"""Arguments with which every launch file plans in a millisecond or two."""


@dataclass(frozen=True)
class Run:
    """What a launch that has ended left behind."""

    folder: Path
    summary: dict
    screen: str
    """All it said."""

    @property
    def bags(self):
        return sorted((self.folder / "bags").iterdir())

    def stats(self, node):
        return json.loads((self.folder / f"{node}.json").read_text())


def command(*words):
    return [sys.executable, "-m", "covary.commands.main", *map(str, words)]


def covary(place, *words, timeout=120, **more):
    """Runs one command to its end."""
    return subprocess.run(
        command(*words),
        cwd=place,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def launch(place, *words, here=False, timeout=120, **more):
    """Runs a launch that must go well; `here` is within this process."""
    place.mkdir(exist_ok=True)
    before = set(place.glob("runs/*"))
    words = ("launch", *words)
    done = covary_here(place, *words) if here else covary(place, *words, timeout=timeout, **more)
    assert done.returncode == 0, done.stderr + done.stdout
    (folder,) = set(place.glob("runs/*")) - before
    return left(folder, done.stderr + done.stdout)


def left(folder, screen=""):
    return Run(folder, json.loads((folder / "summary.json").read_text()), screen)


def start(place, *words, inside=lambda words: words):
    """Starts a launch and leaves it running; `inside` makes its command that of another host."""
    place.mkdir(exist_ok=True)
    return subprocess.Popen(
        inside(command("launch", *words)),
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_in(place):
    """Node processes whose spec lies below this folder: pid -> command line."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (entry / "stat").read_text().rpartition(") ")[2][0]
        except OSError:
            continue
        if f"{place}/" in line and ".nodes.run " in line and state not in "ZX":
            found[int(entry.name)] = line
    return found


def listening(pids):
    """(address, port) at which these processes listen (tcp) or are bound (udp), from /proc."""
    return [
        where for where, _ in _sockets(pids, {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"})
    ]


def talking(pids):
    """(address, port) of the other ends of these processes' open connections, from /proc."""
    return [where for _, where in _sockets(pids, {"tcp": "01", "tcp6": "01"})]


def _sockets(pids, states):
    """((address, port) here, (address, port) there) of sockets, in whatever network they are."""
    found = []
    for pid in pids:
        sockets = set()
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(fd))
        for name, state in states.items():
            try:
                lines = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
            except OSError:  # it has ended
                continue
            for words in map(str.split, lines):
                if f"socket:[{words[9]}]" in sockets and words[3] == state:
                    found.append((_address(words[1]), _address(words[2])))
    return found


def _address(text):
    raw, port = text.split(":")
    raw = bytes.fromhex(raw)
    return ".".join(map(str, raw[::-1])) if len(raw) == 4 else raw.hex(), int(port, 16)


def wait_for(condition, timeout_s=60.0, launcher=None):
    """What the condition gives as soon as that is true."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := condition():
            return found
        if launcher is not None and launcher.poll() is not None:
            raise AssertionError(f"the launch ended first:\n{launcher.communicate()[0]}")
        time.sleep(0.02)
    raise AssertionError("it never came about")


def renders():
    """Whether a camera can be had here: MuJoCo needs a GL library for it."""
    from covary.sim.camera import CameraError, TopCamera
    from covary.sim.plant import Plant
    from covary.sim.tasks.reacher import Reacher

    try:
        TopCamera(Plant(Reacher()), 8, 8).close()
    except CameraError:
        return False
    return True


def messages_of(run, *topics):
    """All messages of a run, episode after episode: (topic, log time in ns, payload)."""
    return [
        (message.topic, message.log_ns, message.payload)
        for bag in run.bags
        for message in Bag(bag).messages(topics or None)
    ]
