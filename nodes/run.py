"""One node as one process: ``python -m covary.nodes.run SPEC.json``, as the supervisor starts it.

The spec is a JSON object: ``exec``, ``name``, ``params``, ``endpoint``, ``domain``, ``run_folder``,
and, if not default, ``namespace``, ``remaps``, ``realtime``, ``listen``, ``peers`` (full names of
the nodes to be reachable before this one calls itself configured).
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from . import plugin
from .bus.local_bus import Bus, BusError
from .clock import SimClock, WallClock
from .node import Naming, Node
from .parameters import ParameterError, from_dict
from .repeats import Repeats

EXIT_WITHIN_S = 5.0
"""A process that lives on for this long after its node is ended, with all stacks in its log, s."""


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next message, where it is glibc.

    Otherwise it gives the top of the heap back and asks for it again, page by page, with every
    image: serializing 640 x 480 x 3 bytes took 0.74 ms for 0.035.
    """
    m_trim_threshold, m_mmap_threshold, largest = -1, -3, 32 * 1024 * 1024
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(m_mmap_threshold, largest)
        mallopt(m_trim_threshold, 2 * largest)


def build(spec: dict[str, Any], bus: Bus) -> Node:
    """The node that a spec describes, not configured yet.

    Raises:
        PluginError: No such node.
        ParameterError: Parameters that it does not have.
    """
    cls = plugin.load_node(spec["exec"])
    if not (isinstance(cls, type) and issubclass(cls, Node)):
        raise plugin.PluginError(f"{spec['exec']!r} is no node: it must derive from Node")
    parameters = from_dict(cls.Parameters, spec.get("params", {}), spec["name"])
    realtime = spec.get("realtime", True)
    folder = spec.get("run_folder")
    return cls(
        spec["name"],
        bus,
        WallClock() if realtime else SimClock(),
        parameters,
        Path(folder) if folder else None,
        realtime,
        Naming(spec.get("namespace", ""), spec.get("remaps", {})),
    )


def main(arguments: list[str]) -> int:
    """Run the node of one spec file; 0, 1 if it failed, 2 if its spec is wrong."""
    signal.signal(signal.SIGINT, _stop_early)
    signal.signal(signal.SIGTERM, _stop_early)
    keep_freed_memory()
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stdout,
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(Repeats())
    logging.captureWarnings(True)
    # Where a stuck node stands, into its log; the supervisor asks before it kills.
    faulthandler.register(signal.SIGUSR2, file=sys.stdout, all_threads=True)
    log = logging.getLogger("covary")
    try:
        spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    except (IndexError, OSError, ValueError) as error:
        log.error("needs one SPEC.json: %s", error)
        return 2
    from .bus.zenoh_bus import ZenohBus  # only a process of its own needs it
    from .life import run

    try:
        plugin.load_node(spec["exec"])  # the slow imports, before others can see this node
        bus = ZenohBus(
            spec["name"],
            spec["endpoint"],
            spec["domain"],
            spec.get("namespace", ""),
            spec.get("listen"),
            patient=not spec.get("realtime", True),
        )
    except plugin.PluginError as error:
        _tell(log, error)
        return 2
    except BusError as error:
        _tell(log, error)
        return 1
    try:
        node = build(spec, bus)
        return run(node, spec.get("peers", []))
    except (plugin.PluginError, ParameterError) as error:
        _tell(log, error)
        return 2
    finally:
        bus.close()  # again, at worst: without it zenoh's threads keep the process alive
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        faulthandler.dump_traceback_later(EXIT_WITHIN_S, exit=True)


def _tell(log: logging.Logger, error: Exception) -> None:
    log.error("%s", error)
    # An outsider's file: its author wants the line. A value of ours that is refused has none.
    if error.__cause__ is not None and isinstance(error, plugin.PluginError):
        log.error("caused by:", exc_info=error.__cause__)


def _stop_early(number: int, _: Any) -> None:
    """Nothing has begun yet, so there is nothing to end in order.

    It is no exception, since it may come in an import, which makes others of those.
    """
    os._exit(128 + number)


def _leave() -> None:
    """The last of a process whose node is ended: nothing of it is left to take down.

    Zenoh's threads may wait for each other for ever while the interpreter goes, on a busy machine,
    and a node that has ended in order would count as failed.
    """
    if _ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_ended[0])


_ended: list[int] = []

if __name__ == "__main__":
    atexit.register(_leave)  # the first of all, so that it is called after all others
    _ended.append(main(sys.argv[1:]))
    sys.exit(_ended[0])
