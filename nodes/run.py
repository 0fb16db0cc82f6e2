"""One node as one process: ``python -m covary.nodes.run SPEC.json``, as the supervisor starts it.

The spec is a JSON object: ``exec``, ``name``, ``params``, ``endpoint``, ``domain``, ``run_folder``, and,
if not default, ``namespace``, ``remaps``, ``realtime``, ``peers`` (``namespace/name`` of the nodes to be
reachable before this one calls itself configured), ``listen``.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from . import plugin
from .bus import Bus
from .clock import SimClock, WallClock
from .node import Naming, Node
from .parameters import ParameterError, from_dict


def build(spec: dict[str, Any], bus: Bus) -> Node:
    """The node that a spec describes, not configured yet.

    Raises:
        PluginError: No such node.
        ParameterError: Parameters that it does not have.
    """
    cls = plugin.load_node(spec["exec"])
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
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout
    )
    logging.captureWarnings(True)
    spec = json.loads(Path(arguments[0]).read_text())
    from . import node as life
    from .zenoh_bus import ZenohBus  # only a process of its own needs it

    try:
        plugin.load_node(spec["exec"])  # the slow imports, before others can see this node
        bus = ZenohBus(
            spec["name"],
            spec["endpoint"],
            spec["domain"],
            spec.get("namespace", ""),
            spec.get("listen"),
        )
    except plugin.PluginError as error:
        logging.getLogger("covary").error("%s", error)
        return 2
    try:
        node = build(spec, bus)
    except (plugin.PluginError, ParameterError) as error:
        logging.getLogger("covary").error("%s", error)
        bus.close()
        return 2
    return life.run(node, spec.get("peers", []))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
