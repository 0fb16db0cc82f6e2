"""The buses: order and loss on the local one, two real processes on the one over zenoh."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from covary.nodes import messages
from covary.nodes.bus.gid import gid
from covary.nodes.bus.local_bus import BusError, LocalBus, LocalGraph, Subscription
from covary.nodes.bus.wire import Attachment
from covary.nodes.bus.zenoh_bus import SHARED_FROM, ZenohBus

STRING = "std_msgs/msg/String"
IMAGE = "sensor_msgs/msg/Image"
TRIGGER = "std_srvs/srv/Trigger"


def text(word: str) -> bytes:
    return messages.serialize(messages.String(data=word))


def words(subscription: Subscription) -> list[str]:
    found = []
    while (item := subscription.take()) is not None:
        found.append(messages.deserialize(item[0], STRING).data)
    return found


# The queue at the end of a topic.


@pytest.mark.parametrize(("depth", "kept"), [(1, [4]), (2, [3, 4]), (0, [0, 1, 2, 3, 4])])
def test_the_newest_are_kept(depth, kept):
    subscription = Subscription(STRING, "/a", depth)
    for k in range(5):
        subscription.push(bytes([k]), Attachment(k, 0, bytes(16)))
    assert subscription.waiting() == len(kept)
    assert [subscription.take()[0][0] for _ in kept] == kept
    assert subscription.take() is None
    assert subscription.dropped == 5 - len(kept)


# LocalBus.


def chatter(order: list[str]) -> list:
    """Two nodes that answer each other; everything that is delivered, with its attachment."""
    graph = LocalGraph()
    seen = []
    buses = {name: LocalBus(graph, name) for name in order}
    out = {name: bus.publisher(STRING, f"/{name}") for name, bus in buses.items()}
    for name, bus in buses.items():
        for other in sorted(order):
            subscription = bus.subscribe(STRING, f"/{other}", 0)

            def deliver(subscription=subscription, name=name):
                payload, attachment = subscription.take()
                seen.append((name, subscription.topic, payload, attachment))
                if len(seen) < 40:
                    out[name].put(text(f"{name} {len(seen)}"))

            subscription.deliver = deliver
    out["a"].put(text("begin"))
    while graph.step():
        pass
    assert not graph.step()
    return seen


def test_delivery_is_first_in_first_out_and_repeats():
    first = chatter(["a", "b"])
    assert first == chatter(["a", "b"]) and len(first) > 40
    for topic in ("/a", "/b"):
        heard = [a.sequence for n, t, _, a in first if n == "b" and t == topic]
        assert heard == list(range(1, len(heard) + 1))


def test_hash_seeds_change_nothing():
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import hashlib, test_bus; print(hashlib.sha256(repr(test_bus.chatter(['a', 'b', 'c']))"
        ".encode()).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_attachments_carry_sequence_simulated_time_and_who():
    graph = LocalGraph()
    bus = LocalBus(graph, "sim")
    clock = bus.publisher("rosgraph_msgs/msg/Clock", "/clock")
    out = bus.publisher(STRING, "/a")
    other = LocalBus(graph, "other").publisher(STRING, "/a")
    subscription = bus.subscribe(STRING, "/a", 0)
    out.put(text("x"))
    clock.put(messages.serialize(messages.Clock(clock=messages.stamp(1.25))))
    out.put(text("y"))
    graph.time_ns = 0  # never back
    other.put(text("z"))
    x, y, z = (subscription.take()[1] for _ in range(3))
    assert [(a.sequence, a.time_ns) for a in (x, y, z)] == [
        (1, 0),
        (2, 1250000000),
        (1, 1250000000),
    ]
    assert x.gid == y.gid == hashlib.sha256(b"sim /a").digest()[:16] != z.gid


def test_local_services():
    graph = LocalGraph()
    LocalBus(graph, "sim").service(TRIGGER, "/stop", lambda raw: raw + b"!")
    assert LocalBus(graph, "person").call(TRIGGER, "/stop", b"now") == b"now!"
    with pytest.raises(BusError, match="nobody serves /stopp"):
        LocalBus(graph, "person").call(TRIGGER, "/stopp", b"")


def test_names_are_checked_here_too():
    with pytest.raises(messages.MessageError):
        LocalBus(LocalGraph(), "a").subscribe(STRING, "/*")


# ZenohBus.

CHILD = """
import sys, time
from covary.nodes import messages
from covary.nodes.bus.zenoh_bus import ZenohBus
bus = ZenohBus(sys.argv[2], sys.argv[1], 7, patient=True)
try:
    heard = bus.subscribe("std_msgs/msg/String", "/in", 0)
    out = bus.publisher("std_msgs/msg/String", "/out")
    big = bus.publisher("sensor_msgs/msg/Image", "/big")
    running = True
    def stop(raw):
        global running
        running = False
        answer = messages.Trigger.Response(success=True, message=sys.argv[2])
        return messages.serialize(answer)
    def fail(raw):
        raise messages.MessageError("not today")
    bus.service("std_srvs/srv/Trigger", f"/{sys.argv[2]}/stop", stop)
    bus.service("std_srvs/srv/Trigger", "/fail", fail)
    bus.announce()
    while running:
        bus.wait(1.0)
        bus.serve()
        while (item := heard.take()) is not None:
            word = messages.deserialize(item[0], "std_msgs/msg/String").data
            if word.startswith("burst"):
                for k in range(int(word.split()[1])):
                    out.put(messages.serialize(messages.String(data=str(k))))
            elif word.startswith("big"):
                for k in range(5):
                    big.put(bytes([k]) * int(word.split()[1]))
            elif word == "crash":
                raise RuntimeError("as I was told")
            else:
                out.put(messages.serialize(messages.String(data=f"{sys.argv[2]}: {word}")))
finally:
    bus.close()
"""
REQUEST = b"\0\1\0\0\0"


@pytest.fixture
def launch():
    """A bus to be joined, and how to start a process that joins it; all ended afterwards."""
    bus = None
    for _ in range(5):
        try:
            endpoint = f"tcp/127.0.0.1:{20000 + os.urandom(2)[0] * 100 + os.getpid() % 100}"
            bus = ZenohBus("launcher", None, 7, listen=endpoint)
            break
        except BusError:
            continue
    children = []

    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, "-c", CHILD, endpoint, name]
        children.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return children[-1]

    start.bus, start.endpoint = bus, endpoint
    yield start
    for child in children:
        child.kill()
        child.communicate()
    bus.close()


def until(condition, bus: ZenohBus, seconds: float = 40.0) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "waited in vain"
        bus.wait(0.05)
    return time.monotonic() - begin


def test_two_processes(launch):
    bus = launch.bus
    newest = bus.subscribe(STRING, "/out", 1)
    every = bus.subscribe(STRING, "/out", 0)
    out = bus.publisher(STRING, "/in")
    bus.announce()
    child = launch("child")
    until(lambda: bus.sees(["/child"]), bus)

    # The very first message arrives: who sees a node also sees all its ends.
    out.put(text("burst 50"))
    until(lambda: every.waiting() == 50 and newest.dropped == 49, bus)
    attachments = [every.take()[1] for _ in range(50)]
    assert [a.sequence for a in attachments] == list(range(1, 51))
    assert len({a.gid for a in attachments}) == 1
    assert abs(attachments[0].time_ns * 1e-9 - time.time()) < 60
    assert words(newest) == ["49"]

    # Services.
    raw = None
    with pytest.raises(BusError, match="/fail: not today"):
        bus.call(TRIGGER, "/fail", REQUEST)
    with pytest.raises(BusError, match="nobody serves /nobody"):
        bus.call(TRIGGER, "/nobody", REQUEST, timeout_s=0.5)

    # The graph, as `covary topic list` shows it.
    tokens = {(t.kind, t.node, t.topic, t.type_name) for t in bus.graph()}
    assert ("NN", "child", "", "") in tokens and ("NN", "launcher", "", "") in tokens
    assert ("MP", "child", "/out", STRING) in tokens
    assert ("MS", "launcher", "/out", STRING) in tokens
    assert ("SS", "child", "/child/stop", TRIGGER) in tokens

    # The gid in the attachment is that of the publisher's token (only the launcher's calls show a
    # client here: the child has none).
    tokens = [str(r.ok.key_expr) for r in bus.session.liveliness().get("@ros2_lv/7/**") if r.ok]
    (publisher,) = (t for t in tokens if "/MP/%/%/child/%out/" in t)
    assert attachments[0].gid == gid(publisher)
    assert {t.split("/")[9] for t in tokens if "/SC/" in t} == {"%fail", "%nobody"}

    raw = bus.call(TRIGGER, "/child/stop", REQUEST)
    answer = messages.deserialize(raw, messages.Trigger.Response.__msgtype__)
    assert answer.success and answer.message == "child"
    assert child.wait(10) == 0
    until(lambda: not bus.sees(["/child"]), bus)


def test_large_messages_whole_and_in_order(launch):
    bus = launch.bus
    images = bus.subscribe(IMAGE, "/big", 0)
    out = bus.publisher(STRING, "/in")
    bus.announce()
    launch("child")
    until(lambda: bus.sees(["/child"]), bus)
    for size in (SHARED_FROM - 1, SHARED_FROM, 224 * 224 * 3, 3_000_000):
        out.put(text(f"big {size}"))
        until(lambda: images.waiting() == 5, bus)
        assert [images.take()[0] == bytes([k]) * size for k in range(5)] == [True] * 5


MANY = """
import sys, time
from covary.nodes.bus.zenoh_bus import ZenohBus
bus = ZenohBus("sender", sys.argv[1], 7, patient=True)
out = [bus.publisher("std_msgs/msg/String", f"/t{k}") for k in range(6)]
bus.announce()
until = time.monotonic() + 2.5
while time.monotonic() < until:
    for publisher in out:
        publisher.put(bytes(200))
    time.sleep(0.001)
bus.close()
"""


def test_who_keeps_everything_gets_it_in_order_over_all_topics(launch):
    """Where a reader stops, nothing is missing that was sent before what it has."""
    ends = [launch.bus.subscribe(STRING, f"/t{k}", 0) for k in range(6)]
    sender = subprocess.Popen([sys.executable, "-c", MANY, launch.endpoint])
    last, cuts = [0] * 6, 0

    def empty() -> int:
        newest = 0
        for k, end in enumerate(ends):
            while (item := end.take()) is not None:
                last[k] = item[1].sequence
                newest = max(newest, last[k])
        return newest

    try:
        while sender.poll() is None:
            launch.bus.wait(0.05)
            newest = empty()  # what comes in on one topic while a later one is emptied ...
            empty()  # ... is there by now, if it was sent before
            assert min(last) >= newest - 1
            cuts += newest > 0
    finally:
        sender.kill()
        sender.wait()
    assert cuts > 50


def test_a_crash_ends_the_process_and_is_seen(launch):
    bus = launch.bus
    out = bus.publisher(STRING, "/in")
    bus.announce()
    child = launch("child")
    until(lambda: bus.sees(["/child"]), bus)
    out.put(text("crash"))
    assert child.wait(10) == 1
    assert "as I was told" in child.stderr.read()
    assert until(lambda: not bus.sees(["/child"]), bus) < 5


def test_peers_stay_together_without_the_launcher():
    """The launcher only brings them together; its SIGKILL takes no topic away."""
    seed = (
        "import sys, time; from covary.nodes.bus.zenoh_bus import ZenohBus\n"
        "bus = ZenohBus('seed', None, 7, listen=sys.argv[1]); bus.announce()\n"
        "print('up', flush=True); time.sleep(60)"
    )
    endpoint = f"tcp/127.0.0.1:{46000 + os.getpid() % 1000}"
    command = [sys.executable, "-c", seed, endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        child = None
        bus = None
        try:
            assert launcher.stdout.readline() == "up\n"
            bus = ZenohBus("here", endpoint, 7)
            heard = bus.subscribe(STRING, "/out", 0)
            out = bus.publisher(STRING, "/in")
            bus.announce()
            child = subprocess.Popen([sys.executable, "-c", CHILD, endpoint, "child"])
            until(lambda: bus.sees(["/child", "/seed"]), bus)
            launcher.kill()
            until(lambda: not bus.sees(["/seed"]), bus)
            out.put(text("still there?"))
            until(heard.waiting, bus)
            assert words(heard) == ["child: still there?"]
            bus.call(TRIGGER, "/child/stop", REQUEST)
            assert child.wait(10) == 0
        finally:
            launcher.kill()
            if child is not None:
                child.kill()
                child.wait()
            if bus is not None:
                bus.close()


def test_nobody_to_join():
    with pytest.raises(BusError, match="cannot join tcp/127.0.0.1:1"):
        ZenohBus("a", "tcp/127.0.0.1:1", 7)


def test_nowhere_to_listen(launch):
    with pytest.raises(BusError, match=f"cannot listen on {launch.endpoint}: .*in use"):
        ZenohBus("a", None, 7, listen=launch.endpoint)


def test_domains_do_not_hear_each_other(launch):
    stranger = ZenohBus("stranger", launch.endpoint, 8)
    try:
        heard = stranger.subscribe(STRING, "/a", 0)
        mine = launch.bus.subscribe(STRING, "/a", 0)
        stranger.announce()
        out = launch.bus.publisher(STRING, "/a")
        launch.bus.announce()
        out.put(text("x"))
        until(mine.waiting, launch.bus)
        stranger.wait(0.2)
        assert not heard.waiting() and not launch.bus.sees(["/stranger"])
        assert stranger.graph() and {t.node for t in stranger.graph()} == {"stranger"}
    finally:
        stranger.close()


def test_a_signal_handler_may_end_a_wait(launch):
    """Thousands of signals at any moment of wait and wake; an Event would deadlock here."""
    bus, rung = launch.bus, []

    def ring(*_):
        rung.append(1)
        bus.wake()

    before = signal.signal(signal.SIGALRM, ring)
    noise = threading.Thread(target=lambda: [bus.wake() or time.sleep(0) for _ in range(20000)])
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        noise.start()
        until_ = time.monotonic() + 0.5
        while time.monotonic() < until_:
            bus.wait(1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        noise.join()
    assert len(rung) > 100


def test_waiting_ends_in_time(launch):
    launch.bus.wait(0.0)
    begin = time.monotonic()
    launch.bus.wait(0.05)
    launch.bus.wait(-1.0)
    assert 0.04 < time.monotonic() - begin < 1.0


def test_who_keeps_all_keeps_no_more_than_memory_allows(monkeypatch):
    monkeypatch.setattr("covary.nodes.bus.local_bus.MOST_BYTES", 1000)
    graph = LocalGraph()
    heard = LocalBus(graph, "slow").subscribe(STRING, "/out", 0)
    out = LocalBus(graph, "fast").publisher(STRING, "/out")
    for k in range(50):
        out.put(bytes([k]) * 100)
    assert heard.waiting() == 10 and heard.dropped == 40
    assert [heard.take()[0][0] for _ in range(10)] == list(range(40, 50))
    for k in range(12):
        out.put(bytes([k]) * 100)
    assert heard.waiting() == 10 and heard.dropped == 42
