"""An encoder's folder made by hand: it sees a point mass where the image is high."""

import hashlib

import numpy as np

from covary.perception.image_estimator import ESTIMATE, INPUTS, OUTPUTS
from covary.perception.model_card import FORMAT, ModelCard, write_model_card
from covary.sim.built_on import described
from covary.sim.load_task import load_task

TOPIC = "/camera/heightmap/image_raw"


def hand_eyes(folder, pixels=96, task="point_mass", deviation=0.004, **changes):
    """Writes an encoder that tells where the mean of all heights is. Its folder."""
    import torch

    from covary.nodes.training.onnx_file import write_onnx

    made = load_task(task)
    told = list(made.state_names[:2])

    class Eyes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            at = (torch.arange(pixels) - 0.5 * (pixels - 1)) * (made.extent / pixels)
            self.register_buffer("at", at.float())

        def forward(self, images):
            weight = torch.relu(images[:, 0] - 0.01)
            total = weight.sum(dim=(1, 2)).clamp(min=1e-9)
            x = (weight.sum(dim=1) * self.at).sum(dim=1) / total
            y = -(weight.sum(dim=2) * self.at).sum(dim=1) / total
            value = torch.stack([x, y], dim=1)
            return value, torch.full_like(value, deviation)

    folder.mkdir(parents=True)
    some = 0.05 * torch.rand(4, 1, pixels, pixels)
    network = Eyes()
    expected = [a.numpy() for a in network(some)]
    digest = write_onnx(network, folder / ESTIMATE, {INPUTS[0]: some}, OUTPUTS, expected)
    facts = {"told": told, "frames": 1, "deviation": [deviation] * 2}
    fields = {"facts": facts, "files": {ESTIMATE: digest}} | changes
    write_model_card(folder, hand_card(task, pixels, **fields))
    return folder


def hand_card(task, pixels, **changes):
    """The card of an encoder of that task, with some changes."""
    made = load_task(task)
    fields = {
        "covary_model": FORMAT,
        "method": "by_hand",
        "task": task,
        "symmetry": described(made.symmetry.restrict("none")),
        "mode": "free",
        "recipe": {},
        "data": {"path": "", "sha256": hashlib.sha256(b"").hexdigest()},
        "seed": 0,
        "revision": "",
        "parameters": 0,
        "state_names": tuple(made.state_names),
        "action_names": tuple(made.action_names),
        "dt": made.dt,
        "images": {TOPIC: (1, pixels, pixels)},
        "does": ("estimates",),
    }
    return ModelCard(**fields | changes)


def shown(task, plant, x, pixels=96):
    """What a heightmap shows of a state."""
    from covary.sim.camera_view import HeightmapView
    from covary.sim.heightmap import Heightmap

    plant.reset(np.asarray(x, float))
    return Heightmap(plant, HeightmapView(pixels, task.extent)).image()
