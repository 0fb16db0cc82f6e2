"""`covary topic list|echo|hz`: joins a running launch and shows what goes over its topics."""

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..nodes import messages
from ..nodes.bus.local_bus import BusError, Subscription
from ..nodes.bus.wire import Token
from ..nodes.bus.zenoh_bus import ZenohBus
from ..nodes.launching.yaml_loader import InputError, dump, nearest

app = typer.Typer(no_args_is_help=True)

Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="FOLDER", help="Run folder; default: the newest under ./runs."),
]
Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="Topic, such as /state.")]

MEET_S = 2.0
"""A session that has just joined waits at most this long for the nodes it ought to see, s."""
_LONGEST = 32  # elements of an array that echo writes out


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


def _join(folder: Path | None) -> ZenohBus:
    """A session in the launch, once it has met the launch's nodes (or given them two seconds)."""
    run = live_run(folder)
    try:
        bus = ZenohBus(f"topic_{os.getpid()}", run["endpoint"], run["domain"])
    except BusError as error:
        raise InputError(f"{run['run']}: {error}") from None
    bus.announce()
    specs = [json.loads(path.read_text()) for path in Path(run["run"]).glob("spec/*.json")]
    names = [f"{spec['namespace']}/{spec['name']}" for spec in specs]
    until = time.monotonic() + MEET_S
    while not bus.sees(names) and time.monotonic() < until:
        bus.wait(0.05)
    return bus


def _ends(bus: ZenohBus) -> list[Token]:
    """Publishers and subscriptions of the launch."""
    return [token for token in bus.graph() if token.kind in ("MP", "MS")]


@app.command("list")
def list_topics(run: Run = None) -> None:
    """List topics with their types, publishers and subscribers."""
    bus = _join(run)
    try:
        ends = _ends(bus)
    finally:
        bus.close()
    table = Table()
    for column in ("topic", "type", "published by", "subscribed by"):
        table.add_column(column, overflow="fold")
    for topic in sorted({token.topic for token in ends}):
        here = [token for token in ends if token.topic == topic]
        types = sorted({token.type_name for token in here})
        names = [
            ", ".join(sorted({f"{t.namespace}/{t.node}" for t in here if t.kind == kind}))
            for kind in ("MP", "MS")
        ]
        table.add_row(topic, ", ".join(types), *names)
    Console().print(table)


@app.command()
def echo(
    topic: Topic,
    run: Run = None,
    count: Annotated[int, typer.Option(help="Messages to print; 0 for all.", min=0)] = 0,
    full: Annotated[bool, typer.Option("--full", help="Write long arrays out.")] = False,
) -> None:
    """Print messages as YAML until Ctrl-C."""
    bus, subscription, type_name = _listen(topic, run)
    printed = 0
    try:
        while not count or printed < count:
            item = subscription.take()
            if item is None:
                bus.wait(0.2)
                continue
            message = messages.deserialize(item[0], type_name)
            print(dump(as_plain(message, None if full else _LONGEST)) + "---", flush=True)
            printed += 1
    except KeyboardInterrupt:
        pass
    finally:
        bus.close()


@app.command()
def hz(
    topic: Topic,
    run: Run = None,
    seconds: Annotated[float, typer.Option(help="Stop after this; 0 for never.", min=0)] = 0,
) -> None:
    """Print a topic's rate every second until Ctrl-C."""
    bus, subscription, _ = _listen(topic, run)
    begin = window = time.monotonic()
    times: list[int] = []
    try:
        while not seconds or time.monotonic() - begin < seconds:
            bus.wait(0.1)
            while (item := subscription.take()) is not None:
                times.append(item[1].time_ns)
            if time.monotonic() - window >= 1.0:
                print(rate(times), flush=True)
                times, window = times[-1:], time.monotonic()
    except KeyboardInterrupt:
        pass
    finally:
        bus.close()


def rate(times: list[int]) -> str:
    """A line about a second's messages, from when each was sent (ns)."""
    if len(times) < 2:
        return "no messages"
    gaps = [(b - a) * 1e-6 for a, b in zip(times, times[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    shown = f"{1e3 / mean:8.2f} Hz" if mean > 0 else "     inf Hz"
    return f"{shown}   gap min {min(gaps):.2f} ms  max {max(gaps):.2f} ms   {len(gaps)} messages"


def _listen(topic: str, run: Path | None) -> tuple[ZenohBus, Subscription, str]:
    """Subscribes to a topic under the type its publisher announces."""
    bus = _join(run)
    try:
        name = topic if topic.startswith("/") else f"/{topic}"
        ends = _ends(bus)
        types = [token.type_name for token in ends if token.topic == name]
        if not types:
            known = {token.topic for token in ends}
            hint = nearest(name, known) or f"; there are {', '.join(sorted(known))}"
            raise InputError(f"no topic '{name}'{hint}")
        return bus, bus.subscribe(types[0], name, depth=0), types[0]
    except BaseException:
        bus.close()
        raise


def as_plain(value: Any, longest: int | None = _LONGEST) -> Any:
    """A message as plain Python objects, long arrays cut to `longest` elements."""
    if dataclasses.is_dataclass(value):
        # Upper case names a constant of the type, as in every .msg file.
        names = [f.name for f in dataclasses.fields(value) if f.name.islower()]
        names = [name for name in names if not name.startswith("__")]
        return {name: as_plain(getattr(value, name), longest) for name in names}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        if longest is not None and len(value) > longest:
            shown = [as_plain(item, longest) for item in value[:longest]]
            return [*shown, f"... {len(value)} in all"]
        return [as_plain(item, longest) for item in value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str) and longest is not None and len(value) > 40 * longest:
        return f"{value[: 40 * longest]}... {len(value)} characters in all"
    return value
