"""One seed, one run: between processes, folders and hash seeds; processes do what lockstep does."""

import json

import pytest
from launches import FILES, SMALL, launch, messages_of

SLOW = pytest.mark.slow


def words(*own):
    """The small arguments, without those that are given otherwise."""
    names = {word.partition(":=")[0] for word in own}
    return (*own, *(word for word in SMALL if word.partition(":=")[0] not in names))


@pytest.fixture(scope="module")
def push(tmp_path_factory):
    """Two episodes of push in lockstep."""
    place = tmp_path_factory.mktemp("one") / "here"
    return launch(place, "push", *SMALL, "episodes:=2", "--lockstep", PYTHONHASHSEED="1")


def assert_equal(one, two, topics=()):
    """Every topic's (log time, payload), and the order across topics."""
    first, second = messages_of(one, *topics), messages_of(two, *topics)
    assert len(first) > 100 and len(first) == len(second)
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        assert a == b, f"message {place}: {a[:2]} is not {b[:2]}, or its payload differs"


def test_lockstep_twice_is_equal_bit_for_bit(tmp_path, push):
    place = tmp_path / "a place" / "elsewhere"
    place.mkdir(parents=True)
    two = launch(place, "push", *SMALL, "episodes:=2", "--lockstep", PYTHONHASHSEED="4242")
    assert_equal(push, two)
    assert push.summary["cost"] == two.summary["cost"]


@SLOW
@pytest.mark.parametrize(
    "own",
    [
        *((name,) for name in FILES),
        ("point_mass", "planner:=cem", "symmetry:=C4"),
        ("reach", "plan_delay_ms:=40", "symmetry:=none"),
        ("push", "model:=mujoco", "samples:=16", "horizon:=6", "knots:=3"),
        ("push", "planner:=cem", "seed:=3"),
    ],
    ids=" ".join,
)
def test_every_kind_of_lockstep_is_equal_bit_for_bit(tmp_path, own):
    runs = [
        launch(tmp_path / key, *words(*own), "episodes:=2", "--lockstep", PYTHONHASHSEED=key)
        for key in ("7", "11")
    ]
    assert_equal(*runs)


def test_lockstep_within_one_process_is_equal_too(tmp_path, push):
    """Nothing of one run stays for the next."""
    for name in "ab":
        run = launch(tmp_path / name, "push", *SMALL, "episodes:=2", "--lockstep", here=True)
        assert_equal(push, run)


def test_another_seed_is_another_run(tmp_path, push):
    run = launch(tmp_path, "push", *SMALL, "episodes:=1", "seed:=1", "--lockstep", here=True)
    assert messages_of(run, "/state")[0] != messages_of(push, "/state")[0]


def test_an_episode_does_not_depend_on_how_many_follow(tmp_path, push):
    run = launch(tmp_path, "push", *SMALL, "episodes:=1", "--lockstep", here=True)
    short = messages_of(run)
    assert messages_of(push)[: len(short)] == short


@pytest.mark.parametrize(
    ("own", "lockstep"),
    [
        (("push",), "push"),
        pytest.param(("point_mass", "planner:=cem"), None, marks=SLOW),
        pytest.param(("reach", "symmetry:=none"), None, marks=SLOW),
        pytest.param(("push", "seed:=5", "plan_delay_ms:=40"), None, marks=SLOW),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_processes_do_bit_for_bit_what_lockstep_does(tmp_path, request, own, lockstep):
    given = (*words(*own), "episodes:=2")
    one = (
        request.getfixturevalue(lockstep)
        if lockstep
        else launch(tmp_path / "lockstep", *given, "--lockstep")
    )
    two = launch(tmp_path / "processes", *given, "realtime:=false")
    for topic in ("/command", "/state", "/plan", "/applied", "/physics", "/episode"):
        a, b = ([payload for _, _, payload in messages_of(run, topic)] for run in (one, two))
        # A recorder on busy cores may miss a message (it is not waited for); none may differ.
        rest = iter(a)
        assert len(a) > 1 and all(payload in rest for payload in b), topic
        assert len(b) >= 0.95 * len(a) - 1, topic
    # Costs to the last bit: what was missed in the bag was the same in the plant.
    rows = [json.loads((run.folder / "sim.json").read_text())["episodes"] for run in (one, two)]
    assert rows[0] == rows[1]
