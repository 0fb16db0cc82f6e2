"""docs/topics.md, row by row: what every launch file really opens and sends, and how often."""

import re
from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import topics_table
from launches import FILES, SMALL, TABLETOP, WHOLE, covary_here, renders

from covary.nodes import messages, plugin
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.messages import Applied, Episode

SIDE = "{position: [0.6, -0.5, 0.4], width: 32, height: 24}"
TICKS = 100  # between two records of the physics


def noting(method, found):
    """A method of `LocalBus` that also notes (name, type, node)."""

    def note(bus, type_name, name, *rest):
        found.add((name, type_name, bus.node_name.strip("/")))
        return method(bus, type_name, name, *rest)

    return note


OTHER, TRUTH = "side", "/ground_truth"
STATED = ("/camera/top/image_raw", "/camera/top/camera_info")
"""What the recorder listens to even if nobody in the launch publishes it."""
QUICK = (*WHOLE, "block_pick")
SEEN = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in (*FILES, *TABLETOP)
]


@pytest.fixture(scope="module", params=SEEN)
def seen(request, tmp_path_factory):
    """One episode of a launch file in lockstep: all that was opened and all that was sent."""
    opened, sent = defaultdict(set), []
    with pytest.MonkeyPatch.context() as patch:
        for method in ("publisher", "subscribe", "service"):
            patch.setattr(LocalBus, method, noting(getattr(LocalBus, method), opened[method]))
        send = LocalGraph.send
        patch.setattr(
            LocalGraph, "send", lambda g, t, p, a: (sent.append((t, p)), send(g, t, p, a))[1]
        )
        given = {"heightmap": "16"} | ({"in_hand": "8"} if request.param in TABLETOP else {})
        if renders():
            given |= {"camera": "true", "cameras": f"{{NAME: {SIDE}}}".replace("NAME", OTHER)}
        done = covary_here(
            tmp_path_factory.mktemp("contract"),
            *("launch", request.param, *SMALL, "episodes:=1", "--lockstep"),
            *(f"{name}:={value}" for name, value in given.items()),
        )
    assert done.returncode == 0, done.stderr + done.stdout
    types = {name: type_name for name, type_name, _ in opened["publisher"]}
    decoded = [(topic, messages.deserialize(raw, types[topic])) for topic, raw in sent]
    by_topic = defaultdict(list)
    for topic, message in decoded:
        by_topic[topic].append(message)
    task = plugin.load(by_topic["/episode"][0].task, "sim.tasks")()
    return SimpleNamespace(
        given=set(given), opened=opened, order=decoded, sent=by_topic, types=types, task=task
    )


def applies(row, seen):
    """Whether a row is of this run: in lockstep, with what was asked for, privileged or not."""
    if row.name == TRUTH and not seen.task.sensed:
        return False
    return (not row.needs or row.needs in seen.given) and "real time only" not in row.when


def rows():
    """The table's rows, for a camera that somebody has named."""
    return [row._replace(name=row.name.replace("NAME", OTHER)) for row in topics_table.topics()]


def test_all_ends_that_are_opened_are_documented_and_the_other_way_round(seen):
    for method, ends in (("publisher", "speakers"), ("subscribe", "listeners")):
        expected = set()
        for row in rows():
            names = row.speakers if ends == "speakers" else row.listeners(barrier=True)
            if row.name == TRUTH and not seen.task.sensed:
                names = set()
            elif row.name == "/state" and seen.task.sensed and ends == "listeners":
                names = names - {"planner"}  # it plans from the ground truth
            if row.needs and not applies(row, seen) and row.name not in STATED:
                continue
            if applies(row, seen) or ends == "listeners":
                # In real time only the launcher hears heartbeats; in lockstep nobody sends them.
                names = names - {"launcher"} if not applies(row, seen) else names
                expected |= {(row.name, row.type_name, name) for name in names}
        assert seen.opened[method] == expected
    served = {(r.name, r.type_name, s) for r in topics_table.services() for s in r.speakers}
    assert seen.opened["service"] == served


def stamp(message):
    return messages.nanoseconds(message.header.stamp)


def stamps(seen, topic):
    return [stamp(message) for message in seen.sent[topic]]


def clock(seen):
    return [messages.nanoseconds(message.clock) for message in seen.sent["/clock"]]


def every_period_before_the_state(seen, topic):
    times = clock(seen)
    start, period = times[0], round(seen.task.dt * 1e9)
    assert times == [start + k * period for k in range(len(times))] and len(times) > 5
    ticks = [t for t, _ in seen.order if t in ("/clock", "/state")]
    assert ticks == ["/clock", "/state"] * len(times)


def every_period(seen, topic):
    found = seen.sent[topic]
    if topic == "/tf":
        kinds = [[t for t in message.transforms if not t.child_frame_id.startswith("camera_")]
                 for message in found]  # fmt: skip
        assert [stamp(kind[0]) for kind in kinds if kind] == clock(seen)
        optical = [kind.child_frame_id for message in found for kind in message.transforms
                   if kind.child_frame_id.startswith("camera_")]  # fmt: skip
        names = {"camera": "top", "cameras": OTHER}
        frames = {f"camera_{names.get(name, name)}" for name in seen.given}
        assert Counter(optical) == dict.fromkeys(frames, len(clock(seen)))
    else:
        assert stamps(seen, topic) == clock(seen)


def one_for_each_state(seen, topic):
    assert stamps(seen, topic) == stamps(seen, "/state")
    if topic == "/command":
        chain = [t for t, _ in seen.order if t in ("/state", "/plan", "/command")]
        assert chain == ["/state", "/plan", "/command"] * (len(chain) // 3)


def when_it_changes(seen, topic):
    found = [(m.status, tuple(m.action)) for m in seen.sent[topic]]
    assert all(a != b for a, b in zip(found, found[1:], strict=False))
    assert {status for status, _ in found} <= {Applied.OK, Applied.NO_COMMAND}
    ticks = [m.tick for m in seen.sent[topic]]
    assert ticks == sorted(ticks) and ticks[0] == 0


def first_every_hundred_and_last(seen, topic):
    ticks = [m.tick for m in seen.sent[topic]]
    last = round(seen.sent["/episode"][1].duration / seen.task.physics_dt)
    assert ticks[:-1] == list(range(0, last, TICKS)) or ticks == [*range(0, last + 1, TICKS), last]
    assert ticks[-1] == last


def every_period_at_its_end(seen, topic):
    costs = seen.sent[topic]
    assert stamps(seen, topic) == clock(seen)
    assert sum(cost.cost for cost in costs) == pytest.approx(seen.sent["/episode"][1].cost)
    assert [len(cost.final) for cost in costs[:-1]] == [0] * (len(costs) - 1)
    assert len(costs[-1].final) == len(seen.sent["/state"][0].value)


def start_and_end(seen, topic):
    start, end = seen.sent[topic]
    assert (start.phase, end.phase) == (Episode.START, Episode.END)
    assert (stamp(start), start.index, end.index) == (clock(seen)[0], 0, 0)
    assert stamp(end) == clock(seen)[-1] + round(seen.task.dt * 1e9)
    assert [topic for topic, _ in seen.order[:1]] == ["/episode"]


def never(seen, topic):
    assert not seen.sent[topic]


def no_heartbeat(seen, topic):
    assert {status.name for m in seen.sent[topic] for status in m.status} == {"/planner: plans"}


def figures_of_each_plan(seen, topic):
    assert stamps(seen, topic) == stamps(seen, "/plan")
    for message in seen.sent[topic]:  # nothing that a wall clock measured
        assert not {"latency_ms", "budget_used"} & {v.key for v in message.status[0].values}


def every_image_before_the_state(seen, topic):
    assert stamps(seen, topic) == clock(seen)
    chain = [t for t, _ in seen.order if t in (topic, "/state")]
    assert chain == [topic, "/state"] * (len(chain) // 2)


CHECKS = {
    "every `T`, before `/state`": every_period_before_the_state,
    "every `T`": every_period,
    "every `T`; a camera's with each image": every_period,
    "the end of every `T`": every_period_at_its_end,
    "every `T`, before `/state`; a task with things": every_period,
    "after each plan": one_for_each_state,
    "after each state (barrier: after state and plan)": one_for_each_state,
    "when what the plant executes changes": when_it_changes,
    "first tick of an episode, every 100 ticks, last tick; every tick of a Gymnasium environment": (
        first_every_hundred_and_last
    ),
    "START and END of each episode": start_and_end,
    "at will; the next `/state` carries it": never,
    "every `T`, before `/state`; or at `camera_hz`": every_image_before_the_state,
    "with each image": every_image_before_the_state,
    "every 0.25 s, from the node's loop; real time only": no_heartbeat,
    "once the state and the image of a stamp are there": one_for_each_state,
    "before each estimate": one_for_each_state,
    "with each plan": figures_of_each_plan,
}
"""What the last column says, and what that means for one episode in lockstep."""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_every_topic_comes_when_its_row_says(seen, row):
    check = CHECKS[row.when]
    if row.name == TRUTH and not seen.task.sensed:
        assert not seen.sent[row.name]
    elif row.needs and row.needs not in seen.given:
        assert not seen.sent[row.name]
    else:
        assert bool(seen.sent[row.name]) != (check is never)
        check(seen, row.name)


def test_frames_and_units(seen):
    for topic, message in seen.order:
        for frame in re.findall(r"frame_id='(\w*)'", str(message)):
            optical = topic.startswith("/camera/")
            wanted = f"camera_{topic.split('/')[2]}" if optical else "world"
            assert frame == ("" if topic == "/diagnostics" else wanted) or topic == "/tf"
    task = seen.task
    for message in seen.sent["/tf"]:
        for transform in message.transforms:
            q = transform.transform.rotation
            assert transform.header.frame_id == "world" and transform.child_frame_id
            assert np.hypot(np.hypot(q.x, q.y), np.hypot(q.z, q.w)) == pytest.approx(1.0)
    for state, joints in zip(seen.sent["/state"], seen.sent["/joint_states"], strict=True):
        assert tuple(state.name) == task.sensed_state()[0] and np.isfinite(state.value).all()
        assert tuple(joints.name) == task.joint_names and len(joints.effort) == 0
        assert len(joints.position) == len(joints.velocity) == len(task.joint_names)
        x = dict(zip(state.name, state.value, strict=True))
        for name, q in zip(joints.name, joints.position, strict=True):
            if name in x:  # the same quantity in the same unit, up to whole turns
                apart = x[name] - q
                assert min(abs(apart), abs(np.sin(apart / 2))) < 1e-9
    for plan in seen.sent["/plan"]:
        assert tuple(plan.joint_names) == task.action_names
        for k, point in enumerate(plan.points):
            kinds = {"velocity": point.velocities, "effort": point.effort}
            assert len(kinds.pop(task.action_interface)) == len(task.action_names)
            assert not len(point.positions) and not any(len(rest) for rest in kinds.values())
            after = point.time_from_start.sec + point.time_from_start.nanosec * 1e-9
            assert after == pytest.approx(k * task.dt, abs=1e-8)
    for command in seen.sent["/command"]:
        kinds = {"velocity": command.velocity, "effort": command.effort}
        action = kinds.pop(task.action_interface)
        assert tuple(command.name) == task.action_names and len(action) == len(task.action_names)
        assert not len(command.position) and not any(len(rest) for rest in kinds.values())
        assert np.allclose(task.limits.project(np.array(action)), action)
    for topic in [topic for topic in seen.sent if topic.endswith("image_raw")]:
        colours = "depth" not in topic and topic.split("/")[2] in ("top", OTHER)
        encoding, size = ("rgb8", 3) if colours else ("32FC1", 4)
        for image in seen.sent[topic]:
            assert (image.encoding, image.step) == (encoding, size * image.width)
            assert len(image.data) == image.step * image.height


def test_episodes_say_what_a_replay_needs(seen):
    start, end = seen.sent["/episode"]
    assert "<mujoco" in start.model and not end.model
    assert re.fullmatch("[0-9a-f]{64}", start.model_sha256)
    assert end.duration == pytest.approx((stamp(end) - stamp(start)) * 1e-9)
    assert np.isfinite(end.cost) and not end.aborted
