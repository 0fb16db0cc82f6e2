"""Processes of a launch: up together, watched, respawned, never left behind; and the lockstep."""

import io
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covary.nodes.launching.launch_file import read_assignments, resolve
from covary.nodes.supervision.child import Phase
from covary.nodes.supervision.lockstep import Lockstep, _LastErrors
from covary.nodes.supervision.progress import RunProgress
from covary.nodes.supervision.run_folder import create, summarise
from covary.nodes.supervision.supervisor import Supervisor

LAUNCH = """
launch:
- arg: {name: episodes, default: 2}
- arg: {name: word, default: hello}
- arg: {name: fail, default: ""}
- arg: {name: once, default: true}
- arg: {name: respawn, default: false}
- arg: {name: realtime, default: true}
- arg: {name: slow, default: 0}
- arg: {name: aborted, default: false}
- node:
    exec: outsider:Ticker
    name: ticker
    on_exit: shutdown
    param:
    - {name: episodes, value: $(var episodes)}
    - {name: word, value: $(var word)}
    - {name: slow_configure_s, value: $(var slow)}
    - {name: aborted, value: $(var aborted)}
- node:
    exec: outsider:Answerer
    name: answerer
    param:
    - {name: fail, value: $(var fail)}
    - {name: once, value: $(var once)}
    respawn: $(var respawn)
    respawn_delay: 0.1
    respawn_max_retries: 2
    sigterm_timeout: 0.3
    sigkill_timeout: 0.3
    x-heartbeat_timeout: 1
- node: {exec: outsider:Listener, name: listener}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with the outsider's nodes and a launch file."""
    shutil.copy(Path(__file__).with_name("outsider_nodes.py"), tmp_path / "outsider.py")
    (tmp_path / "talk.yaml").write_text(LAUNCH)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("outsider", None)
    return tmp_path


def run(place, *words, runner=Supervisor):
    launch = resolve(place / "talk.yaml", read_assignments(list(words)))
    folder = create(launch)
    with open(folder / "screen.txt", "w") as screen:
        outcome = runner(launch, folder, RunProgress(2, screen)).run()
    assert processes_in(place) == []
    return outcome, summarise(folder, launch, outcome), folder


def start(place, *words):
    command = [sys.executable, "-m", "covary.commands.main", "launch", "talk.yaml", *words]
    return subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def processes_in(place, pattern="covary.nodes.run"):
    """Command lines of the nodes that run with this working folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            cwd, state = os.readlink(entry / "cwd"), (entry / "stat").read_text().split(") ")[1][0]
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace")
        if cwd == str(place) and pattern in line and state != "Z":
            found.append((int(entry.name), line))
    return found


def wait_for(condition, timeout_s=30.0):
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came about")


def stats(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


def test_a_run_ends_with_a_summary_and_nothing_left(place):
    outcome, summary, folder = run(place)
    assert (outcome.exit_code, outcome.failures, outcome.respawns) == (0, [], 0)
    assert summary["task"] == "nothing" and summary["planner"] == "answerer"
    assert (summary["episodes"], summary["success_rate"]) == (2, 0.5)
    assert summary["cost"] == {"mean": 0.5, "std": pytest.approx(0.5**0.5)}
    assert summary["plan_ms"] == {"p50": 1.5, "p99": 2.5}
    assert (summary["overruns"], summary["dropped"], summary["samples"]) == (3, 2, 4)
    assert summary["bags"] == ["bags/episode_000"]
    # All were up before the first word: nobody missed it.
    heard = stats(folder, "listener")["heard"]
    assert heard[0].startswith("hello 1") and {f"hello {i}" for i in range(1, 11)} <= set(heard)
    assert not (folder / "endpoint.json").exists()
    assert (folder / "ticker.log").read_text()
    resolved = resolve(folder / "launch.yaml")
    assert [node.name for node in resolved.nodes] == ["ticker", "answerer", "listener"]
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["python"] and versions["packages"]["numpy"]


def test_a_node_that_fails_ends_the_launch_by_name(place):
    outcome, summary, folder = run(place, "fail:=crash", "episodes:=0")
    assert outcome.exit_code == 1
    assert summary["failures"] == ["/answerer: exit code 1"]
    assert "as I was told" in (folder / "screen.txt").read_text()


def test_a_node_that_hangs_is_killed_and_started_again(place):
    outcome, summary, folder = run(place, "fail:=hang", "respawn:=true", "episodes:=40")
    assert (outcome.exit_code, outcome.failures) == (0, [])
    assert outcome.respawns == summary["respawns"] == 1
    assert "no heartbeat for 1 s" in (folder / "screen.txt").read_text()
    assert "hello 200" in stats(folder, "listener")["heard"]


def test_respawns_back_off_and_are_counted(place):
    words = ("fail:=exit", "once:=false", "respawn:=true", "episodes:=0")
    outcome, _, folder = run(place, *words)
    assert (outcome.exit_code, outcome.respawns) == (1, 2)
    assert outcome.failures == ["/answerer: exit code 7"]
    screen = (folder / "screen.txt").read_text()
    assert "start 2 in 0.1 s" in screen and "start 3 in 0.2 s" in screen


def test_an_aborted_episode_is_a_failure(place):
    outcome, summary, _ = run(place, "aborted:=true", runner=Lockstep)
    assert (outcome.exit_code, summary["episodes"], summary["aborted"]) == (1, 1, 1)
    assert outcome.failures == ["episode 1 was aborted"]


def test_bad_parameters_are_bad_input(place):
    outcome, _, folder = run(place, "word:=3")
    assert outcome.exit_code == 2
    line = LAUNCH[: LAUNCH.index("exec: outsider:Ticker")].count("\n") + 1
    assert outcome.failures == [f"{place}/talk.yaml:{line}: /ticker: word: 3 is not text"]
    assert outcome.failures[0] in (folder / "screen.txt").read_text()


def test_a_node_that_ends_before_it_works_ends_the_launch(place):
    (place / "quitter.py").write_text("import os\n\nos._exit(0)\n")
    with (place / "talk.yaml").open("a") as file:
        file.write("- node: {exec: quitter:Quitter, name: quitter}\n")
    outcome, _, _ = run(place)
    assert outcome.exit_code == 1
    assert outcome.failures == ["/quitter: ended before it was active (exit code 0)"]


@pytest.mark.slow
def test_who_watches_over_the_others_is_watched_without_a_clock(place, monkeypatch):
    (place / "frozen.py").write_text(
        "import time\nimport outsider\n"
        "class Frozen(outsider.Ticker):\n    def activate(self): time.sleep(600)\n"
    )
    (place / "talk.yaml").write_text(LAUNCH.replace("outsider:Ticker", "frozen:Frozen"))
    monkeypatch.setattr("covary.nodes.supervision.supervisor.SILENT_WITHOUT_CLOCK_S", 1.0)
    monkeypatch.setattr("covary.nodes.supervision.supervisor.ASKED_EVERY_S", 0.2)
    outcome, _, folder = run(place, "realtime:=false")
    assert (outcome.exit_code, outcome.failures) == (1, ["/ticker: stuck, killed"])
    assert "no answer for 4 s" in (folder / "screen.txt").read_text()  # the node's own limit


@pytest.mark.parametrize("when", ["importing", "configuring", "running", "deaf"])
def test_ctrl_c_at_any_time_leaves_a_summary_and_no_process(place, when):
    words = {
        "importing": (),
        "configuring": ("slow:=60",),
        "running": ("episodes:=0",),
        "deaf": ("episodes:=0", "fail:=deaf"),
    }[when]
    launcher = start(place, *words)
    if when == "importing":
        wait_for(lambda: processes_in(place))
    elif when == "configuring":
        wait_for(lambda: list(place.glob("runs/*/listener.log")))
        time.sleep(1.0)
    else:
        wait_for(
            lambda: any(
                stats(p.parent, "ticker")["episodes"] for p in place.glob("runs/*/ticker.json")
            )
        )
        time.sleep(0.5)
    begin = time.monotonic()
    launcher.send_signal(signal.SIGINT)
    output, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == 130, output
    assert processes_in(place) == []
    assert time.monotonic() - begin < 15
    (summary,) = place.glob("runs/*/summary.json")
    found = json.loads(summary.read_text())
    assert found["exit_code"] == 130 and found["failures"] == []
    assert (found["episodes"] > 0) == (when in ("running", "deaf"))


def test_children_die_with_a_launcher_that_is_killed(place):
    launcher = start(place, "episodes:=0")
    wait_for(lambda: list(place.glob("runs/*/ticker.json")))
    assert len(processes_in(place)) == 3
    launcher.kill()
    launcher.communicate()
    wait_for(lambda: not processes_in(place), 5)


def test_two_launches_hear_only_themselves_and_the_loopback(place):
    first = start(place, "episodes:=20", "word:=first")
    second = start(place, "episodes:=20", "word:=second")
    wait_for(lambda: len(list(place.glob("runs/*/ticker.json"))) == 2)
    addresses = listening([pid for pid, _ in processes_in(place, "covary")])
    assert addresses and all(address == "127.0.0.1" for address in addresses)
    for launcher in (first, second):
        output, _ = launcher.communicate(timeout=60)
        assert launcher.returncode == 0, output
    folders = [p.parent for p in place.glob("runs/*/ticker.json")]
    for folder in folders:
        said = stats(folder, "ticker")
        assert said["answers"] > 50 and said["foreign"] == 0
        assert len({word.split()[0] for word in stats(folder, "listener")["heard"]}) == 1


def listening(pids):
    """Addresses at which these processes listen, from /proc."""
    sockets = set()
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(fd))
            except OSError:
                continue
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            wanted = "07" if name.startswith("udp") else "0A"
            if f"socket:[{words[9]}]" in sockets and words[3] == wanted:
                raw = bytes.fromhex(words[1].split(":")[0])
                found.append(".".join(map(str, raw[::-1])) if len(raw) == 4 else raw.hex())
    return found


def test_lockstep_is_the_same_launch_in_one_process(place):
    first, summary, folder = run(place, runner=Lockstep)
    _, _, again = run(place, runner=Lockstep)
    assert (first.exit_code, first.failures, summary["episodes"]) == (0, [], 2)
    heard = stats(folder, "listener")["heard"]
    assert heard == stats(again, "listener")["heard"]
    assert heard[:4] == ["hello 1", "hello 1", "hello 2", "hello 2"]
    _, _, processes = run(place, "realtime:=false")
    assert stats(processes, "ticker")["answers"] == stats(folder, "ticker")["answers"]


def test_lockstep_names_the_node_that_fails_and_the_one_that_is_silent(place):
    outcome, _, folder = run(place, "fail:=crash", runner=Lockstep)
    assert outcome.failures == ["/answerer: RuntimeError: as I was told"]
    assert outcome.exit_code == 1 and "as I was told" in (folder / "answerer.log").read_text()
    text = LAUNCH.replace("outsider:Answerer", "outsider:Listener").split("- node:")
    (place / "talk.yaml").write_text("- node:".join([text[0], text[1], text[3]]))
    outcome, _, _ = run(place, runner=Lockstep)
    assert outcome.exit_code == 1 and "nothing is left to deliver" in outcome.failures[0]
    errors = _LastErrors(logging.ERROR)
    errors.emit(logging.makeLogRecord({"name": "covary.planner", "msg": "no\nplan"}))
    assert errors.said == {"planner": "no plan"}


def test_a_launcher_that_stood_still_within_a_turn_kills_nobody(place, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("covary.nodes.supervision.supervisor.time.monotonic", lambda: now[0])
    launch = resolve(place / "talk.yaml", read_assignments([]))
    supervisor = Supervisor(launch, place, RunProgress(stream=io.StringIO()))
    killed = []
    for child in supervisor.children:
        child.phase, child.heard = Phase.ACTIVE, 100.0
        monkeypatch.setattr(child, "poll", lambda: None)
        monkeypatch.setattr(child, "kill", lambda child=child: killed.append(child.node.name))
    supervisor._together, supervisor._next_poll = True, math.inf
    monkeypatch.setattr(supervisor, "_listen", lambda: now.__setitem__(0, now[0] + 10.0))
    supervisor._tick()  # it stands still in here
    monkeypatch.setattr(supervisor, "_listen", lambda: None)
    supervisor._tick()
    assert killed == []
    for _ in range(4):
        now[0] += 1.5
        supervisor._tick()
    # All but one have more patience, from when that one was killed: they may have waited for it.
    assert killed[0] == "answerer" and set(killed) == {"ticker", "answerer", "listener"}
    assert now[0] == 116.0
