"""`ZenohBus`: messages between processes over eclipse-zenoh, in rmw_zenoh's convention."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import zenoh
import zenoh.shm

from ..messages import MessageError
from .gid import gid
from .local_bus import BusError, Subscription
from .session import client_config, router_config, session_config
from .wire import Attachment, Token, endpoint_token, key, node_token, parse_token

if TYPE_CHECKING:
    from ..launching.hosts import Hosts

SHARED_FROM = 64 * 1024
"""Payloads of this size (bytes) and more go through shared memory."""
SERVICE_DEPTH = 10
"""ROS 2's profile of services, which others look for. All requests are kept, though."""
_POOL = 8  # payloads that fit into the pool, which is made when it is first needed


class _Bell:
    """What `wait` waits for. Zenoh's threads ring it, and so do signal handlers.

    A raw lock, held until someone rings: an Event has a lock of its own, and a signal handler that
    rings would wait forever for the very thread it interrupts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        try:
            self._lock.release()
        except RuntimeError:
            pass  # it rings already

    def wait(self, timeout_s: float | None) -> None:
        self._lock.acquire(timeout=-1 if timeout_s is None else max(timeout_s, 0.0))


class _SharedMemory:
    """A pool for large payloads; where there is none, or it is full, they go as they are.

    Zenoh leaves a process's pool in /dev/shm at its end, whatever that was, and a later session of
    anyone's takes it away. So it is no larger than it has to be.
    """

    def __init__(self) -> None:
        self._provider: Any = None
        self._size = 0
        # Never BlockOn: a receiver that holds on to a buffer must not stop a loop.
        self._policy = zenoh.shm.Defragment(zenoh.shm.GarbageCollect())

    def place(self, payload: bytes) -> Any:
        try:
            if _POOL * len(payload) > 2 * self._size:
                self._size = _POOL * len(payload)
                self._provider = zenoh.shm.ShmProvider.default_backend(self._size)
            if self._provider is not None:
                buffer = self._provider.alloc(len(payload), self._policy)
                buffer[:] = payload
                return buffer
        except zenoh.ZError:
            pass
        return payload


class _ZenohPublisher:
    def __init__(self, publisher: zenoh.Publisher, shared: _SharedMemory, token: str) -> None:
        self._publisher = publisher
        self._shared = shared
        self._gid = gid(token)
        self._sequence = 0

    def put(self, payload: bytes) -> None:
        self._sequence += 1
        attachment = Attachment(self._sequence, time.time_ns(), self._gid)
        data = self._shared.place(payload) if len(payload) >= SHARED_FROM else payload
        self._publisher.put(data, attachment=attachment.pack())


def _answering(asked: zenoh.ZBytes | None) -> bytes | None:
    """A reply's attachment: the request's number and client, and the time of the reply.

    A client that sent none is answered without: /stop must stop whoever asks.
    """
    try:
        request = Attachment.unpack(asked.to_bytes() if asked is not None else b"")
    except MessageError:
        return None
    return request._replace(time_ns=time.time_ns()).pack()


class ZenohBus:
    """A node's session. Callbacks of zenoh's threads only put bytes away and wake the node's loop.

    Args:
        node_name: Name of the node, for the graph.
        endpoint: Where the launch can be joined, ``tcp/127.0.0.1:PORT``; None to wait to be found.
        domain: ROS domain.
        namespace: Namespace of the node, for the graph.
        listen: Where to listen; None takes a free port of the loopback interface.
        hosts: Other hosts: with `listen` those that reach the nodes of this one through this
            session, else those whose launch it joins.
        patient: Whether a message waits for a busy reader. Only where time waits for the nodes: a
            control loop has no time to wait.

    Raises:
        BusError: The endpoint cannot be reached, or it cannot listen.
    """

    def __init__(
        self,
        node_name: str,
        endpoint: str | None,
        domain: int,
        namespace: str = "",
        listen: str | None = None,
        hosts: Hosts | None = None,
        patient: bool = False,
    ) -> None:
        self.node_name, self.domain, self.namespace = node_name, domain, namespace
        if hosts is None or not hosts.linked:
            listen = listen or "tcp/127.0.0.1:0"
            config = session_config([endpoint] if endpoint else [], [listen], patient)
            what = f"join {endpoint}" if endpoint else f"listen on {listen}"
        elif listen:
            config = router_config(listen, hosts, domain, patient)
            what = f"listen on {', '.join([listen, *hosts.listen])}"
        else:
            config = client_config(hosts, domain)
            what = f"join {', '.join(hosts.connect)}"
        try:
            self.session = zenoh.open(config)
        except zenoh.ZError as error:
            reason = str(error).splitlines()[0].split(" at /")[0]  # without zenoh's own file names
            raise BusError(f"cannot {what}: {reason}") from None
        self._zid = str(self.session.zid())
        self._bell = _Bell()
        self._shared = _SharedMemory()
        self._requests: deque[tuple[str, Callable[[bytes], bytes], Any]] = deque()
        self._clients: dict[str, tuple[bytes, Iterator[int]]] = {}
        self._kept: list[Any] = []  # what zenoh would undeclare if it were collected
        self._nodes: dict[str, str] = {}  # by token: a node that comes back has a new one
        self._entities = 0
        watch = self.session.liveliness().declare_subscriber(
            f"@ros2_lv/{domain}/*/*/*/NN/**", self._on_node, history=True
        )
        self._kept.append(watch)

    def _on_node(self, sample: zenoh.Sample) -> None:
        token = parse_token(str(sample.key_expr))
        if token is not None:
            here = f"{token.namespace}/{token.node}"
            if sample.kind == zenoh.SampleKind.PUT:
                self._nodes[str(sample.key_expr)] = here
            else:
                self._nodes.pop(str(sample.key_expr), None)
            self._bell.ring()

    def _token(self, kind: str, topic: str, type_name: str, depth: int = 1) -> str:
        self._entities += 1
        text = endpoint_token(
            self.domain,
            self._zid,
            self._entities,
            kind,
            self.namespace,
            self.node_name,
            topic,
            type_name,
            depth,
        )
        self._kept.append(self.session.liveliness().declare_token(text))
        return text

    def publisher(self, type_name: str, topic: str, depth: int = 1) -> _ZenohPublisher:
        """Open a topic for sending: dropped rather than blocked, never held back for a batch."""
        publisher = self.session.declare_publisher(
            key(self.domain, topic, type_name),
            congestion_control=zenoh.CongestionControl.DROP,
            priority=zenoh.Priority.REAL_TIME,
            express=True,
        )
        self._kept.append(publisher)
        token = self._token("MP", topic, type_name, depth)
        return _ZenohPublisher(publisher, self._shared, token)

    def subscribe(self, type_name: str, topic: str, depth: int = 1) -> Subscription:
        """Open a topic for receiving.

        Who keeps everything (depth 0) gets it in the order of sending, over all topics of a sender:
        by default zenoh hands each subscriber's messages to a thread of its own, and where cores
        are busy one of them lags behind the others.
        """
        subscription = Subscription(type_name, topic, depth)

        def stash(sample: zenoh.Sample) -> None:
            try:
                raw = sample.attachment.to_bytes() if sample.attachment is not None else b""
                subscription.push(sample.payload.to_bytes(), Attachment.unpack(raw))
            except MessageError:
                return  # not of this convention
            self._bell.ring()

        # Not for all: who computes for long with the interpreter's lock held would stop zenoh's own
        # thread, and be taken for dead.
        receive = zenoh.handlers.Callback(stash, indirect=depth > 0)
        self._kept.append(
            self.session.declare_subscriber(key(self.domain, topic, type_name), receive)
        )
        self._token("MS", topic, type_name, depth)
        return subscription

    def service(self, type_name: str, name: str, answer: Callable[[bytes], bytes]) -> None:
        """Serve requests, in the thread that calls `serve`."""
        where = key(self.domain, name, type_name)

        def stash(query: zenoh.Query) -> None:
            self._requests.append((where, answer, query))
            self._bell.ring()

        self._kept.append(self.session.declare_queryable(where, stash, complete=True))
        self._token("SS", name, type_name, depth=SERVICE_DEPTH)

    def call(self, type_name: str, name: str, request: bytes, timeout_s: float = 1.0) -> bytes:
        """Ask a service.

        Raises:
            BusError: Nobody serves it, or no answer came in time. Zero replies are an error.
        """
        where = key(self.domain, name, type_name)
        if where not in self._clients:
            token = self._token("SC", name, type_name, depth=SERVICE_DEPTH)
            self._clients[where] = gid(token), count(1)
        mine, numbers = self._clients[where]
        replies = self.session.get(
            where,
            payload=request,
            attachment=Attachment(next(numbers), time.time_ns(), mine).pack(),
            timeout=timeout_s,
            # All who serve it hear it, and the first answer counts: a stop must stop every plant.
            target=zenoh.QueryTarget.ALL_COMPLETE,
            consolidation=zenoh.ConsolidationMode.NONE,
        )
        for reply in replies:
            if reply.ok is not None:
                return reply.ok.payload.to_bytes()
            reason = reply.err.payload.to_string() if reply.err is not None else "no answer"
            raise BusError(f"{name}: {reason}")
        raise BusError(f"nobody serves {name}, or no answer within {timeout_s} s")

    def announce(self) -> None:
        """Declare the node's token. Whoever sees it also sees every end declared before."""
        text = node_token(self.domain, self._zid, self.namespace, self.node_name)
        self._kept.append(self.session.liveliness().declare_token(text))

    def sees(self, nodes: list[str]) -> bool:
        """Whether these nodes (``namespace/name``) have announced themselves."""
        return set(nodes) <= self.nodes()

    def nodes(self) -> set[str]:
        """The nodes that are there now, as ``namespace/name``."""
        return set(self._nodes.values())

    def twins(self) -> set[str]:
        """Names under which more than one node is there now."""
        names = list(self._nodes.values())
        return {name for name in names if names.count(name) > 1}

    def linked(self) -> bool:
        """Whether another host's router can be reached right now."""
        return bool(self.session.info.routers_zid())

    def graph(self) -> list[Token]:
        """Every node and every end of a topic or service in this domain.

        Zenoh's answer may lack whom this session has met only just now, so it is asked again, for a
        second at most, until all nodes that are known to be there are in it.
        """
        until = time.monotonic() + 1.0
        while True:
            replies = self.session.liveliness().get(f"@ros2_lv/{self.domain}/**", timeout=1.0)
            tokens = [parse_token(str(r.ok.key_expr)) for r in replies if r.ok is not None]
            found = sorted(token for token in tokens if token is not None)
            there = {f"{token.namespace}/{token.node}" for token in found if token.kind == "NN"}
            if self.nodes() <= there or time.monotonic() > until:
                return found

    def wait(self, timeout_s: float | None) -> None:
        """Block until something has come in, or `wake` was called, or the time is up."""
        self._bell.wait(timeout_s)

    def wake(self) -> None:
        """End a `wait`; a signal handler may."""
        self._bell.ring()

    def serve(self) -> None:
        """Answer the requests that have come in."""
        while self._requests:
            where, answer, query = self._requests.popleft()
            with query:
                try:
                    raw = query.payload.to_bytes() if query.payload is not None else b""
                    reply = answer(raw)
                except MessageError as error:
                    query.reply_err(str(error))
                else:
                    query.reply(where, reply, attachment=_answering(query.attachment))

    def close(self) -> None:
        """Leave. Without this a process with a subscription never ends."""
        self._kept.clear()
        self.session.close()
