"""Heightmaps: as MuJoCo's own rays measure them, exact under D4, of the present, and without GL."""

import os
import subprocess
import sys
from types import SimpleNamespace

import mujoco
import numpy as np
import pytest

from covary.nodes import plugin
from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import IN_HAND_CEILING, Heightmap, HeightmapError, in_hand
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push

SCENE = """<mujoco><worldbody>
  <geom name="table" type="plane" size="0 0 1"/>
  <geom name="shelf" type="plane" size="0.06 0.04 1" pos="-0.1 0.16 0.05" zaxis="0.2 0.3 1"/>
  {bodies}
</worldbody></mujoco>"""
SIZES = {
    "sphere": "0.04",
    "box": "0.05 0.03 0.02",
    "capsule": "0.02 0.05",
    "cylinder": "0.03 0.04",
    "ellipsoid": "0.05 0.03 0.02",
}


class Scene:
    """A model with MuJoCo's data and nothing of a task, as a heightmap needs it."""

    def __init__(self, text):
        self.model = mujoco.MjModel.from_xml_string(text)
        self.data = mujoco.MjData(self.model)
        self.task = SimpleNamespace(name="scene")
        mujoco.mj_forward(self.model, self.data)

    place = Plant.place


def random_scene(seed):
    """Shapes of all kinds at random places, in any orientation, overlapping here and there."""
    rng = np.random.default_rng(seed)
    bodies = ""
    for kind, size in SIZES.items():
        for _ in range(2):
            place, turn = rng.uniform(-0.2, 0.2, 3), rng.standard_normal(4)
            pos, quat = " ".join(map(str, place)), " ".join(map(str, turn))
            bodies += f'<geom type="{kind}" size="{size}" pos="{pos}" quat="{quat}"/>'
    return Scene(SCENE.format(bodies=bodies))


def rays(scene, view, high=1.0):
    """The same image by MuJoCo's ray caster; rays start high above the square. (n, n)"""
    right, down, ahead = view.axes().T
    steps = (np.arange(view.pixels) - (view.pixels - 1) / 2) * view.extent / view.pixels
    image = np.empty((view.pixels, view.pixels))
    geom = np.zeros(1, np.int32)
    for i, dy in enumerate(steps):
        for j, dx in enumerate(steps):
            start = np.array(view.centre) + dx * right + dy * down - high * ahead
            far = mujoco.mj_ray(scene.model, scene.data, start, ahead, None, 1, -1, geom, None)
            image[i, j] = high - far
    return image


@pytest.mark.parametrize("turn", [(0, 0), (20, -35)])
def test_heights_are_those_of_mujocos_rays(turn):
    for seed in range(3):
        scene = random_scene(seed)
        view = HeightmapView(40, 0.5, (0.01, -0.02, 0.03)).turned(*turn)
        image, expected = Heightmap(scene, view).image(), rays(scene, view)
        assert (image.shape, image.dtype) == ((40, 40), np.float32)
        apart = np.abs(image - expected)
        assert np.quantile(apart, 0.99) < 1e-6  # a ray that grazes an edge may go either way
        assert (apart > 1e-6).sum() <= 2
        assert np.ptp(image) > 0.15


def permuted(image, matrix):
    """An image after an element of D4 (2, 2) has moved the world."""
    turns = round(np.arctan2(matrix[1, 0], matrix[0, 0]) / (np.pi / 2))
    return np.rot90(image if np.linalg.det(matrix) > 0 else np.flipud(image), turns)


def right_angles(group):
    """The elements of a group in the plane that permute pixels: D4's."""
    signed = np.abs(group.plane)
    return [g for g in group.elements if np.allclose(signed[g], signed[g].round(), atol=1e-9)]


def test_d4_permutes_the_pixels_bit_for_bit():
    plant, rng = Plant(Push()), np.random.default_rng(0)
    heightmap = Heightmap(plant, HeightmapView(64, plant.task.extent))
    symmetry = plant.task.symmetry
    elements = right_angles(symmetry.group)
    assert len(elements) == 8
    for _ in range(20):
        x = plant.task.initial_state(rng)
        plant.reset(x)
        before = heightmap.image()
        assert 20 < (before > 0.01).sum() < 400
        for g in elements:
            plant.reset(symmetry.act(g, state=x))
            assert np.array_equal(heightmap.image(), permuted(before, symmetry.group.plane[g]))


def test_it_shows_the_present_and_changes_nothing():
    plant = Plant(Push())
    seen, unseen = plant, Plant(Push())
    x = plant.task.initial_state(np.random.default_rng(3))
    heightmap = Heightmap(seen, HeightmapView(128, 1.0))
    for each in (seen, unseen):
        each.reset(x)
    for _ in range(40):
        for each in (seen, unseen):
            each.apply(np.array([0.2, 0.1]))
            each.step()
        image = heightmap.image()
    assert np.array_equal(seen.physics_state(), unseen.physics_state())
    # Everything is where the state has it, not where it was a tick ago.
    seen.reset(seen.state())
    assert np.array_equal(heightmap.image(), image)


def test_the_marks_of_goals_have_no_height():
    plant = Plant(Push())
    heightmap = Heightmap(plant, HeightmapView(64, 1.0))
    x = plant.task.initial_state(np.random.default_rng(0))
    plant.reset(x)
    before = heightmap.image()
    plant.set_goal(np.array([0.3, 0.3, 1.0]))
    assert np.array_equal(heightmap.image(), before)
    assert before.min() == 0.0


def test_what_is_not_drawn():
    text = SCENE.format(
        bodies='<geom type="box" size="0.1 0.1 0.1" {}/><geom type="sphere" size="0.01"/>'
    )
    for hidden in ('group="3"', 'rgba="1 0 0 0"'):
        image = Heightmap(Scene(text.format(hidden)), HeightmapView(11, 0.1)).image()
        assert image.max() == pytest.approx(0.01)
    assert Heightmap(Scene(text.format("")), HeightmapView(11, 0.1)).image().min() > 0.09


def test_a_shape_without_heights_is_named():
    text = """<mujoco><asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>
    <worldbody><geom name="hull" type="mesh" mesh="m" {}/></worldbody></mujoco>"""
    with pytest.raises(HeightmapError, match="the geom hull is a mesh"):
        Heightmap(Scene(text.format("")), HeightmapView())
    Heightmap(Scene(text.format('group="3"')), HeightmapView())


# In the hand.

HAND = """<mujoco><worldbody>
  <geom name="table" type="plane" size="0 0 1"/>
  <geom name="block" type="box" size="0.02 0.01 0.02" pos="{x} {y} 0.02" euler="0 0 {yaw}"/>
  <body name="hand" pos="{x} {y} {z}" euler="0 0 {yaw}">
    <site name="tool"/>
    <geom name="palm" type="box" size="0.05 0.05 0.02" pos="0 0 0.07"/>
    <geom name="finger" type="box" size="0.01 0.006 0.03" pos="0 -0.04 0.018"/>
  </body>
</worldbody></mujoco>"""


def test_an_in_hand_image_goes_with_the_tool_and_its_yaw():
    images = []
    for x, y, yaw in ((0.0, 0.0, 0.0), (0.13, -0.07, 37.0), (-0.1, 0.15, -120.0)):
        scene = Scene(HAND.format(x=x, y=y, z=0.06, yaw=yaw))
        images.append(in_hand(scene, 24).image())
    image = images[0]
    assert image.shape == (24, 24)
    assert image[12, 12] == pytest.approx(0.04 - 0.06)  # the block's top, from the tool
    assert image[0, 0] == pytest.approx(-0.06)  # the table
    assert image[20, 12] == pytest.approx(IN_HAND_CEILING)  # the finger at the right, cut off
    assert (image > -0.03).sum() == 8 * 4 + 4 * 2  # 5 mm a pixel; the palm is not in the way
    for other in images[1:]:
        assert np.allclose(other, image, atol=1e-6)


def test_a_task_without_a_gripper_has_no_in_hand_image():
    with pytest.raises(HeightmapError, match="push has no site called 'tool'"):
        in_hand(Plant(Push()), 24)


# All tasks, and no GL.


@pytest.mark.parametrize("task", plugin.names("sim.tasks"))
def test_every_task_of_ours_has_one(task):
    task = plugin.load(task, "sim.tasks")()
    plant = Plant(task)
    plant.reset(task.initial_state(np.random.default_rng(0)))
    image = Heightmap(plant, HeightmapView(64, task.extent)).image()
    assert np.isfinite(image).all() and image.std() > 1e-4


def test_it_needs_no_gl():
    code = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "import numpy as np\n"
        "from covary.sim.camera_view import HeightmapView\n"
        "from covary.sim.heightmap import Heightmap\n"
        "from covary.sim.plant import Plant\n"
        "from covary.sim.tasks.push import Push\n"
        "plant = Plant(Push())\n"
        "plant.reset(plant.task.initial_state(np.random.default_rng(0)))\n"
        "print(Heightmap(plant, HeightmapView()).image().max())\n"
        "assert 'OpenGL' not in sys.modules\n"
    )
    environment = {**os.environ, "MUJOCO_GL": "disable"}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.02


def test_another_engine_is_seen_as_well():
    pytest.importorskip("pybullet")
    plant = Plant(Push(), engine="pybullet")
    x = np.array([-0.11, 0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0])
    plant.reset(x)
    heightmap = Heightmap(plant, HeightmapView(64, 1.0))
    before = heightmap.image()
    for _ in range(100):
        plant.apply(np.array([0.2, 0.0]))
        plant.step()
    image, state = heightmap.image(), plant.state()
    assert state[2] > 0.03  # the box was pushed
    rows, columns = np.nonzero(image > 0.045)
    assert (columns.mean() - 31.5) / 64 == pytest.approx(state[2], abs=0.01)
    assert not np.array_equal(image, before)
