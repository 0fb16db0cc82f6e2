"""Starts the processes of a launch, activates them together, watches them, and takes them down.

The supervisor's own zenoh session is where they find each other. It works in the thread that calls
`run` (the main thread, for Ctrl-C), and everything that blocks there has a time limit, so that a
signal is acted on within half a second in any phase.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import messages
from ..bus.local_bus import BusError, Subscription
from ..launching.description import LaunchDescription, NodeDescription
from ..launching.hosts import hosts_of
from .child import Child, Phase, in_words
from .episodes import Episodes
from .other_hosts import OtherHosts, open_session
from .progress import RunProgress
from .run_folder import Outcome, episode_topics, node_folder, on_request, write_json

RUN = f"{__name__.rsplit('.', 2)[0]}.run"
"""The module that runs one node as one process."""
LAST_WORDS_S = 0.3
"""From the end of the node that ends a launch to the SIGINT of the others: its words arrive, s."""
STARTS_AT_FIRST = 3
"""Starts of a node that respawns, at most, until all nodes are up: what fails then fails again."""
FROZEN_S = 2.0
"""A turn of the supervisor's own loop that took this long says nothing about its nodes, s."""
SILENT_WITHOUT_CLOCK_S = 30.0
"""Without a clock there are no heartbeats, and a node may work for long before it answers a tick.
Only the node whose end ends the launch watches over the others; silent for this long, it is stuck
itself, s."""
ASKED_EVERY_S = 5.0
"""How often that node is asked then, s."""
_TICK_S = 0.1
_POLL_S = 0.02  # while nodes come up
_CALL_S = 0.3
_ACTIVATE = 3  # lifecycle_msgs/Transition
_INACTIVE = 2  # lifecycle_msgs/State
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs one launch.

    Args:
        launch: What to run.
        folder: Its run folder.
        progress: Who tells the person.
    """

    def __init__(self, launch: LaunchDescription, folder: Path, progress: RunProgress) -> None:
        self.launch = launch
        self.folder = folder
        self.progress = progress
        self.outcome = Outcome()
        self.episodes = Episodes(self.outcome, progress, on_request(launch))
        self.realtime = launch.realtime
        self.hosts = hosts_of(launch)
        self.children = [Child(n, folder, self._command(n)) for n in self.hosts.here]
        self._signals: list[int] = []  # put there by the handler, in order
        self._ending = False
        self._together = False  # whether the nodes that start at once are all active
        self._turned = time.monotonic()
        self._next_poll = 0.0
        self._next_question = 0.0

    # The whole.

    def run(self) -> Outcome:
        """Runs the launch to its end and leaves no process behind.

        Raises:
            InputError: The bus cannot be opened, or the launch's words about hosts are wrong.
        """
        begin = time.monotonic()
        with self._signals_noted():
            try:
                self._open()
                while not self._over():
                    self._tick()
                    self.bus.wait(_TICK_S if self._together else _POLL_S)
                    self._serve()
            finally:
                self._take_down()
                self._close()
        if self._signals:
            self.outcome.exit_code = 128 + self._signals[0]
        elif self.outcome.failures and self.outcome.exit_code == 0:
            self.outcome.exit_code = 1
        self.outcome.wall_s = time.monotonic() - begin
        return self.outcome

    def _over(self) -> bool:
        running = any(child.phase is not Phase.ENDED for child in self.children)
        return bool(self._signals) or self._ending or not running

    def _tick(self) -> None:
        for child in self.children:
            if child.poll() is not None:
                self._ended(child)
        if self._ending:
            return
        now = time.monotonic()
        if now - self._turned > FROZEN_S:  # it heard nobody because it stood still itself
            self.progress.say(f"the launcher stood still for {now - self._turned:.1f} s", "yellow")
            for child in self.children:
                child.heard = now
        self._turned = now
        for child in self.children:
            if child.phase is Phase.WAITING and now >= child.due:
                self._start(child)
        if now >= self._next_poll:
            self._next_poll = now + _POLL_S
            self._bring_up()
        self._listen()
        self._hold_to_heartbeats(now)

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """Notes signals instead of raising in the middle of something."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.signal(s, lambda n, _: self._signals.append(n)) for s in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # The bus.

    def _open(self) -> None:
        self.bus, self.endpoint = open_session(self.hosts, not self.realtime)
        self.others = OtherHosts(self.bus, self.hosts, self.outcome, self.progress)
        self._beats = self.bus.subscribe(messages.TYPES["DiagnosticArray"], "/diagnostics", 0)
        kind = messages.TYPES["Episode"]
        self._episodes = [self.bus.subscribe(kind, name, 0) for name in episode_topics(self.launch)]
        where = {"endpoint": self.endpoint, "domain": self.bus.domain, "pid": os.getpid()}
        write_json(self.folder / "endpoint.json", where, mode=0o600)

    def _close(self) -> None:
        (self.folder / "endpoint.json").unlink(missing_ok=True)
        if hasattr(self, "bus"):
            self._listen()
            self.episodes.close(self._interrupted())
            self.bus.close()

    # Up.

    def _command(self, node: NodeDescription) -> list[str]:
        if node.command:
            return list(node.command)
        return [sys.executable, "-m", RUN, str(self._spec(node))]

    def _spec(self, node: NodeDescription) -> Path:
        return self.folder / "spec" / f"{node.full_name.strip('/').replace('/', '.')}.json"

    def _start(self, child: Child) -> None:
        node = child.node
        if node.executable:
            spec = self._spec(node)
            spec.parent.mkdir(exist_ok=True)
            write_json(spec, self._spec_of(node), mode=0o600)
        child.start()
        if node.command:  # nothing to configure
            child.phase = Phase.ACTIVE
            self.progress.say(f"  {node.name:<12} pid {child.pid}", "dim")

    def _spec_of(self, node: NodeDescription) -> dict[str, Any]:
        peers = [
            other.node.full_name
            for other in self.children
            if other.node.executable and other.node is not node and self._counts(other)
        ]
        folder = node_folder(self.folder, node)
        folder.mkdir(parents=True, exist_ok=True)
        return {
            "exec": node.executable,
            "name": node.name,
            "namespace": node.namespace,
            "remaps": node.remaps,
            "params": node.parameters,
            "endpoint": self.endpoint,
            "domain": self.bus.domain,
            "run_folder": str(folder),
            "realtime": self.realtime,
            "peers": [*peers, *self.others.peers(self._together)],
        }

    def _counts(self, child: Child) -> bool:
        """Whether others wait to see this one before they call themselves configured."""
        if self._together:
            return child.phase is Phase.ACTIVE
        return child.node.delay == 0 and child.phase is not Phase.ENDED

    def _bring_up(self) -> None:
        """Asks who is configured; activates the first ones together, later ones at once."""
        self.others.watch(self._together)
        for child in self.children:
            if child.phase is Phase.STARTING:
                begun = child.started
                seen = self.bus.sees([child.node.full_name])
                if seen:  # what it waits for is its peers
                    begun = max(begun, self.others.complete)
                if seen and self._state(child) == _INACTIVE:
                    child.phase = Phase.CONFIGURED
                    taken = time.monotonic() - child.started
                    self.progress.started(child.node.name, child.pid, taken)
                elif time.monotonic() - begun > child.node.start_timeout:
                    child.stuck = True
                    child.kill()
        ready = [child for child in self.children if child.phase is Phase.CONFIGURED]
        if not self._together:
            first = [c for c in self.children if c.node.delay == 0 and c.phase is not Phase.ENDED]
            up = all(c.phase in (Phase.CONFIGURED, Phase.ACTIVE) for c in first)
            if not up or self.others.twins:
                return
            self._together = True
            self.progress.running()
        for child in ready:
            self._activate(child)

    def _state(self, child: Child) -> int:
        reply = self._call(child, messages.GetState, "get_state")
        return int(reply.current_state.id) if reply else 0

    def _activate(self, child: Child) -> None:
        transition = messages.LifecycleTransition(id=_ACTIVATE, label="activate")
        reply = self._call(child, messages.ChangeState, "change_state", transition=transition)
        if reply and reply.success:
            child.phase = Phase.ACTIVE
            child.heard = time.monotonic()

    def _call(self, child: Child, service: Any, name: str, **fields: Any) -> Any:
        """Asks a node; None when it does not answer (yet)."""
        request = service.Request
        if not fields:
            fields = {"structure_needs_at_least_one_member": 0}
        topic = f"{child.node.full_name}/{name}"
        payload = messages.serialize(request(**fields))
        try:
            raw = self.bus.call(service.__srvtype__, topic, payload, _CALL_S)
        except BusError:
            return None
        return messages.deserialize(raw, service.Response.__msgtype__)

    # Watching.

    def _ended(self, child: Child) -> None:
        """A process has ended by itself (or was killed for being stuck)."""
        node, code = child.node, child.exit_code or 0
        if code == 0 and not child.stuck and (child.was_active or self._ending):
            if node.shutdown_on_exit:
                self._ending = True
            elif not self._ending and not node.command:
                self.progress.say(f"{node.full_name}: ended by itself", "dim")
            return
        why = "stuck, killed" if child.stuck else in_words(code)
        if code == 0 and not child.stuck:
            why = "ended before it was active (exit code 0)"
        again = self._together or child.respawns < STARTS_AT_FIRST - 1
        if code == 2 and not self._together and self._bad_input(child):
            return
        if child.may_respawn and code != 2 and again:
            if code > 0 and child.respawns == 0:
                self._quote(child)
            wait = child.respawn_later()
            self.outcome.respawns += 1
            next_start = f"start {child.respawns + 1} in {wait:.1f} s"
            self.progress.say(f"{node.full_name}: {why}; {next_start}", "yellow")
            return
        self._quote(child)
        self.progress.say(f"{node.full_name}: {why}; its log is {child.log}", "red")
        for other in self.children if code == 1 else ():  # who gave up may do so for another's sake
            if other is not child and (said := other.last_error()):
                self.progress.say(f"{other.node.full_name} said: {said}", "yellow")
        if node.required:
            self.outcome.failures.append(f"{node.full_name}: {why}")
            if code == 2 and not self._together:
                self.outcome.exit_code = 2
            self._ending = True
        elif node.shutdown_on_exit:
            self._ending = True

    def _bad_input(self, child: Child) -> bool:
        """Says in one line what a node refused, and where it stands; False if its log is mute."""
        reason = child.last_error()
        if not reason:
            return False
        words = f"{child.node.name}: "  # a node may name itself
        line = str(child.node.error(f"{child.node.full_name}: {reason.removeprefix(words)}"))
        self.progress.say(f"{line} (its log is {child.log})", "red")
        if child.node.required:
            self.outcome.failures.append(line)
            self.outcome.exit_code = 2
            self._ending = True
        elif child.node.shutdown_on_exit:
            self._ending = True
        return True

    def _quote(self, child: Child) -> None:
        """Shows the end of a log: the reason ought to be there (but for a stuck node's stacks)."""
        for line in () if child.stuck else child.last_lines():
            self.progress.say(f"  | {line}", "dim")

    def _hold_to_heartbeats(self, now: float) -> None:
        """Kills a node whose loop has been silent for too long; its end is seen as any other.

        Args:
            now: When this turn of the loop began: had it stood still since then, it would take the
                nodes for silent.
        """
        if not self.realtime:
            self._ask(now)
            return
        silent = []
        for child in self.children:
            limit = child.node.heartbeat_timeout
            live = child.phase is Phase.ACTIVE and not (child.node.command or child.stuck)
            if live and limit and now - child.heard > limit:
                self._kill_silent(child, f"no heartbeat for {limit:g} s")
                silent.append(child)
        for child in set(self.children).difference(silent) if silent else ():
            child.heard = max(child.heard, now)  # who leaves may have had to wait for the stuck one

    def _ask(self, now: float) -> None:
        """Without a clock: asks who watches over the others whether it still turns its loop."""
        if now < self._next_question:
            return
        self._next_question = now + ASKED_EVERY_S
        for child in self.children:
            node = child.node
            if child.phase is not Phase.ACTIVE or node.command or not node.heartbeat_timeout:
                continue
            if child.stuck or not node.shutdown_on_exit:
                continue
            limit = max(SILENT_WITHOUT_CLOCK_S, node.heartbeat_timeout)
            if self._state(child):
                child.heard = time.monotonic()
            elif now - child.heard > limit:
                self._kill_silent(child, f"no answer for {limit:g} s")

    def _kill_silent(self, child: Child, why: str) -> None:
        child.stuck = True
        self.progress.say(f"{child.node.full_name}: {why}, killing it", "yellow")
        child.tell_stacks()
        child.kill()

    def _listen(self) -> None:
        for message in _taken(self._beats, "DiagnosticArray"):
            names = {status.name for status in message.status}
            for child in self.children:
                if child.node.full_name in names:
                    child.heard = time.monotonic()
        for subscription in self._episodes:
            for message in _taken(subscription, "Episode"):
                self.episodes.note(subscription.topic, message, self._interrupted())

    def _interrupted(self) -> bool:
        """Whether a person has ended the launch, here or on another host."""
        return bool(self._signals) or self.others.ended

    def _serve(self) -> None:
        """Hears another host's launcher."""
        self.bus.serve()
        self._ending |= self.others.ended

    # Down.

    def _take_down(self) -> None:
        """SIGINT to all, then SIGTERM, then SIGKILL; each further Ctrl-C goes one step further."""
        if self._ending and not self._signals and hasattr(self, "bus"):
            until = time.monotonic() + LAST_WORDS_S
            while time.monotonic() < until and not self._signals:
                self._listen()
                self.bus.wait(0.05)
        if self._signals:
            self.progress.say("stopping (Ctrl-C again to hurry)", "yellow")
        active = {id(child) for child in self.children if child.phase is Phase.ACTIVE}
        heard = len(self._signals)
        if hasattr(self, "others") and (self._ending or self._signals):
            self.others.end_them()
        while any(child.running for child in self.children):
            hurry = len(self._signals) > heard
            heard = len(self._signals)
            for child in self.children:
                child.descend(hurry)
            if hasattr(self, "bus"):
                self._listen()
                self._serve()
                self.bus.wait(0.02)
            else:
                time.sleep(0.02)
        for child in self.children:
            code = child.poll()
            if code is None or id(child) not in active or self._signals:
                continue
            if code > 0 or code == -signal.SIGKILL:  # it did not end when it was asked to
                said = f"{child.node.full_name}: {in_words(code)} at its end"
                self.progress.say(f"{said}; its log is {child.log}", "red")
                if child.node.required:
                    self.outcome.failures.append(said)
            child.phase = Phase.ENDED


def _taken(subscription: Subscription, name: str) -> Iterator[Any]:
    while (item := subscription.take()) is not None:
        try:
            yield messages.deserialize(item[0], messages.TYPES[name])
        except messages.MessageError:
            continue
