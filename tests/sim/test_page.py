"""The live page without a node: what reaches the browser is where MuJoCo says it is."""

import numpy as np
import pytest
from page_client import PageClient

from covary.planners.mppi import MPPI
from covary.sim.load_task import load_task
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.viewing.images import pixels
from covary.sim.viewing.page import Page, Slider
from covary.sim.viewing.plan_paths import CHEAP, Paths, PlanPaths
from covary.sim.viewing.scene import Scene

TASKS = ("push", "reacher", "point_mass", "point_masses", "drone")
SHAPES = """
<mujoco>
  <asset><mesh name="wedge" vertex="0 0 0  .1 0 0  0 .1 0  0 0 .1"/></asset>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <geom name="collision" type="box" size=".1 .1 .1" group="3"/>
    <geom name="glass" type="box" size=".1 .1 .1" rgba="1 1 1 0"/>
    <body name="mass" pos=".1 .2 .3" euler="10 20 30">
      <joint name="mass_x" type="slide"/><joint name="mass_y" type="slide" axis="0 1 0"/>
      <geom name="ball" type="sphere" size=".02" rgba="1 0 0 1"/>
      <geom name="egg" type="ellipsoid" size=".02 .03 .04" pos="0 0 .1"/>
      <geom name="pill" type="capsule" size=".02 .05" pos="0 .1 0" euler="90 0 0" rgba="0 1 0 .5"/>
      <geom name="can" type="cylinder" size=".02 .05" pos=".1 0 0" euler="0 45 0"/>
      <geom name="brick" type="box" size=".01 .02 .03" pos=".1 .1 0"/>
      <geom name="wedge" type="mesh" mesh="wedge" pos=".2 0 0"/>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def page():
    opened = Page(0, "test")
    yield opened
    opened.close()


def assert_as_in_mujoco(client, scene):
    """Every geom that is drawn stands in the page where MuJoCo has it."""
    import mujoco

    model, data = scene.model, scene.data
    drawn = 0
    mujoco.mj_kinematics(model, data)
    for body, shapes in zip(scene.bodies, scene.shapes, strict=True):
        for shape in shapes:
            geom = next(i for i in range(model.ngeom) if (model.geom(i).name or "") == shape.name)
            position, rotation = client.pose(f"/scene/{body}/{shape.name}")
            np.testing.assert_allclose(position, data.geom_xpos[geom], atol=2e-6)
            np.testing.assert_allclose(rotation, data.geom_xmat[geom].reshape(3, 3), atol=1e-5)
            drawn += 1
    return drawn


@pytest.mark.parametrize("name", TASKS)
def test_every_geom_is_where_mujoco_has_it(page, name):
    task = load_task(name)
    scene = Scene(task)
    page.show_scene(scene)
    rng = np.random.default_rng(3)
    page.move(*scene.poses(task.initial_state(rng)))
    with PageClient(page.url) as client:
        assert assert_as_in_mujoco(client, scene) == sum(map(len, scene.shapes)) > 1
        page.move(*scene.poses(task.initial_state(rng)))
        body = scene.bodies[-1]
        there = scene.data.body(body).xpos
        client.wait(lambda: np.allclose(client.pose(f"/scene/{body}")[0], there, atol=2e-6))
        assert_as_in_mujoco(client, scene)


def test_every_kind_of_geom_is_drawn_in_its_colour(page):
    task = load_task("point_mass")
    scene = Scene(task, SHAPES)
    page.show_scene(scene)
    page.move(*scene.poses(np.array([0.3, -0.1, 0, 0, 0, 0])))
    with PageClient(page.url) as client:
        assert_as_in_mujoco(client, scene)
        names = {name.split("/")[3] for name in client.nodes if name.count("/") >= 3}
        assert names == {"floor", "ball", "egg", "pill", "can", "brick", "wedge"}
        at = {name: node["props"] for name, node in client.nodes.items()}
        ball = at["/scene/mass/ball"]
        assert (ball["radius"], list(ball["color"]), ball["opacity"]) == (0.02, [255, 0, 0], None)
        assert at["/scene/mass/egg"]["scale"] == pytest.approx([0.02, 0.03, 0.04])
        assert at["/scene/mass/brick"]["dimensions"] == pytest.approx([0.02, 0.04, 0.06])
        assert at["/scene/mass/can"]["height"] == pytest.approx(0.1)
        pill = at["/scene/mass/pill/shaft"]
        assert (pill["height"], pill["opacity"]) == (pytest.approx(0.1), 0.5)
        assert client.pose("/scene/mass/pill/top")[0] == pytest.approx(
            client.pose("/scene/mass/pill")[0] + 0.05 * client.pose("/scene/mass/pill")[1][:, 2]
        )
        assert at["/scene/world/floor/sheet"]["dimensions"][:2] == [4.0, 4.0]


def test_joints_override_the_state():
    task = load_task("reacher")
    scene = Scene(task)
    x = task.initial_state(np.random.default_rng(0))
    plain = scene.poses(x)[0]
    moved = scene.poses(x, {"elbow": x[1] + 0.5, "shoulder": x[0], "nobody": 1.0})[0]
    assert np.abs(plain - scene.poses(x, {"shoulder": x[0], "elbow": x[1]})[0]).max() < 1e-12
    assert scene.bodies[-1] == "fore" and np.abs(plain - moved).max() < 1e-12  # its own frame
    turned = scene.poses(x, {"shoulder": x[0] + 0.5})[0]
    assert np.abs(turned[-1] - plain[-1]).max() > 0.05


def test_a_plan_leads_where_its_model_goes_and_its_copies_where_the_group_sends_it(page):
    task = load_task("point_mass")
    scene = Scene(task)
    model = NumbaDynamics(task)
    planner = MPPI(model, samples=64, horizon=12)
    x = task.initial_state(np.random.default_rng(0))
    memory = planner.initial_memory(0)
    for tick in range(5):
        plan, memory = planner.plan(x, tick * task.dt, memory)
    paths = PlanPaths(task, scene).trace(x, plan.actions)
    line = [x]
    for u in plan.actions:
        line.append(model.next_state(line[-1], u))
    np.testing.assert_allclose(paths.points[:, 1, :2], np.array(line)[1:, :2], atol=1e-12)
    np.testing.assert_allclose(paths.points[:, 0, :2], np.array(line)[:-1, :2], atol=1e-12)
    group = task.symmetry.group
    assert len(paths.copies) == 12 * (group.order - 1)
    turned = task.symmetry.act(3, state=np.array(line))[:, :2]
    np.testing.assert_allclose(paths.copies[24:36, 1, :2], turned[1:], atol=1e-12)
    costs = task.running_cost(np.array(line)[1:], plan.actions)
    assert np.argsort(paths.colours[:, 1, 0]).tolist() == np.argsort(costs).tolist()
    assert paths.colours[np.argmin(costs), 1] == pytest.approx(CHEAP)
    page.show_scene(scene)
    page.show_paths(paths)
    with PageClient(page.url) as client:
        seen = client.nodes["/plan"]["props"]["points"].reshape(-1, 2, 3)
        np.testing.assert_allclose(seen, paths.points, atol=1e-6)
        assert client.nodes["/orbit"]["props"]["points"].size == paths.copies.size
        page.show_paths(None)
        client.wait(lambda: "/plan" not in client.nodes and "/orbit" not in client.nodes)


def test_what_stands_still_has_no_path():
    task = load_task("push")
    paths = PlanPaths(task, Scene(task)).trace(
        task.initial_state(np.random.default_rng(0)), np.zeros((5, 2))
    )
    assert len(paths.points) == len(paths.copies) == len(paths.colours) == 0


def test_pages_of_others_may_not_press_our_buttons(page):
    from websockets.exceptions import InvalidStatus

    PageClient(page.url, origin=page.url).socket.close()
    with pytest.raises(InvalidStatus):
        PageClient(page.url, origin="http://elsewhere.example")
    with pytest.raises(InvalidStatus):
        PageClient(page.url, origin="http://localhost.elsewhere.example:8080")


def test_the_page_is_on_loopback_only_and_asks_for_no_tunnel(page):
    assert page.url.startswith("http://127.0.0.1:")
    with PageClient(page.url) as client:
        client.send("ShareUrlRequest")
        client.click("stop")
        client.wait(lambda: not page.inputs.empty())
    assert page.server._share_tunnel is None


def test_what_is_no_message_ends_its_connection_and_nothing_else(page):
    from websockets.exceptions import ConnectionClosed

    for rubbish in (b"", b"\xc1", b"\x81\xa4type\xa5Bogus", "text", bytes(1000)):
        client = PageClient(page.url)
        client.socket.send(rubbish)
        with pytest.raises(ConnectionClosed):
            client.wait(lambda: False)
    with PageClient(page.url) as client:
        client.send("GuiUpdateMessage", uuid="nobody", updates={"value": 1})
        client.send("GuiUpdateMessage", uuid=client.uuid("stop"), updates={"bogus": 1})
        client.drag("/nothing", [0, 0, 0])
        client.click("reset")
        client.wait(lambda: not page.inputs.empty())
    assert [given.what for given in page.taken()] == ["reset"]


def test_hours_of_plans_fill_no_memory(page):
    buffer = page.server._websock_server._broadcast_buffer.message_from_id
    line = np.zeros((5, 2, 3))
    sizes = []
    for turn in range(300):
        page.show_paths(Paths(line + turn, line, line))
        page.say([("time", str(turn))])
        sizes.append(len(buffer))
    assert max(sizes[100:]) <= max(sizes[:100])


def test_a_taken_port_gives_way_to_the_next(page):
    port = int(page.url.rpartition(":")[2])
    other = Page(port, "other")
    try:
        assert other.url != page.url
    finally:
        other.close()


def test_of_many_moves_of_a_slider_the_last_counts(page):
    page.show_sliders([Slider("samples", 64, 1, 256, True), Slider("noise", 0.5, 0.0, 2.0, False)])
    with PageClient(page.url) as client:
        for value in (65, 70, 80):
            client.put("samples", value)
        client.put("noise", 0.75)
        client.click("stop")
        found = []
        client.wait(lambda: found and found[-1].what == "stop", lambda: found.extend(page.taken()))
        assert [(i.what, i.name, i.value) for i in found][-1] == ("stop", "", None)
        assert found[-2].value == 0.75 and found[-3].value == 80
        page.set_slider("samples", 96)
        client.wait(lambda: client.value("samples") == 96)
    assert page.taken() == []  # what the program sets is no input


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("rgb8", [[1, 2, 3, 4, 5, 6]], [[[1, 2, 3], [4, 5, 6]]]),
        ("bgr8", [[1, 2, 3, 4, 5, 6]], [[[3, 2, 1], [6, 5, 4]]]),
        ("rgba8", [[1, 2, 3, 9, 4, 5, 6, 9]], [[[1, 2, 3], [4, 5, 6]]]),
        ("mono8", [[7, 8]], [[[7] * 3, [8] * 3]]),
    ],
)
def test_images_become_pixels(encoding, data, expected):
    found = pixels(image(encoding, np.array(data, np.uint8), width=2))
    assert found is not None and found.tolist() == expected


def test_depths_become_grey_with_the_nearest_white():
    metres = np.array([[0.5, 1.0, np.nan, 0.0]], np.float32)
    found = pixels(image("32FC1", metres.view(np.uint8), width=4))
    assert found is not None and found[0, :, 0].tolist() == [255, 55, 0, 0]
    found = pixels(image("16UC1", np.array([[500, 1000, 0, 750]], "<u2").view(np.uint8), width=4))
    assert found is not None and found[0, :, 0].tolist() == [255, 55, 0, 155]


def test_heights_become_grey_with_the_highest_white():
    metres = np.array([[-0.06, 0.045, 0.0]], np.float32)
    found = pixels(image("32FC1", metres.view(np.uint8), width=3), heights=True)
    assert found is not None and found[0, 0, 0] == 55 and found[0, 1, 0] == 255
    assert 55 < found[0, 2, 0] < 255


@pytest.mark.parametrize("flaw", [{"encoding": "jpeg"}, {"height": 3}, {"width": 10**6}])
def test_what_is_no_image_is_none(flaw):
    good = image("rgb8", np.zeros((1, 6), np.uint8), width=2)
    for name, value in flaw.items():
        setattr(good, name, value)
    assert pixels(good) is None


def image(encoding, rows, width):
    from types import SimpleNamespace

    return SimpleNamespace(
        encoding=encoding, height=len(rows), width=width, step=rows.shape[1],
        is_bigendian=0, data=rows.reshape(-1),
    )  # fmt: skip
