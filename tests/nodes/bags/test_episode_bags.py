"""One bag per episode: which message goes where, when bags close, and what a full disk does."""

import errno
import os
from pathlib import Path

import pytest
from bag_messages import JOINT_STATE, MODEL, episode, joint_state, stamps, state

from covary.nodes import messages
from covary.nodes.bags.bag import BagWriter
from covary.nodes.bags.episode_bags import CLOCK, EPISODE, STATE, EpisodeBags
from covary.nodes.bags.reader import Bag
from covary.nodes.bags.recovery import recover


def clock(t: float) -> bytes:
    return messages.serialize(messages.Clock(clock=messages.stamp(t)))


def sorter(folder: Path, **options) -> EpisodeBags:
    return EpisodeBags(folder, {"launch": "a.yaml"}, decode=messages.deserialize, **options)


def test_each_episode_has_its_bag_and_the_stamps_decide(tmp_path):
    bags = sorter(tmp_path)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.0), 0)  # waits for its START
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), 0)
    for k in range(5):
        bags.add("/clock", "rosgraph_msgs/msg/Clock", clock(k * 0.1), 0)
        bags.add("/joint_states", JOINT_STATE, joint_state(k * 0.1 + 0.01), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.5, 0, 1, success=True), 0)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.45), 0)  # late, but of episode 0
    bags.add("/joint_states", JOINT_STATE, joint_state(0.7), 0)  # early, of episode 1
    bags.add("/state", "covary_msgs/msg/State", state(0.5, episode=0), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.6, 1, 0), 0)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.8), 0)
    bags.close()
    assert [p.name for p in bags.bags] == ["episode_000", "episode_001"]
    assert stamps(bags.bags[0]) == [0.0, 0.01, 0.11, 0.21, 0.31, 0.41, 0.45]
    assert stamps(bags.bags[0], "/state") == [0.5]
    assert stamps(bags.bags[1]) == [0.7, 0.8]
    first, second = (Bag(p) for p in bags.bags)
    assert first.metadata | {"model_sha256": ""} == {
        "launch": "a.yaml", "task": "point_mass", "seed": "100", "episode": "0", "success": "true",
        "aborted": "false", "cost": "1.5", "duration": "0.5", "model_sha256": "",
            "task_options": "{}", "engine": "mujoco", "dials": "{}",
    }  # fmt: skip
    assert first.model == MODEL
    assert second.metadata["aborted"] == "true" and second.metadata["success"] == "false"
    assert bags.outside == 0
    assert bags.messages == sum(first.counts.values()) + sum(second.counts.values())


def test_log_time_is_simulated_time(tmp_path):
    bags = sorter(tmp_path)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(1.0, 0, 0), 77)
    bags.add("/clock", "rosgraph_msgs/msg/Clock", clock(2.0), 78)
    bags.add("/joint_states", JOINT_STATE, joint_state(1.5), 79)
    bags.add("/joint_states", JOINT_STATE, joint_state(2.5), 80)
    bags.close()
    times = [(m.log_ns / 1e9, m.publish_ns) for m in Bag(bags.bags[0]).messages()]
    assert times == [(1.0, 77), (2.0, 78), (2.0, 79), (2.5, 80)]


def test_with_a_grace_the_bag_closes_by_itself_and_two_can_be_open(tmp_path):
    now = [0.0]
    bags = sorter(tmp_path, grace_s=0.2, now=lambda: now[0])
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(1.0, 0, 1), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(1.1, 1, 0), 0)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.9), 0)
    bags.tick()
    assert bags.bags == []
    now[0] = 0.3
    bags.tick()
    assert [p.name for p in bags.bags] == ["episode_000"]
    assert stamps(bags.bags[0]) == [0.9]
    bags.add("/joint_states", JOINT_STATE, joint_state(0.95), 0)
    assert bags.outside == 1
    assert (tmp_path / "episode_001.open").exists()
    bags.close()


def test_a_sim_that_starts_over_leaves_an_aborted_bag(tmp_path):
    bags = sorter(tmp_path, grace_s=0.2)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(5.0, 0, 0), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), 0)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.1), 0)
    bags.close()
    assert [p.name for p in bags.bags] == ["episode_000", "episode_000_1"]
    assert Bag(bags.bags[0]).metadata["aborted"] == "true"
    assert stamps(bags.bags[1]) == [0.1]


def test_a_full_disk_stops_recording_with_one_line_and_the_rest_is_saved(tmp_path, monkeypatch):
    lines = []
    bags = sorter(tmp_path, log=lines.append, chunk_bytes=4096)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), 0)
    real = BagWriter.flush

    def flush(writer):
        if writer.messages > 500:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(writer)

    monkeypatch.setattr(BagWriter, "flush", flush)
    for k in range(1000):
        bags.add("/joint_states", JOINT_STATE, joint_state(k * 0.001), 0, k)
    bags.tick(), bags.flush(), bags.close()
    assert (
        len(lines) == 1 and "No space left on device" in lines[0] and "covary recover" in lines[0]
    )
    assert bags.failed == "No space left on device" and bags.bags == []
    monkeypatch.setattr(BagWriter, "flush", real)
    saved = recover(tmp_path / "episode_000.open")
    assert saved.counts["/joint_states"] > 450
    assert saved.metadata["aborted"] == "true"


@pytest.mark.parametrize("stamp", [0.0, 1.7e9, 0.5])
def test_a_stamp_that_is_no_simulated_time_counts_as_none(tmp_path, stamp):
    bags = sorter(tmp_path)
    for index, t in enumerate((1.0, 2.0, 3.0)):
        bags.add("/episode", "covary_msgs/msg/Episode", episode(t, index, 0), 0)
        bags.add("/clock", "rosgraph_msgs/msg/Clock", clock(t), 0)
        bags.add("/episode", "covary_msgs/msg/Episode", episode(t + 0.5, index, 1), 0)
    bags.add("/clock", "rosgraph_msgs/msg/Clock", clock(3.2), 0)
    bags.add("/joint_states", JOINT_STATE, joint_state(stamp), 0)
    bags.close()
    (message,) = (m for m in Bag(bags.bags[2]).messages() if m.topic == "/joint_states")
    assert message.log_ns == 3_200_000_000


def test_the_first_tick_at_time_zero_has_log_time_zero(tmp_path):
    bags = sorter(tmp_path)
    wall = 1_700_000_000_000_000_000
    bags.add("/clock", "rosgraph_msgs/msg/Clock", clock(0.0), wall)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), wall)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.0), wall)
    bags.close()
    assert bags.outside == 0
    assert [m.log_ns for m in Bag(bags.bags[0]).messages()] == [0, 0, 0]
    assert Bag(bags.bags[0]).counts["/clock"] == 1


def test_wall_clock_stamps_before_any_clock_stay_outside(tmp_path):
    bags = sorter(tmp_path)
    bags.add("/diagnostics", JOINT_STATE, joint_state(1.7e9), 1_700_000_000_000_000_000)
    bags.add("/joint_states", JOINT_STATE, joint_state(0.0), 0)
    bags.add("/episode", "covary_msgs/msg/Episode", episode(0.0, 0, 0), 0)
    bags.close()
    assert bags.outside == 1
    assert Bag(bags.bags[0]).counts == {"/episode": 1, "/joint_states": 1}
    assert Bag(bags.bags[0]).end_ns == 0


def test_a_start_that_was_lost_costs_no_recording(tmp_path):
    said = []
    bags = sorter(tmp_path, log=said.append, grace_s=0.0)
    kinds = {"/state": STATE, "/clock": CLOCK, "/episode": EPISODE}

    def say(topic, payload):
        bags.add(topic, kinds[topic], payload, 0)

    say("/episode", episode(0.0, 0, 0))
    for k in range(10):
        say("/clock", clock(0.05 * k))
        say("/state", state(0.05 * k))
    # The END of this one and the START of the next are lost on their way.
    for k in range(20, 60):
        say("/clock", clock(0.05 * k))
        say("/state", state(0.05 * k, 1))
    say("/episode", episode(3.0, 1, 1, success=True))
    say("/episode", episode(3.1, 2, 0))
    say("/state", state(3.1, 2))
    say("/episode", episode(3.2, 2, 1))
    bags.close()
    assert [path.name for path in bags.bags] == ["episode_000", "episode_001", "episode_002"]
    first, second, third = (Bag(path) for path in bags.bags)
    assert first.metadata["aborted"] == "true" and stamps(first.path, "/state")[-1] == 0.45
    assert stamps(second.path, "/state") == [round(0.05 * k, 6) for k in range(20, 60)]
    assert second.counts["/clock"] == 40 - 1 and second.model == MODEL  # the first came before
    assert second.metadata["start_lost"] == "true" and second.metadata["aborted"] == "false"
    assert "start_lost" not in third.metadata
    assert said == [
        "episode 1: its START was lost; it is recorded from its first state on",
        "episode 0: its END never came; its bag says aborted",
    ]
