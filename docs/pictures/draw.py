"""Draws docs/pictures/TASK.png: each task in the live page, as headless Chromium shows it.

python docs/pictures/draw.py [TASK ...]     # needs chromium, chromium-driver, selenium, pillow
"""

import io
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "tests" / "system"))

from browser import browser, reason_to_skip  # noqa: E402

from covary.planners.expert import Expert  # noqa: E402
from covary.planners.mppi import MPPI  # noqa: E402
from covary.sim.load_task import load_task  # noqa: E402
from covary.sim.numba_dynamics import NumbaDynamics  # noqa: E402
from covary.sim.viewing.page import Page  # noqa: E402
from covary.sim.viewing.plan_paths import PlanPaths  # noqa: E402
from covary.sim.viewing.scene import Scene  # noqa: E402

PLANAR = {
    "point_mass": ({"samples": 256, "horizon": 30, "iterations": 2, "temperature": 0.3}, 0.6),
    "reacher": ({"samples": 256, "horizon": 30, "iterations": 2, "temperature": 0.3}, 0.2),
    "cart_pole": (
        {"samples": 256, "horizon": 20, "iterations": 2, "noise": 0.2, "temperature": 0.1},
        1.0,
    ),
    "point_masses": (
        {"samples": 384, "horizon": 25, "iterations": 2, "noise": 0.1, "temperature": 0.5},
        0.5,
    ),
    "point_mass_obstacles": (
        {"samples": 256, "horizon": 30, "iterations": 2, "noise": 0.2, "temperature": 0.3},
        0.6,
    ),
    "drone": (
        {"samples": 256, "horizon": 18, "iterations": 2, "noise": 0.03, "temperature": 0.5},
        0.5,
    ),
    "push": ({"samples": 512, "horizon": 40, "iterations": 2, "temperature": 0.03}, 2.0),
}
"""The tasks that MPPI plans: its parameters, and the time of the picture, s."""
SCRIPTED = {
    **{"block_push": 2.0, "block_pull": 2.0, "block_pick": 2.0, "block_in_bowl": 2.5},
    **{"block_stack": 2.5, "drawer_open": 2.0, "peg_in_hole": 2.5, "two_block_sort": 2.5},
}
"""The tasks that an expert does: after this time the picture is taken, as soon as it moves, s."""
MOVING = 0.08
"""Speed of a gripper that moves, m/s."""
LOADING_S = 5.0
"""A page fades in for some seconds."""
LARGEST = 80_000
"""Of a picture, bytes."""


def episode(name):
    """A task in the middle of its first episode: task, state, joints, actions ahead, facts."""
    if name in PLANAR:
        task = load_task(name)
        block, until = PLANAR[name]
        model = NumbaDynamics(task)
        planner = MPPI(model, **block)
    else:
        task = load_task(name, {"robot": "arm"})
        until = SCRIPTED[name]
        planner = Expert(task)
    plant, memory = task.plant(), planner.initial_memory(0)
    plant.begin(np.random.default_rng([0, 0]))
    ticks = round(task.dt / task.physics_dt)
    for k in range(round(task.time_limit / task.dt)):
        state = plant.state()
        plan, memory = planner.plan(state, k * task.dt, memory)
        moves = name in PLANAR or np.linalg.norm(plan.actions[0, 1:4]) > MOVING
        if k * task.dt >= until - 1e-9 and moves:
            break
        for _ in range(ticks):
            plant.apply(plan.actions[0])
            plant.step()
    joints = dict(zip(task.joint_names, plant.joints()[0], strict=True))
    actions = plan.actions if name in PLANAR else np.repeat(plan.actions[:1], 12, axis=0)
    cost = float(task.running_cost(state, plan.actions[0]))
    facts = [("time", f"{k * task.dt:.2f} s"), ("cost", f"{cost:.3f}")]
    return task, state, joints, actions, facts


def draw(name, view):
    """One picture."""
    task, state, joints, actions, facts = episode(name)
    page = Page(0, f"covary: {name}")
    try:
        scene = Scene(task)
        page.show_scene(scene)
        page.move(*scene.poses(state, joints))
        page.show_paths(PlanPaths(task, scene).trace(state, actions))
        page.say([("task", name), *facts])
        view.open(page.url)
        time.sleep(LOADING_S)
        hide = "document.querySelectorAll('.mantine-Notification-root').forEach(e => e.remove())"
        view.driver.execute_script(hide)
        time.sleep(0.5)
        save(view.driver.get_screenshot_as_png(), HERE / f"{name}.png")
    finally:
        page.close()


def save(png, path):
    """Write a picture with as many colours as fit."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        out = io.BytesIO()
        image.quantize(colours).save(out, "PNG", optimize=True)
        if out.tell() <= LARGEST:
            break
    path.write_bytes(out.getvalue())
    print(f"{path.name}: {out.tell()} bytes, {colours} colours", flush=True)


if __name__ == "__main__":
    if reason := reason_to_skip():
        sys.exit(reason)
    with browser() as window:
        for task_name in sys.argv[1:] or [*PLANAR, *SCRIPTED]:
            draw(task_name, window)
