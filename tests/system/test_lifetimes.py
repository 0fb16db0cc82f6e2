"""The ends of launches: side by side, interrupted at any time, killed; nothing is left or lost."""

import json
import signal
import time
from pathlib import Path

import pytest
from launches import (
    SMALL,
    covary,
    launch,
    left,
    listening,
    messages_of,
    processes_in,
    start,
    wait_for,
)

from covary.nodes.bags.reader import Bag

SLOW = pytest.mark.slow
MODES = {
    "realtime": ("realtime:=true",),
    "barrier": ("realtime:=false",),
    "lockstep": ("--lockstep",),
}
LONG = ("reach", *SMALL, "episodes:=1000")
"""A launch that is still at it when it is interrupted."""


@pytest.fixture
def running(tmp_path):
    """Starts launches that are ended with the test, whatever becomes of it."""
    launchers = []

    def begin(*words, name="here"):
        launchers.append(start(tmp_path / name, *words))
        return launchers[-1], tmp_path / name

    yield begin
    for launcher in launchers:
        if launcher.poll() is None:
            launcher.kill()
            launcher.communicate()
    wait_for(lambda: not processes_in(tmp_path), 10)


def finished_episodes(place):
    """How many episodes the sim says are done."""
    try:
        (path,) = place.glob("runs/*/sim.json")
        return len(json.loads(path.read_text())["episodes"])
    except (OSError, ValueError, KeyError):
        return 0


def into_the_second_episode(launcher, place):
    wait_for(lambda: finished_episodes(place) >= 1, launcher=launcher)
    time.sleep(0.3)


def assert_ended_well(launcher, place):
    """130, nobody left, a summary of what finished, and bags that every reader opens."""
    begin = time.monotonic()
    screen, _ = launcher.communicate(timeout=60)
    taken = time.monotonic() - begin
    assert launcher.returncode == 130, screen
    assert processes_in(place) == {}
    assert taken < 10, screen
    assert "Traceback" not in screen, screen
    (folder,) = place.glob("runs/*")
    run = left(folder, screen)
    assert run.summary["exit_code"] == 130 and run.summary["failures"] == []
    assert not (folder / "endpoint.json").exists()
    bags = run.bags if (folder / "bags").exists() else []
    assert [Path(bag) for bag in run.summary["bags"]] == bags
    for bag in bags:
        ours = Bag(bag)
        decoded = [ours.decode(message) for message in ours.messages()]
        assert len(decoded) == sum(ours.counts.values()) > 0
    whole = [bag for bag in bags if Bag(bag).metadata["aborted"] == "false"]
    assert run.summary["episodes"] == len(whole) >= len(bags) - 1
    return run


@pytest.mark.slow
def test_two_launches_at_once_do_what_each_does_alone(tmp_path, running):
    words = ("push", *SMALL, "episodes:=2", "realtime:=false")
    both = [running(*words, f"seed:={seed}", name=f"seed {seed}") for seed in (0, 1)]
    pids = wait_for(
        lambda: len(found := processes_in(tmp_path)) == 8 and found, launcher=both[0][0]
    )
    pids = [*pids, *(launcher.pid for launcher, _ in both)]
    wait_for(lambda: len(set(addresses := listening(pids))) and len(addresses) >= 10 and addresses)
    assert {address for address, _ in listening(pids)} == {"127.0.0.1"}
    for seed, (launcher, place) in enumerate(both):
        screen, _ = launcher.communicate(timeout=120)
        assert launcher.returncode == 0, screen
        (folder,) = place.glob("runs/*")
        run = left(folder, screen)
        alone = launch(
            *(tmp_path / f"alone {seed}", "push", *SMALL, "episodes:=2", f"seed:={seed}"),
            *("--lockstep",),
            here=True,
        )
        for topic in ("/state", "/plan", "/command", "/applied", "/episode"):
            said, expected = (
                [payload for _, _, payload in messages_of(which, topic)] for which in (run, alone)
            )
            assert said == expected, topic
        assert run.stats("control")["commands"] == alone.stats("control")["commands"]


@pytest.mark.parametrize("mode", ["realtime", "lockstep"])
def test_ctrl_c_during_start_up(running, mode):
    launcher, place = running(*LONG, *MODES[mode])
    if mode == "lockstep":
        wait_for(lambda: list(place.glob("runs/*/sim.log")), launcher=launcher)
    else:
        wait_for(lambda: processes_in(place), launcher=launcher)
    launcher.send_signal(signal.SIGINT)
    run = assert_ended_well(launcher, place)
    assert run.summary["episodes"] == 0 and run.summary["success_rate"] is None


@SLOW
@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 3.5])
@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_at_any_time(running, mode, delay_s):
    launcher, place = running(*LONG, *MODES[mode])
    wait_for(lambda: list(place.glob("runs/*/versions.json")), launcher=launcher)
    time.sleep(delay_s)
    launcher.send_signal(signal.SIGINT)
    assert_ended_well(launcher, place)


@pytest.mark.parametrize("mode", ["barrier", "lockstep", pytest.param("realtime", marks=SLOW)])
def test_ctrl_c_in_the_middle_of_an_episode(running, mode):
    launcher, place = running(*LONG, *MODES[mode])
    into_the_second_episode(launcher, place)
    launcher.send_signal(signal.SIGINT)
    run = assert_ended_well(launcher, place)
    assert run.summary["episodes"] >= 1 and run.summary["success_rate"] is not None
    assert run.summary["cost"]["mean"] > 0
    assert Bag(run.bags[0]).metadata["aborted"] == "false"
    # A second reading: what is there can be replayed.
    done = covary(place, "replay", run.bags[-1])
    assert done.returncode == 0 and "identical" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("mode", "apart_s"),
    [
        *(pytest.param("realtime", s, marks=SLOW) for s in (0.0, 0.05, 0.2, 0.5, 1.0)),
        *(pytest.param("barrier", s, marks=SLOW) for s in (0.0, 0.05, 0.2, 0.5)),
    ],
)
def test_ctrl_c_twice(running, mode, apart_s):
    launcher, place = running(*LONG, *MODES[mode])
    into_the_second_episode(launcher, place)
    launcher.send_signal(signal.SIGINT)
    time.sleep(apart_s)
    launcher.send_signal(signal.SIGINT)
    run = assert_ended_well(launcher, place)
    assert run.summary["episodes"] >= 1


def test_ctrl_c_twice_in_lockstep(running):
    launcher, place = running(*LONG, "--lockstep")
    into_the_second_episode(launcher, place)
    launcher.send_signal(signal.SIGINT)
    launcher.send_signal(signal.SIGINT)
    run = assert_ended_well(launcher, place)
    assert run.summary["episodes"] >= 1


@SLOW
def test_sigterm_is_an_end_in_order_too(running):
    launcher, place = running(*LONG, "realtime:=true")
    into_the_second_episode(launcher, place)
    launcher.terminate()
    launcher.communicate(timeout=60)
    assert launcher.returncode == 128 + signal.SIGTERM
    assert processes_in(place) == {}
    assert left(next(place.glob("runs/*"))).summary["episodes"] >= 1


@pytest.mark.parametrize("when", ["in the middle", pytest.param("at the start", marks=SLOW)])
def test_a_killed_launcher_takes_all_with_it(running, when):
    launcher, place = running("push", *SMALL, "realtime:=true")
    if when == "in the middle":

        def open_bags():
            """Bags of which the first half second is on disk."""
            files = place.glob("runs/*/bags/*.open/*.mcap")
            return [file.parent for file in files if file.stat().st_size > 20_000]

        (bag,) = wait_for(open_bags, launcher=launcher)
        assert len(processes_in(place)) == 4
    else:
        wait_for(lambda: processes_in(place), launcher=launcher)
    launcher.kill()
    launcher.communicate()
    wait_for(lambda: not processes_in(place), 2.0)
    if when == "in the middle":
        done = covary(place, "recover", bag)
        assert done.returncode == 0, done.stderr
        (saved,) = set(place.glob("runs/*/bags/*")) - {bag}
        ours = Bag(saved)
        assert sum(1 for _ in map(ours.decode, ours.messages())) > 10


BROKEN = """
from covary.nodes.node import Node

class Broken(Node):
    def configure(self):
        raise RuntimeError("no such device")
"""


def test_a_node_that_never_comes_up_is_not_started_for_ever(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "try.yaml").write_text(
        "launch:\n- node: {exec: broken:Broken, name: broken, respawn: true, respawn_delay: 0.1}\n"
    )
    done = covary(tmp_path, "launch", "try.yaml")
    assert done.returncode == 1
    assert "start 3 in 0.2 s" in done.stderr and "start 4" not in done.stderr
    assert "RuntimeError: no such device" in done.stderr
    assert processes_in(tmp_path) == {}
