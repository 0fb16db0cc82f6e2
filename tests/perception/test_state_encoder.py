"""The state encoder: a moved image gives the moved state, and the folder answers as the network."""

import re

import numpy as np
import pytest

from covary.sim.load_task import load_task
from covary.symmetry.pixels import moved_image

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from made_models import train  # noqa: E402

from covary.perception.encoders.graphed_estimate import GraphedEstimate  # noqa: E402
from covary.perception.encoders.state_encoder import StateEncoder  # noqa: E402
from covary.perception.image_estimator import ImageEstimator  # noqa: E402
from covary.perception.model_folder import load_model  # noqa: E402


def law_error(encoder, images):
    """Largest difference of f(g image) and rho(g) f(image), and of the states they stand for."""
    group, worst = encoder.symmetry.group, 0.0
    with torch.no_grad():
        here = encoder(torch.tensor(images))
        state = encoder.decode(here).numpy().astype(float)
        for g in group.elements:
            pairs = images.reshape(-1, *images.shape[-2:])
            moved = np.stack([moved_image(group, g, image) for image in pairs])
            there = encoder(torch.tensor(moved.reshape(images.shape)))
            worst = max(worst, float((there - encoder.latent.act(g, here)).abs().max()))
            apart = encoder.seen.symmetry.difference(
                "state",
                encoder.decode(there).numpy().astype(float),
                encoder.symmetry.act(g, state=state),
            )
            free = [i for i in range(apart.shape[1]) if i not in encoder.direct]
            worst = max(worst, float(np.abs(apart[:, free]).max(initial=0.0)))
    return worst


@pytest.mark.parametrize("name, frames", [("push", 1), ("reacher", 1), ("reacher", 2)])
def test_a_moved_image_gives_the_moved_state(name, frames):
    torch.manual_seed(0)
    task = load_task(name)
    encoder = StateEncoder(task, (1, 16, 16), width=32, depth=1, frames=frames).eval()
    rates = {n for n in encoder.names if n.endswith("rate")}
    assert bool(rates) == (frames == 2) and not any(n.startswith("goal") for n in encoder.names)
    images = np.random.default_rng(0).random((3, frames, 16, 16)).astype(np.float32)
    assert law_error(encoder, images) < 1e-5


def test_a_state_and_its_latent():
    task = load_task("push")
    encoder = StateEncoder(task, (1, 16, 16), width=32, depth=1)
    rng = np.random.default_rng(0)
    x = np.stack([task.initial_state(rng) for _ in range(20)])[:, :5]
    encoder.fit(x, rng.random((20, 1, 16, 16)))
    found = encoder.decode(encoder.encode(torch.tensor(x).float()))
    np.testing.assert_allclose(found.numpy(), x, atol=1e-5)


def test_an_encoder_that_has_hardly_learned_is_written_too(tmp_path):
    # What it tells is next to nothing, and the rounding of what cancels to that is not.
    words = ("task:=point_mass", "interaction:=150", "images:=1", "pixels:=16", "width:=8")
    code, said = train("state_encoder", *words, "steps:=2", "batch:=4", f"out:={tmp_path / 'e'}")
    assert code == 0, said
    assert re.search(r"test mass x +│ [0-9.e+-]+ m ", said), said


def test_images_too_large_are_one_line(tmp_path):
    words = ("task:=reacher", "interaction:=150", "pixels:=5000", f"out:={tmp_path / 'e'}")
    code, said = train("state_encoder", *words)
    assert code == 2 and "pixels: 5000 must be from 1 to 4096" in said, said


@pytest.mark.slow
def test_the_folder_of_a_training(tmp_path):
    words = ("task:=reacher", "interaction:=150", "images:=40", "width:=32")
    more = ("steps:=4", "batch:=8", "validate_every:=2", "image_maps:=8", f"out:={tmp_path / 'e'}")
    code, said = train("state_encoder", *words, "pixels:=16", *more)
    assert code == 0 and "test elbow" in said, said
    network = load_model(tmp_path / "e")
    images = np.random.default_rng(0).random((3, 1, 16, 16)).astype(np.float32)
    assert law_error(network, images) < 1e-5
    eyes = ImageEstimator(tmp_path / "e", load_task("reacher"))
    value, deviation = eyes.estimate(images[0, 0])
    with torch.no_grad():
        wanted = network.estimate(torch.tensor(images[:1]))
    np.testing.assert_allclose(value, wanted[0][0].numpy(), atol=1e-4)
    np.testing.assert_allclose(deviation, wanted[1][0].numpy(), rtol=1e-3)
    by_torch = GraphedEstimate(tmp_path / "e", eyes.card, "cpu").run(images[:1])
    np.testing.assert_allclose(by_torch[0][0], value, atol=1e-4)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees no GPU here"):
            ImageEstimator(tmp_path / "e", load_task("reacher"), "cuda")
    code, said = train("state_encoder", *words, "pixels:=17", *more)
    assert code == 2 and "name a new folder" in said
    code, said = train("state_encoder", *words, "pixels:=17", "steps:=1", f"out:={tmp_path / 'f'}")
    assert code == 2 and "images of 17 pixels" in said, said
