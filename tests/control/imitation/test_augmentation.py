"""Augmentation: what it gives is what the moved scene looks like, drawn by a key alone."""

import numpy as np
import pytest

from covary.control.imitation.augmentation import Augmentation, shifted
from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import Heightmap, in_hand
from covary.sim.load_task import load_task
from covary.sim.plant import Plant


@pytest.fixture(scope="module")
def scene():
    """block_push, a plant of it, and what draws its two images."""
    task = load_task("block_push", {"robot": "floating_gripper"})
    plant = Plant(task)
    above, hand = Heightmap(plant, HeightmapView(32, task.extent)), in_hand(plant, 24)

    def seen(x):
        plant.reset(x)
        return {"heightmap": above.image()[None], "in_hand": hand.image()[None]}

    return task, seen


def batch(task, seen, rows, rng):
    states = np.array([task.initial_state(rng) for _ in range(rows)])
    images = [seen(x) for x in states]
    stacked = {name: np.stack([image[name] for image in images]) for name in images[0]}
    return states, rng.normal(size=(rows, 3, 5)), stacked


def test_a_moved_row_is_what_the_moved_scene_looks_like(scene):
    task, seen = scene
    symmetry, rng = task.symmetry, np.random.default_rng(0)
    states, actions, images = batch(task, seen, 16, rng)
    augmentation = Augmentation(symmetry, images)
    assert len(augmentation.elements) == 8
    g = np.repeat(augmentation.elements, 2)
    there, done, moved = augmentation.moved(g, states, actions, images)
    for row in range(16):
        expected = symmetry.act(int(g[row]), state=states[row])
        assert np.abs(symmetry.difference("state", there[row], expected)).max() < 1e-12
        assert np.allclose(done[row], symmetry.act(int(g[row]), action=actions[row]))
        for name, image in seen(expected).items():
            assert np.abs(moved[name][row] - image).max() < 1e-6, name


def test_the_key_settles_the_draw_and_all_elements_come(scene):
    task, seen = scene
    states, actions, images = batch(task, seen, 4, np.random.default_rng(1))
    augmentation = Augmentation(task.symmetry, images, shift=2)
    first, again, other = (
        augmentation.draw(np.random.default_rng(key), states, actions, images) for key in (5, 5, 6)
    )
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    assert all(np.array_equal(first[2][name], again[2][name]) for name in images)
    assert first[2]["heightmap"].dtype == images["heightmap"].dtype
    without = Augmentation(task.symmetry)
    many = np.zeros((2000, states.shape[1]))
    many[:, 0] = 1.0
    turned = without.draw(np.random.default_rng(0), many, np.zeros((2000, 5)))[0]
    assert len(np.unique(np.round(np.arctan2(turned[:, 1], turned[:, 0]), 6))) >= 8


def test_elements_that_permute_no_pixels_are_drawn_only_if_asked(scene):
    task, _ = scene
    symmetry = task.symmetry
    assert len(Augmentation(symmetry).elements) == symmetry.group.order == 16
    assert len(Augmentation(symmetry, ["in_hand"]).elements) == 16
    assert len(Augmentation(symmetry, ["in_hand", "top"]).elements) == 8
    every = Augmentation(symmetry, ["top"], interpolate=True)
    assert len(every.elements) == 16
    # A smooth bump goes where the element sends its middle.
    side, at = 33, np.array([7.0, 3.0])
    rows, columns = np.mgrid[0:side, 0:side] - 16.0

    def bump(point):
        away = (columns - point[0]) ** 2 + (-rows - point[1]) ** 2
        return np.exp(-away / 18.0).astype(np.float32)[None, None]

    width = symmetry.width("state")
    for g in symmetry.group.elements:
        moved = every.moved(np.array([g]), np.zeros((1, width)), np.zeros((1, 5)),
                            {"top": bump(at)})[2]["top"]  # fmt: skip
        assert np.abs(moved - bump(symmetry.group.plane[g] @ at)).max() < 0.03
    colours = np.random.default_rng(0).integers(0, 255, (1, 3, 8, 8)).astype(np.uint8)
    moved = every.moved(np.array([1]), np.zeros((1, width)), np.zeros((1, 5)), {"top": colours})
    assert moved[2]["top"].dtype == np.uint8


def test_shifts_repeat_the_edge(scene):
    image = np.arange(9.0).reshape(1, 1, 3, 3)
    two = shifted(np.concatenate([image, image]), np.array([[1, 0], [0, -1]]))
    assert two[0, 0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert two[1, 0].tolist() == [[1, 2, 2], [4, 5, 5], [7, 8, 8]]
    with pytest.raises(ValueError, match="shift: -1 must be at least 0"):
        Augmentation(scene[0].symmetry, shift=-1)
