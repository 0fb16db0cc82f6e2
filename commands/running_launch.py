"""How a command finds and joins the launch that is running here."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..nodes.bus.local_bus import BusError
from ..nodes.bus.zenoh_bus import ZenohBus
from ..nodes.launching.yaml_loader import InputError

Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="FOLDER", help="Run folder; default: the newest under ./runs."),
]
"""The option of every command that joins a launch."""

MEET_S = 2.0
"""A session that has just joined waits at most this long for the nodes it ought to see, s."""


def live_run(folder: Path | None, root: Path | None = None) -> dict[str, Any]:
    """Where a running launch can be joined: its endpoint, its domain and its folder.

    Args:
        folder: Its run folder, or None for the newest that runs.
        root: Where runs are; default ``runs`` in the working folder.

    Raises:
        InputError: Nothing runs there.
    """
    root = root or Path.cwd() / "runs"
    folders = [folder] if folder else sorted(root.glob("*/endpoint.json"), key=_age)
    for path in folders:
        file = path if path.name == "endpoint.json" else path / "endpoint.json"
        try:
            found = json.loads(file.read_text())
            os.kill(int(found["pid"]), 0)
        except PermissionError:
            pass
        except (OSError, ValueError, KeyError):
            continue
        return {**found, "run": str(file.parent)}
    where = f"{folder}: no launch runs there" if folder else f"no launch is running under {root}"
    raise InputError(f"{where}; start one with covary launch, or name its folder with --run")


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def join(folder: Path | None) -> ZenohBus:
    """A session in the launch, once it has met the launch's nodes (or given them two seconds).

    Raises:
        InputError: Nothing runs there, or it cannot be joined.
    """
    run = live_run(folder)
    try:
        bus = ZenohBus(f"command_{os.getpid()}", run["endpoint"], run["domain"])
    except BusError as error:
        raise InputError(f"{run['run']}: {error}") from None
    bus.announce()
    specs = [json.loads(path.read_text()) for path in Path(run["run"]).glob("spec/*.json")]
    names = [f"{spec['namespace']}/{spec['name']}" for spec in specs]
    until = time.monotonic() + MEET_S
    while not bus.sees(names) and time.monotonic() < until:
        bus.wait(0.05)
    return bus
