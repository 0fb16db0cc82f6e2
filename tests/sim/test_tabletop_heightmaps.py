"""Heightmaps of manipulation tasks: exact under D4 with the floating gripper, in the hand too."""

import numpy as np
import pytest
from test_heightmap import permuted, right_angles

from covary.nodes import plugin
from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import Heightmap, in_hand
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.sim.tabletop.tabletop import Tabletop

ROOM = "sim.tasks"
TASKS = [name for name in plugin.names(ROOM) if issubclass(plugin.load(name, ROOM), Tabletop)]


@pytest.mark.parametrize("name", TASKS)
def test_d4_permutes_the_pixels_and_leaves_the_hands_image(name):
    task = load_task(name, {"robot": "floating_gripper"})
    plant, rng = Plant(task), np.random.default_rng(1)
    above, hand = Heightmap(plant, HeightmapView(64, task.extent)), in_hand(plant, 24)
    symmetry = task.symmetry
    elements = right_angles(symmetry.group)
    assert len(elements) > 1
    for _ in range(3):
        x = task.initial_state(rng)
        x[task.at["gripper"]][2] = rng.uniform(-np.pi, np.pi)
        x[task.at["height"]] = 0.05
        plant.reset(x)
        before, held = above.image(), hand.image()
        for g in elements:
            plant.reset(symmetry.act(g, state=x))
            plane = symmetry.group.plane[g]
            assert np.allclose(above.image(), permuted(before, plane), rtol=0, atol=1e-6)
            mirrored = held if np.linalg.det(plane) > 0 else np.flipud(held)
            assert np.allclose(hand.image(), mirrored, rtol=0, atol=1e-6)
