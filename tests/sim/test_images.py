"""Images on topics: what is published when, with which geometry, and what is refused."""

import numpy as np
import pytest

from covary.nodes import messages
from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.node import Node
from covary.nodes.parameters import ParameterError, from_dict
from covary.sim.camera import Camera, CameraError, TopCamera, top_view
from covary.sim.images import Images, check_images, image_topics
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.sim.sim_node import SimNode

SIDE = {"position": [0.7, -0.6, 0.5], "look_at": [0.0, 0.0, 0.05], "width": 40, "height": 30}


def parameters(task="block_pick", **given):
    return from_dict(SimNode.Parameters, {"task": task, **given}, "sim")


def plant_of(p):
    plant = Plant(load_task(p.task))
    plant.reset(plant.task.initial_state(np.random.default_rng(4)))
    return plant


def published(plant, p, times):
    """Publishes at the given times and hands back what arrived: topic -> messages."""
    graph = LocalGraph()
    node = Node("sim", LocalBus(graph, "sim"), realtime=False)
    ears = LocalBus(graph, "ears")
    kinds = image_topics(p) | {"/tf": messages.TFMessage.__msgtype__}
    heard = {topic: ears.subscribe(kind, topic, 0) for topic, kind in kinds.items()}
    try:
        images = Images(node, plant, p)
    except ParameterError as error:
        if isinstance(error.__cause__, CameraError):
            pytest.skip(str(error))
        raise
    for time in times:
        images.publish(time, (0, 0, plant.tick))
    images.close()
    images.close()
    while graph.step():
        pass
    found = {}
    for topic, subscription in heard.items():
        found[topic] = []
        while subscription.waiting():
            payload, _ = subscription.take()
            found[topic].append(messages.deserialize(payload, kinds[topic]))
    return found


def pixels(image):
    """An image's pixels as an array, by what it says of them."""
    kind, channels = {"rgb8": ("u1", 3), "32FC1": ("<f4", 1)}[image.encoding]
    values = np.asarray(image.data).view(kind)
    return values.reshape(image.height, image.width, channels)


def pose(tf):
    """Position and axes of the one frame in a message."""
    (frame,) = tf.transforms
    t, q = frame.transform.translation, frame.transform.rotation
    x, y, z, w = q.x, q.y, q.z, q.w
    axes = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return np.array([t.x, t.y, t.z]), axes


TICKS = [round(k * 0.05, 9) for k in range(41)]  # 2 s


@pytest.mark.parametrize(
    ("hz", "expected"), [(0.0, 41), (10.0, 21), (100.0, 41), (8.0, 17), (0.4, 1)]
)
def test_images_come_at_the_rate_of_simulated_time(hz, expected):
    p = parameters("push", heightmap=8, camera_hz=hz)
    images = published(plant_of(p), p, TICKS)["/camera/heightmap/image_raw"]
    stamps = [messages.seconds(image.header.stamp) for image in images]
    assert len(stamps) == expected
    assert set(stamps) <= set(TICKS)
    due = [t * hz for t in stamps]
    assert all(d - int(d + 1e-6) < 0.05 * hz for d in due if hz)  # the first tick at or after 1/hz


def test_nothing_is_published_that_was_not_asked_for():
    p = parameters("push")
    assert image_topics(p) == {} and published(plant_of(p), p, TICKS) == {"/tf": []}


def test_an_image_its_info_and_its_frame_belong_together():
    p = parameters("push", camera=True)
    plant = plant_of(p)
    found = published(plant, p, [0.35])
    (image,), (info,), (tf,) = found.values()
    assert image.header == info.header
    assert image.header.frame_id == info.header.frame_id == "camera_top"
    assert messages.seconds(image.header.stamp) == 0.35
    with TopCamera(plant, image.width, image.height) as camera:
        assert (pixels(image) == camera.rgb()).all()
        k, (place, axes) = camera.intrinsics(), camera.pose()
    assert (image.encoding, image.step) == ("rgb8", 3 * image.width)
    assert (np.asarray(info.k).reshape(3, 3) == k).all()
    assert (np.asarray(info.p).reshape(3, 4) == np.hstack([k, np.zeros((3, 1))])).all()
    assert (info.width, info.height) == (image.width, image.height) == (128, 128)
    assert (tf.transforms[0].header.frame_id, tf.transforms[0].child_frame_id) == (
        "world",
        "camera_top",
    )
    assert np.array_equal(pose(tf)[0], place) and np.allclose(pose(tf)[1], axes)


def test_a_described_camera_measures_distances_too():
    p = parameters("push", cameras={"side": SIDE, "far": {**SIDE, "depth": False}})
    plant = plant_of(p)
    found = published(plant, p, [0.0])
    assert {topic for topic in found if "depth" in topic} == {
        "/camera/side/depth/image_raw",
        "/camera/side/depth/camera_info",
    }
    colours, depth = found["/camera/side/image_raw"][0], found["/camera/side/depth/image_raw"][0]
    assert colours.header == depth.header and depth.encoding == "32FC1"
    with Camera(plant, p.cameras["side"]) as camera:
        assert np.array_equal(pixels(colours), camera.rgb())
        assert np.array_equal(pixels(depth)[..., 0], camera.depth())
    infos = [found[f"/camera/side/{word}camera_info"][0] for word in ("", "depth/")]
    assert np.array_equal(infos[0].k, infos[1].k)
    assert [frame.child_frame_id for tf in found["/tf"] for frame in tf.transforms] == [
        "camera_side",
        "camera_far",
    ]


def test_a_heightmap_puts_its_points_where_p_and_its_frame_say():
    p = parameters(heightmap=64, in_hand=24)
    plant = plant_of(p)
    found = published(plant, p, [0.0])
    block = plant.data.body("block").xpos
    for tf, name in zip(found["/tf"], ("heightmap", "in_hand"), strict=True):
        (image,), (info,) = (
            found[f"/camera/{name}/{word}"] for word in ("image_raw", "camera_info")
        )
        assert image.header == info.header and image.header.frame_id == f"camera_{name}"
        heights = pixels(image)[..., 0]
        place, axes = pose(tf)
        matrix = np.asarray(info.p).reshape(3, 4)
        assert matrix[2].tolist() == [0, 0, 0, 1]  # parallel rays
        # Every pixel as a point of the world: over the table, or on it.
        rows, columns = np.mgrid[0 : info.height, 0 : info.width]
        x = (columns - matrix[0, 3]) / matrix[0, 0]
        y = (rows - matrix[1, 3]) / matrix[1, 1]
        points = np.stack([x, y, -heights], -1) @ axes.T + place
        assert points[..., 2].min() == pytest.approx(0, abs=1e-6)
        if name == "heightmap":
            on = np.abs(points[..., 2] - (block[2] + 0.02)) < 1e-4
            assert on.sum() > 10
            assert np.abs(points[on].mean(0) - block)[:2].max() < 0.5 * 0.5 / 64


def test_the_top_camera_is_the_models():
    plant = plant_of(parameters("push"))
    view = top_view(plant, 64, 32)
    assert view.position == (0, 0, 1.3) and (view.width, view.height) == (64, 32)
    assert np.array_equal(view.axes(), np.diag([1.0, -1.0, -1.0])) and view.fovy_deg == 45


# Refusals: one line that begins with the parameter.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"camera_hz": -1}, "camera_hz: -1.0 must be at least 0"),
        ({"cameras": {"side": {"position": [0, 0]}}}, r"cameras.side: position: \[0, 0\] has 2"),
        ({"cameras": {"side": {}}}, "cameras.side: parameter 'position' .* is missing"),
        ({"cameras": {"side": {**SIDE, "widht": 3}}}, "widht'; did you mean width?"),
    ],
)
def test_parameters_that_are_none(given, said):
    with pytest.raises(ParameterError, match=said):
        parameters(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heightmap": -1}, "heightmap: -1 is not between 0 and 4096"),
        ({"in_hand": 5000}, "in_hand: 5000 is not between"),
        ({"cameras": {"A b": SIDE}}, "cameras: 'A b' is no name for a camera"),
        ({"cameras": {"in_hand": SIDE}}, "cameras: 'in_hand' is taken: in_hand publishes"),
    ],
)
def test_images_that_cannot_be_had(given, said):
    with pytest.raises(ParameterError, match=said):
        check_images(parameters("push", **given))


def test_a_task_without_a_gripper_or_a_model_has_no_in_hand_image():
    p = parameters("push", in_hand=24)
    plant = plant_of(p)
    node = Node("sim", LocalBus(LocalGraph(), "sim"))
    with pytest.raises(ParameterError, match="^in_hand: push has no site called 'tool'"):
        Images(node, plant, p)
    plant.model = None  # as an environment of another make
    with pytest.raises(ParameterError, match="^in_hand: push has no MuJoCo model"):
        Images(node, plant, p)


@pytest.mark.parametrize("given", [{"camera": True}, {"cameras": {"side": SIDE}}])
def test_without_gl_the_parameter_and_a_way_out_are_named(given, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    p = parameters("push", **given, heightmap=16)
    said = f"^{next(iter(given))}: MUJOCO_GL=disable forbids .* heightmap:=64 needs no GL$"
    with pytest.raises(ParameterError, match=said):
        check_images(p)
    plant = plant_of(p)
    with pytest.raises(ParameterError, match=said):
        Images(Node("sim", LocalBus(LocalGraph(), "sim")), plant, p)
    p = parameters("push", heightmap=16)
    check_images(p)
    assert len(published(plant, p, [0.0])["/camera/heightmap/image_raw"]) == 1


def test_dials_change_what_is_published():
    """The heightmap of tilted, noisy or mirrored sensors is another one, and the same each time."""

    def seen(**dials):
        p = parameters("push", heightmap=16, dials=dials)
        task = load_task(p.task)
        plant = task.plant(dials=p.dials)
        plant.reset(task.initial_state(np.random.default_rng(4)))
        image = published(plant, p, [0.0])["/camera/heightmap/image_raw"][0]
        return bytes(image.data)

    assert seen() == seen(light=0.5), "a heightmap needs no light"
    for name, value in (
        ("camera_tilt", 5),
        ("camera_roll", 5),
        ("observation_noise", 0.01),
        ("mirrored_image", 1),
        ("occluder", 0.1),
        ("floor_pattern", 1),
    ):
        assert seen(**{name: value}) == seen(**{name: value}) != seen(), name
