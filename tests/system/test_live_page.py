"""The live page in a real browser: a slider takes effect, a gizmo is dragged through a pick."""

import contextlib
import json

import numpy as np
import pytest
from browser import browser, projected, reason_to_skip
from launches import covary, left, start, wait_for

from covary.nodes.bags.reader import Bag
from covary.sim.load_task import load_task
from covary.sim.viewing.page import LOOK_FROM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip()),
]
ARROW = 0.10
"""Where on the gizmo an arrow can be taken hold of, m from its middle."""
NEAR = 0.006
"""How near to a place the gizmo is dragged, m."""
FOV = np.radians(75.0)
"""Of viser's camera."""


@contextlib.contextmanager
def page_of(place, *words):
    """A launch with its page open in a browser."""
    launcher = start(place, *words, "port:=18123")
    try:
        (folder,) = wait_for(lambda: list(place.glob("runs/*")), launcher=launcher)
        facts = wait_for(lambda: list(folder.glob("viewer.json")), launcher=launcher)[0]
        with browser() as view:
            view.open(json.loads(facts.read_text())["url"])
            yield view, folder, launcher
    finally:
        if launcher.poll() is None:
            launcher.terminate()
        launcher.communicate(timeout=60)


def test_the_page_shows_a_run_and_a_slider_takes_effect(tmp_path):
    words = ("view:=true", "realtime:=true", "episodes:=1000", "samples:=64", "horizon:=20")
    with page_of(tmp_path, "push", *words) as (view, folder, launcher):
        for label in ("stop", "reset"):
            view.button(label)
        view.wait(lambda: "episode" in view.text() and "guard" in view.text())
        view.wait(lambda: view.numbers("samples")[-1] == 64)
        view.fill("samples", 96)
        view.wait(
            lambda: "96" in covary(folder.parents[1], "param", "get", "planner", "samples").stdout
        )
        view.click("stop")
        view.wait(lambda: "stopped" in view.text())
        view.click("reset")
        view.wait(lambda: "stopped" not in view.text())
        launcher.terminate()
        wait_for(lambda: launcher.poll() is not None)
    stats = json.loads((folder / "planner.json").read_text())
    assert stats["retuned"] >= 1 and stats["samples"] == 96  # what was really rolled out


def test_a_person_drags_the_gripper_through_a_pick_and_the_replay_succeeds(tmp_path):
    robot = "robot:=floating_gripper"
    task = load_task("block_pick", {"robot": "floating_gripper"})
    plant = task.plant()
    plant.begin(np.random.default_rng([0, 0]))
    names = list(task.state_names)
    block = plant.state()[[names.index(f"block_{axis}") for axis in "xy"]]
    with page_of(tmp_path, "block_pick", robot, "planner:=person", "episodes:=1") as opened:
        view, folder, launcher = opened
        view.click("start")
        view.wait(lambda: "has begun" in view.text())
        view.wait(lambda: view.numbers("target")[2] > 0.1)
        for height in (0.12, 0.02):
            drag_to(view, task, np.array([*block, height]))
        view.click("close gripper")
        view.button("open gripper")
        later = clock(view) + 1.5
        view.wait(lambda: clock(view) > later)
        drag_to(view, task, np.array([*block, 0.20]), until=lambda: "success" in said(view))
        view.wait(lambda: launcher.poll() is not None)
    run = left(folder)
    assert (run.summary["exit_code"], run.summary["success_rate"]) == (0, 1.0)
    (bag,) = run.bags
    assert Bag(bag).metadata["success"] == "true"
    done = covary(tmp_path, "replay", bag)
    assert done.returncode == 0 and done.stdout.startswith("identical over"), done.stdout


def said(view):
    """What the page says of the episode."""
    return view.text().partition("demonstrate")[2].partition("start\n")[0]


def clock(view):
    """The simulated time that the page shows, s."""
    return float(view.text().partition("time")[2].split()[0])


def drag_to(view, task, goal, until=lambda: False):
    """Drag the gizmo by its arrows, one after the other, until it is there."""
    camera = np.array(LOOK_FROM) * task.extent
    for _ in range(12):
        at, yaw = view.numbers("target"), view.numbers("yaw")[0]
        axes = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        gap = axes.T @ (goal - at)
        if np.abs(gap).max() < NEAR or until():
            return
        k = int(np.argmax(np.abs(gap)))
        ends = [at + (ARROW + way) * axes[:, k] for way in (0.0, gap[k])]
        start, end = (projected(p, camera, np.zeros(3), FOV, *view.size()) for p in ends)
        view.drag(start, end)
        with contextlib.suppress(AssertionError):
            view.wait(
                lambda at=at: until() or np.abs(view.numbers("target") - at).max() > 1e-3, 8.0
            )
            continue
        view.open(view.driver.current_url)  # it was the camera that was dragged
    raise AssertionError(f"the gizmo stands at {at}, not at {goal}")
