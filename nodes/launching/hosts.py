"""A launch over several hosts: the arguments that every launch file takes, and what they say.

None of them has to be declared. A launch file that declares one of these names gives a default.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .description import Argument, LaunchDescription, NodeDescription
from .security_file import Security, read_security
from .variables import as_text
from .yaml_loader import InputError, nearest

ARGUMENTS = tuple(
    Argument(name, "", description, (), 0)
    for name, description in {
        "domain": "ROS domain to join on purpose; empty: one of its own (with other hosts: 0)",
        "listen": "Endpoints for other hosts, such as tls/0.0.0.0:7447; empty: loopback only",
        "connect": "Endpoints of other hosts' launches, such as tls/robot:7447",
        "security": "FILE with certificates and access list, or none for a network you trust",
        "only": "Nodes to start here, such as planner,control; empty: all",
    }.items()
)
"""The arguments of every launch file."""

PROTOCOLS = ("tcp", "tls")
_ENDPOINT = re.compile(r"(\w+)/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):(\d+)")
_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Hosts:
    """How a launch spreads over hosts, as its launcher on this one was told.

    Attributes:
        domain: The domain to join, None to draw one.
        listen: Endpoints for other hosts.
        connect: Endpoints of other hosts.
        security: Certificates and access list, None for plain TCP.
        here: The nodes to start here.
        elsewhere: Full names of the nodes that other hosts start at once.
    """

    domain: int | None = None
    listen: tuple[str, ...] = ()
    connect: tuple[str, ...] = ()
    security: Security | None = None
    here: tuple[NodeDescription, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def linked(self) -> bool:
        """Whether there are other hosts."""
        return bool(self.listen or self.connect)


def hosts_of(launch: LaunchDescription) -> Hosts:
    """What a launch's arguments say of hosts.

    Raises:
        InputError: A value that is none, an endpoint open to everybody without that being said, a
            node that the launch has not.
    """
    listen, connect, chosen = (_words(launch, name) for name in ("listen", "connect", "only"))
    security = _security(launch)
    for name, endpoints in (("listen", listen), ("connect", connect)):
        for endpoint in endpoints:
            try:
                _check(name, endpoint, security)
            except ValueError as error:
                raise launch.refuse(name, str(error), endpoint) from None
    wanted = _chosen(launch, chosen)
    linked = bool(listen or connect)
    return Hosts(
        launch.domain if launch.domain is not None or not linked else 0,
        listen,
        connect,
        security if isinstance(security, Security) else None,
        tuple(node for node in launch.nodes if node.full_name in wanted),
        tuple(
            node.full_name
            for node in launch.nodes
            if node.executable and not node.delay and node.full_name not in wanted
        ),
    )


def _words(launch: LaunchDescription, name: str) -> tuple[str, ...]:
    """A list, or words between commas."""
    value: Any = launch.values.get(name)
    if value is None or value == "":
        return ()
    items = value if isinstance(value, list) else as_text(value).split(",")
    words = [item.strip() if isinstance(item, str) else item for item in items]
    for word in words:
        if not isinstance(word, str) or not word:
            raise launch.refuse(name, "must be words with commas between them", as_text(value))
    if twice := next((word for word in words if words.count(word) > 1), None):
        raise launch.refuse(name, f"'{twice}' is given twice", as_text(value))
    return tuple(words)


def _security(launch: LaunchDescription) -> Security | str:
    """The file's contents, ``none``, or an empty string where nothing is said."""
    value = launch.values.get("security")
    text = "" if value is None else as_text(value)
    if text in ("", "none"):
        return text
    try:
        return read_security(Path(text).expanduser())
    except InputError as error:
        if error.line:
            raise
        raise launch.refuse("security", error.message, text) from None


def _check(name: str, endpoint: str, security: Security | str) -> None:
    """Refuses what is no endpoint, and what opens the launch to everybody unless that was said."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise ValueError("must be PROTOCOL/HOST:PORT, such as tls/192.168.1.10:7447")
    protocol, host, port = match[1], match[2].strip("[]"), int(match[4])
    if protocol not in PROTOCOLS:
        hint = nearest(protocol, PROTOCOLS) or f"; one of {', '.join(PROTOCOLS)}"
        raise ValueError(f"no protocol '{protocol}'{hint}")
    if not 0 < port < 65536:
        raise ValueError(f"no port {port}; from 1 to 65535")
    address = _address(host, match[2])
    if name == "connect" and host in _EVERYWHERE:
        raise ValueError("no host to connect to; write the address of the one that listens there")
    if protocol == "tls":
        if not isinstance(security, Security):
            raise ValueError("tls needs certificates: security:=FILE (see docs/hosts.md)")
    elif host != "localhost" and not (address is not None and address.is_loopback):
        if isinstance(security, Security):
            raise ValueError("tcp would be a way around security:=FILE; write tls/")
        if security != "none":
            raise ValueError(
                "without TLS everybody on that network can read and command; write tls/ with "
                "security:=FILE, or add security:=none if you trust them all"
            )


def _address(host: str, written: str) -> Any:
    """An IP address, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        if written.startswith("[") or re.fullmatch(r"[\d.]+", host):
            raise ValueError(f"'{written}' is no address") from None
        return None


def _chosen(launch: LaunchDescription, words: Iterable[str]) -> set[str]:
    """The full names of the nodes that start here."""
    known = [node.full_name for node in launch.nodes]
    found: set[str] = set()
    for word in words:
        named = [n.full_name for n in launch.nodes if word in (n.full_name, n.name)]
        if not named:
            names = [node.name for node in launch.nodes]
            hint = nearest(word, [*names, *known]) or f"; it has {', '.join(names)}"
            raise launch.refuse("only", f"{launch.file} has no such node{hint}", word)
        if len(named) > 1:
            raise launch.refuse("only", f"which of {', '.join(named)}?", word)
        found |= set(named)
    return found or set(known)
