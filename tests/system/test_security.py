"""Nothing listens beyond loopback unless asked; then TLS and an access list, as docs/hosts.md says.

The recipe is run as it is written, with the loopback interface's address in place of the robot's.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import code_blocks
import pytest
import recipe
from launches import (
    SMALL,
    command,
    covary_here,
    environment,
    left,
    listening,
    processes_in,
    start,
    talking,
    wait_for,
)

from covary.nodes import messages
from covary.nodes.bus.local_bus import BusError
from covary.nodes.bus.zenoh_bus import ZenohBus
from covary.nodes.launching.hosts import Hosts
from covary.nodes.launching.security_file import read_security

LOOPBACK = {"127.0.0.1"}
COMMAND, STATE = "sensor_msgs/msg/JointState", "covary_msgs/msg/State"
TRIGGER = "std_srvs/srv/Trigger"
NOTHING = (0, 0, set(), [])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def running():
    """Starts launches and other processes; they are ended with the test."""
    processes = []

    def begin(process):
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def folder_of(place, launcher):
    """The run folder, once it can be joined."""
    (found,) = wait_for(lambda: list(place.glob("runs/*/endpoint.json")), launcher=launcher)
    return found.parent


def ctrl_c(launcher):
    launcher.send_signal(signal.SIGINT)
    screen, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, screen
    return screen


def test_nothing_listens_beyond_loopback(tmp_path, running):
    launcher = running(start(tmp_path, "push", *SMALL, "episodes:=1000"))
    nodes = wait_for(lambda: len(p := processes_in(tmp_path)) == 4 and p, launcher=launcher)
    folder = folder_of(tmp_path, launcher)
    wait_for(lambda: len(listening(nodes)) == 4, launcher=launcher)
    hz = running(
        subprocess.Popen(
            command("topic", "hz", "/state"),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    )
    wait_for(lambda: b"Hz" in hz.stdout.readline(), launcher=launcher)  # a line a second
    pids = [launcher.pid, *nodes, hz.pid]
    where = listening(pids)
    assert len(where) >= len(pids) and {address for address, _ in where} == LOOPBACK
    assert {address for address, _ in talking(pids)} == LOOPBACK
    for secret in (folder / "endpoint.json", *(folder / "spec").iterdir()):
        assert secret.stat().st_mode & 0o077 == 0, secret
    ctrl_c(launcher)


def test_only_what_was_asked_for_listens(tmp_path, running):
    port = free_port()
    words = ("push", *SMALL, "only:=recorder,control", f"listen:=tcp/127.0.0.2:{port}")
    launcher = running(start(tmp_path, *words))
    nodes = wait_for(lambda: len(p := processes_in(tmp_path)) == 2 and p, launcher=launcher)
    wait_for(lambda: len(listening(nodes)) == 2, launcher=launcher)
    where = listening([launcher.pid, *nodes])
    assert [a for a in where if a[0] not in LOOPBACK] == [("127.0.0.2", port)]
    ctrl_c(launcher)


def test_an_open_network_is_a_choice(tmp_path):
    done = covary_here(tmp_path, "launch", "push", "listen:=tcp/0.0.0.0:7447")
    assert done.returncode == 2 and "security:=none if you trust them all" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_an_endpoint_that_is_taken_is_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"tcp/127.0.0.1:{taken.getsockname()[1]}"
        done = covary_here(tmp_path, "launch", "push", f"listen:={where}")
    assert done.returncode == 2 and done.stderr.count("in use") == 1, done.stderr
    assert where in done.stderr and "Traceback" not in done.stderr


class Intruder:
    """Somebody who tries to hear the states, to command, to stop, and to see who is there."""

    def __init__(self, port, security, protocol="tls", listen=None):
        hosts = Hosts(connect=(f"{protocol}/127.0.0.1:{port}",), security=security)
        self.bus, self.everything = None, []
        try:
            self.bus = ZenohBus("intruder", None, 0, hosts=hosts, listen=listen)
        except BusError as error:
            self.refused = str(error)
            return
        self.states = self.bus.subscribe(STATE, "/state", 0)
        self.kept = self.bus.session.declare_subscriber("**", self.everything.append)

    def attempt(self, seconds):
        """What it got within some seconds: states, other messages, nodes, and answers."""
        if self.bus is None:
            assert self.refused.startswith("cannot join ")
            return NOTHING
        commands = self.bus.publisher(COMMAND, "/command")
        header = messages.Header(stamp=messages.stamp(1e6), frame_id="intruder")
        nothing = {"name": [], "position": [], "velocity": [], "effort": []}
        message = messages.JointState(header=header, **nothing)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            commands.put(messages.serialize(message))
            self.bus.wait(0.05)
        request = messages.Trigger.Request(structure_needs_at_least_one_member=0)
        try:
            answers = [self.bus.call(TRIGGER, "/stop", messages.serialize(request), 1.0)]
        except BusError:
            answers = []
        others = [s for s in self.everything if str(s.key_expr).split("/")[1] != "command"]
        return self.states.waiting(), len(others), self.bus.nodes(), answers

    def close(self):
        if self.bus is not None:
            self.kept.undeclare()
            self.bus.close()


@pytest.mark.slow
@recipe.NEEDS_OPENSSL
def test_the_recipe_lets_in_who_is_on_the_list_and_nobody_else(tmp_path, running):
    port = free_port()
    lines = recipe.follow(tmp_path, "127.0.0.1", port)
    recipe.strangers(tmp_path)

    # Each on its host; here the hosts are folders that see the same security files.
    launchers, folders = {}, {}
    for name, words in zip(("robot", "desk"), lines, strict=True):
        words = [re.sub("security:=", f"security:={tmp_path}/", word) for word in words]
        launchers[name] = running(start(tmp_path / name, *words, *SMALL, "episodes:=1000"))
        folders[name] = folder_of(tmp_path / name, launchers[name])
    log = folders["robot"] / "launcher.log"
    wait_for(lambda: "success" in log.read_text(), launcher=launchers["robot"])

    joined = json.loads((folders["robot"] / "endpoint.json").read_text())
    witness = ZenohBus("witness", joined["endpoint"], joined["domain"])
    heard = witness.subscribe(COMMAND, "/command", 0)
    ours = read_security(tmp_path / "desk.yaml")

    def own(folder, name, ca="ca.pem"):
        files = {"certificate": folder / f"{name}.pem", "key": folder / f"{name}.key"}
        return replace(ours, ca=tmp_path / ca, **files)

    stranger, foreigner = own(tmp_path, "stranger"), own(tmp_path / "other", "desk")
    intruders = {
        "no entry": lambda: Intruder(port, stranger),
        "another authority": lambda: Intruder(port, foreigner),
        "another authority, which it trusts": lambda: Intruder(
            port, replace(foreigner, ca=tmp_path / "other" / "ca.pem")
        ),
        "no certificate": lambda: Intruder(port, None),
        "plain TCP": lambda: Intruder(port, None, "tcp"),
    }
    last = {"no entry, as a router": lambda: Intruder(port, stranger, listen="tcp/127.0.0.1:0")}

    def assert_nobody_gets_anything(intruders):
        def attempt(make):
            one = make()
            try:
                return one.attempt(2.0)
            finally:
                one.close()

        with ThreadPoolExecutor() as pool:
            tries = {name: pool.submit(attempt, make) for name, make in intruders.items()}
            got = {name: one.result() for name, one in tries.items()}
        assert got == dict.fromkeys(intruders, NOTHING)
        stamps = set()
        while (taken := heard.take()) is not None:
            stamps.add(messages.deserialize(taken[0], COMMAND).header.frame_id)
        assert stamps == {"world"}

    try:
        assert_nobody_gets_anything(intruders)
        assert "/stop" not in (folders["robot"] / "sim.log").read_text()
        # The tablet's entry is enough for what its program does.
        said = code_blocks.run([sys.executable, "tablet.py"], tmp_path, 60)
        assert said.startswith("goal at [")
        assert (folders["robot"] / "sim.log").read_text().count("/stop") == 1
        assert_nobody_gets_anything(last)
        assert (folders["robot"] / "sim.log").read_text().count("/stop") == 1
        # The same attempt with a certificate that has an entry: the test can tell.
        friend = Intruder(port, ours)
        try:
            # On a busy machine it meets the others late.
            wait_for(friend.states.waiting, 120, launchers["robot"])
            for _ in range(10):
                states, others, nodes, answers = friend.attempt(1.0)
                if states and others and answers:
                    break
        finally:
            friend.close()
        assert states > 0 and others > 0 and {"/sim", "/planner"} <= nodes and len(answers) == 1
        wait_for(lambda: (taken := heard.take()) and b"intruder" in taken[0], 10)
    finally:
        witness.close()
    assert ctrl_c(launchers["robot"])
    screen, _ = launchers["desk"].communicate(timeout=60)
    assert launchers["desk"].returncode == 0, screen
    assert left(folders["robot"]).summary["episodes"] >= 1
    secrets = [
        line for key in tmp_path.rglob("*.key") for line in key.read_text().splitlines()[1:-1]
    ]
    written = [p.read_bytes() for p in tmp_path.glob("*/runs/**/*") if p.is_file()]
    assert len(secrets) >= 6 and len(written) > 10
    assert not [s for s in secrets if any(s.encode() in text for text in written)]
