"""A launch over two hosts (network namespaces): the link is cut and restored, the promises hold.

Host a has the plant and the recorder; host b plans and controls. Judged by the plant's own record.
"""

import json
import re
import signal
import subprocess
import time

import pytest
import recipe
from launches import (
    SMALL,
    command,
    environment,
    launch,
    left,
    listening,
    messages_of,
    processes_in,
    start,
    talking,
    wait_for,
)
from plant_record import PlantRecord
from two_networks import NotPermittedError, TwoNetworks

SLOW = pytest.mark.slow
PORT = 7447
OPEN = "security:=none"


@pytest.fixture
def networks():
    try:
        made = TwoNetworks()
    except NotPermittedError as error:
        pytest.skip(f"two network namespaces cannot be made here: {error}")
    yield made
    made.remove()


class Split:
    """One launch file on two hosts, one argument apart.

    Args:
        networks: Where.
        place: A folder for both.
        words: Arguments of both.
        there: Nodes of host b; the others are host a's.
        protocol: Of the link.
        security: Of host a and of host b.
    """

    def __init__(
        self,
        networks,
        place,
        *words,
        there="planner,control",
        protocol="tcp",
        security=(OPEN, OPEN),
    ):
        self.networks, self.processes = networks, []
        here = ",".join(n for n in ("sim", "planner", "control", "recorder") if n not in there)
        where = f"{protocol}/{networks.address['a']}:{PORT}"
        self.words = {
            "a": (*words, f"only:={here}", f"listen:={where}", security[0]),
            "b": (*words, f"only:={there}", f"connect:={where}", security[1]),
        }
        self.place = {host: place / host for host in "ab"}
        self.launcher = {}
        self.folder = {}
        self.begin("a")
        self.begin("b")

    def begin(self, host):
        """Starts one host's launcher."""
        before = set(self.place[host].glob("runs/*"))
        inside = lambda words: self.networks.inside(host, words)  # noqa: E731
        process = start(self.place[host], "push", *SMALL, *self.words[host], inside=inside)
        self.launcher[host] = process
        self.processes.append(process)
        folders = self.place[host].glob
        found = wait_for(lambda: set(folders("runs/*")) - before, launcher=process)
        (self.folder[host],) = found
        wait_for((self.folder[host] / "endpoint.json").exists, launcher=process)

    def watch(self, nodes=2):
        """Starts to follow the plant's clock, on host a, which has so many nodes."""
        self.clock = self.place["a"] / "clock.txt"
        words = command("topic", "echo", "/clock", "--run", self.folder["a"])
        wait_for(lambda: self.log("a").count("configured in") == nodes, launcher=self.launcher["a"])

        def echo():
            """Again, where the sim was not there to be seen yet."""
            if self.processes[-1].poll() is None and "topic" in self.processes[-1].args:
                return self.clock.stat().st_size
            with self.clock.open("w") as file:
                inside = self.networks.inside("a", words)
                nothing = subprocess.DEVNULL
                process = subprocess.Popen(inside, stdin=nothing, stdout=file, env=environment())
            self.processes.append(process)
            return 0

        wait_for(echo, launcher=self.launcher["a"])

    def time(self):
        """Plant time, s; -1 before the first tick."""
        ticks = re.findall(r"sec: (\d+)\s+nanosec: (\d+)\s+---", self.clock.read_text())
        return int(ticks[-1][0]) + 1e-9 * int(ticks[-1][1]) if ticks else -1.0

    def reach(self, time_s, timeout_s=60.0):
        """Waits for a plant time (s)."""
        wait_for(lambda: self.time() >= time_s, timeout_s, self.launcher["a"])
        return self.time()

    def log(self, host, name="launcher"):
        return (self.folder[host] / f"{name}.log").read_text()

    def says(self, host, words, timeout_s=30.0):
        wait_for(lambda: words in self.log(host), timeout_s, self.launcher[host])

    def cut(self, how, seconds):
        """Cuts the link for so much plant time; the window in which it was certainly cut."""
        self.networks.cut(how)
        begin = self.time()
        end = self.reach(begin + seconds)
        self.networks.restore(how)
        return begin, end

    def obeys_after(self, time_s):
        """Waits until a command that is younger than this plant time (s) ended the safe action."""

        def obeyed():
            return any((s["next_command"] or 0.0) > time_s for s in self.spans())

        wait_for(obeyed, 60, self.launcher["a"])

    def spans(self):
        """The spans of the safe action that are over, from the plant's own record."""
        path = self.folder["a"] / "sim.safe.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def ends(self, host, code=0):
        """One launcher ends by itself, with nobody left; what it left behind."""
        screen, _ = self.launcher[host].communicate(timeout=120)
        assert self.launcher[host].returncode == code, screen
        assert "Traceback" not in screen
        assert processes_in(self.place[host]) == {}
        return left(self.folder[host], screen)

    def interrupt(self, host):
        self.launcher[host].send_signal(signal.SIGINT)

    def kill(self):
        """Ends everything, whatever has become of it."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def split(networks, tmp_path):
    made = []

    def begin(*words, **more):
        made.append(Split(networks, tmp_path, *words, **more))
        return made[-1]

    yield begin
    for one in made:
        one.kill()
    wait_for(lambda: not processes_in(tmp_path), 10)


def assert_kept(here, windows):
    """The promises, by the plant's own record and the bags."""
    record = PlantRecord(here.folder["a"], "push")
    assert record.unsafe() == []
    for begin, end in windows:
        assert record.stands((begin, end)), ((begin, end), record.spans)
        resumed = [s["next_command"] for s in record.spans if s["end"] > end and s["next_command"]]
        # What ended it was stamped after the cut, and stood on a plan that was made after it.
        assert resumed[0] > end - record.deadline, record.spans
        planned = [plan.time for plan in record.plans if plan.time <= resumed[0]]
        assert max(planned) > begin, record.spans
    return record


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        pytest.param("silent", 1.0, marks=SLOW),
        pytest.param("silent", 4.0, marks=SLOW),
        pytest.param("down", 1.0, marks=SLOW),
        pytest.param("down", 4.0, marks=SLOW),
        pytest.param("from a", 4.0, marks=SLOW),
        pytest.param("from b", 4.0, marks=SLOW),
    ],
)
def test_the_link_is_cut_in_the_middle_of_an_episode(split, how, seconds):
    here = split("realtime:=true", "episodes:=1", "seed:=3")
    here.watch()
    here.reach(1.0)
    for host in "ab":  # nodes know nobody beyond their own loopback interface
        nodes = processes_in(here.place[host])
        assert len(nodes) == 2
        assert {address for address, _ in (*listening(nodes), *talking(nodes))} == {"127.0.0.1"}
    router = [here.launcher["a"].pid]
    outside = {(a, p) for a, p in listening(router) if a != "127.0.0.1"}
    assert outside == {(here.networks.address["a"], PORT)}
    window = here.cut(how, seconds)
    here.obeys_after(window[1])
    runs = {host: here.ends(host) for host in "ab"}
    record = assert_kept(here, [window])
    assert record.episodes == [(0, 0, False), (0, 1, False)]
    assert runs["a"].summary["episodes"] == 1
    assert runs["b"].summary["planner"] == "mppi" and runs["b"].summary["plan_ms"]["p50"] > 0
    assert runs["a"].summary["respawns"] == runs["b"].summary["respawns"] == 0
    assert "another host's launcher ends the launch" in runs["b"].screen
    for run in runs.values():  # what is lost is told once, and so is that it is back
        lost = run.screen.count("no contact with")
        assert lost == run.screen.count("again") and lost >= (seconds > 3)


@SLOW
@recipe.NEEDS_OPENSSL
def test_over_tls_with_the_planner_alone_elsewhere(networks, split, tmp_path):
    recipe.follow(tmp_path, networks.address["a"], PORT)
    security = [f"security:={tmp_path}/{name}.yaml" for name in ("robot", "desk")]
    more = {"there": "planner", "protocol": "tls", "security": security}
    here = split("realtime:=true", "episodes:=1", "seed:=3", **more)
    here.watch(nodes=3)
    here.reach(1.0)
    window = here.cut("silent", 3.0)
    here.obeys_after(window[1])
    assert here.ends("a").summary["episodes"] == 1
    here.ends("b")
    assert_kept(here, [window])


@SLOW
@pytest.mark.parametrize("cut_s", [0.0, 0.5, None])
def test_behind_the_barrier_two_hosts_do_what_one_does(split, tmp_path, cut_s):
    here = split("realtime:=false", "episodes:=2")
    if cut_s != 0.0:
        here.watch()
        here.reach(0.2)
        here.networks.cut("silent")
        if cut_s is None:
            here.says("a", "no contact with")  # what was under way is lost, and sent again
        else:
            time.sleep(cut_s)  # shorter than the lease: nothing is lost, time stands still
        here.networks.restore("silent")
    runs = {host: here.ends(host) for host in "ab"}
    alone = launch(tmp_path / "alone", "push", *SMALL, "episodes:=2", "--lockstep", here=True)
    for topic in ("/state", "/plan", "/command", "/applied", "/episode"):
        said, expected = (
            [payload for _, _, payload in messages_of(run, topic)] for run in (runs["a"], alone)
        )
        assert said == expected, topic


@SLOW
def test_behind_the_barrier_a_lost_link_aborts_the_run(split):
    here = split("realtime:=false", "episodes:=1000")
    here.watch()
    here.reach(0.2)
    here.networks.cut("silent")
    run = here.ends("a", 1)
    assert "did not answer" in here.log("a", "sim") and run.summary["aborted"] == 1
    here.interrupt("b")
    here.ends("b", 130)


@SLOW
def test_a_launcher_waits_for_the_other_host_and_says_so(networks, split, tmp_path):
    here = split("realtime:=false", "episodes:=1", there="planner")
    here.ends("b")
    here.ends("a")
    here.begin("b")
    where = f"tcp/{networks.address['a']}:{PORT}"
    here.says(
        *("b", "waiting for /sim, /control, /recorder on other hosts: no launch answers at "),
        timeout_s=60,
    )
    assert here.log("b").count("waiting for") == 1 and where in here.log("b")
    here.begin("a")
    assert here.ends("a").summary["episodes"] == 1
    here.ends("b")


@SLOW
@pytest.mark.parametrize("host", ["a", "b"])
def test_ctrl_c_on_one_host_ends_both(split, host):
    here = split("realtime:=true", "episodes:=1000")
    here.watch()
    here.reach(1.0)
    here.interrupt(host)
    here.ends(host, 130)
    here.ends("b" if host == "a" else "a")


@SLOW
def test_a_host_that_dies_and_comes_back(split):
    here = split("realtime:=true", "episodes:=1000", "seed:=3")
    here.watch()
    here.reach(1.0)
    here.launcher["b"].kill()
    here.launcher["b"].communicate()
    wait_for(lambda: not processes_in(here.place["b"]), 10)
    begin = here.time()
    here.says("a", "no contact with")
    end = here.reach(begin + 1.0)
    here.begin("b")
    here.obeys_after(end)
    here.reach(here.time() + 1.0)
    here.interrupt("a")
    here.ends("a", 130)
    here.ends("b")
    assert_kept(here, [(begin, end)])


@SLOW
def test_who_brings_what_is_there_already_has_to_go(split, networks, tmp_path):
    here = split("realtime:=true", "episodes:=1000")
    here.watch()
    here.reach(1.0)
    words = ("push", *SMALL, "realtime:=true", f"connect:=tcp/{networks.address['a']}:{PORT}", OPEN)
    more = start(tmp_path / "b too", *words, inside=lambda words: networks.inside("b", words))
    here.processes.append(more)
    screen, _ = more.communicate(timeout=60)
    assert more.returncode == 2, screen
    assert "another host runs /control, /planner, /recorder, /sim too; only:=" in screen
    here.reach(here.time() + 1.0)
    here.interrupt("a")
    here.ends("a", 130)
    here.ends("b")


@SLOW
def test_cut_off_for_good_each_goes_on_until_ctrl_c(split):
    here = split("realtime:=true", "episodes:=1000")
    here.watch()
    here.reach(1.0)
    here.networks.cut("silent")
    for host in "ab":
        here.says(host, "no contact with")
    here.reach(here.time() + 6.0)  # longer than any lease or heartbeat
    for host in "ab":
        assert len(processes_in(here.place[host])) == 2
        here.interrupt(host)
        run = here.ends(host, 130)
        assert run.summary["respawns"] == 0 and run.summary["failures"] == []
