"""`covary topic list|echo|hz`: joins a running launch and shows what goes over its topics."""

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..nodes import messages
from ..nodes.bus.local_bus import Subscription
from ..nodes.bus.wire import Token
from ..nodes.bus.zenoh_bus import ZenohBus
from ..nodes.launching.yaml_loader import InputError, dump, nearest
from .running_launch import Run, join

app = typer.Typer(no_args_is_help=True)

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="Topic, such as /state.")]

_LONGEST = 32  # elements of an array that echo writes out


def _ends(bus: ZenohBus) -> list[Token]:
    """Publishers and subscriptions of the launch."""
    return [token for token in bus.graph() if token.kind in ("MP", "MS")]


@app.command("list")
def list_topics(run: Run = None) -> None:
    """List topics with their types, publishers and subscribers."""
    bus = join(run)
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
    bus = join(run)
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
