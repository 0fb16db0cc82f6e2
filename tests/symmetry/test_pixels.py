"""Images move as scenes do: the homomorphism law, the names of subgroups, real heightmaps."""

import numpy as np
import pytest

from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import Heightmap, in_hand
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.symmetry.group import dihedral, group
from covary.symmetry.pixels import (
    PixelError,
    moved_image,
    pixel_elements,
    pixel_sources,
    pixel_subgroup,
)


@pytest.mark.parametrize("name", ["D4", "C4", "D2", "C2", "reflection", "trivial"])
@pytest.mark.parametrize("frame", ["world", "hand"])
@pytest.mark.parametrize("side", [1, 4, 5])
def test_moves_compose_as_the_group_does(name, frame, side):
    g = group(name)
    image = np.random.default_rng(0).normal(size=(side, side, 3))
    moved = [moved_image(g, a, image, frame) for a in g.elements]
    assert np.array_equal(moved[0], image)
    for a in g.elements:
        for b in g.elements:
            both = moved_image(g, a, moved[b], frame)
            assert np.array_equal(both, moved[int(g.product[a, b])])
    flat = image.reshape(side * side, 3)[pixel_sources(g, side, frame)]
    assert np.array_equal(flat.reshape(g.order, side, side, 3), moved)


def test_a_quarter_turn_goes_counterclockwise_and_the_mirror_exchanges_up_and_down():
    image = np.arange(4.0).reshape(2, 2)  # 0 at the upper left, 1 at the upper right
    d4 = dihedral(4)
    assert np.array_equal(moved_image(d4, 1, image), np.rot90(image))
    assert np.array_equal(moved_image(d4, 4, image), np.flipud(image))


@pytest.mark.parametrize(
    ("name", "exact"),
    [("D8", "D4"), ("C8", "C4"), ("O2_16", "D4"), ("SO2_16", "C4"), ("D4", "D4"), ("D2", "D2"),
     ("D6", "D2"), ("C6", "C2"), ("D5", "reflection"), ("C5", "trivial"), ("C2", "C2"),
     ("reflection", "reflection"), ("trivial", "trivial"), ("swap", "swap")],
)  # fmt: skip
def test_the_largest_subgroup_that_is_exact_on_pixels(name, exact):
    g = group(name)
    assert pixel_subgroup(g) == exact
    assert sorted(g.subgroup(exact)) == pixel_elements(g)


def test_what_permutes_no_pixels_is_refused():
    with pytest.raises(PixelError, match="D8 holds turns.*restrict it to D4"):
        pixel_sources(group("D8"), 4)
    assert pixel_sources(group("D8"), 4, "hand").shape == (16, 16)
    with pytest.raises(PixelError, match="'top' is none of"):
        pixel_sources(group("D4"), 4, "top")  # type: ignore[arg-type]


def test_the_heightmap_of_a_moved_scene_is_the_moved_heightmap():
    task = load_task("block_pick", {"robot": "floating_gripper"})
    symmetry = task.symmetry.restrict(pixel_subgroup(task.symmetry))
    assert symmetry.group.name == "D4"
    plant, rng = Plant(task), np.random.default_rng(3)
    above, hand = Heightmap(plant, HeightmapView(64, task.extent)), in_hand(plant, 24)
    x = task.initial_state(rng)
    plant.reset(x)
    seen, held = above.image(), hand.image()
    assert seen.max() > 0.03
    for g in symmetry.group.elements:
        plant.reset(symmetry.act(g, state=x))
        assert np.abs(above.image() - moved_image(symmetry.group, g, seen)).max() < 1e-6
        assert np.abs(hand.image() - moved_image(symmetry.group, g, held, "hand")).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "inside"), [("Oh", "D4"), ("O", "C4"), ("T", "C2"), ("I", "C2"), ("Ih", "D2")]
)
def test_of_a_solids_group_an_image_sees_what_leaves_the_vertical(name, inside):
    assert pixel_subgroup(group(name)) == inside
    g = group(name)
    assert len(pixel_elements(g)) == group(inside).order
    assert g.restricted(g.subgroup(inside), inside).planar
