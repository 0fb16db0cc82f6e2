"""What a launcher does about other hosts: it waits for their nodes, ends with them, outlives cuts.

Each launcher starts, watches and ends its own nodes only. It announces itself as a node
``launcher_HOST_xxxxxxxx`` with the service ``change_state`` of lifecycle nodes, by which the others
tell it that the launch ends. Whose launcher vanishes without that word is cut off, and may come
back.
"""

import re
import secrets
import socket
import time

from .. import messages
from ..bus.local_bus import BusError
from ..bus.session import free_endpoint
from ..bus.zenoh_bus import ZenohBus
from ..launching.hosts import Hosts
from ..launching.yaml_loader import InputError
from .progress import RunProgress
from .run_folder import Outcome

TWIN_S = 2.0
"""A node that is started again leaves its forerunner behind for less than this, s."""
PATIENCE_S = 5.0
"""From the last of our own nodes to the line that says for whom they wait, s."""
_PREFIX = "launcher_"
_TELL_S = 0.4
_SHUTDOWN = (5, 6, 7)  # lifecycle_msgs/Transition: from unconfigured, inactive and active


def open_session(hosts: Hosts, patient: bool) -> tuple[ZenohBus, str]:
    """The session where the nodes of a launch meet, and its endpoint on the loopback interface.

    Args:
        hosts: What the launch was told of hosts.
        patient: Whether what it passes on waits for a busy reader.

    Raises:
        InputError: It cannot listen.
    """
    given, name = hosts.domain, _PREFIX.rstrip("_")
    domain = given if given is not None else 1000 + secrets.randbelow(2**31 - 1000)
    if hosts.linked:
        host = re.sub(r"\W", "_", socket.gethostname(), flags=re.ASCII)
        name = f"{_PREFIX}{host}_{secrets.token_hex(4)}"
    reason = ""
    for _ in range(10):
        endpoint = free_endpoint()
        try:
            bus = ZenohBus(name, None, domain, listen=endpoint, hosts=hosts, patient=patient)
            return bus, endpoint
        except BusError as error:  # another process took the port in between
            reason = str(error)
    raise InputError(reason)


class OtherHosts:
    """The other hosts of a launch, as its launcher on this one sees them.

    Args:
        bus: The launcher's session.
        hosts: What the launch was told of hosts.
        outcome: Where a failure is kept.
        progress: Who tells the person.

    Attributes:
        ended: Whether the launch has to end for another host's sake.
        twins: Which of our nodes another host runs as well.
        complete: Since when all nodes elsewhere are there (`time.monotonic`); infinite while one is
            missing.
    """

    def __init__(
        self, bus: ZenohBus, hosts: Hosts, outcome: Outcome, progress: RunProgress
    ) -> None:
        self.bus, self.hosts, self.outcome, self.progress = bus, hosts, outcome, progress
        self.ended = False
        self.twins: list[str] = []
        self._warned = False
        self.complete = float("inf") if hosts.elsewhere else 0.0
        self._own = [n.full_name for n in hosts.here if n.executable and not n.delay]
        self._patient_until = float("inf")
        self._single = time.monotonic()
        self._waited_for: list[str] = []
        self._known: dict[str, bool] = {}  # launcher -> whether it is there
        if hosts.linked:
            service = messages.ChangeState
            name = f"/{bus.node_name}/change_state"
            bus.service(service.__srvtype__, name, self._on_change_state)
        bus.announce()

    def peers(self, together: bool) -> list[str]:
        """For which nodes elsewhere one of ours waits: all at first, later those that are there."""
        return [n for n in self.hosts.elsewhere if not together or self.bus.sees([n])]

    def watch(self, together: bool) -> None:
        """Say for whom we wait, who came, and who is cut off.

        Args:
            together: Whether our own nodes are at work.
        """
        missing = [name for name in self.hosts.elsewhere if not self.bus.sees([name])]
        now = time.monotonic()
        if missing:
            self.complete = float("inf")
        else:
            self.complete = min(self.complete, now)
        self._meet()
        self._find_twins(now, together)
        if together or not missing:
            return
        if not self.bus.sees(self._own):
            self._patient_until = now + PATIENCE_S
        elif now > self._patient_until and missing != self._waited_for:
            self._waited_for = missing
            names = ", ".join(missing)
            self.progress.say(f"waiting for {names} on other hosts{self._obstacle()}", "yellow")

    def _meet(self) -> None:
        there = {name for name in self.bus.nodes() if name.startswith(f"/{_PREFIX}")}
        there.discard(f"/{self.bus.node_name}")
        for name in there:
            if not self._known.get(name):
                again = " again" if name in self._known else ""
                self.progress.say(f"in contact with {name}{again}", "dim")
                self._known[name] = True
        for name in set(self._known) - there:
            if self._known[name]:
                self._known[name] = False
                self.progress.say(f"no contact with {name}; going on (Ctrl-C ends)", "yellow")

    def _find_twins(self, now: float, together: bool) -> None:
        """Two of a kind would obey and command at once: the launch that came to the other goes.

        That is the one whose nodes are not at work yet; if both are, the one that connects.
        """
        ours = {node.full_name for node in self.hosts.here}
        self.twins = sorted(self.bus.twins() & ours) if self.hosts.linked else []
        if not self.twins:
            self._single, self._warned = now, False
        elif now > self._single + (3 * TWIN_S if together else TWIN_S) and not self._warned:
            self._warned = True
            line = f"another host runs {', '.join(self.twins)} too; only:=... says which run here"
            self.progress.say(line, "red")
            if self.hosts.connect or not together:
                self.outcome.failures.append(line)
                self.outcome.exit_code = 2
                self.ended = True

    def _obstacle(self) -> str:
        """What seems to be in the way."""
        if not self.hosts.linked or any(self._known.values()):
            return ""
        if self.bus.linked():
            domain = self.bus.domain
            return f": connected, but to another domain than {domain}, or not on the access list"
        if self.hosts.connect:
            refused = ", or it refuses our certificate" if self.hosts.security else ""
            where = ", ".join(self.hosts.connect)
            return f": no launch answers at {where} (not running, not reachable{refused})"
        return f": nobody has come to {', '.join(self.hosts.listen)} yet"

    def end_them(self) -> None:
        """Tell the launchers that are there that the launch ends; who is cut off does not hear."""
        if self.ended:
            return
        service = messages.ChangeState
        transition = messages.LifecycleTransition(id=_SHUTDOWN[-1], label="active_shutdown")
        request = messages.serialize(service.Request(transition=transition))
        for name in [name for name, there in self._known.items() if there]:
            try:
                self.bus.call(service.__srvtype__, f"{name}/change_state", request, _TELL_S)
            except BusError:
                pass  # it is at its own end, or cut off, and says so itself

    def _on_change_state(self, raw: bytes) -> bytes:
        service = messages.ChangeState
        request = messages.deserialize(raw, service.Request.__msgtype__)
        done = int(request.transition.id) in _SHUTDOWN
        if done and not self.ended:
            self.ended = True
            self.progress.say("another host's launcher ends the launch", "dim")
        return messages.serialize(service.Response(success=done))
