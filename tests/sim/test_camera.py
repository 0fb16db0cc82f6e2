"""Cameras: images in the right place, exact geometry at any pose; skipped where no GL is."""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from covary.nodes import plugin
from covary.sim.camera import Camera, CameraError, TopCamera
from covary.sim.camera_view import CameraView
from covary.sim.dials import Dials
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push
from covary.symmetry.pixels import moved_image, pixel_elements

X = np.array([0.2, 0.1, -0.2, -0.15, 0.0, 0.15, -0.25, 0.5])
"""Pusher, box (unturned), goal: well apart."""


@pytest.fixture
def plant():
    plant = Plant(Push())
    plant.reset(X)
    return plant


@pytest.fixture
def make(plant):
    """Opens cameras and closes them all; skips with the reason where nothing can be rendered."""
    cameras = []

    def opened(width=128, height=128, of=None, view=None):
        try:
            cameras.append(Camera(plant, view) if view else TopCamera(of or plant, width, height))
        except CameraError as error:
            pytest.skip(str(error))
        return cameras[-1]

    yield opened
    for camera in cameras:
        camera.close()


def pixel(camera: Camera, point: np.ndarray) -> np.ndarray:
    """Column and row at which the camera says a point of the world appears. (3,) -> (2,)"""
    position, axes = camera.pose()
    u, v, w = camera.intrinsics() @ axes.T @ (point - position)
    assert np.allclose(camera.view.pixels(point), [u / w, v / w, w])
    return np.array([u, v]) / w


# What needs no GL.


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**clean, **environment}
    )


NO_GL = (
    "import ctypes.util\n"
    "ctypes.util.find_library = lambda name: None\n"
    "from covary.sim.camera import CameraError\n"
    "from covary.sim.env import TaskEnv\n"
    "env = TaskEnv('push', render_mode='rgb_array')\n"
    "env.reset(seed=0)\n"
    "try:\n    env.render()\n"
    "except CameraError as error:\n    print(error)\n"
    "env.close()\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the window system has GL")
def test_without_gl_one_line_says_what_to_install():
    done = run(NO_GL)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    for hint in ("apt install libegl1", "libosmesa6", "covary doctor"):
        assert hint in line


def test_rendering_that_is_forbidden_is_not_tried():
    done = run(NO_GL, MUJOCO_GL="disable")
    assert done.returncode == 0, done.stderr
    assert "MUJOCO_GL=disable" in done.stdout


def test_importing_sets_no_environment_variable():
    code = (
        "import os, sys, gymnasium; before = dict(os.environ)\n"  # which sets one of its own
        "import covary.sim.camera, covary.sim.images, covary.sim.env\n"
        "assert dict(os.environ) == before\n"
        "assert 'OpenGL' not in sys.modules\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_a_model_without_the_camera_is_refused_by_name():
    task = Push()
    text = Path(task.mjcf).read_text(encoding="utf-8").replace('camera name="top"', "camera")
    with pytest.raises(CameraError, match="no camera called 'top'"):
        TopCamera(Plant(task, model=text), 8, 8)


# What does.


@pytest.mark.parametrize("task", plugin.names("sim.tasks"))
def test_every_task_of_ours_is_seen_from_above(make, task):
    task = plugin.load(task, "sim.tasks")()
    plant = Plant(task)
    plant.reset(task.initial_state(np.random.default_rng(0)))
    camera = make(of=plant)
    image, depth = camera.rgb(), camera.depth()
    assert (image.shape, image.dtype) == ((128, 128, 3), np.uint8)
    assert (depth.shape, depth.dtype) == ((128, 128), np.float32)
    assert np.isfinite(depth).all()
    assert image.std() > 1
    position, axes = camera.pose()
    assert np.allclose(axes, np.diag([1.0, -1.0, -1.0]))  # right is x, up is y, ahead is down
    assert (depth > 0).all()
    assert depth.max() < position[2] + 1.0


def test_depth_and_intrinsics_put_the_box_where_it_is(make):
    camera = make(320, 240)
    depth = camera.depth()
    height = camera.pose()[0][2]
    assert np.median(depth) == pytest.approx(height, abs=1e-3)  # the table
    top = np.abs(depth - (height - 0.05)) < 0.003  # the box is 50 mm high
    rows, columns = np.nonzero(top)
    k = camera.intrinsics()
    x = (columns - k[0, 2]) / k[0, 0] * depth[top]
    y = -(rows - k[1, 2]) / k[1, 1] * depth[top]
    per_pixel = (height - 0.05) / k[0, 0]
    assert x.mean() == pytest.approx(X[2], abs=0.5 * per_pixel)
    assert y.mean() == pytest.approx(X[3], abs=0.5 * per_pixel)
    assert np.ptp(x) == pytest.approx(0.16, abs=2 * per_pixel)
    assert np.ptp(y) == pytest.approx(0.10, abs=2 * per_pixel)


def test_the_pusher_is_blue_where_the_camera_says_it_is(make):
    camera = make(256, 256)
    image = camera.rgb().astype(int)
    rows, columns = np.nonzero(image[..., 2] - image[..., 0] > 60)
    seen = np.array([columns.mean(), rows.mean()])
    assert np.abs(seen - pixel(camera, np.array([*X[:2], 0.022]))).max() < 1.5


def test_a_quarter_turn_of_the_world_turns_the_image(make, plant):
    camera = make(128, 128)
    symmetry = plant.task.symmetry
    quarter = [[0, -1], [1, 0]]  # against the clock
    g = next(g for g in symmetry.group.elements if np.allclose(symmetry.group.plane[g], quarter))
    before = camera.rgb()
    plant.reset(symmetry.act(g, state=X))
    apart = np.abs(camera.rgb().astype(int) - np.rot90(before).astype(int)).max(axis=2)
    assert (apart > 8).mean() < 0.01  # edges fall on one side or the other of a pixel


def test_an_image_shows_the_present_and_is_the_callers_own(make, plant):
    camera = make()
    first = camera.rgb()
    kept = first.copy()
    assert (camera.rgb() == first).all()
    plant.reset(X + [0.1, 0, 0, 0, 0, 0, 0, 0])
    assert not np.array_equal(camera.rgb(), kept)
    assert (first == kept).all()


def test_looking_changes_nothing_in_the_plant(make, plant):
    before, visual = plant.physics_state(), plant.model.vis.global_.offwidth
    camera = make(900, 700)  # larger than the model's frame buffer
    assert camera.rgb().shape == (700, 900, 3)
    camera.depth()
    assert (plant.physics_state() == before).all()
    assert plant.model.vis.global_.offwidth == visual


def test_a_camera_that_closes_leaves_the_others_alone(make):
    first, second = make(64, 64), make(128, 96)
    image, depth = second.rgb(), second.depth()
    first.rgb()
    first.close()
    first.close()
    assert (second.rgb() == image).all()
    assert (second.depth() == depth).all()
    with pytest.raises(CameraError, match="closed"):
        first.rgb()
    with pytest.raises(CameraError, match="closed"):
        first.depth()


@pytest.mark.parametrize("name", ["egl", "osmesa"])
@pytest.mark.skipif(sys.platform != "linux", reason="the choice is Linux's")
def test_a_process_that_forgets_to_close_ends_without_a_word(name):
    code = (
        "from covary.sim.env import TaskEnv\n"
        "env = TaskEnv('push', render_mode='rgb_array')\n"
        "other = TaskEnv('push', render_mode='rgb_array', width=32, height=32)\n"
        "env.reset(seed=0); other.reset(seed=0); env.render(); other.render()\n"
    )
    if ctypes.util.find_library({"egl": "EGL", "osmesa": "OSMesa"}[name]) is None:
        pytest.skip(f"no {name} library here")
    done = run(code, MUJOCO_GL=name)
    if "CameraError" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_camera_shows_the_present_not_the_tick_before(make, plant):
    camera = make(256, 256)
    plant.reset(X)
    for _ in range(30):
        plant.apply(np.array([0.25, 0.0]))
        plant.step()
    image = camera.rgb()
    plant.reset(plant.state())
    assert (camera.rgb() == image).all()


# Any pose, in a scene of which all is known.

VIEWS = {
    "above": CameraView((0.05, -0.1, 0.9), (0.05, -0.1, 0.0), fovy_deg=60),
    "side": CameraView((0.7, -0.6, 0.5), (-0.2, -0.15, 0.02), fovy_deg=40, width=320, height=240),
    "rolled": CameraView((-0.6, 0.4, 0.6), (-0.1, -0.1, 0.0), fovy_deg=50).turned(3, 40),
    "wide": CameraView((0.3, 0.5, 0.7), (-0.1, -0.1, 0.0), fovy_deg=80, width=480, height=240),
}
HALF, MIDDLE = np.array([0.08, 0.05, 0.03]), np.array([-0.12, -0.1, 0.05])
"""Of the box, m."""
TABLE = '<geom name="table" type="plane" size="0 0 1"/>'


class Box:
    """A turned box and what is beside it, as a camera needs it."""

    def __init__(self, beside="", alpha=1):
        self.model = mujoco.MjModel.from_xml_string(
            f"""<mujoco><worldbody>{beside}<geom name="box" type="box" size="0.08 0.05 0.03"
            pos="-0.12 -0.1 0.05" quat="0.8 0.3 -0.2 0.5" rgba="1 0 0 {alpha}"/>
            </worldbody></mujoco>"""
        )
        self.data = mujoco.MjData(self.model)
        self.place()
        self.turn = self.data.geom("box").xmat.reshape(3, 3)

    place = Plant.place


@pytest.fixture
def look():
    """Opens a camera on a box; skips with the reason where nothing can be rendered."""
    cameras = []

    def opened(box, name):
        try:
            cameras.append(Camera(box, VIEWS[name]))
        except CameraError as error:
            pytest.skip(str(error))
        return cameras[-1]

    yield opened
    for camera in cameras:
        camera.close()


def distances(box, view):
    """Distances along the optical axis to the box and to the table, computed. (h, w) each"""
    rows, columns = np.mgrid[0 : view.height, 0 : view.width]
    pixels = np.stack([columns, rows, np.ones_like(rows)], -1)
    # Rays that are one metre long along the axis.
    rays = pixels @ np.linalg.inv(view.intrinsics()).T @ view.axes().T
    table = np.where(rays[..., 2] < 0, -view.position[2] / rays[..., 2], np.inf)
    start, rays = (view.position - MIDDLE) @ box.turn, rays @ box.turn
    ends = np.stack([(-HALF - start) / rays, (HALF - start) / rays])
    near, far = ends.min(0).max(-1), ends.max(0).min(-1)
    return np.where(near < far, near, np.inf), table


@pytest.mark.parametrize("name", VIEWS)
def test_depth_is_the_distance_to_the_millimetre_at_any_pose(look, name):
    box, view = Box(TABLE), VIEWS[name]
    depth = look(box, name).depth()
    to_box, table = distances(box, view)
    expected = np.minimum(to_box, table)
    assert (to_box < table).sum() > 150
    apart = np.abs(depth - expected)[expected < 4.0]
    # A pixel on an edge may show what is on either side of it.
    assert (apart > 1e-3).mean() < 0.005
    assert np.quantile(apart, 0.95) < 1e-5


CORNERS = (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1)[[0, 3, 5]] * HALF
"""Three corners that hide each other from none of the views. (3, 3)"""
BALLS = "".join(
    f'<geom type="sphere" size="0.008" pos="{x} {y} {z}" rgba="{colour} 1"/>'
    for (x, y, z), colour in zip(CORNERS, ("1 0 0", "0 1 0", "0 0 1"), strict=True)
)


@pytest.mark.parametrize("name", VIEWS)
def test_the_corners_of_a_body_are_where_k_and_pose_put_them(look, name):
    camera = look(
        Box(f'<body pos="-0.12 -0.1 0.05" quat="0.8 0.3 -0.2 0.5">{BALLS}</body>', 0), name
    )
    image = camera.rgb().astype(int)
    for channel, corner in enumerate(CORNERS @ Box().turn.T + MIDDLE):
        others = np.delete(image, channel, axis=2).max(axis=2)
        rows, columns = np.nonzero(image[..., channel] > others + 30)
        found = np.array([columns.mean(), rows.mean()])
        assert np.abs(found - pixel(camera, corner)).max() < 0.5


def test_views_of_several_cameras_do_not_mix(look):
    cameras = {name: look(Box(TABLE), name) for name in VIEWS}
    first = {name: camera.rgb() for name, camera in cameras.items()}
    for name in reversed(VIEWS):
        assert np.array_equal(cameras[name].rgb(), first[name])


def test_no_highlight_breaks_a_quarter_turn():
    """Of a table that no light saturates, the image of the turned scene is the turned image."""
    task = Push()
    plant = task.plant(dials=Dials(light=0.36))
    x = task.initial_state(np.random.default_rng(0))
    try:
        camera = TopCamera(plant, 64, 64)
    except CameraError as error:
        pytest.skip(str(error))
    group = task.symmetry.group
    with camera:
        plant.reset(x)
        seen = camera.rgb().copy()
        assert seen.max() < 255, "a saturated image would hide it"
        for g in pixel_elements(group)[1:]:
            plant.reset(task.symmetry.act(g, state=x))
            off = np.abs(camera.rgb().astype(int) - moved_image(group, g, seen))
            assert (off > 0).mean() < 1e-3, group.element_names[g]  # edges may fall either way
