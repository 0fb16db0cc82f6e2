"""Faults, injected into real processes: the plant is safe in time, and goes on when they are over.

By default each fault once, into the planner. The matrix of faults and nodes is slow.
"""

import os
import shutil
import signal
import subprocess

import pytest
from hand_policies import chasing_gain, hand_policy
from launches import SMALL, covary, launch, left, processes_in, wait_for
from plant_record import PlantRecord
from trials import Trial, write_launch

from covary.nodes.bags.reader import Bag
from covary.sim.tasks.push import Push

SLOW = pytest.mark.slow
REALTIME = ("realtime:=true", "episodes:=1000", "seed:=3")
PATIENT = {"heartbeat_timeout": 60.0}
"""Of a node that the supervisor is to leave alone."""


@pytest.fixture
def trial(tmp_path):
    """Makes trials that end with the test."""
    made = []

    def begin(*words, **changes):
        made.append(Trial(tmp_path / f"trial {len(made)}", *words, **changes))
        return made[-1]

    yield begin
    for one in made:
        one.kill()


def poisoned(here, node, word):
    """A node that says nonsense for a while; the span of plant time in which it certainly did."""
    begin = here.order(node, word)
    end = here.on(0.6)
    here.order(node, "cure")
    here.on(0.6)
    return begin, end


def frozen(here, node):
    """A node that is stopped for more than a second of plant time and goes on."""
    begin = here.time()
    here.send(node, signal.SIGSTOP)
    end = here.on(1.2)
    here.send(node, signal.SIGCONT)
    here.on(1.0)
    return begin, end


def replaced(here, node, fault):
    """A node that dies, or is killed because it is stuck, and is started again."""
    pid = here.pid(node)
    starts = here.log().count("; start ")
    begin = here.time()
    if fault in ("busy", "sleep"):
        here.order(node, fault)
        here.says(f"/{node}: no heartbeat for 4 s, killing it")
    else:
        here.send(node, fault)
    wait_for(lambda: here.log().count("; start ") > starts, 30, here.launcher)
    end = here.time()
    assert here.pid(node) != pid
    return begin, end


def test_faults_of_the_planner(trial):
    here = trial(*REALTIME)
    here.reach(1.0)
    nonsense = poisoned(here, "planner", "nan")
    for word in ("huge", "forward", "back"):
        poisoned(here, "planner", word)
    stopped = frozen(here, "planner")
    stuck = replaced(here, "planner", "busy")
    here.moves()
    killed = replaced(here, "planner", signal.SIGKILL)
    here.moves()
    record = here.end()
    assert record.unsafe() == []
    for window in (nonsense, stopped, stuck, killed):
        assert record.stands(window), (window, record.spans)
    assert here.run.summary["respawns"] == 2
    # Whoever reads the folder knows what happened.
    for words in ("no heartbeat for 4 s, killing it", "killed by SIGKILL; start 3 in"):
        assert words in here.log()
    assert "no plan young enough" in here.log("control")
    log = here.log("planner")
    assert "in busy" in log  # where it stood when it was killed
    assert log.count("the planner's is not finite") <= 1 + log.count("plans again")


@SLOW  # test_faults_of_the_planner freezes it for less long
def test_a_planner_that_is_frozen_for_ten_seconds(trial):
    here = trial(*REALTIME, planner=PATIENT)
    here.reach(1.0)
    begin = here.order("planner", "sleep")
    end = here.on(8.0)
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and record.stands((begin, end)), record.spans
    assert here.run.summary["respawns"] == 0


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {error}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@SLOW
def test_a_full_disk_stops_the_recording_and_not_the_robot(small_disk):
    here = Trial(small_disk / "trial", *REALTIME)
    try:
        here.reach(1.0)
        filler = small_disk / "filler"
        with filler.open("wb") as file, pytest.raises(OSError, match="No space left"):
            while True:
                os.write(file.fileno(), bytes(1024))
        here.on(3.0)  # works on, with nowhere to write
        begin, end = here.time(), here.on(1.0)
        filler.unlink()
        screen = here.log("recorder")
        record = here.end()
    finally:
        here.kill()
    assert "recording stopped: No space left on device" in screen
    assert "covary recover" in screen
    assert record.unsafe() == [] and not record.safe_during(begin, end)
    (broken,) = here.folder.glob("bags/*.open")
    assert covary(small_disk, "recover", broken).returncode == 0
    (saved,) = here.folder.glob("bags/*_recovered")
    assert sum(Bag(saved).counts.values()) > 10


def test_stop_latches_until_reset_whatever_happens_to_the_others(trial):
    here = trial(*REALTIME)
    here.reach(1.0)
    said = covary(here.place, "service", "call", "/stop")
    assert said.returncode == 0 and "success: true" in said.stdout, said.stderr
    begin = here.on(0.1)
    replaced(here, "control", signal.SIGKILL)
    here.on(2.0)
    end = here.time()
    here.call("/reset")
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and record.safe_during(begin, end)
    (stopped,) = [span for span in record.spans if span["why"] == "STOPPED"]
    assert stopped["begin"] <= begin and stopped["end"] >= end
    assert stopped["next_command"] is None or stopped["next_command"] >= end - 0.1


@SLOW
def test_a_frozen_sim_aborts_its_episode_and_never_takes_it_up_again(trial):
    here = trial(*REALTIME, sim=PATIENT)
    here.reach(1.0)
    here.freeze("sim", 3.0)  # longer than the lease: the others have lost it, and find it again
    here.says("episode   0  aborted")
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and here.run.summary["aborted"] >= 1
    phases = [(index, phase, aborted) for index, phase, aborted in record.episodes if index < 2]
    assert phases[:3] == [(0, 0, False), (0, 1, True), (1, 0, False)]
    assert Bag(here.run.bags[0]).metadata["aborted"] == "true"
    ends = [time for time, episode in record.states if episode == 0][-1]
    assert all(time > ends for time, episode in record.states if episode > 0)
    assert "stood still for" in here.log("sim")


@pytest.fixture
def policy(tmp_path):
    """Launch words for a policy in the planner's place: it runs after the box."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return f"policy:={hand_policy(tmp_path / 'policy', Push(), chasing_gain())}"


@SLOW
def test_a_policy_that_is_stopped(trial, policy):
    here = trial(*REALTIME, policy)
    here.reach(1.0)
    window = frozen(here, "policy")
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and record.stands(window), (window, record.spans)


@SLOW
def test_faults_of_a_policy(trial, policy):
    here = trial(*REALTIME, policy)
    here.reach(1.0)
    nonsense = poisoned(here, "policy", "nan")
    for word in ("huge", "forward", "back"):
        poisoned(here, "policy", word)
    stopped = frozen(here, "policy")
    here.moves()
    stuck = replaced(here, "policy", "busy")
    here.moves()
    killed = replaced(here, "policy", signal.SIGKILL)
    here.moves()
    record = here.end()
    assert record.unsafe() == []
    for window in (nonsense, stopped, stuck, killed):
        assert record.stands(window), (window, record.spans)
    assert here.run.summary["respawns"] == 2
    assert not here.run.stats("policy")["imported_torch"]


# Every fault and every node.


@SLOW
@pytest.mark.parametrize("fault", ["nan", "huge", "forward", "back"])
@pytest.mark.parametrize("node", ["sim", "perception", "planner", "control"])
def test_a_node_that_says_nonsense(trial, node, fault):
    here = trial(*REALTIME)
    here.reach(1.0)
    window = poisoned(here, node, fault)
    here.moves()
    record = here.end()
    assert record.unsafe() == []
    if fault == "nan":
        assert record.stands(window), (window, record.spans)
    if (node, fault) == ("control", "nan"):
        assert "REJECTED" in {span["why"] for span in record.spans}
        assert record.stats["rejected"] > 0
    if (node, fault) == ("control", "huge"):
        assert record.stats["limited"] > 0


@SLOW
@pytest.mark.parametrize("fault", [signal.SIGKILL, "busy", "sleep"])
@pytest.mark.parametrize("node", ["perception", "planner", "control"])
def test_a_node_on_the_path_that_dies_or_is_stuck(trial, node, fault):
    here = trial(*REALTIME)
    here.reach(1.0)
    window = replaced(here, node, fault)
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and record.stands(window), (window, record.spans)


@SLOW
@pytest.mark.parametrize("node", ["perception", "planner", "control"])
def test_a_node_on_the_path_that_is_frozen_and_goes_on(trial, node):
    here = trial(*REALTIME)
    here.reach(1.0)
    windows = [frozen(here, node) for _ in range(3)]
    here.moves()
    record = here.end()
    assert record.unsafe() == []
    for window in windows:
        assert record.stands(window), (window, record.spans)
    assert here.run.summary["respawns"] == 0


@SLOW
@pytest.mark.parametrize("node", ["perception", "control"])
def test_a_node_on_the_path_that_is_frozen_for_ten_seconds(trial, node):
    here = trial(*REALTIME, **{node: PATIENT})
    here.reach(1.0)
    begin = here.order(node, "sleep")
    end = here.on(8.0)
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and record.stands((begin, end)), record.spans


@SLOW
@pytest.mark.parametrize("fault", [signal.SIGKILL, "busy", signal.SIGSTOP])
def test_a_sim_that_dies_or_is_stuck_ends_the_launch(trial, fault):
    here = trial(*REALTIME)
    here.reach(1.0)
    if fault == "busy":
        here.order("sim", fault)
    else:
        here.send("sim", fault)
    screen, _ = here.launcher.communicate(timeout=60)
    assert here.launcher.returncode == 1, screen
    assert processes_in(here.place) == {}
    run = left(here.folder, screen)
    assert run.summary["aborted"] == 1 and run.summary["episodes"] == 0
    assert any("/sim" in line for line in run.summary["failures"])
    (bag,) = run.bags
    assert Bag(bag).metadata["aborted"] == "true"
    assert "episode   0  aborted: its end never came" in here.log()


@SLOW
def test_a_sim_that_is_frozen_for_ten_seconds(trial):
    here = trial(*REALTIME, sim=PATIENT)
    here.reach(1.0)
    here.order("sim", "sleep")
    here.says("episode   0  aborted", timeout_s=60)
    here.moves()
    record = here.end()
    assert record.unsafe() == [] and here.run.summary["aborted"] >= 1


BYSTANDERS = ["recorder", "viewer"]


@SLOW
@pytest.mark.parametrize("fault", [signal.SIGKILL, "busy", "sleep", "forward", "back", "freeze"])
@pytest.mark.parametrize("node", BYSTANDERS)
def test_a_bystander_at_fault_does_not_disturb_the_robot(trial, node, fault):
    here = trial(*REALTIME)
    here.reach(1.0)
    begin = here.time()
    if fault in ("forward", "back"):
        here.order(node, fault)
        here.on(1.0)
    elif fault == "freeze":
        frozen(here, node)
    else:
        replaced(here, node, fault)
    end = here.on(1.0)
    record = here.end()
    assert record.unsafe() == []
    # Nobody but a machine out of breath makes the plant wait: never for as long as the fault.
    inside = [s for s in record.spans if begin < s["begin"] < end and s["why"] == "LATE"]
    assert all(s["end"] is not None and s["end"] - s["begin"] < 0.5 for s in inside), inside


@SLOW
@pytest.mark.parametrize("fault", [signal.SIGKILL, "busy", "sleep", signal.SIGSTOP])
@pytest.mark.parametrize("node", BYSTANDERS)
def test_behind_the_barrier_a_bystander_changes_not_one_bit(tmp_path, node, fault):
    words = ("episodes:=3", "seed:=3")
    alone = launch(tmp_path / "alone", "push", *SMALL, *words, "--lockstep", here=True)
    place = tmp_path / "here"
    write_launch(place, *words)
    if isinstance(fault, str):
        (place / f"sabotage.{node}").write_text(fault)  # at its first message
        done = covary(place, "launch", "faulty.yaml")
    else:
        here = Trial(place, *words)
        try:
            here.says("episode   0", timeout_s=60)
            here.send(node, fault)
            screen, _ = here.launcher.communicate(timeout=90)
            done = subprocess.CompletedProcess([], here.launcher.returncode, screen, "")
        finally:
            here.kill()
    (folder,) = place.glob("runs/*")
    run = left(folder)
    costs = [(e["cost"], e["duration"], e["success"]) for e in run.stats("sim")["episodes"]]
    assert costs == [
        (e["cost"], e["duration"], e["success"]) for e in alone.stats("sim")["episodes"]
    ], done.stdout
    assert processes_in(place) == {}


@SLOW
def test_a_frozen_launcher_kills_nobody_when_it_goes_on(trial):
    here = trial(*REALTIME)
    here.reach(1.0)
    os.kill(here.launcher.pid, signal.SIGSTOP)
    here.on(6.0)
    os.kill(here.launcher.pid, signal.SIGCONT)
    here.on(2.0)
    record = here.end()
    assert record.unsafe() == [] and here.run.summary["respawns"] == 0
    assert "the launcher stood still for" in here.log()


@SLOW
def test_a_killed_launcher_takes_the_saboteurs_with_it(trial):
    here = trial(*REALTIME)
    here.reach(1.0)
    here.order("planner", "busy")
    here.close()
    here.launcher.kill()
    here.launcher.communicate()
    wait_for(lambda: not processes_in(here.place), 2.0)
    shutil.rmtree(here.place)


def test_the_record_finds_what_is_unsafe(tmp_path):
    """The judge itself: a plant that goes on without commands is found out."""
    run = launch(tmp_path, "push", *SMALL, "episodes:=1", "--lockstep", here=True)
    record = PlantRecord(run.folder, "push")
    assert record.unsafe() == [] and len(record.commands) > 20
    cut = record.commands[5].time, record.commands[15].time
    record.commands = [c for c in record.commands if not cut[0] < c.time < cut[1]]
    assert any("no command from" in line for line in record.unsafe())
    record.spans = [
        {"episode": 0, "why": "COMMANDED", "begin": 1.0, "end": 1.5},
        {"episode": 1, "why": "COMMANDED", "begin": 1.55, "end": 2.0},
        {"episode": 1, "why": "LATE", "begin": 2.05, "end": 3.0},
    ]
    assert record.safe_during(1.1, 2.0)  # over the end of an episode
    assert not record.safe_during(1.1, 2.1) and not record.safe_during(0.9, 1.2)
    assert not record.safe_during(1.52, 1.8)
    record.spans = []
    record.applied.append(record.applied[-1] + 1e3)
    assert any("beyond the limits" in line for line in record.unsafe())
