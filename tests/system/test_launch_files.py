"""Every launch file of ours, in lockstep and as processes: what it leaves is whole and true."""

import itertools
import json

import pytest
from launches import FILES, MOST, covary_here, launch
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from covary.commands.replay import verify
from covary.nodes.bags.reader import Bag

PLANNED = {"samples": 96, "horizon": 20, "iterations": 3}
WORDS = tuple(f"{name}:={value}" for name, value in PLANNED.items())
EPISODES = 2
TASKS = {"reach": "reacher"}  # a launch file not named here has the name of its task
TOPICS = {
    *("/clock", "/state", "/joint_states", "/tf", "/plan", "/command"),
    *("/applied", "/physics", "/episode", "/cost", "/diagnostics"),
}
KEYS = {
    **{"task": str, "planner": str, "symmetry": str, "seed": int, "episodes": int},
    **{"success_rate": float, "cost": dict, "plan_ms": dict, "overruns": int, "dropped": int},
    **{"respawns": int, "bags": list, "wall_s": float, "samples": int, "horizon": int},
    **{"iterations": int, "failures": list, "exit_code": int, "run": str},
}


@pytest.fixture(scope="module", params=MOST)
def lockstep(request, tmp_path_factory):
    """Each launch file's run in lockstep."""
    place = tmp_path_factory.mktemp("lockstep")
    run = launch(place, request.param, *WORDS, f"episodes:={EPISODES}", "--lockstep")
    return request.param, run


def assert_sound(name, run, planned, episodes=EPISODES, realtime=False, planner="mppi"):
    """The summary has every key, of its type, and says what happened."""
    found = run.summary
    assert {key: type(found[key]) for key in KEYS} == KEYS
    assert found["task"] == TASKS.get(name, name)
    said = (found["planner"], found["symmetry"], found["seed"])
    assert said == (planner, "full", 0)
    assert (found["episodes"], found["exit_code"], found["failures"]) == (episodes, 0, [])
    assert realtime or found["success_rate"] > 0  # in real time a busy machine may plan too little
    assert set(found["cost"]) == {"mean", "std"} and found["cost"]["mean"] > 0
    latency = found["sensor_to_command_ms"]
    for milliseconds in (found["plan_ms"], *((latency,) if realtime else ())):
        assert set(milliseconds) == {"p50", "p99"}
        assert 0 < milliseconds["p50"] <= milliseconds["p99"]
    assert realtime or latency is None
    assert found["respawns"] == 0
    # In real time the planner takes the newest state and lets go of what it had no time for.
    assert realtime or (found["overruns"], found["dropped"]) == (0, 0)
    assert {key: found[key] for key in planned} == planned
    assert len(found["bags"]) == episodes
    assert [bag.name for bag in run.bags] == [f"episode_{i:03}" for i in range(episodes)]


def assert_recorded(run, topics=TOPICS):
    """Both other readers open every bag and decode every message of every topic, equally many."""
    for bag in run.bags:
        ours = Bag(bag)
        assert set(ours.types) == topics and min(ours.counts.values()) > 0
        counts = dict.fromkeys(topics, 0)
        with AnyReader([bag]) as reader:
            for connection, _, payload in reader.messages():
                counts[connection.topic] += 1
                assert reader.deserialize(payload, connection.msgtype)
        assert counts == ours.counts
        counts = dict.fromkeys(topics, 0)
        (file,) = bag.glob("*.mcap")
        with file.open("rb") as stream:
            reader = make_reader(stream, decoder_factories=[DecoderFactory()])
            for _, channel, _, message in reader.iter_decoded_messages():
                counts[channel.topic] += 1
                assert message is not None
        assert counts == ours.counts


def assert_light(run, nodes=("sim", "planner", "control", "recorder")):
    """No node imported what learning needs."""
    for node in nodes:
        stats = run.stats(node)
        assert (stats["imported_torch"], stats["imported_escnn"]) == (False, False), node


def test_lockstep_ends_with_a_true_summary(lockstep):
    name, run = lockstep
    assert_sound(name, run, PLANNED)
    assert run.stats("planner")["plans"] == sum(Bag(bag).counts["/plan"] for bag in run.bags)


def test_a_planned_horizon_is_what_is_published(lockstep):
    _, run = lockstep
    for bag in map(Bag, run.bags):
        plans = [bag.decode(message) for message in bag.messages(["/plan"])]
        assert {len(plan.points) for plan in plans} == {PLANNED["horizon"]}


def test_other_tools_decode_every_topic(lockstep):
    assert_recorded(lockstep[1])


def test_nobody_imports_torch_or_escnn(lockstep):
    assert_light(lockstep[1])


def test_a_replay_is_identical(lockstep):
    name, run = lockstep
    for bag in run.bags:
        verdict = verify(bag)
        assert verdict.difference is None and verdict.notes == ()
        assert verdict.ticks > 100
    if name == FILES[0]:
        done = covary_here(run.folder, "replay", run.bags[0])
        assert done.returncode == 0 and done.stdout.startswith("identical over")


@pytest.mark.parametrize("name", FILES)
def test_cem_plans_as_much_as_it_is_told(tmp_path, name):
    run = launch(tmp_path, name, *WORDS, "planner:=cem", "episodes:=1", "--lockstep", here=True)
    assert_sound(name, run, PLANNED, episodes=1, planner="cem")


def test_a_run_without_recorder_leaves_no_bags(tmp_path):
    run = launch(
        tmp_path, FILES[0], *WORDS, "episodes:=1", "record:=false", "--lockstep", here=True
    )
    assert run.summary["bags"] == [] and not (run.folder / "bags").exists()
    assert run.summary["episodes"] == 1


QUICK = {("reach", "true")}
PROCESSES = [
    pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
    for case in itertools.product(FILES, ("false", "true"))
]


@pytest.mark.parametrize(("name", "realtime"), PROCESSES)
def test_processes_end_with_a_true_summary(tmp_path, name, realtime):
    words = (*WORDS, "episodes:=1", f"realtime:={realtime}")
    run = launch(tmp_path, name, *words, "--summary", "there.json")
    live = realtime == "true"
    assert_sound(name, run, PLANNED, episodes=1, realtime=live)
    assert json.loads((tmp_path / "there.json").read_text()) == run.summary
    assert_recorded(run)
    assert_light(run)
    verdict = verify(run.bags[0])
    assert verdict.difference is None and verdict.ticks > 100
