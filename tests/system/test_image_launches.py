"""Images of a launch: asked for by arguments, recorded with every state, refused in one line."""

import numpy as np
import pytest
from launches import covary_here, launch, renders

from covary.nodes.bags.dataset import Dataset
from covary.nodes.bags.reader import Bag, read
from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import Heightmap, in_hand
from covary.sim.load_task import load_task
from covary.sim.plant import Plant

SIDE = "cameras:={side: {position: [0.6, -0.5, 0.4], width: 32, height: 24}}"
SHORT = ("episodes:=1", "--lockstep")
PLANS = ("samples:=16", "horizon:=8", "iterations:=1")


def images(topics, place):
    """All images of a bag as one array. (F, height, width)"""
    found = topics[f"/camera/{place}/image_raw"]
    assert set(found["encoding"]) == {"32FC1"}
    return found["data"].view("<f4").reshape(len(found), found["height"][0], found["width"][0])


def test_heightmaps_without_gl_are_recorded_for_every_state(tmp_path, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    run = launch(
        tmp_path, "block_pick", "heightmap:=64", "in_hand:=24", *SHORT, "seed:=3", here=True
    )
    assert run.summary["success_rate"] == 1.0 and run.summary["dropped"] == 0
    (bag,) = run.bags
    topics = read(bag).topics
    states = topics["/state"]["header.stamp"]
    plant = Plant(load_task("block_pick"))
    above = Heightmap(plant, HeightmapView(64, plant.task.extent))
    hand = in_hand(plant, 24)
    plant.reset(topics["/ground_truth"]["value"][0])
    for place, view in (("heightmap", above), ("in_hand", hand)):
        for word in ("image_raw", "camera_info"):
            stamps = topics[f"/camera/{place}/{word}"]["header.stamp"]
            assert np.array_equal(stamps, states)  # none lost, none twice
        seen = images(topics, place)
        assert seen.shape == (len(states), view.view.pixels, view.view.pixels)
        assert np.allclose(seen[0], view.image(), atol=1e-6)
    # At the end the block is in the hand, and off the table.
    assert np.abs(images(topics, "in_hand")[-1, 12, 12] - 0.02) < 0.01
    # And as the dataset's reader has them, on the control tick.
    (episode,) = Dataset(run.folder)
    camera = episode.cameras["/camera/heightmap/image_raw"]
    assert np.array_equal(camera.images[..., 0], images(topics, "heightmap")[: len(episode)])
    assert camera.parent == "world" and camera.projection[2].tolist() == [0, 0, 0, 1]


@pytest.mark.skipif(not renders(), reason="no GL library")
def test_any_camera_that_is_published_is_recorded(tmp_path):
    run = launch(tmp_path, "push", SIDE, "camera:=true", *SHORT, *PLANS, here=True)
    (bag,) = run.bags
    counts = Bag(bag).counts
    names = ("side/image_raw", "side/depth/image_raw", "side/camera_info", "top/image_raw")
    assert {counts[f"/camera/{name}"] for name in names} == {counts["/state"]}
    # The run's own launch file says so: launching it again does the same.
    resolved = next(run.folder.glob("*.yaml")).read_text()
    assert "/camera/side/depth/image_raw sensor_msgs/msg/Image" in resolved


@pytest.mark.slow
def test_as_processes_none_is_lost(tmp_path):
    run = launch(tmp_path, "block_pick", "heightmap:=128", "in_hand:=24", "episodes:=3")
    assert run.summary["dropped"] == 0
    for bag in run.bags:
        counts = Bag(bag).counts
        assert counts["/camera/heightmap/image_raw"] == counts["/state"]
        assert counts["/camera/in_hand/image_raw"] == counts["/state"]


NODE = """
from covary.nodes.node import Node
class Eye(Node):
    publishes = {"/camera/front/image_raw": "sensor_msgs/msg/Image"}
"""
FILE = """
launch:
  - include: {file: $(find-pkg-share covary)/launch/push.yaml}
  - node:
      exec: "eye:Eye"
      name: eye
      remap: [{from: /camera/front/image_raw, to: /left/front/image_raw}]
  - node: {pkg: covary, exec: recorder_node, name: recorder, param: [%s]}
"""


@pytest.mark.parametrize(
    ("param", "recorded"), [("", True), ("{name: topics, value: [/state]}", False)]
)
def test_a_recorder_listens_to_any_nodes_images_under_their_names_on_the_bus(
    tmp_path, param, recorded
):
    (tmp_path / "eye.py").write_text(NODE)
    (tmp_path / "eyed.yaml").write_text(FILE % param)
    done = covary_here(tmp_path, "graph", "eyed.yaml", "record:=false", "--mermaid")
    assert done.returncode == 0, done.stderr
    assert ("/left/front/image_raw" in done.stdout) and "camera/front" not in done.stdout
    run = launch(tmp_path, "eyed.yaml", "record:=false", *SHORT, *PLANS, here=True)
    resolved = next(run.folder.glob("*.yaml")).read_text()
    assert ("/left/front/image_raw sensor_msgs/msg/Image" in resolved) == recorded


@pytest.mark.parametrize("word", ["camera:=true", SIDE])
def test_a_camera_that_cannot_be_had_is_one_line_at_once(tmp_path, monkeypatch, word):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    for command in ("check", "launch"):
        done = covary_here(tmp_path, command, "push.yaml", word)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and not list(tmp_path.glob("runs/*"))
        name = word.partition(":=")[0]
        assert f"/sim: {name}: MUJOCO_GL=disable forbids rendering: unset it" in line
        assert line.endswith("on the command line)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "heightmap:=-1"), "heightmap: -1 is not between 0 and 4096"),
        (("push", "heightmap:=6.5"), "heightmap: 6.5 is not a whole number"),
        (("push", "heightmp:=64"), "did you mean 'heightmap'?"),
        (("push", "cameras:={side: {position: [0, 0, 1], fovy: 3}}"), "did you mean fovy_deg?"),
        (("push", "cameras:={side: {position: [0, 0, 1], width: 0}}"), "width: 0 is not between"),
        (("block_pick", "in_hand:=-1"), "in_hand: -1 is not between"),
    ],
)
def test_wrong_words_are_one_line(tmp_path, words, said):
    done = covary_here(tmp_path, "launch", *words)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and said in line and not list(tmp_path.glob("runs/*"))
