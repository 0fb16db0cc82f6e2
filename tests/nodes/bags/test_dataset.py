"""The reader of datasets: arrays on the control tick, images, and what cannot be read."""

import numpy as np
import pytest
from made_episodes import NAMES, PERIOD, TICKS, made

from covary.nodes.bags.bag import BagError
from covary.nodes.bags.dataset import Dataset, bags_in, is_dataset, read_episode
from covary.nodes.bags.reader import read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for number in (0, 2, 10, 1_000_000):
        made(folder / "bags" / f"episode_{number:06d}", number, success=number != 2)
    (folder / "dataset.yaml").write_text("task: block_pick\nattempts: {made: 5, successes: 3}\n")
    return folder


def test_an_episode_as_arrays(folder):
    path = folder / "bags" / "episode_000002"
    episode, recording = read_episode(path), read(path)
    assert len(episode) == TICKS and episode.number == 2
    assert not episode.success and not episode.aborted and episode.metadata["seed"] == "3"
    assert np.array_equal(episode.time, np.arange(TICKS) * PERIOD * 1e-9)
    assert np.array_equal(episode.state, recording.topics["/state"]["value"])
    assert np.array_equal(episode.action, recording.topics["/command"]["velocity"])
    assert np.array_equal(episode.ground_truth, recording.topics["/ground_truth"]["value"])
    assert episode.state_names == tuple(NAMES[:2]) and episode.ground_truth_names == tuple(NAMES)
    assert episode.action_names == ("dx", "dy")
    assert np.allclose(episode.reward, -0.1 * np.arange(1, TICKS + 1))
    assert episode.near.tolist() == [False] * 4 + [True] * 2
    assert episode.done.tolist() == [False] * 5 + [True]
    assert np.array_equal(episode.final_state, episode.state[-1] + 1.0)


def test_what_was_intended_is_the_first_action_of_the_plan_from_that_state(tmp_path):
    plans = [np.arange(2.0 * h).reshape(h, 2) + tick for tick, h in enumerate((1, 3, 2, 1, 2, 2))]
    plans[3] = None  # the planner had none
    episode = read_episode(made(tmp_path / "episode_000007", 7, plans=plans))
    wanted = [[tick + 1.0, tick] if plans[tick] is not None else [np.nan] * 2 for tick in range(6)]
    np.testing.assert_array_equal(episode.intended, wanted)
    assert read_episode(made(tmp_path / "episode_000008", 8)).intended is None


def test_images_stand_beside_the_ticks(folder):
    cameras = read_episode(folder / "bags" / "episode_000010").cameras
    assert sorted(cameras) == ["/camera/front/image_raw", "/camera/height/image_raw"]
    height = cameras["/camera/height/image_raw"]
    assert height.images.shape == (TICKS, 4, 4, 1) and height.images.dtype == np.float32
    assert height.row.tolist() == [0, 0, 1, 1, 2, 2]
    assert height.images[:, 0, 0, 0].tolist() == [10, 10, 12, 12, 14, 14]
    assert (height.encoding, height.frame_id, height.parent) == (
        *("32FC1", "camera_height", "world"),
    )
    assert height.intrinsics[0, 0] == 50.0 and height.projection.shape == (3, 4)
    assert height.pose[:, 0].tolist() == height.stamps.tolist()
    assert height.pose[0, 3:].tolist() == [1.0, 0.0, 0.0, 0.0]
    front = cameras["/camera/front/image_raw"]  # half a period late: the last one seen counts
    assert front.row.tolist() == [0, 0, 0, 1, 1, 2]
    assert front.images.dtype == np.uint8 and front.images[3, 1, 2].tolist() == [2, 2, 3]


def test_a_dataset_in_order_and_lazy(folder):
    dataset = Dataset(folder)
    assert is_dataset(folder) and dataset.card["task"] == "block_pick"
    assert [e.number for e in dataset] == [0, 2, 10, 1_000_000] and len(dataset) == 4
    assert dataset[-1].number == 1_000_000
    light = Dataset(folder, images=False)[0]
    assert light.cameras == {} and len(light.camera_topics) == 2
    bare = Dataset(folder / "bags")  # a folder of bags will do
    assert len(bare) == 4 and bare.card == {}
    with pytest.raises(IndexError):
        dataset[4]


def test_what_was_not_recorded_is_said_so(tmp_path):
    episode = read_episode(made(tmp_path / "episode_000", 0, truth=False))
    assert episode.ground_truth is None and episode.ground_truth_names == ()


def test_one_corrupt_episode_among_twenty(tmp_path):
    for number in range(20):
        made(tmp_path / "bags" / f"episode_{number:06d}", number, size=2)
    bad = next((tmp_path / "bags" / "episode_000017").glob("*.mcap"))
    raw = bytearray(bad.read_bytes())
    raw[raw.index(b"block_x")] ^= 0xFF  # in a chunk, which has a checksum
    bad.write_bytes(raw)
    with pytest.raises(BagError, match="episode_000017.*damaged"):
        list(Dataset(tmp_path))
    said = []
    dataset = Dataset(tmp_path, on_unreadable=said.append)
    assert [e.number for e in dataset] == [n for n in range(20) if n != 17]
    assert len(said) == 1 and "episode_000017" in said[0] and "\n" not in said[0]
    assert [path.name for path in dataset.unreadable()] == ["episode_000017"]
    with pytest.raises(BagError, match="episode_000017"):
        dataset[17]


def test_no_dataset(tmp_path):
    with pytest.raises(BagError, match="no bags"):
        Dataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text("- 1\n")
    with pytest.raises(BagError, match="mapping"):
        Dataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text("a: !!python/object:os.system {}\n")
    with pytest.raises(BagError, match="tag"):
        Dataset(tmp_path)


def test_open_bags_are_no_episodes(tmp_path):
    made(tmp_path / "episode_000", 0)
    made(tmp_path / "episode_001", 1).rename(tmp_path / "episode_001.open")
    assert [path.name for path in bags_in(tmp_path)] == ["episode_000"]
