"""From `covary launch push.yaml realtime:=true` to the first command, against its imports, as JSON.

The launch is real: launcher, sim, planner, control and recorder, five processes. The clock starts
right before the launcher is executed; it stops at the time that the sender wrote into the first
/command (and into the first /applied that obeys one), both read from the bag of the very run.

The floor is the same five processes at once, with the same environment: each imports the modules
that its process of the launch had imported by its first command, in the same order, and does
nothing else; the clock stops when the last one has. Both in turns, and caches are filled.

`--quick`: one run of each, caches as they are.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mcap.reader import make_reader

from covary.nodes import messages
from covary.nodes.supervision.child import THREADS

QUICK = "--quick" in sys.argv
RUNS = 0 if QUICK else 9
NODES = ("sim", "planner", "control", "recorder")
LIMIT_S = 120.0

# Python imports this at its start, where it is on the path: on demand it lists what is loaded.
LISTING = """
import json, os, sys, threading, time
def wait(folder=os.environ["LIST_MODULES_IN"]):
    while not os.path.exists(folder + "/now"):
        time.sleep(0.02)
    words = getattr(sys, "argv", [""])
    name = os.path.basename(words[-1]).removesuffix(".json") if "spec" in words[-1] else "launcher"
    with open(f"{folder}/{name}.{os.getpid()}", "w") as file:
        json.dump([n for n in list(sys.modules) if n not in ("__main__", "sitecustomize")], file)
    os.rename(file.name, f"{folder}/{name}.json")
threading.Thread(target=wait, daemon=True).start()
"""

# One process of the floor.
IMPORTS = """
import contextlib, importlib, json, sys, time
for name in json.load(open(sys.argv[1])):
    with contextlib.suppress(Exception):
        importlib.import_module(name)
print(time.time_ns(), flush=True)
"""


def launched(folder: Path, **extra: str) -> dict[str, float]:
    """One launch, in seconds from its start to its first command and to the first one obeyed."""
    command = [sys.executable, "-P", "-m", "covary.commands.main", "launch", "push.yaml"]
    command += ["realtime:=true", "episodes:=1", "record:=true"]
    folder.mkdir()
    with (folder / "output").open("w") as output:
        start = time.time_ns()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **extra}, stdout=output, stderr=output
        )
        deadline = time.monotonic() + LIMIT_S
        # A bag opens with the episode; what follows within a second is in it when it is closed.
        while not list(folder.glob("runs/*/bags/*")):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise SystemExit(f"no launch:\n{(folder / 'output').read_text()}")
            time.sleep(0.05)
        if extra:
            listing = Path(extra["LIST_MODULES_IN"])
            (listing / "now").touch()
            while not all((listing / f"{name}.json").exists() for name in ("launcher", *NODES)):
                time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        process.wait(30)
    (bag,) = folder.glob("runs/*/bags/*/*.mcap")
    found: dict[str, float] = {}
    with bag.open("rb") as stream:
        for _, channel, message in make_reader(stream).iter_messages(["/command", "/applied"]):
            seconds = (message.publish_time - start) / 1e9
            if channel.topic == "/command":
                found["command"] = min(seconds, found.get("command", seconds))
            elif obeyed(message.data):
                found["obeyed"] = min(seconds, found.get("obeyed", seconds))
    return found


def obeyed(payload: bytes) -> bool:
    """Whether an /applied says that the plant executes a command."""
    message = messages.deserialize(payload, messages.TYPES["Applied"])
    return message.status == messages.Applied.OK


def imported(lists: list[Path]) -> float:
    """The floor: seconds until the last of the processes has imported its modules."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONUNBUFFERED": "1"}
    start = time.time_ns()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IMPORTS, str(path)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for path in lists
    ]
    ends = [int(process.communicate(timeout=LIMIT_S)[0]) for process in processes]
    return (max(ends) - start) / 1e9


def main() -> None:
    """Measure in turns; print medians and the median of the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(LISTING)
        path = os.pathsep.join(filter(None, (name, os.environ.get("PYTHONPATH"))))
        first = launched(folder / "listing", PYTHONPATH=path, LIST_MODULES_IN=name)
        lists = [folder / f"{process}.json" for process in ("launcher", *NODES)]
        warm = imported(lists)
        rounds = [(first["command"], first["obeyed"], warm)] if QUICK else []
        for number in range(RUNS):
            floor = imported(lists) if number % 2 else 0.0
            times = launched(folder / str(number))
            rounds.append((times["command"], times["obeyed"], floor or imported(lists)))
        modules = {path.stem: len(json.loads(path.read_text())) for path in lists}
    command, applied, imports = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(a / c for a, _, c in rounds)
    figures = {
        "benchmark": "launch_to_first_command",
        "runs": len(rounds),
        "load": round(os.getloadavg()[0], 1),
        "modules": modules,
        "first_command_s": round(command, 3),
        "first_obeyed_s": round(applied, 3),
        "imports_s": round(imports, 3),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
