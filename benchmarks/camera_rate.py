"""Frames a second of cameras and heightmaps, drawn and published in a period's work, as JSON.

One process. `drawn` is the image as an array; `published` is of another state every time, and has
the messages as the sim node makes them, in bytes, on a bus within the process (rgbd: two images).
On a busy machine the processor's time tells more than the rate.
"""

import json
import os
import statistics
import time

import numpy as np

from covary.nodes.bus.local_bus import LocalBus, LocalGraph
from covary.nodes.node import Node
from covary.nodes.parameters import from_dict
from covary.sim.camera import Camera, CameraError, TopCamera, backend
from covary.sim.camera_view import CameraView
from covary.sim.images import Images
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.sim.sim_node import SimNode

SCENES = (("push", ""), ("block_pick", "floating_gripper"), ("block_pick", "arm"))
SIDE = {"position": [0.7, -0.6, 0.5], "look_at": [0.0, 0.0, 0.05]}
KINDS = {
    "top rgb 128": {"camera": True},
    "side rgb 128": {"cameras": {"side": {**SIDE, "depth": False}}},
    "side rgbd 128": {"cameras": {"side": SIDE}},
    "heightmap 64": {"heightmap": 64},
}
FRAMES, ROUNDS = 60, 5


def measured(draw) -> dict[str, float]:
    """Median rate over some rounds, and the processor's time for one, all threads together."""
    draw()
    rates, used = [], []
    for _ in range(ROUNDS):
        wall, busy = time.perf_counter(), time.process_time()
        for _ in range(FRAMES):
            draw()
        rates.append(FRAMES / (time.perf_counter() - wall))
        used.append((time.process_time() - busy) / FRAMES * 1e3)
    return {"per_s": round(statistics.median(rates)), "cpu_ms": round(statistics.median(used), 2)}


def published(plant: Plant, given: dict) -> dict[str, float]:
    """Rate of frames that move, as messages."""
    p = from_dict(SimNode.Parameters, {"task": plant.task.name, **given}, "sim")
    images = Images(Node("sim", LocalBus(LocalGraph(), "sim"), realtime=False), plant, p)
    state = iter(range(10**9))
    positions = plant.data.qpos.copy()

    def moved() -> None:
        k = next(state)
        plant.data.qpos[:] = positions
        plant.data.qpos[0] += 1e-4 * (k % 100)
        images.publish(k * plant.task.dt, (0, 0, k))

    try:
        return measured(moved)
    finally:
        images.close()
        plant.data.qpos[:] = positions


def main() -> None:
    """Print one JSON object."""
    rows = []
    try:
        gl = backend()
    except CameraError as error:
        raise SystemExit(str(error)) from None
    for name, robot in SCENES:
        task = load_task(name, {"robot": robot})
        plant = Plant(task)
        plant.reset(task.initial_state(np.random.default_rng(2)))
        row = {"task": name, "robot": robot}
        with TopCamera(plant, 128, 128) as camera:
            row["drawn top rgb 128"] = measured(camera.rgb)
        with Camera(plant, from_dict(CameraView, SIDE, "side")) as camera:
            row["drawn side rgb 128"] = measured(camera.rgb)
            row["drawn side depth 128"] = measured(camera.depth)
        rows.append(row | {f"published {kind}": published(plant, g) for kind, g in KINDS.items()})
    load = round(os.getloadavg()[0], 1)
    figures = {"benchmark": "camera_rate", "gl": gl, "load": load}
    print(json.dumps(figures | {"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
