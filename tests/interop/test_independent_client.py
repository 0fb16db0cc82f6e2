"""A client written from the convention alone joins a running launch and finds what is told."""

import ast
import contextlib
import json
import re
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import ros2_client
import topics_table
from ros2_client import Client, decode, encode, rihs01
from topics_table import NODES

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
from launches import SMALL, covary_here, renders, start, wait_for  # noqa: E402

from covary.nodes import messages as m  # noqa: E402
from covary.nodes.bags.reader import Bag  # noqa: E402
from covary.nodes.bus.gid import gid  # noqa: E402
from covary.nodes.bus.zenoh_bus import ZenohBus  # noqa: E402
from covary.sim.tasks.reacher import Reacher  # noqa: E402

JOINTS, IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Image"
POSE, TRIGGER, GET_STATE = (
    "geometry_msgs/msg/PoseStamped",
    "std_srvs/srv/Trigger",
    "lifecycle_msgs/srv/GetState",
)
STATE, APPLIED = "covary_msgs/msg/State", "covary_msgs/msg/Applied"
OK, NO_COMMAND, STOPPED = 0, 1, 4  # of covary_msgs/msg/Applied
PICTURE = "/camera/top/image_raw"
GOAL = (0.1, -0.3)

# What ROS 2 itself prints for these (`ros2 topic info -v`, and its generated code).
OFFICIAL = {
    "std_msgs/msg/String": "df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
    "std_msgs/msg/Header": "f49fb3ae2cf070f793645ff749683ac6b06203e41c891e17701b1cb597ce6a01",
    "rosgraph_msgs/msg/Clock": "692f7a66e93a3c83e71765d033b60349ba68023a8c689a79e48078bcb5c58564",
    JOINTS: "a13ee3a330e346c9d87b5aa18d24e11690752bd33a0350f11c5882bc9179260e",
    IMAGE: "d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47",
    TRIGGER: "eeff2cd6fa5ad9d27cdf4dec64818317839b62f212a91e6b5304b634b2062c5f",
    GET_STATE: "800a0a5aae599782b02932de0caf563f6dc4e7e94b794eadde075ba2cbef9795",
}


# The client itself.


def test_it_knows_nothing_of_covary():
    tree = ast.parse(Path(ros2_client.__file__).read_text())
    named = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    named |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} - set(sys.stdlib_module_names) == {
        "numpy",
        "zenoh",
    }


@pytest.mark.parametrize("type_name", OFFICIAL)
def test_its_hashes_are_ros_2s(type_name):
    assert rihs01(type_name) == f"RIHS01_{OFFICIAL[type_name]}"


STAMPED = {"stamp": {"sec": 7, "nanosec": 5}, "frame_id": "x"}


@pytest.mark.parametrize(
    ("type_name", "message"),
    [
        (JOINTS, {"header": STAMPED, "name": ["a", "bcd"], "position": np.arange(2.0),
                  "velocity": np.zeros(0), "effort": np.ones(3)}),
        (JOINTS, {"header": STAMPED, "name": [], "position": [], "velocity": [1.5], "effort": []}),
        (IMAGE, {"header": STAMPED, "height": 1, "width": 2, "encoding": "rgb8",
                 "is_bigendian": 0, "step": 6, "data": np.arange(6, dtype=np.uint8)}),
        (STATE, {"header": STAMPED, "episode": 3, "name": ["q"], "value": np.array([2.5])}),
        ("std_srvs/srv/Trigger_Response", {"success": True, "message": "done"}),
    ],
)  # fmt: skip
def test_its_bytes_are_ours(type_name, message):
    raw = encode(type_name, message)
    ours = m.deserialize(raw, type_name.replace("/srv/", "/msg/"))
    assert bytes(m.serialize(ours)) == raw
    again = decode(type_name, raw)
    assert all(np.array_equal(again[name], message[name]) for name in message)


# A running launch.


def take(messages, condition, timeout_s=30.0):
    """Messages of a queue up to the first of which a condition holds."""
    found = []
    until = time.monotonic() + timeout_s
    while not (found and condition(found[-1])):
        found.append(messages.get(timeout=max(until - time.monotonic(), 0.01)))
    return found


def everything(messages):
    return [messages.get_nowait() for _ in range(messages.qsize())]


def picture(k):
    """An image of an outsider's."""
    data = np.random.default_rng(k).integers(0, 256, 128 * 128 * 3).astype(np.uint8)
    header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": "camera_top"}
    shape = {"height": 128, "width": 128, "encoding": "rgb8", "is_bigendian": 0, "step": 384}
    return {"header": header, **shape, "data": data}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Joins a launch as an outsider, does all an outsider may do, and tells what it saw."""
    place = tmp_path_factory.mktemp("interop")
    camera = renders()
    words = ("reach", *SMALL, "realtime:=true", "episodes:=1000", f"camera:={camera}".lower())
    launcher = start(place, *words)
    s = SimpleNamespace(camera=camera, begin=time.time_ns())
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: launcher.poll() is None and launcher.kill())
        (run,) = wait_for(lambda: list(place.glob("runs/*/endpoint.json")), launcher=launcher)
        run = run.parent
        # The smallest id there is: rmw_zenoh's sessions connect only to peers with smaller ones.
        client = Client("outsider", run, zid="1")
        stack.callback(client.close)
        heard = {
            topic: client.subscribe(topic, kind)
            for topic, kind in {
                "/joint_states": JOINTS, "/state": STATE, "/applied": APPLIED, "/goal": POSE,
                PICTURE: IMAGE,
            }.items()
        }  # fmt: skip
        pictures = None if camera else client.publisher(PICTURE, IMAGE)
        wait_for(lambda: {f"/{n}" for n in NODES} <= nodes_of(client), launcher=launcher)
        states = {n: client.client(f"/{n}/get_state", GET_STATE) for n in NODES}
        s.before = take(heard["/applied"], lambda a: a.message["status"] == OK)
        s.lifecycle = {n: call() for n, call in states.items()}
        for k in range(0 if camera else 5):
            pictures(picture(k))
        s.images = take(heard[PICTURE], lambda image: image.sequence >= 5)

        s.stop, s.reset = client.client("/stop", TRIGGER), client.client("/reset", TRIGGER)
        s.stopped = s.stop()
        s.halted = take(heard["/applied"], lambda a: a.message["status"] == STOPPED)
        take(heard["/state"], lambda state: state.time_ns > s.halted[-1].time_ns + 10**9)
        s.still = everything(heard["/applied"])
        s.released = s.reset()
        s.resumed = take(heard["/applied"], lambda a: a.message["status"] == OK)

        publish = client.publisher("/goal", POSE, depth=3)
        pose = {
            "position": dict(zip("xyz", (*GOAL, 0.0), strict=True)),
            "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
        }
        publish({"header": STAMPED, "pose": pose})
        s.aimed = take(heard["/state"], lambda state: goal_of(state.message) == GOAL)

        # Our own client of this convention asks the outsider's service, and publishes to it.
        client.serve("/outsider/ping", TRIGGER, lambda _: {"success": True, "message": "pong"})
        where = json.loads((run / "endpoint.json").read_text())
        bus = ZenohBus("ours", where["endpoint"], where["domain"])
        stack.callback(bus.close)
        bus.announce()
        wait_for(lambda: bus.sees(["/outsider", "/sim"]) and "/ours" in nodes_of(client))
        raw = bus.call(TRIGGER, "/outsider/ping", encode(f"{TRIGGER}_Request", EMPTY), 5.0)
        s.pong = decode(f"{TRIGGER}_Response", raw)
        everything(heard["/goal"])
        ours = bus.publisher(POSE, "/goal")
        wait_for(lambda: any(e.node == "/ours" and e.kind == "MP" for e in client.graph()))
        for _ in range(5):
            ours.put(encode(POSE, {"header": STAMPED, "pose": pose}))
        s.goals = take(heard["/goal"], lambda goal: goal.sequence == 5)

        s.graph = client.graph()
        key = (
            f"{client.domain}/sim/get_state/{ros2_client.wire_name(GET_STATE)}/{rihs01(GET_STATE)}"
        )
        s.bare = [
            r.ok for r in client.session.get(key, payload=encode(f"{GET_STATE}_Request", EMPTY))
        ]
        # It waits for no longer than two seconds, and a busy machine may need them.
        s.listed = wait_for(lambda: next((t for t in [listed(place, run)] if "/outsider" in t), ""))
        s.joints = everything(heard["/joint_states"])
        client.close()
        s.seconds_to_leave = -time.monotonic()
        wait_for(lambda: "outsider" not in {token.node for token in bus.graph()})
        assert not bus.sees(["/outsider"])
        s.seconds_to_leave += time.monotonic()
        s.end = time.time_ns()
        launcher.send_signal(signal.SIGINT)
        s.screen = launcher.communicate(timeout=60)[0]
    s.bags = [Bag(path) for path in sorted((run / "bags").iterdir())]
    return s


def listed(place, run):
    """What `covary topic list` prints."""
    return covary_here(place, "topic", "list", "--run", run).stdout


EMPTY = {"structure_needs_at_least_one_member": 0}


def nodes_of(client):
    return {end.node for end in client.graph() if end.kind == "NN"}


def goal_of(state):
    value = dict(zip(state["name"], state["value"].tolist(), strict=True))
    return value["goal_x"], value["goal_y"]


def recorded(seen, topic):
    """Payloads of a topic in all bags."""
    return [message.payload for bag in seen.bags for message in bag.messages([topic])]


OURS = (*NODES, "launcher")


def who(seen, kind, topic):
    """Short names of a launch's nodes with an end of a kind: {type: names}."""
    found = {}
    for end in seen.graph:
        if (end.kind, end.topic) == (kind, topic) and end.node[1:] in OURS:
            found.setdefault(end.type_name, set()).add(end.node[1:])
    return found


def test_every_documented_end_is_there(seen):
    for row in topics_table.topics():
        if row.name == "/ground_truth" or (
            row.needs and not (row.needs == "camera" and seen.camera)
        ):
            continue
        same = [other for other in topics_table.topics() if other.name == row.name]
        speakers = set().union(*(other.speakers for other in same))
        listeners = set().union(*(other.listeners(barrier=False) for other in same))
        assert who(seen, "MP", row.name) == ({row.type_name: speakers} if speakers else {})
        assert who(seen, "MS", row.name) == {row.type_name: listeners}
    for row in topics_table.services():
        assert who(seen, "SS", row.name) == {row.type_name: row.speakers}


def test_no_end_is_there_that_is_not_documented(seen):
    rows = {(row.name, row.type_name) for row in topics_table.rows()}
    lifecycle = {(f"/{n}/{s}_state", f"lifecycle_msgs/srv/{s.title()}State")
                 for n in NODES for s in ("get", "change")}  # fmt: skip
    ends = {(end.topic, end.type_name) for end in seen.graph
            if end.kind != "NN" and end.node[1:] in OURS}  # fmt: skip
    assert ends - rows == lifecycle


def test_tokens_tell_who_and_how(seen):
    """Every end belongs to a node, all ids differ, and QoS and hashes are what we do."""
    nodes = {end.ids[0]: end for end in seen.graph if end.kind == "NN"}
    assert {n.node for n in nodes.values()} >= {f"/{name}" for name in (*OURS, "outsider")}
    assert len({end.ids for end in seen.graph}) == len(seen.graph)
    for end in seen.graph:
        node = nodes[end.ids[0]]
        assert (end.node, end.ids[1]) == (node.node, node.ids[1])
        if end.kind == "NN" or end.node[1:] not in OURS:
            continue
        assert (end.qos["reliability"], end.qos["durability"]) == (1, 2)  # reliable, volatile
        if end.kind in ("SS", "SC"):
            kept = (1, 10)  # ROS 2's profile of services
        elif end.kind == "MS" and end.node in ("/recorder", "/launcher"):
            kept = (2, 42)  # all, and a depth that nobody heeds
        else:
            kept = (1, 1)
        assert (end.qos["history"], end.qos["depth"]) == kept, end
        if end.type_name in ros2_client.STRUCTURES or end.type_name in (TRIGGER, GET_STATE):
            assert end.type_hash == rihs01(end.type_name)
        assert re.fullmatch(r"RIHS01_[0-9a-f]{64}", end.type_hash)


def test_joint_states_are_those_of_the_bag(seen):
    bag = set(recorded(seen, "/joint_states"))
    known = [joint for joint in seen.joints if joint.payload in bag]
    assert len(known) >= 25 and len(known) >= 0.9 * len(seen.joints)
    by_stamp = {}
    for one in seen.bags:
        for message in one.messages(["/joint_states"]):
            decoded = one.decode(message)
            by_stamp[m.nanoseconds(decoded.header.stamp)] = decoded
    for joint in known:
        stamp = joint.message["header"]["stamp"]
        ours = by_stamp[stamp["sec"] * 10**9 + stamp["nanosec"]]
        assert joint.message["header"]["frame_id"] == "world"
        assert joint.message["name"] == ours.name == ["shoulder", "elbow"]
        for array in ("position", "velocity"):
            assert joint.message[array].tolist() == getattr(ours, array).tolist()
        assert len(joint.message["effort"]) == 0


def test_images_are_those_of_the_bag(seen):
    bag = set(recorded(seen, PICTURE))
    assert len(seen.images) >= 4
    for image in seen.images:
        assert image.payload in bag
        shape = {k: image.message[k] for k in ("height", "width", "encoding", "step")}
        assert shape == {"height": 128, "width": 128, "encoding": "rgb8", "step": 384}
        pixels = image.message["data"].reshape(128, 128, 3)
        assert pixels.std() > 1.0
    first, *_, last = seen.images
    assert last.sequence > first.sequence


def test_attachments_count_messages_and_name_their_sender(seen):
    """Where none is lost, numbers run on by one a control period; a new publisher begins at 1."""
    tokens = {end.topic: end.token for end in seen.graph if (end.node, end.kind) == ("/sim", "MP")}
    joints = seen.joints
    assert {joint.gid for joint in joints} == {gid(tokens["/joint_states"])}
    period = round(Reacher.dt * 1e9)
    for a, b in zip(joints, joints[1:], strict=False):
        assert a.sequence < b.sequence and a.time_ns <= b.time_ns
        stamps = [j.message["header"]["stamp"] for j in (a, b)]
        apart = [s["sec"] * 10**9 + s["nanosec"] for s in stamps]
        # Between two episodes lies one period in which nothing is sensed, after the last state.
        assert (apart[1] - apart[0]) // period - (b.sequence - a.sequence) in (0, 1, 2)
    assert all(seen.begin <= joint.time_ns <= seen.end for joint in joints)
    assert [goal.sequence for goal in seen.goals] == [1, 2, 3, 4, 5]
    (ours,) = {goal.gid for goal in seen.goals}
    assert ours == gid(next(e.token for e in seen.graph if (e.node, e.kind) == ("/ours", "MP")))
    assert len({tokens[t] for t in tokens}) == len({gid(t) for t in tokens.values()})


def test_services_answer_as_ros_2_expects(seen):
    """The client asserts that number and gid come back; the time is that of the reply."""
    for reply in seen.lifecycle.values():
        assert reply.message["current_state"] == {"id": 3, "label": "active"}
        assert reply.sequence == 1
    assert seen.stopped.message["success"] and seen.released.message["success"]
    assert seen.begin < seen.stopped.time_ns < seen.released.time_ns < seen.end
    assert seen.pong == {"success": True, "message": "pong"}
    (bare,) = seen.bare  # a request without attachment is answered all the same
    state = decode(f"{GET_STATE}_Response", bare.payload.to_bytes())
    assert state["current_state"]["label"] == "active" and bare.attachment is None


def test_every_node_beats(seen):
    """Every 0.25 s; on a busy machine some come late, but none does without."""
    beats = [b for bag in seen.bags for b in map(bag.decode, bag.messages(["/diagnostics"]))]
    for name in NODES:
        times = [m.seconds(b.header.stamp) for b in beats if b.status[0].name == f"/{name}"]
        assert len(times) >= 4 and np.median(np.diff(times)) == pytest.approx(0.25, abs=0.1)


def test_a_stop_latches_until_reset(seen):
    assert seen.halted[-1].message["action"].tolist() == [0.0, 0.0]
    assert {applied.message["status"] for applied in seen.still} <= {STOPPED}  # a second long
    statuses = [applied.message["status"] for applied in seen.resumed]
    statuses = [status for status in statuses if status != STOPPED]  # of a new episode
    assert statuses[0] in (NO_COMMAND, OK) and statuses[-1] == OK


def test_an_outsiders_goal_is_taken(seen):
    assert goal_of(seen.aimed[-1].message) == GOAL
    assert any(b"" != payload for payload in recorded(seen, "/goal"))


def test_our_tools_see_the_outsider_come_and_go(seen):
    lines = " ".join(seen.listed.split())
    assert "/outsider" in lines and "/goal" in lines
    assert seen.seconds_to_leave < 5.0
