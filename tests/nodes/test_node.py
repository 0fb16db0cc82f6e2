"""Nodes: callbacks, timers, names and statistics; and their life as processes, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from covary.nodes import messages, node
from covary.nodes.bus.local_bus import BusError, LocalBus, LocalGraph
from covary.nodes.bus.zenoh_bus import ZenohBus
from covary.nodes.clock import SimClock, WallClock
from covary.nodes.node import Naming, Node


class Ears(Node):
    """Remembers what it hears on /word; ends at "end", fails at "fail"."""

    def configure(self):
        self.heard = []
        self.create_subscription(messages.String, "word", self.on_word, depth=0)

    def on_word(self, message):
        self.heard.append(message.data)
        if message.data == "end":
            self.finish("was told to")
        if message.data == "fail":
            raise RuntimeError("was told to")


@pytest.fixture
def graph():
    return LocalGraph()


def made(graph, cls=Ears, **settings):
    settings = {"realtime": False, **settings}
    ears = cls("ears", LocalBus(graph, "ears"), **settings)
    ears.configure()
    return ears


def say(graph, *words, topic="/word"):
    out = LocalBus(graph, "mouth").publisher("std_msgs/msg/String", topic)
    for word in words:
        out.put(word if isinstance(word, bytes) else messages.serialize(messages.String(data=word)))
    while graph.step():
        pass


# Messages.


def test_nothing_before_it_is_active_nor_after_its_end(graph):
    ears = made(graph)
    say(graph, "early")
    ears.start()
    say(graph, "a", "end", "late")
    assert ears.heard == ["a", "end"]
    assert ears.finished == "was told to" and not ears.failed


def test_what_is_malformed_is_counted_and_passed_over(graph):
    ears = made(graph)
    ears.start()
    say(graph, b"", b"\0\1\0\0\xff\xff\xff\xff", "a")
    assert ears.heard == ["a"] and ears.stats["malformed"] == 2


def test_a_failure_names_node_and_topic(graph):
    ears = made(graph)
    ears.start()
    with pytest.raises(RuntimeError) as caught:
        say(graph, "fail")
    assert caught.value.__notes__ == ["in node ears, on a message of /word"]


def test_a_publisher_takes_its_own_type_only(graph):
    publisher = made(graph).create_publisher(messages.String, "/a")
    with pytest.raises(TypeError, match="/a carries std_msgs/msg/String, not rosgraph_msgs"):
        publisher.publish(messages.Clock(clock=messages.stamp(0)))


def test_one_turn_of_the_loop_ends(graph):
    """A node that wakes itself with every message still comes to its timers and its heartbeat."""

    class Echo(Ears):
        def on_word(self, message):
            super().on_word(message)
            self.out.publish(message)

    echo = made(graph, Echo)
    echo.out = echo.create_publisher(messages.String, "/word")
    echo.start()
    echo.out.publish(messages.String(data="x"))
    for _ in range(3):
        echo.deliver_waiting()
    assert len(echo.heard) == 3


@pytest.mark.parametrize(
    ("naming", "name", "full"),
    [
        (Naming(), "/state", "/state"),
        (Naming(), "state", "/state"),
        (Naming("/left"), "state", "/left/state"),
        (Naming("/left"), "/state", "/state"),
        (Naming("", {"/state": "/estimate"}), "/state", "/estimate"),
        (Naming("", {"state": "/estimate"}), "/state", "/estimate"),
        (Naming("/left", {"state": "estimate"}), "state", "/left/estimate"),
        (Naming("/left", {"/state": "/left/state"}), "/state", "/left/state"),
    ],
)
def test_names(naming, name, full):
    assert naming.resolve(name) == full


def test_services(graph):
    ears = made(graph, naming=Naming("/left"))

    def stop(request):
        return messages.Trigger.Response(success=True, message="done")

    ears.create_service(messages.Trigger, "stop", stop)
    raw = LocalBus(graph, "person").call("std_srvs/srv/Trigger", "/left/stop", b"\0\1\0\0\0")
    assert messages.deserialize(raw, messages.Trigger.Response.__msgtype__).message == "done"


# Time.


def tick(graph, t):
    out = LocalBus(graph, "sim").publisher("rosgraph_msgs/msg/Clock", "/clock")
    out.put(messages.serialize(messages.Clock(clock=messages.stamp(t))))
    while graph.step():
        pass


def test_simulated_time_drives_timers(graph):
    ears = made(graph)
    calls = []
    ears.create_timer(0.1, lambda: calls.append(ears.clock.now()))
    ears.start()
    for t in (0.05, 0.1, 0.15, 0.2, 0.75, 0.76, 0.8):
        tick(graph, t)
    assert calls == [0.1, 0.2, 0.75, 0.8]  # three missed, none made up for
    tick(graph, 0.3)
    assert ears.clock.now() == 0.8


def test_wall_timers_never_burst(graph, monkeypatch):
    now = 100.0
    monkeypatch.setattr(node, "time", SimpleNamespace(monotonic=lambda: now))
    ears = made(graph, realtime=True)
    calls = []
    ears.create_timer(0.01, lambda: calls.append(round(now - 100.0, 6)))
    ears.start()
    for now in (100.005, 100.011, 100.0155, 100.067, 100.0675, 100.0701):  # noqa: B007
        ears.run_due_timers(wall=True)
    assert calls == [0.011, 0.067, 0.0701]
    assert ears.stats["overruns"] == 4
    assert ears.next_due() == pytest.approx(100.08)


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timer_needs_a_period(graph, period):
    with pytest.raises(ValueError, match="positive period"):
        made(graph).create_timer(period, print)


def test_clocks():
    wall, sim = WallClock(), SimClock()
    assert 0 <= wall.now() <= wall.now() < 60
    sim.set(1.5)
    sim.set(1.0)
    assert sim.now() == 1.5


# Statistics.


def test_statistics(graph, tmp_path):
    ears = made(graph, run_folder=tmp_path)
    ears.create_subscription(messages.String, "/word", print, depth=1)
    ears.stats["cost"] = messages.Applied  # nothing JSON knows
    out = LocalBus(graph, "mouth").publisher("std_msgs/msg/String", "/word")
    for _ in range(3):
        out.put(messages.serialize(messages.String(data="x")))
    ears.write_stats()
    stats = json.loads((tmp_path / "ears.json").read_text())
    assert stats["dropped"] == {"/word": 2}
    assert stats["imported_torch"] is ("torch" in sys.modules)
    assert os.listdir(tmp_path) == ["ears.json"]


def test_a_full_disk_does_not_end_a_node(graph, tmp_path, caplog):
    ears = made(graph, run_folder=tmp_path / "gone")
    ears.write_stats()
    ears.write_stats()
    assert ears.unwritten and caplog.text.count("its statistics cannot be written: ") == 1
    (tmp_path / "gone").mkdir()
    ears.write_stats()
    assert not ears.unwritten and os.listdir(tmp_path / "gone") == ["ears.json"]


def test_a_node_may_count_in_its_own_way(graph, tmp_path):
    ears = made(graph, run_folder=tmp_path)
    ears.stats["dropped"] = 5
    ears.write_stats()
    assert json.loads((tmp_path / "ears.json").read_text())["dropped"] == 5


# Processes.

WORKER = """
import threading, time
from dataclasses import dataclass
from covary.nodes import messages
from covary.nodes.node import Node
from covary.nodes.parameters import ParameterError

class Worker(Node):
    @dataclass(frozen=True)
    class Parameters:
        do: str = ""

    def configure(self):
        print("configuring", flush=True)
        if self.parameters.do == "fail in configure":
            raise RuntimeError("as I was told")
        if self.parameters.do == "refuse":
            raise ParameterError("do: refused")
        if self.parameters.do == "configure for ever":
            time.sleep(60)
        self.out = self.create_publisher(messages.String, "/out")
        self.create_subscription(messages.String, "/word", self.on_word, depth=0)

    def activate(self):
        self.stats["beats"] = 0
        self.create_timer(0.02, self.on_timer)

    def on_timer(self):
        self.stats["beats"] += 1
        self.out.publish(messages.String(data="beat"))

    def on_word(self, message):
        if message.data == "end":
            self.finish("done")
        if message.data == "give up":
            self.finish("cannot", failed=True)
        if message.data == "fail":
            raise RuntimeError("as I was told")
        if message.data == "hang":
            print("hanging", flush=True)
            while True:
                pass
        if message.data == "leave a thread":
            threading.Thread(target=time.sleep, args=(60,)).start()
            self.finish("done")

    def shutdown(self):
        self.stats["shut"] = self.stats.get("shut", 0) + 1
        print("shut down", flush=True)
"""


class Place:
    """A working folder with an outsider's node, a launcher's bus, and processes."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "worker.py").write_text(WORKER)
        for _ in range(5):
            try:
                self.endpoint = f"tcp/127.0.0.1:{47000 + int.from_bytes(os.urandom(2)) % 10000}"
                self.bus = ZenohBus("launcher", None, 3, listen=self.endpoint)
                break
            except BusError:
                continue
        self.beats = self.bus.subscribe("std_msgs/msg/String", "/out", 0)
        self.diagnostics = self.bus.subscribe("diagnostic_msgs/msg/DiagnosticArray", "/diagnostics")
        self.words = self.bus.publisher("std_msgs/msg/String", "/word")
        self.bus.announce()
        self.process = None

    def start(self, do="", **changes):
        spec = {
            "exec": "worker:Worker",
            "name": "worker",
            "params": {"do": do},
            "endpoint": self.endpoint,
            "domain": 3,
            "run_folder": str(self.folder),
            **changes,
        }
        (self.folder / "spec.json").write_text(json.dumps(spec))
        command = [sys.executable, "-m", "covary.nodes.run", "spec.json"]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def call(self, service, where, **fields):
        fields = fields or {"structure_needs_at_least_one_member": 0}
        raw = messages.serialize(service.Request(**fields))
        try:
            raw = self.bus.call(service.__srvtype__, where, raw, 0.5)
        except BusError:
            return None
        return messages.deserialize(raw, service.Response.__msgtype__)

    def state(self, full="/worker"):
        answer = self.call(messages.GetState, f"{full}/get_state")
        return answer and answer.current_state.id

    def change(self, transition, full="/worker"):
        change = messages.LifecycleTransition(id=transition, label="")
        return self.call(messages.ChangeState, f"{full}/change_state", transition=change).success

    def activate(self, full="/worker"):
        self.until(lambda: self.state(full) == 2)
        assert self.change(3, full)
        return self

    def until(self, condition, seconds=15.0):
        begin = time.monotonic()
        while not condition():
            if time.monotonic() - begin > seconds or self.process.poll() is not None:
                self.process.kill()
                pytest.fail(f"waited in vain:\n{self.process.communicate()[0]}")
            self.bus.wait(0.05)

    def say(self, word):
        self.words.put(messages.serialize(messages.String(data=word)))
        return self

    def end(self, seconds=4.0):
        """Exit code and log; it has to end within some seconds."""
        log = self.process.communicate(timeout=seconds)[0]
        return self.process.returncode, log

    def stats(self):
        return json.loads((self.folder / "worker.json").read_text())

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        self.bus.close()


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.close()


def test_a_whole_life(place):
    place.start(peers=["/other"])
    place.until(lambda: place.state() == 1)
    assert not place.change(3)  # a peer is not there yet
    other = ZenohBus("other", place.endpoint, 3)
    other.announce()
    place.activate()
    assert place.state() == 3 and not place.change(4) and place.change(3)
    place.until(lambda: place.beats.waiting() > 10)
    place.diagnostics.take()  # of before it was active
    place.until(place.diagnostics.waiting)
    raw, _ = place.diagnostics.take()
    status = messages.deserialize(raw, "diagnostic_msgs/msg/DiagnosticArray").status[0]
    assert status.name == "/worker" and {v.key for v in status.values} >= {"beats"}
    place.process.send_signal(signal.SIGINT)
    code, log = place.end()
    other.close()
    assert code == 0 and "Traceback" not in log, log
    assert place.stats()["shut"] == 1 and place.stats()["beats"] > 10
    assert place.stats()["imported_torch"] is False and place.stats()["imported_escnn"] is False


def test_a_namespace(place):
    place.start(namespace="/left", remaps={"/out": "/elsewhere"}).activate("/left/worker")
    assert place.bus.sees(["/left/worker"])
    assert {t.topic for t in place.bus.graph() if t.namespace == "/left" and t.kind == "MP"} == {
        "/elsewhere",
        "/diagnostics",
    }
    assert place.change(7, "/left/worker")  # shut down from active
    assert place.end()[0] == 0


def test_no_heartbeat_where_time_is_simulated(place):
    place.start(realtime=False).activate()
    time.sleep(0.6)
    assert not place.diagnostics.waiting()
    place.process.send_signal(signal.SIGTERM)
    assert place.end()[0] == 0 and place.stats()["shut"] == 1


@pytest.mark.parametrize(("word", "code"), [("end", 0), ("give up", 1), ("fail", 1)])
def test_ends_from_within(place, word, code):
    place.start().activate().say(word)
    found, log = place.end()
    assert found == code, log
    assert place.stats()["shut"] == 1
    if word == "fail":
        assert "RuntimeError: as I was told" in log and "Traceback" in log
        assert "in node worker, on a message of /word" in log


def test_a_failure_while_configuring(place):
    code, log = place.start("fail in configure").end(15)
    assert code == 1 and "RuntimeError: as I was told" in log and "shut down" in log


def test_a_signal_while_configuring(place):
    place.start("configure for ever")
    assert place.process.stdout.readline() == "configuring\n"
    place.process.send_signal(signal.SIGTERM)
    code, log = place.end()
    assert code == 0 and "cut short by SIGTERM" in log and "shut down" in log


def test_a_second_signal_ends_a_callback_that_hangs(place):
    place.start().activate().say("hang")
    while "hanging" not in place.process.stdout.readline():
        pass
    place.process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert place.process.poll() is None
    place.process.send_signal(signal.SIGTERM)
    code, log = place.end()
    assert code == 0 and "cut short by SIGTERM" in log and place.stats()["shut"] == 1


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"params": {"x": 1}}, 2, "worker: unknown parameter 'x'; known: do"),
        ({"params": {"do": 1}}, 2, "worker: do: 1 is not text"),
        ({"params": {"do": "refuse"}}, 2, "do: refused"),
        ({"exec": "worker:Wroker"}, 2, "did you mean Worker?"),
        ({"exec": "worker:ParameterError"}, 2, "is no node"),
        ({"endpoint": "tcp/127.0.0.1:1"}, 1, "cannot join tcp/127.0.0.1:1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_begin(place, changes, code, words):
    found, log = place.start(**changes).end(15)
    assert found == code and words in log
    assert "Traceback" not in log, log


@pytest.mark.slow
def test_a_thread_left_behind_cannot_keep_the_process(place):
    place.start().activate().say("leave a thread")
    _, log = place.end(15)
    assert "Timeout" in log and "Thread" in log
