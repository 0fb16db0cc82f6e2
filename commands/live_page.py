"""A launch with its live page: `covary view LAUNCH`."""

from __future__ import annotations

import socket

from ..nodes.launching.launch_file import arguments, find, read_assignments
from ..nodes.launching.yaml_loader import InputError
from .launch import launch


def watch(file: str, values: list[str], port: int) -> None:
    """Launch a file with its live page, in real time unless something else is said.

    Raises:
        InputError: It has no page, or as `covary launch` does.
    """
    declared = {argument.name for argument in arguments(find(file))}
    if not {"view", "port"} <= declared:
        raise InputError(f"{file} has no arguments view and port: it starts no viewer_node")
    given = read_assignments(values)
    words = {"view": "view:=true", "port": f"port:={free_port(port)}"}
    if "realtime" in declared:
        words["realtime"] = "realtime:=true"
    launch(file, [*values, *(word for name, word in words.items() if name not in given)])


def free_port(port: int) -> int:
    """That port of loopback, or the next that is free.

    Raises:
        InputError: None is.
    """
    for candidate in range(port, 2**16):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise InputError(f"--port: no port from {port} on is free")
