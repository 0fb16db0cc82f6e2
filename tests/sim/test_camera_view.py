"""Views as plain data: right-handed axes, known pixels, turns, and what is refused."""

import numpy as np
import pytest

from covary.nodes.parameters import ParameterError, from_dict
from covary.sim.camera_view import CameraView, HeightmapView

SIDE = CameraView(position=(0.6, -0.5, 0.4), look_at=(0.05, 0.0, 0.02))


def test_axes_are_a_rotation_that_looks_at_the_point():
    for view in (SIDE, SIDE.turned(10, 20), CameraView((0, 0, 1)), HeightmapView().turned(5, 7)):
        axes = view.axes()
        assert np.allclose(axes.T @ axes, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)
    column, row, depth = SIDE.pixels(np.array(SIDE.look_at))
    assert (column, row) == pytest.approx((63.5, 63.5), abs=1e-9)
    assert depth == pytest.approx(np.linalg.norm(np.subtract(SIDE.position, SIDE.look_at)))
    assert SIDE.axes()[2, 1] < 0  # down is down


def test_from_straight_above_x_is_right_and_y_is_up():
    expected = np.diag([1.0, -1.0, -1.0])
    assert np.array_equal(CameraView((0.0, 0.0, 1.3)).axes(), expected)
    assert np.array_equal(HeightmapView().axes(), expected)
    # From nearly above it is z that points up: a camera beyond y = 0 would show y upside down.
    assert np.allclose(CameraView((0.0, -1e-3, 1.3)).axes(), expected, atol=1e-2)


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_image():
    view = CameraView((0.0, 0.0, 2.0), fovy_deg=90.0, width=200, height=100)
    assert np.allclose(view.pixels(np.array([0.0, 2.0, 0.0])), [99.5, -0.5, 2.0])
    assert np.allclose(view.pixels(np.array([-4.0, -2.0, 0.0])), [-0.5, 99.5, 2.0])


def test_a_tilt_looks_up_and_a_roll_turns_what_is_seen_to_the_left():
    level = CameraView((0.0, -1.0, 0.5), (0.0, 0.0, 0.5))
    assert level.turned(tilt_deg=30).axes()[2, 2] == pytest.approx(0.5)
    point = np.array([0.1, 0.0, 0.5])  # right of the middle
    column, row, _ = level.turned(roll_deg=90).pixels(point)
    assert (column, row < 63.5) == (pytest.approx(63.5), True)  # now above it
    assert np.allclose(HeightmapView().turned(roll_deg=90).right, (0, -1, 0))
    assert np.allclose(level.turned(3, 4).turned(0, -4).turned(-3).axes(), level.axes())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"width": 0}, "width: 0 is not between 1 and 4096"),
        ({"height": 10_000}, "height: 10000 is not between"),
        ({"fovy_deg": 180}, "fovy_deg: 180 is not above 0"),
        ({"look_at": [0, 0, 1]}, "look_at: it is where the camera is"),
        ({"up": [0, 0, 2]}, "up: .* is the direction in which it looks"),
        ({"fovy": 45}, "unknown parameter 'fovy'; did you mean fovy_deg?"),
        ({"up": [0, 1]}, r"up: \[0, 1\] has 2 values, not 3"),
        ({"position": "above"}, "position: 'above' is not a list"),
    ],
)
def test_what_is_no_camera_is_refused_by_its_key(given, said):
    with pytest.raises(ParameterError, match=said) as caught:
        from_dict(CameraView, {"position": [0, 0, 1]} | given, "side")
    assert caught.value.key == next(iter(given))


@pytest.mark.parametrize("given", [{"pixels": 0}, {"extent": 0.0}, {"up": (1.0, 0.0, 0.0)}])
def test_what_is_no_heightmap_is_refused(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        HeightmapView(**given)
