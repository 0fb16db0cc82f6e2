"""The image encoder on real scenes: encoder(g image) = g encoder(image), and what it exports."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from covary.sim.camera_view import HeightmapView  # noqa: E402
from covary.sim.heightmap import Heightmap, in_hand  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.plant import Plant  # noqa: E402
from covary.symmetry.group import group  # noqa: E402
from covary.symmetry.layers.image_encoder import ImageEncoder  # noqa: E402
from covary.symmetry.pixels import PixelError, pixel_subgroup  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread_and_one_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def scenes():
    """Starts of block_pick, and what is seen of each under every element: heights, hand, blocks."""
    task = load_task("block_pick", {"robot": "floating_gripper"})
    symmetry = task.symmetry.restrict(pixel_subgroup(task.symmetry))
    plant, rng = Plant(task), np.random.default_rng(0)
    above, hand = Heightmap(plant, HeightmapView(64, task.extent)), in_hand(plant, 24)
    seen, held, blocks = [], [], []
    for _ in range(6):
        x = task.initial_state(rng)
        x[task.at["gripper"]][:2] = x[task.at["block"]][:2] + 0.01
        x[task.at["height"]] = 0.08
        for g in symmetry.group.elements:
            moved = symmetry.act(g, state=x)
            plant.reset(moved)
            seen.append(above.image())
            held.append(hand.image())
            blocks.append(moved[task.at["block"]][:2])
    shape = (6, symmetry.group.order, 1)
    return {
        "group": symmetry.group,
        "world": torch.tensor(np.array(seen)).view(*shape, 64, 64),
        "hand": torch.tensor(np.array(held)).view(*shape, 24, 24),
        "block": torch.tensor(np.array(blocks), dtype=torch.float32).view(6, -1, 2),
    }


@torch.no_grad()
def error(encoder, images):
    """Largest relative |f(g image) - g f(image)|, images of the moved scenes as rendered."""
    first = encoder(images[:, 0])
    errors = []
    for g in encoder.representation.group.elements:
        expected = encoder.representation.act(g, first)
        errors.append(float((encoder(images[:, g]) - expected).norm() / first.norm()))
    return max(errors)


def fitted(encoder, scenes, frame, steps):
    """After so many steps of finding the block."""
    images = scenes[frame][:, 0]
    head = torch.nn.Linear(encoder.representation.width, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 2e-3)
    loss = torch.zeros(())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (head(encoder(images)) - 10 * scenes["block"][:, 0]).square().mean()
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("frame", ["world", "hand"])
def test_it_turns_with_the_scene_before_and_after_training(scenes, frame):
    side = scenes[frame].shape[-1]
    encoder = ImageEncoder(scenes["group"], 1, side, 64, frame=frame)
    encoder.fit(scenes[frame].flatten(0, 1))
    assert error(encoder, scenes[frame]) < 1e-5
    fitted(encoder, scenes, frame, 30 if frame == "world" else 100)
    assert error(encoder, scenes[frame]) < 1e-5
    assert set(encoder.drift().values()) == {0.0} and encoder.penalty().item() == 0.0


def test_it_learns_where_things_are(scenes):
    encoder = ImageEncoder(scenes["group"], 1, 64, 64)
    encoder.fit(scenes["world"].flatten(0, 1))
    assert fitted(encoder, scenes, "world", 60) < 0.05


def test_relaxed_starts_exact_and_says_where_it_drifts(scenes):
    encoder = ImageEncoder(scenes["group"], 1, 64, 64, mode="relaxed")
    encoder.fit(scenes["world"].flatten(0, 1))
    assert error(encoder, scenes["world"]) < 1e-5
    fitted(encoder, scenes, "world", 20)
    drift = encoder.drift()
    assert list(drift) == [*(f"convolution_{i}" for i in range(3)), "linear"]
    assert min(drift.values()) > 0 and encoder.penalty().item() > 0
    assert error(encoder, scenes["world"]) > 1e-3


@pytest.mark.parametrize("mode", ["exact", "relaxed", "free"])
def test_what_is_exported_knows_no_group_and_gives_the_same(scenes, mode, tmp_path):
    encoder = ImageEncoder(scenes["group"], 1, 64, 64, mode=mode)
    encoder.fit(scenes["world"].flatten(0, 1))
    assert encoder.representation.width == 64
    images = scenes["world"][:, 0]
    plain = encoder.export()
    with torch.no_grad():
        expected = encoder(images)
        assert torch.allclose(plain(images), expected, atol=1e-6)
    again = ImageEncoder(scenes["group"], 1, 64, 64, mode=mode)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(images), expected)


def test_scaling_is_one_number_a_channel_and_a_dark_channel_does_no_harm():
    encoder = ImageEncoder(group("C4"), 3, 16, 16)
    images = np.random.default_rng(0).integers(0, 255, (5, 3, 16, 16)).astype(np.float32)
    images[:, 2] = 7.0
    encoder.fit(images)
    assert encoder.centre.shape == encoder.scale.shape == (3, 1, 1)
    assert torch.isfinite(encoder(torch.from_numpy(images))).all()


@pytest.mark.parametrize("size", [65, 100, 3])
def test_sizes_that_cannot_be_halved_are_refused(size):
    with pytest.raises(PixelError, match=f"images of {size} pixels: halving gives.*take 64"):
        ImageEncoder(group("D4"), 1, size)


def test_a_group_that_is_not_exact_on_pixels_and_a_width_that_does_not_divide_are_refused():
    with pytest.raises(PixelError, match="restrict it to D4"):
        ImageEncoder(group("D8"), 1)
    with pytest.raises(ValueError, match="width: 100 is no multiple of the 8 of D4"):
        ImageEncoder(group("D4"), 1, width=100)
