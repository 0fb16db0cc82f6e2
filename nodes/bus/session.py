"""How zenoh sessions are configured: a node's, and that of a launcher which meets other hosts."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import zenoh

if TYPE_CHECKING:
    from ..launching.hosts import Hosts
    from ..launching.security_file import Access, Security

CONNECT_MS = 2000
"""How long to try to join a launch."""
LEASE_MS = 2000
"""A peer that is silent for this long is gone."""
PATIENCE_MS = 1000
"""Where time waits for every node, how long a message waits for a busy reader before it is dropped.
One that is frozen holds up a run for no longer than the lease; then it is no reader any more."""
_WAIT = "transport/link/tx/queue/congestion_control/drop/wait_before_drop"  # microseconds
_RETRY = {"period_init_ms": 500, "period_max_ms": 1000, "period_increase_factor": 2}
_OPEN_MS = 2000  # one attempt to reach another host; the next one begins with a new connection

_MESSAGES = (
    *("put", "delete", "declare_subscriber", "query", "reply", "declare_queryable"),
    *("liveliness_token", "liveliness_query", "declare_liveliness_subscriber"),
)
_ASKS = ("liveliness_query", "declare_liveliness_subscriber")
# What has to pass for each thing that one may do: from it to us, and from us to it.
_FLOWS = {
    "read": (("declare_subscriber",), ("put", "delete")),
    "write": (("put",), ("declare_subscriber",)),
    "call": (("query",), ("reply", "declare_queryable")),
}


def free_endpoint() -> str:
    """An endpoint of the loopback interface whose port is free now; a session there may be late."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp/127.0.0.1:{probe.getsockname()[1]}"


def session_config(connect: list[str], listen: list[str], patient: bool = False) -> zenoh.Config:
    """A peer that knows only these endpoints: gossip on, multicast off.

    Who knows none is where the others meet, as a router: ROS 2's peers tell where they are to
    routers only, and so would find half of our nodes, by chance, through a peer.

    Args:
        connect: Where others are.
        listen: Where it can be reached.
        patient: Whether to wait for a busy reader for `PATIENCE_MS` before a message is dropped.
    """
    values = {
        "mode": "peer" if connect else "router",
        "connect/endpoints": connect,
        "listen/endpoints": listen,
        "connect/exit_on_failure": True,
        "connect/timeout_ms": CONNECT_MS,
    }
    return _config(values, patient)


def router_config(listen: str, hosts: Hosts, domain: int, patient: bool = False) -> zenoh.Config:
    """A router between a launch's own nodes and other hosts.

    Gossip reaches a router's own peers only, so nodes of different hosts never try each other's
    addresses. A lost host is looked for until it is there again.

    Args:
        listen: Endpoint of the loopback interface, for the nodes of this host.
        hosts: Which endpoints beside it, and under what security.
        domain: The domain to which the access list gives access.
        patient: As for `session_config`.
    """
    values: dict[str, Any] = {
        "mode": "router",
        "connect/endpoints": list(hosts.connect),
        "listen/endpoints": [listen, *hosts.listen],
        "connect/exit_on_failure": False,
        "connect/retry": _RETRY,
        "transport/unicast/open_timeout": _OPEN_MS,
    }
    return _config(values | _secured(hosts, domain), patient)


def client_config(hosts: Hosts, domain: int) -> zenoh.Config:
    """A program that joins another host's launch: it listens nowhere and passes nothing on.

    Args:
        hosts: Which endpoints to try, and under what security.
        domain: The domain to which its own access list gives access.
    """
    values = {
        "mode": "client",
        "connect/endpoints": list(hosts.connect),
        "connect/exit_on_failure": True,
        "connect/timeout_ms": CONNECT_MS,
    }
    return _config(values | _secured(hosts, domain), patient=False)


def _secured(hosts: Hosts, domain: int) -> dict[str, Any]:
    if hosts.security is None:
        return {}
    return _tls(hosts.security) | {"access_control": access_control(hosts.security, domain)}


def _config(values: dict[str, Any], patient: bool) -> zenoh.Config:
    config = zenoh.Config()
    if patient:
        values = values | {_WAIT: PATIENCE_MS * 1000}
    values = values | {
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": True,
        "timestamping/enabled": True,
        "transport/link/tx/lease": LEASE_MS,
        # All we send has this priority. At zenoh's default of 1 batch, a burst of small messages
        # overran a busy reader (45 of 6000 dropped at 1600 a second; with 16 none).
        "transport/link/tx/queue/size/real_time": 16,
        # What is large goes through our own pool; this would copy the small messages as well.
        "transport/shared_memory/transport_optimization/enabled": False,
    }
    for path, value in values.items():
        config.insert_json5(path, json.dumps(value))
    return config


def _tls(security: Security) -> dict[str, Any]:
    """Both ends of a link show a certificate of the same authority, whoever began."""
    ours = {"certificate": str(security.certificate), "private_key": str(security.key)}
    ends = {f"{end}_{name}": path for end in ("listen", "connect") for name, path in ours.items()}
    return {
        "transport/link/tls": {
            "root_ca_certificate": str(security.ca),
            "enable_mtls": True,
            "verify_name_on_connect": True,
            "close_link_on_expiration": True,
            **ends,
        }
    }


def access_control(security: Security, domain: int) -> dict[str, Any]:
    """Zenoh's access control: everything for our own nodes, the rest as the access list says.

    Our own nodes are those that come by plain TCP, which nobody beyond loopback can do: beside a
    security file no plain endpoint is allowed there.
    """
    everything = [f"{domain}/**", f"@ros2_lv/{domain}/**"]
    rules = [_rule("all", everything, _MESSAGES)]
    subjects: list[dict[str, Any]] = [{"id": "own", "link_protocols": ["tcp"]}]
    policies = [{"rules": ["all"], "subjects": ["own"]}]
    if security.access == "all":
        subjects.append({"id": "any", "link_protocols": ["tls"]})
        policies.append({"rules": ["all"], "subjects": ["any"]})
        listed: dict[str, Any] = {}
    else:
        listed = dict(security.access)
    for name, access in listed.items():
        subjects.append({"id": f"certificate {name}", "cert_common_names": [name]})
        own = [] if access == "all" else _rules(name, access, domain)
        rules += own
        names = [rule["id"] for rule in own] or ["all"]
        policies.append({"rules": names, "subjects": [f"certificate {name}"]})
    return {
        "enabled": True,
        "default_permission": "deny",
        "rules": rules,
        "subjects": subjects,
        "policies": policies,
    }


def _rules(name: str, access: Access, domain: int) -> list[dict[str, Any]]:
    """What lets one certificate's holder see who is there, and do what its entry allows."""
    graph = [f"@ros2_lv/{domain}/**"]
    rules = [
        _rule(f"{name} asks who is there", graph, _ASKS, "ingress"),
        _rule(f"{name} is told who is there", graph, ("liveliness_token",), "egress"),
    ]
    for verb, (inwards, outwards) in _FLOWS.items():
        keys = [f"{domain}{topic}/*/*" for topic in getattr(access, verb)]
        if keys:
            rules.append(_rule(f"{name} {verb} in", keys, inwards, "ingress"))
            rules.append(_rule(f"{name} {verb} out", keys, outwards, "egress"))
    return rules


def _rule(name: str, keys: list[str], kinds: tuple[str, ...], *flows: str) -> dict[str, Any]:
    return {
        "id": name,
        "permission": "allow",
        "messages": list(kinds),
        "flows": list(flows or ("ingress", "egress")),
        "key_exprs": keys,
    }
