"""`run`: a node's life in a process of its own: lifecycle services, heartbeats, signals, end."""

from __future__ import annotations

import signal
import time
from typing import Any

from . import messages
from .node import Node
from .parameters import ParameterError
from .plugin import PluginError

HEARTBEAT_S = 0.25
"""Period of the heartbeat that the loop of a real-time node publishes on /diagnostics, s."""
LONGEST_WAIT_S = 0.2
"""The loop turns at least this often, s."""


class _Stopped(BaseException):
    """A signal that could not wait for the loop."""


class _Life:
    """A node's lifecycle as others see it: lifecycle_msgs services, heartbeats, signals."""

    def __init__(self, node: Node, peers: list[str]) -> None:
        self.node = node
        self.peers = peers
        self.stopping = False
        self.looping = False
        self.closing = False
        self.state = 1  # lifecycle_msgs/State: 1 unconfigured, 2 inactive, 3 active
        self.beat_due = 0.0

    def open(self) -> None:
        node = self.node
        full = f"{node.naming.namespace}/{node.name}"
        node.create_service(messages.GetState, f"{full}/get_state", self.on_get_state)
        node.create_service(messages.ChangeState, f"{full}/change_state", self.on_change_state)
        if node.realtime:
            self.heartbeat = node.create_publisher(messages.DiagnosticArray, "/diagnostics")
        node.bus.announce()

    def stop(self, *_: Any) -> None:
        """End the loop."""
        self.stopping = True
        self.node.bus.wake()

    def on_signal(self, number: int, _: Any) -> None:
        """End the loop after its callback; a second one, or one while configuring, cuts short."""
        if self.closing:
            return
        if self.stopping or not self.looping:
            raise _Stopped(signal.Signals(number).name)
        self.stop()

    def ready(self) -> bool:
        """Whether the node is configured, and all its peers can be reached."""
        if self.state == 1 and self.node.bus.sees(self.peers):
            self.state = 2
        return self.state > 1

    def on_get_state(self, request: Any) -> Any:
        self.ready()
        label = {1: "unconfigured", 2: "inactive", 3: "active"}[self.state]
        current = messages.LifecycleState(id=self.state, label=label)
        return messages.GetState.Response(current_state=current)

    def on_change_state(self, request: Any) -> Any:
        """Obey activate, and shutdown from whatever state; a node is never deactivated."""
        transition = int(request.transition.id)
        done = False
        if transition == 3 and self.ready():
            self.state = 3
            done = True
        elif transition in (5, 6, 7):
            self.stop()
            done = True
        return messages.ChangeState.Response(success=done)

    def beat(self, now: float) -> None:
        if not self.node.realtime or now < self.beat_due:
            return
        self.beat_due = now + HEARTBEAT_S
        values = [
            messages.KeyValue(key=key, value=str(value))
            for key, value in self.node.stats.items()
            if isinstance(value, int | float)
        ]
        name = f"{self.node.naming.namespace}/{self.node.name}"
        status = messages.DiagnosticStatus(
            level=0, name=name, message="", hardware_id="", values=values
        )
        stamp = messages.stamp(time.time())
        header = messages.Header(stamp=stamp, frame_id="")
        self.heartbeat.publish(messages.DiagnosticArray(header=header, status=[status]))

    def wait(self) -> None:
        now = time.monotonic()
        due = [now + LONGEST_WAIT_S]
        if self.node.active:
            due += [t for t in (self.node.next_due(),) if t is not None]
        if self.node.realtime:
            due.append(self.beat_due)
        if min(due) > now:
            self.node.bus.wait(min(due) - now)

    def loop(self) -> None:
        node = self.node
        self.looping = True
        while not (self.stopping or node.finished):
            self.wait()
            node.bus.serve()
            if self.state == 3 and not node.active:
                node.log.info("active")
                node.start()
            if node.active:
                node.deliver_waiting()
                node.run_due_timers(wall=True)
            self.beat(time.monotonic())


def run(node: Node, peers: list[str] | None = None) -> int:
    """Live a node's life in this process: configure, wait to be activated, work, shut down.

    SIGINT and SIGTERM end it in order. Call it from the main thread.

    Args:
        node: The node.
        peers: Nodes (``namespace/name``) that must be reachable before it calls itself configured.

    Returns:
        The exit code: 0, 1 if it failed, 2 if it could not be configured as its parameters say.
    """
    life = _Life(node, peers or [])
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, life.on_signal) for number in numbers}
    wrong_input = False
    try:
        try:
            node.configure()
            node.log.info("configured")
            life.open()
            life.loop()
        except (ParameterError, PluginError) as error:
            node.failed = wrong_input = True
            node.log.error("%s", error)
            if isinstance(error, PluginError) and error.__cause__ is not None:  # its author's line
                node.log.error("caused by:", exc_info=error.__cause__)
        except _Stopped as stopped:
            node.log.warning("cut short by %s", stopped)
        except (Exception, SystemExit) as error:  # who ends otherwise than by `finish` fails
            node.failed = True
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            node.log.exception("failed: %s", reason)
        finally:
            life.closing = True
            _close(node)
    except _Stopped:  # between the loop's end and the line that says so
        _close(node)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 2 if wrong_input else int(node.failed)


def _close(node: Node) -> None:
    """Shut a node down so that nothing it does can keep the process alive."""
    try:
        node.shutdown()
    except Exception as error:
        if node.failed:  # what it lets go of was perhaps never there; the log holds the reason
            node.log.warning("and its shutdown failed: %s: %s", type(error).__name__, error)
        else:
            node.failed = True
            node.log.exception("failed while shutting down")
    try:
        node.write_stats()
        node.failed |= bool(node.unwritten)
    except Exception:
        node.failed = True
        node.log.exception("failed to write its statistics")
    finally:
        node.bus.close()
