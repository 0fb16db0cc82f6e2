"""The top camera: images in the right place, its geometry, its topics; skipped where no GL is."""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from covary.nodes import messages, plugin
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.node import Node
from covary.sim.camera import CameraError, TopCamera
from covary.sim.camera_publisher import FRAME, CameraPublisher
from covary.sim.plant import Plant
from covary.sim.tasks.push import Push

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

    def opened(width=128, height=128, of=None):
        try:
            cameras.append(TopCamera(of or plant, width, height))
        except CameraError as error:
            pytest.skip(str(error))
        return cameras[-1]

    yield opened
    for camera in cameras:
        camera.close()


def pixel(camera: TopCamera, point: np.ndarray) -> np.ndarray:
    """Column and row at which the camera says a point of the world appears. (3,) -> (2,)"""
    position, axes = camera.pose()
    u, v, w = camera.intrinsics() @ axes.T @ (point - position)
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
        "import covary.sim.camera, covary.sim.camera_publisher, covary.sim.env\n"
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


# Topics.


@pytest.fixture
def published(make, plant):
    """Publishes at the given times and hands back what arrived: topic -> messages."""
    make(8, 8).close()  # skips where there is no GL

    def publish(hz, times):
        graph = LocalGraph()
        node = Node("sim", LocalBus(graph, "sim"), realtime=False)
        ears = LocalBus(graph, "ears")
        kinds = {
            "/camera/top/image_raw": messages.Image.__msgtype__,
            "/camera/top/camera_info": messages.CameraInfo.__msgtype__,
            "/tf": messages.TFMessage.__msgtype__,
        }
        heard = {topic: ears.subscribe(kind, topic, 0) for topic, kind in kinds.items()}
        publisher = CameraPublisher(node, plant, hz)
        for time in times:
            publisher.publish(time)
        publisher.close()
        publisher.close()
        while graph.step():
            pass
        found = {}
        for topic, subscription in heard.items():
            found[topic] = []
            while subscription.waiting():
                payload, _ = subscription.take()
                found[topic].append(messages.deserialize(payload, kinds[topic]))
        return found

    return publish


def test_frames_come_at_the_rate_of_simulated_time(published):
    ticks = [round(k * 0.05, 9) for k in range(41)]  # 2 s
    for hz, expected in ((10.0, 21), (100.0, 41), (8.0, 17), (0.4, 1)):
        images = published(hz, ticks)["/camera/top/image_raw"]
        stamps = [messages.seconds(image.header.stamp) for image in images]
        assert len(stamps) == expected
        assert set(stamps) <= set(ticks)
        due = [t * hz for t in stamps]
        assert all(d - int(d + 1e-6) < 0.05 * hz for d in due)  # the first tick at or after 1/hz


def test_an_image_its_info_and_its_frame_belong_together(published, plant, make):
    found = published(10.0, [0.35])
    (image,), (info,), (tf,) = found.values()
    assert image.header == info.header
    assert image.header.frame_id == info.header.frame_id == FRAME == "camera_top"
    assert messages.seconds(image.header.stamp) == 0.35
    camera = make(image.width, image.height)
    pixels = np.asarray(image.data).reshape(image.height, image.step)
    assert image.encoding == "rgb8"
    assert (pixels.reshape(image.height, image.width, 3) == camera.rgb()).all()
    assert (np.asarray(info.k).reshape(3, 3) == camera.intrinsics()).all()
    assert (np.asarray(info.p).reshape(3, 4)[:, :3] == camera.intrinsics()).all()
    assert (info.width, info.height) == (image.width, image.height)
    (frame,) = tf.transforms
    assert (frame.header.frame_id, frame.child_frame_id) == ("world", FRAME)
    place, turn = frame.transform.translation, frame.transform.rotation
    assert (place.x, place.y, place.z) == tuple(camera.pose()[0])
    # The optical axis, z, points down: the half turn about x.
    assert np.allclose(np.abs([turn.w, turn.x, turn.y, turn.z]), [0, 1, 0, 0])


def test_a_rate_that_is_none_is_refused(plant):
    with pytest.raises(ValueError, match="camera_hz"):
        CameraPublisher(Node("sim", LocalBus(LocalGraph(), "sim")), plant, 0.0)
