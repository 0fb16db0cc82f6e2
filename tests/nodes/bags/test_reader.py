"""The reader: bags to arrays, with state and action of the same tick in the same row."""

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bags.bag import BagError, BagWriter
from covary.nodes.bags.reader import Bag, columns, read


def header(t: float) -> messages.Header:
    return messages.Header(stamp=messages.stamp(t), frame_id="world")


def state(t: float) -> messages.State:
    return messages.State(
        header=header(t), episode=0, name=["x", "y", "goal"], value=np.array([t, 2 * t, 7.0])
    )


def command(t: float, part: str = "velocity") -> messages.JointState:
    values = {"position": np.zeros(0), "velocity": np.zeros(0), "effort": np.zeros(0)}
    values[part] = np.array([10 * t, -t])
    return messages.JointState(header=header(t), name=["ax", "ay"], **values)


def point(k: int, size: int = 2) -> messages.JointTrajectoryPoint:
    return messages.JointTrajectoryPoint(
        positions=np.zeros(0),
        velocities=np.full(size, float(k)),
        accelerations=np.zeros(0),
        effort=np.zeros(0),
        time_from_start=messages.Duration(sec=0, nanosec=k * 10_000_000),
    )


def plan(t: float, points: int) -> messages.JointTrajectory:
    return messages.JointTrajectory(
        header=header(t), joint_names=["ax", "ay"], points=[point(k) for k in range(points)]
    )


def write(folder, items) -> object:
    writer = BagWriter(folder, {"task": "point_mass", "success": "true"})
    for k, (topic, t, message) in enumerate(items):
        ns = round(t * 1e9)
        writer.write(topic, message.__msgtype__, messages.serialize(message), ns, ns + 5, k)
    return writer.close()


@pytest.mark.parametrize("part", ["velocity", "effort"])
def test_state_and_action_of_a_tick_share_a_row(tmp_path, part):
    ticks = [k * 0.02 for k in range(10)]
    items = []
    for t in ticks:
        items.append(("/state", t, state(t)))
        if t != ticks[3] and t != ticks[-1]:  # one command lost, none after the last state
            # Commands come late and out of step: the stamp says which state they answer.
            items.append(("/command", t + 0.03, command(t, part)))
    recording = read(write(tmp_path / "bag", items))
    kept = np.array([t for k, t in enumerate(ticks[:-1]) if k != 3])
    assert recording.state.shape == (8, 3) and recording.action.shape == (8, 2)
    np.testing.assert_allclose(recording.time, kept, atol=1e-12)
    np.testing.assert_array_equal(recording.state[:, 0], kept)
    np.testing.assert_array_equal(recording.action, np.stack([10 * kept, -kept], axis=1))
    assert recording.state_names == ("x", "y", "goal") and recording.action_names == ("ax", "ay")
    assert recording.metadata["task"] == "point_mass" and recording.model is None
    assert len(recording.topics["/state"]) == 10
    assert recording.topics["/state"].publish_ns[1] == 20_000_005
    assert recording.topics["/state"]["header.stamp"].dtype == np.int64


def test_nested_lists_become_axes_and_ragged_ones_objects(tmp_path):
    items = [("/plan", t, plan(t, 4)) for t in (0.0, 0.1, 0.2)]
    fields = read(write(tmp_path / "even", items)).topics["/plan"].fields
    assert fields["points.velocities"].shape == (3, 4, 2)
    assert fields["points.time_from_start"].tolist()[0] == [0, 10_000_000, 20_000_000, 30_000_000]
    assert fields["joint_names"].shape == (3, 2)
    items.append(("/plan", 0.3, plan(0.3, 2)))
    uneven = read(write(tmp_path / "uneven", items)).topics["/plan"].fields
    assert uneven["points"].dtype == object and len(uneven["points"][3]) == 2


def test_columns_of_lists_whose_length_changes_or_is_zero():
    out = columns([point(0, 1), point(1, 3)])
    assert out["velocities"].dtype == object and out["velocities"][1].tolist() == [1, 1, 1]
    assert out["positions"].shape == (2, 0)


def test_a_selection_of_topics(tmp_path):
    items = [("/state", 0.0, state(0.0)), ("/command", 0.0, command(0.0))]
    recording = read(write(tmp_path / "bag", items), topics=["/state"])
    assert list(recording.topics) == ["/state"] and recording.state.shape == (0, 0)


def test_raw_messages_keep_the_order_in_which_they_were_recorded(tmp_path):
    items = [
        ("/state", 0.2, state(0.2)),
        ("/command", 0.1, command(0.1)),
        ("/state", 0.3, state(0)),
    ]
    raw = list(Bag(write(tmp_path / "bag", items)).messages())
    assert [m.topic for m in raw] == ["/state", "/command", "/state"]
    assert [m.log_ns for m in raw] == [200_000_000, 100_000_000, 300_000_000]
    assert raw[0].payload == messages.serialize(state(0.2))


def test_a_damaged_chunk_is_an_error_and_not_other_numbers(tmp_path):
    path = write(tmp_path / "bag", [("/state", k * 0.01, state(k * 0.01)) for k in range(50)])
    file = path / "bag_0.mcap"
    data = bytearray(file.read_bytes())
    data[data.index(messages.serialize(state(0.1))) + 50] ^= 1
    file.write_bytes(data)
    with pytest.raises(BagError, match="damaged"):
        read(path)


def test_an_empty_bag_reads_as_no_rows(tmp_path):
    recording = read(write(tmp_path / "bag", []))
    assert recording.topics == {} and recording.state.shape == (0, 0)


def test_a_closed_bag_that_was_damaged_is_not_called_unclosed(tmp_path):
    writer = BagWriter(tmp_path / "bag")
    writer.write("/word", "std_msgs/msg/String", bytes(12), 1, 1)
    path = writer.close()
    (file,) = path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(BagError, match=r"damaged \(its end is not as it was .*covary recover"):
        Bag(path)
    (path / "metadata.yaml").unlink()
    with pytest.raises(BagError, match="was never closed"):
        Bag(path)
