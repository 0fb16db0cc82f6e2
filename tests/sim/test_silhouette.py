"""Silhouettes: each kind of geom from above, hidden ones, order, paths."""

from pathlib import Path

import numpy as np
import pytest

from covary.sim.plant import Plant
from covary.sim.silhouette import Disc, Outline, Rod, hull, place, scene
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher


def seen(geom):
    """What the world shows of one geom that is put into it, by name of its body."""
    task = PointMass()
    text = Path(task.mjcf).read_text()
    plant = Plant(task, model=text.replace("</worldbody>", f"{geom}</worldbody>"))
    found = scene(plant, task.initial_state(np.random.default_rng(0))[None]).silhouettes
    return [shape for s in found for shape, colour in s.shapes if colour[2] == 0]


def area(corners):
    x, y = corners.T
    return 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))


BLUELESS = "rgba='1 1 0 1' pos='1 2 3'"


@pytest.mark.parametrize(
    ("geom", "kind"),
    [
        ("<geom type='sphere' size='0.2' {}/>", Disc),
        ("<geom type='cylinder' size='0.2 0.5' {}/>", Disc),
        ("<geom type='capsule' size='0.2 0.5' {}/>", Disc),
        ("<geom type='capsule' size='0.2 0.5' euler='0 1.5707963 0' {}/>", Rod),
    ],
)
def test_round_things(geom, kind):
    (shape,) = seen(geom.format(BLUELESS))
    assert isinstance(shape, kind) and shape.radius == pytest.approx(0.2)
    assert shape.bound().mean(0) == pytest.approx([1, 2])
    length = 1.4 if kind is Rod else 0.4
    assert np.ptp(shape.bound(), axis=0) == pytest.approx([length, 0.4], abs=1e-6)


@pytest.mark.parametrize(
    ("geom", "wanted"),
    [
        ("<geom type='box' size='0.3 0.2 0.1' {}/>", 0.24),
        ("<geom type='box' size='0.3 0.2 0.1' euler='0 0 0.7' {}/>", 0.24),
        ("<geom type='box' size='0.3 0.2 0.1' euler='1.5707963 0 0' {}/>", 0.12),
        ("<geom type='box' size='0.3 0.2 0.1' euler='0.7853982 0 0' {}/>", 0.36 / 2**0.5),
        ("<geom type='cylinder' size='0.2 0.5' euler='1.5707963 0 0' {}/>", 0.4),
        ("<geom type='ellipsoid' size='0.3 0.2 0.1' euler='0 0 0.4' {}/>", 0.06 * np.pi),
    ],
)
def test_other_things_are_their_hull(geom, wanted):
    (shape,) = seen(geom.format(BLUELESS))
    assert isinstance(shape, Outline)
    assert area(shape.corners) == pytest.approx(wanted, rel=5e-3)  # counterclockwise
    assert shape.bound().mean(0) == pytest.approx([1, 2], abs=1e-3)


def test_what_is_hidden_or_clear_is_not_seen():
    assert not seen(f"<geom type='sphere' size='0.2' group='3' {BLUELESS}/>")
    assert not seen("<geom type='sphere' size='0.2' rgba='1 1 0 0'/>")


def test_hull():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    inside = np.random.default_rng(0).uniform(0.1, 0.9, (50, 2))
    on_edges = np.array([[0.5, 0], [1, 0.5], [0.0, 0.25]])
    np.testing.assert_allclose(hull(np.concatenate([inside, on_edges, square])), square)
    assert hull(np.zeros((5, 2))).shape == (1, 2)


def test_poses_are_those_of_the_states():
    task = Push()
    states = np.stack([task.initial_state(np.random.default_rng(k)) for k in range(5)])
    found = scene(Plant(task), states)
    assert [s.name for s in found.silhouettes] == ["goal", "pusher", "box"]  # lowest first
    goal, pusher, box = found.silhouettes
    unmoved = scene(Plant(task), states[:1]).silhouettes
    assert [s.moves for s in unmoved] == [False, True, True]  # they could
    assert goal.mark and not goal.moves and pusher.moves and box.moves
    names = list(task.state_names)
    here = names.index("box_x")
    np.testing.assert_allclose(box.pose[:, :2], states[:, here : here + 2], atol=1e-9)
    np.testing.assert_allclose(
        np.exp(1j * box.pose[:, 2]), np.exp(1j * states[:, here + 2]), atol=1e-9
    )
    here = task.symmetry.slices("state")["goal"]
    np.testing.assert_allclose(goal.pose[:, :2], states[:, here][:, :2], atol=1e-9)
    assert box.tilt < 1e-6 and found.floor is not None
    np.testing.assert_allclose(box.shapes[0][1], [0.80, 0.55, 0.28, 1], atol=1e-6)  # a material's


def test_the_path_of_an_arm_is_that_of_its_tip():
    task = Reacher()
    states = np.stack([task.initial_state(np.random.default_rng(k)) for k in range(5)])
    by_name = {s.name: s for s in scene(Plant(task), states).silhouettes}
    shoulder, elbow = states[:, 0], states[:, 0] + states[:, 1]
    middle = 0.25 * np.stack([np.cos(shoulder), np.sin(shoulder)], 1)
    tip = middle + 0.25 * np.stack([np.cos(elbow), np.sin(elbow)], 1)
    np.testing.assert_allclose(by_name["upper"].path, middle, atol=1e-9)
    np.testing.assert_allclose(by_name["fore"].path, tip, atol=1e-9)
    low, high = by_name["fore"].bound()
    assert (low <= tip.min(0) - 0.017).all() and (high >= tip.max(0) + 0.017).all()


def test_place_turns_then_moves():
    points = np.array([[1.0, 0.0]])
    np.testing.assert_allclose(place(np.array([2.0, 3.0, np.pi / 2]), points), [[2.0, 4.0]])
