"""Hostile CDR: any bytes for any type are a message or one line, in little time and memory."""

import struct

import numpy as np
import pytest
from bounds import COUNTS, QUIET, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from covary.nodes import messages
from covary.nodes.bags.bag import describe
from covary.nodes.bags.episode_bags import EpisodeBags
from covary.nodes.bus.wire import Attachment, parse_token

KINDS = sorted({*messages.TYPES.values(), "std_srvs/msg/Trigger_Response"})
EXTREMES = (0, 1, 2, 3, 4, 5, 255, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
HEADER = messages.Header(stamp=messages.stamp(1.5), frame_id="world")


def whole() -> dict[str, bytes]:
    """A right message of every kind that holds lists, and of some that do not."""
    z = np.arange(3.0)
    point = messages.JointTrajectoryPoint(
        positions=z,
        velocities=z,
        accelerations=z[:0],
        effort=z[:0],
        time_from_start=messages.Duration(sec=0, nanosec=5),
    )
    pair = messages.KeyValue(key="a", value="b")
    status = messages.DiagnosticStatus(
        level=0, name="n", message="", hardware_id="", values=[pair, pair]
    )
    turn = messages.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0)
    shift = messages.Vector3(x=0.0, y=0.0, z=0.0)
    transform = messages.TransformStamped(
        header=HEADER,
        child_frame_id="box",
        transform=messages.Transform(translation=shift, rotation=turn),
    )
    fields = dict(height=2, width=2, encoding="rgb8", is_bigendian=0, step=6)
    found = [
        messages.Clock(clock=messages.stamp(2.0)),
        messages.JointState(header=HEADER, name=["a", "é"], position=z, velocity=z, effort=z[:0]),
        messages.JointTrajectory(header=HEADER, joint_names=["a"], points=[point, point]),
        messages.DiagnosticArray(header=HEADER, status=[status, status]),
        messages.TFMessage(transforms=[transform, transform]),
        messages.State(header=HEADER, episode=3, name=["x"], value=z),
        messages.Image(header=HEADER, data=np.arange(12, dtype=np.uint8), **fields),
        messages.Trigger.Response(success=True, message="ok"),
        messages.PoseStamped(
            header=HEADER,
            pose=messages.Pose(position=messages.Point(x=0.0, y=0.0, z=0.0), orientation=turn),
        ),
    ]
    return {message.__msgtype__: messages.serialize(message) for message in found}


WHOLE = whole()


@st.composite
def payloads(draw):
    """(type, bytes): a right message with things changed, bytes of another type, or any bytes."""
    kind = draw(st.sampled_from(KINDS))
    if kind not in WHOLE or draw(st.integers(0, 4)) == 0:
        head = draw(st.sampled_from([b"\0\1\0\0", b"\0\0\0\0", b"\0\2\0\0", b"\xff\xff", b""]))
        return kind, head + draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from([WHOLE[kind]] * 4 + list(WHOLE.values()))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        change = draw(st.sampled_from(["word", "byte", "cut", "drop", "add", "order"]))
        if change == "word":
            at -= at % 4
            order = draw(st.sampled_from("<>"))
            data[at : at + 4] = struct.pack(f"{order}I", draw(st.sampled_from(EXTREMES)))
        elif change == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif change == "cut":
            del data[at:]
        elif change == "drop":
            del data[at : at + draw(st.integers(1, 9))]
        elif change == "order" and len(data) > 1:
            data[1] ^= 1
        else:
            data[at:at] = draw(st.binary(max_size=40)) * draw(st.integers(1, 3))
    return kind, bytes(data)


@pytest.mark.parametrize("count", COUNTS)
def test_any_bytes_are_a_message_or_one_line(count):
    @settings(max_examples=count, **QUIET)
    @given(payloads())
    def check(given):
        kind, data = given
        limit = 10 * 2**20 + 4 * len(data)
        found = outcome(
            lambda: messages.deserialize(data, kind), messages.MessageError, memory=limit
        )
        if found is not None:  # what came in can go out again, and means the same
            again = messages.serialize(found)
            back = messages.deserialize(again, kind)
            assert messages.serialize(back) == again

    check()


@pytest.mark.parametrize("count", COUNTS)
def test_the_recorder_takes_any_bytes_on_any_topic(tmp_path, count):
    """Nothing but a MessageError, and what was right is kept whatever came between."""
    made = iter(range(10**9))
    cached = {}

    def types(name):
        return cached.setdefault(name, describe(name))

    @settings(max_examples=count, **QUIET)
    @given(st.lists(payloads(), max_size=6))
    def check(items):
        bags = EpisodeBags(
            tmp_path / str(next(made)), {}, decode=messages.deserialize, types=types, log=str
        )
        good = WHOLE["covary_msgs/msg/State"]
        bags.add("/state", "covary_msgs/msg/State", good, 1)
        for kind, data in items:
            outcome(lambda k=kind, d=data: bags.add(f"/{k}", k, d, 1), messages.MessageError)
        assert bags._held and bags.outside == 0
        bags.close()

    check()


@pytest.mark.parametrize("count", COUNTS)
def test_attachments_and_tokens(count):
    words = st.sampled_from(
        ["@ros2_lv", "0", "%", "NN", "MP", "", "a::msg::dds_::B_", "::", "\0", "%" * 50]
    )
    tokens = st.lists(words, max_size=15).map("/".join) | st.text(max_size=60)

    @settings(max_examples=count, **QUIET)
    @given(st.binary(max_size=40) | st.binary(min_size=33, max_size=33), tokens)
    def check(raw, token):
        found = outcome(lambda: Attachment.unpack(raw), messages.MessageError)
        assert found is None or found.pack() == raw
        outcome(lambda: parse_token(token))

    check()


BAD = {
    "nothing": b"",
    "half a head": b"\0\1",
    "a head only": b"\0\1\0\0",
    "another encapsulation": b"\0\3\0\0" + bytes(60),
    "parameter list": b"\0\2\0\0" + bytes(60),
    "all ones": b"\0\1\0\0" + b"\xff" * 60,
    "4 billion points": WHOLE["trajectory_msgs/msg/JointTrajectory"][:28] + b"\xff" * 4,
    "4 billion names": b"\0\1\0\0" + bytes(8) + struct.pack("<IIIB", 1, 0, 2**32 - 1, 0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_message_is_an_error(name, kind):
    found = outcome(
        lambda: messages.deserialize(BAD[name], kind), messages.MessageError, memory=10 * 2**20
    )
    assert found is None


@pytest.mark.parametrize(
    ("offset", "change", "words"),
    [
        (16, b"\xff\xfe\xfd", "utf-8"),
        (12, struct.pack("<I", 0), "string length 0"),
        (21, b"x", "terminator"),
        (12, struct.pack("<I", 2**32 - 1), "string length 4294967295"),
    ],
)
def test_texts_that_are_none(offset, change, words):
    """A frame_id that is no UTF-8, without a length, without its NUL, or beyond the end."""
    data = bytearray(WHOLE["sensor_msgs/msg/JointState"])
    data[offset : offset + len(change)] = change
    with pytest.raises(messages.MessageError, match=words):
        messages.deserialize(bytes(data), "sensor_msgs/msg/JointState")


def test_the_other_byte_order_and_a_little_at_the_end_are_fine():
    data = b"\0\0\0\0" + struct.pack(">iI", 2, 5)
    assert messages.deserialize(data, "builtin_interfaces/msg/Time").nanosec == 5
    for tail in (1, 2, 3):  # CDR may be padded to a multiple of 4
        assert messages.deserialize(data + bytes(tail), "builtin_interfaces/msg/Time").sec == 2
    with pytest.raises(messages.MessageError, match="size mismatch"):
        messages.deserialize(data + bytes(4), "builtin_interfaces/msg/Time")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "pattern", [b"\0", struct.pack("<II", 1, 0), struct.pack("<I", 1), b"\xff"], ids=repr
)
def test_a_megabyte_of_anything_costs_little(kind, pattern):
    data = b"\0\1\0\0" + pattern * (2**20 // len(pattern) - 1)
    outcome(
        lambda: messages.deserialize(data, kind),
        messages.MessageError,
        cpu_s=1.0,
        memory=14 * 2**20,
    )


def test_the_longest_lists_cost_what_is_said():
    """The costliest right message: a megabyte of empty points. A larger one is refused unread."""
    empty = np.zeros(0)
    point = messages.JointTrajectoryPoint(
        positions=empty,
        velocities=empty,
        accelerations=empty,
        effort=empty,
        time_from_start=messages.Duration(sec=0, nanosec=0),
    )

    def plan(points):
        return messages.serialize(
            messages.JointTrajectory(header=HEADER, joint_names=[], points=[point] * points)
        )

    kind = "trajectory_msgs/msg/JointTrajectory"
    data = plan(43_000)
    assert 1_000_000 < len(data) <= messages.LARGEST_LISTS
    found = outcome(lambda: messages.deserialize(data, kind), cpu_s=2.0, memory=48 * 2**20)
    assert len(found.points) == 43_000
    with pytest.raises(messages.MessageError, match="1048576 at most"):
        messages.deserialize(plan(44_000), kind)
