"""Messages: what goes in comes out, and bytes or values that do not fit are one clear error."""

import math
import random
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covary.nodes import messages

HEADER = messages.Header(stamp=messages.stamp(1.5), frame_id="world")


def examples() -> list:
    z = np.arange(3.0)
    point = messages.JointTrajectoryPoint(
        positions=z[:0],
        velocities=z,
        accelerations=z[:0],
        effort=z[:0],
        time_from_start=messages.Duration(sec=0, nanosec=5),
    )
    status = messages.DiagnosticStatus(
        level=0,
        name="n",
        message="",
        hardware_id="",
        values=[messages.KeyValue(key="a", value="b")],
    )
    return [
        messages.Clock(clock=messages.stamp(2.0)),
        messages.JointState(header=HEADER, name=["a", "é"], position=z, velocity=z, effort=z[:0]),
        messages.JointTrajectory(header=HEADER, joint_names=["a"], points=[point, point]),
        messages.DiagnosticArray(header=HEADER, status=[status]),
        messages.State(header=HEADER, episode=3, name=["x"], value=z),
        messages.Applied(
            header=HEADER, tick=2**40, action=z, status=4, command_stamp=messages.stamp(0.1)
        ),
        messages.PhysicsState(header=HEADER, tick=1, state=z),
        messages.Episode(
            header=HEADER,
            index=1,
            seed=2**63,
            options="{}",
            engine="mujoco",
            dials="{}",
            task="push",
            phase=1,
            success=True,
            aborted=False,
            cost=0.5,
            duration=2.0,
            model="<mujoco/>",
            model_sha256="ab",
        ),
        messages.Image(
            header=HEADER,
            height=2,
            width=2,
            encoding="rgb8",
            is_bigendian=0,
            step=6,
            data=np.arange(12, dtype=np.uint8),
        ),
        messages.Trigger.Request(structure_needs_at_least_one_member=0),
        messages.Trigger.Response(success=True, message="ok"),
        messages.GetState.Response(
            current_state=messages.LifecycleState(id=3, label="active"),
        ),
    ]


EXAMPLES = pytest.mark.parametrize("message", examples(), ids=lambda m: m.__msgtype__)


@EXAMPLES
def test_round_trip(message):
    raw = messages.serialize(message)
    assert type(raw) is bytes and raw[:4] == b"\0\1\0\0"
    back = messages.deserialize(raw, message.__msgtype__)
    assert type(back) is type(message)
    assert messages.serialize(back) == raw


@EXAMPLES
def test_cut_short_is_an_error(message):
    raw = messages.serialize(message)
    for size in range(len(raw)):
        with pytest.raises(messages.MessageError):
            messages.deserialize(raw[:size], message.__msgtype__)


@EXAMPLES
def test_broken_bytes_are_an_error_or_a_message_and_cost_nothing(message):
    raw, kind = messages.serialize(message), message.__msgtype__
    rng = random.Random(0)
    begin = time.perf_counter()
    for _ in range(300):
        broken = bytearray(raw)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(broken) - 3)
            size = rng.choice([2**32 - 1, 2**31 - 1, 10**9, 10**6, rng.randrange(256)])
            broken[place : place + 4] = struct.pack("<I", size)
        try:
            messages.deserialize(bytes(broken), kind)
        except messages.MessageError as error:
            assert kind in str(error) and "\n" not in str(error)
    assert time.perf_counter() - begin < 3.0


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.arange(1, 4),
        np.arange(1, 4, dtype=np.float32),
        np.arange(1.0, 7.0)[::2] / [1, 1.5, 5 / 3],
        np.array([[1.0], [2.0], [3.0]]),
        np.arange(1.0, 4.0).astype(">f8"),
    ],
    ids=["list", "tuple", "int", "float32", "strided", "column", "big-endian"],
)
def test_arrays_are_made_what_their_field_says(value):
    """Without that an int array would go out as the bytes of floats near 1e-323."""
    message = messages.State(header=HEADER, episode=0, name=[], value=value)
    back = messages.deserialize(messages.serialize(message), "covary_msgs/msg/State")
    np.testing.assert_array_equal(back.value, [1.0, 2.0, 3.0])


def test_arrays_inside_messages_too():
    message = examples()[2]
    message.points[1].velocities = [1, 2]
    back = messages.deserialize(messages.serialize(message), message.__msgtype__)
    np.testing.assert_array_equal(back.points[1].velocities, [1.0, 2.0])


def test_an_image_may_have_its_shape():
    data = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    fields = dict(height=2, width=2, encoding="rgb8", is_bigendian=0, step=6)
    raw = messages.serialize(messages.Image(header=HEADER, data=data, **fields))
    np.testing.assert_array_equal(
        messages.deserialize(raw, "sensor_msgs/msg/Image").data, data.flat
    )


@pytest.mark.parametrize(
    "change",
    [
        {"value": np.array([1j])},
        {"value": ["a"]},
        {"value": None},
        {"value": [[1.0], [2.0, 3.0]]},
        {"episode": -1},
        {"episode": 2**32},
        {"episode": 1.5},
        {"name": "ab"},
        {"name": [1]},
        {"header": None},
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_an_error(change):
    fields = {"header": HEADER, "episode": 0, "name": ["x"], "value": np.zeros(1)} | change
    with pytest.raises(messages.MessageError, match=r"covary_msgs/msg/State|std_msgs"):
        messages.serialize(messages.State(**fields))


def test_a_float_is_no_byte():
    fields = dict(height=1, width=1, encoding="mono8", is_bigendian=0, step=1)
    for data in (np.array([0.5]), np.array([256]), np.array([-1])):
        with pytest.raises(messages.MessageError, match="Image.data holds uint8"):
            messages.serialize(messages.Image(header=HEADER, data=data, **fields))


def test_no_message_at_all():
    with pytest.raises(messages.MessageError, match="cannot write dict"):
        messages.serialize({"a": 1})


@given(st.integers(-(2**31) * 10**9, (2**31 - 1) * 10**9))
def test_whole_nanoseconds_survive(n):
    """While a float of seconds tells them apart: 2**23 s, 97 days; then to half its spacing."""
    time_ = messages.Time(sec=n // 10**9, nanosec=n % 10**9)
    assert messages.nanoseconds(time_) == n
    seconds = messages.seconds(time_)
    back = messages.nanoseconds(messages.stamp(seconds))
    if abs(n) < 2**23 * 10**9:
        assert back == n
    assert abs(back - n) <= 0.5 + math.ulp(seconds) / 2 * 1e9


@given(st.floats(-(2.0**31), 2.0**31 - 1))
def test_a_stamp_is_the_nearest_nanosecond(t):
    n = messages.nanoseconds(messages.stamp(t))
    assert abs(n - t * 1e9) <= 0.5 + abs(t * 1e9) * 2**-52
    assert 0 <= messages.stamp(t).nanosec < 10**9


def test_ticks_have_exact_stamps():
    period = 0.002
    for k in range(100_000):
        assert messages.nanoseconds(messages.stamp(k * period)) == k * 2_000_000


@pytest.mark.parametrize("t", [float("nan"), float("inf"), 2.0**31, -3e9])
def test_a_time_no_stamp_can_hold(t):
    with pytest.raises(messages.MessageError, match="no time"):
        messages.stamp(t)


def test_constants_come_with_the_class():
    assert (messages.Applied.OK, messages.Applied.STOPPED) == (0, 4)
    assert (messages.Episode.START, messages.Episode.END) == (0, 1)


def test_unknown_names():
    with pytest.raises(messages.MessageError, match="unknown message type"):
        messages.prepare("sensor_msgs/msg/Imag")
    with pytest.raises(AttributeError, match="JointStat"):
        messages.JointStat  # noqa: B018
    with pytest.raises(messages.MessageError, match="did you mean sensor_msgs/msg/JointState"):
        messages.message_class("sensor_msgs/msg/JointStat")
    with pytest.raises(messages.MessageError, match="unknown message type"):
        messages.deserialize(b"", "no/msg/Such")


def test_every_short_name_is_a_type():
    for name, type_name in messages.TYPES.items():
        assert getattr(messages, name).__msgtype__ == type_name
    for name, (service, _, _) in messages.SERVICES.items():
        assert getattr(messages, name).__srvtype__ == service


def test_definitions_hold_all_that_is_in_them():
    text = messages.definition("covary_msgs/msg/Applied")
    assert "uint8 NO_COMMAND=1" in text
    assert "MSG: std_msgs/Header" in text and "MSG: builtin_interfaces/Time" in text


def test_known_hashes():
    """As ROS 2 prints them (rmw_zenoh's design document)."""
    assert messages.type_hash("std_msgs/msg/String") == (
        "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    )


def test_the_import_costs_nothing():
    code = (
        "import sys, covary.nodes.node, covary.nodes.bus.local_bus, covary.nodes.plugin\n"
        "heavy = {'numpy', 'rosbags', 'zenoh', 'torch', 'numba'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
