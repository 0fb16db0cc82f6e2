"""Datasets as demonstrations: what is read, what is left out, and what is refused."""

import numpy as np
import pytest
from made_episodes import NAMES, TICKS, made

from covary.control.imitation.demonstrations import DemonstrationsError, read_demonstrations


@pytest.fixture
def bags(tmp_path):
    """Three episodes, the second a failure."""
    folder = tmp_path / "picks"
    for number in range(3):
        made(folder / "bags" / f"episode_{number:06d}", number, success=number != 1)
    return folder


def test_successes_as_one_set_of_arrays(bags):
    data = read_demonstrations(bags, cameras=["height"])
    assert (len(data), data.episodes, data.task.name) == (2 * TICKS, 2, "block_pick")
    assert data.state_topic == "/ground_truth" and data.state_names == tuple(NAMES)
    assert data.seeds == (3,)
    np.testing.assert_array_equal(data.episode, np.repeat([0, 1], TICKS))
    np.testing.assert_allclose(data.state[TICKS], np.array([0.1, 0, 0.2, 0, 0.5]) + 0.02)
    np.testing.assert_array_equal(
        data.next_state[:-1][data.has_next[:-1]], data.state[1:][data.has_next[:-1]]
    )
    assert (~data.has_next).nonzero()[0].tolist() == [TICKS - 1, 2 * TICKS - 1]
    image = data.images["height"]
    assert image.shape == (2 * TICKS, 1, 4, 4) and data.inputs["height"].shape == (1, 4, 4)
    assert image[:, 0, 0, 0].tolist() == [0, 0, 2, 2, 4, 4, 2, 2, 4, 4, 6, 6]  # every other tick


def test_the_sensors_state_has_the_last_next_state_too(bags):
    data = read_demonstrations(bags, topic="/state")
    assert data.state_names == tuple(NAMES[:2]) and data.has_next.all()
    np.testing.assert_allclose(data.next_state[TICKS - 1], data.state[TICKS - 1] + 1.0)


def test_the_hash_is_the_datas_and_not_the_places(bags, tmp_path):
    data = read_demonstrations(bags)
    moved = bags.rename(tmp_path / "elsewhere")
    assert read_demonstrations(moved).sha256 == data.sha256
    assert read_demonstrations(moved, most=1).sha256 != data.sha256
    assert read_demonstrations(moved, most=1).episodes == 1


def test_splits_keep_episodes_whole_and_chunks_end_with_them(bags):
    data = read_demonstrations(bags, success_only=False)
    assert data.episodes == 3
    training, validation = data.split(0.1, np.random.default_rng(0))
    assert (training.episodes, validation.episodes) == (2, 1)
    actions, there = data.chunks(4)
    assert actions.shape == (3 * TICKS, 4, 2)
    np.testing.assert_array_equal(actions[0], data.action[:4])
    np.testing.assert_array_equal(actions[TICKS - 2, 1:], data.action[[TICKS - 1] * 3])
    assert there[TICKS - 2].tolist() == [True, True, False, False]
    with pytest.raises(DemonstrationsError, match="one episode cannot be split"):
        read_demonstrations(bags, most=1).split(0.1, np.random.default_rng(0))


def test_what_nothing_can_be_learned_from_is_refused_in_a_line(tmp_path):
    def refused(folder, **wishes):
        with pytest.raises(DemonstrationsError) as found:
            read_demonstrations(folder, **wishes)
        assert "\n" not in str(found.value)
        return str(found.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "dataset.yaml").write_text("covary_dataset: 1\n")
    assert "an empty dataset" in refused(empty)
    failures = tmp_path / "failures"
    made(failures / "episode_000000", 0, success=False)
    made(failures / "episode_000001", 1, aborted="true")
    assert "none of its 2 episodes was a success; success_only:=false" in refused(failures)
    mixed = tmp_path / "mixed"
    made(mixed / "episode_000000", 0)
    made(mixed / "episode_000001", 1, task="block_push")
    assert "block_push, not block_pick; one policy learns one task" in refused(mixed)
    there = refused(failures, cameras=["heigth"], success_only=False)
    assert "no images of 'heigth' in it; did you mean 'height'?" in there
    blind = tmp_path / "blind"
    made(blind / "episode_000000", 0, truth=False)
    assert "collect again with ground_truth:=true" in refused(blind, topic="/ground_truth")
    assert read_demonstrations(blind).state_topic == "/state"
    nan = tmp_path / "nan"
    made(nan / "episode_000000", 0, size=2)
    broken = np.array([np.nan, 0.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("made_episodes.np.random.default_rng", lambda _: _Drawn(broken))
        made(nan / "episode_000001", 1, size=2)
    assert "/command: dx is nan at tick 0 of 6" in refused(nan)


class _Drawn:
    """A generator that always draws the same."""

    def __init__(self, values):
        self.values = values

    def normal(self, size):
        return self.values
