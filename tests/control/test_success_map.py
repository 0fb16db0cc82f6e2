"""`SuccessMap`: rates by cell, written whole, read without running anything."""

import zipfile

import numpy as np
import pytest

from covary.control.success_map import LARGEST, MAP, SuccessMap, read_map
from covary.nodes.launching.yaml_loader import InputError


def a_map(**changes):
    values = {
        "names": ("block_x", "block_y"),
        "first": np.array([-0.1, 0.0, 0.1]),
        "second": np.array([0.0, 0.2]),
        "episodes": np.array([[2, 2], [2, 0], [4, 4]]),
        "successes": np.array([[2, 1], [0, 0], [1, 4]]),
        "about": {"task": "block_push", "seed": 3},
    }
    return SuccessMap(**(values | changes))


def test_a_point_has_the_rate_of_its_cell():
    found = a_map()
    points = np.array([[-0.1, 0.0], [-0.149, 0.299], [0.051, 0.0], [0.0, 0.2], [0.151, 0.0]])
    np.testing.assert_array_equal(found.at(points), [1.0, 0.5, 0.25, np.nan, np.nan])
    assert np.isnan(found.at(np.array([np.nan, 0.0])))
    assert found.at_state(np.array([9.0, 0.2, 0.1]), ("t", "block_y", "block_x")) == 1.0
    with pytest.raises(ValueError, match="block_y, which the state has not"):
        found.at_state(np.zeros(2), ("block_x", "box_y"))


def test_what_is_written_is_read_again(tmp_path):
    a_map().save(tmp_path / MAP)
    again = read_map(tmp_path)
    for name in ("first", "second", "episodes", "successes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(a_map(), name))
    assert again.names == ("block_x", "block_y") and again.about == a_map().about
    assert sorted(path.name for path in tmp_path.iterdir()) == [MAP]


def test_what_is_no_map_is_one_line(tmp_path):
    with pytest.raises(InputError, match="map.npz.*covary evaluate POLICY map"):
        read_map(tmp_path)
    whole = a_map().save(tmp_path / MAP).read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"text", whole[:10] + b"\0" * 40 + whole[50:]):
        (tmp_path / MAP).write_bytes(broken)
        with pytest.raises(InputError) as error:
            read_map(tmp_path)
        assert "\n" not in str(error.value)
    with zipfile.ZipFile(tmp_path / MAP, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("first.npy", bytes(LARGEST + 1))
    with pytest.raises(InputError, match="50000001 bytes unpacked; a map has at most 50000000"):
        read_map(tmp_path)
    np.savez(tmp_path / MAP, names=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="no map of successes"):
        read_map(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"episodes": np.zeros((3, 3), int)},
        {"successes": np.full((3, 2), 9)},
        {"first": np.array([0.1, 0.0, 0.2])},
        {"first": np.array([0.0, np.nan, 0.2])},
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match="map"):
        a_map(**changes)
