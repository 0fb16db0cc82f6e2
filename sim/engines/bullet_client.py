"""PyBullet, imported without the line that it prints; and clients of it that close themselves."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any


def _quiet_import() -> Any:
    """PyBullet; when imported it writes its build time to standard error, whoever reads that."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import pybullet
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return pybullet


bullet = _quiet_import()


def connect(owner: object) -> int:
    """A client (DIRECT) of its own, closed when the owner is forgotten."""
    client = bullet.connect(bullet.DIRECT)
    weakref.finalize(owner, _disconnect, client)
    return client


def _disconnect(client: int) -> None:
    if bullet.isConnected(client):
        bullet.disconnect(client)
