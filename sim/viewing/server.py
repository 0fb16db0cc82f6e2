"""The viser server behind the page: on loopback only, for our own page only, and quiet."""

from __future__ import annotations

import contextlib
import functools
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import viser

HOST = "127.0.0.1"
ORIGINS = (re.compile(r"http://(127\.0\.0\.1|localhost)(:\d+)?"), None)
"""Whose scripts may speak to the server: pages of this machine, and programs that are no browser.
Without this any page that is open in the browser could press the buttons."""


def serve(port: int, title: str) -> viser.ViserServer:
    """A server at a port of loopback, or at the next that is free; 0: at any.

    Raises:
        ModuleNotFoundError: viser is not installed.
    """
    import viser
    from viser import _messages as wire

    with _only_our_pages(), contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
        server = viser.ViserServer(host=HOST, port=port, label=title, verbose=False)
    # A page could otherwise ask for a tunnel that shows it to the whole internet.
    for kind in (wire.ShareUrlRequest, wire.ShareUrlDisconnect):
        server._websock_server.unregister_handler(kind)
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    return server


@contextlib.contextmanager
def _only_our_pages() -> Iterator[None]:
    """Lets the server that is made meanwhile refuse pages of other origins; viser has no word."""
    from viser.infra import _infra

    server = _infra.websockets.asyncio.server
    plain = server.serve
    server.serve = functools.partial(plain, origins=ORIGINS)  # type: ignore[misc]
    try:
        yield
    finally:
        server.serve = plain  # type: ignore[misc]


def stop(server: viser.ViserServer) -> None:
    """End a server and its threads."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()
