"""Time of one heightmap beside the same heights by NumPy and as many of MuJoCo's own rays, as JSON.

One thread, interleaved, medians. `mj_multiRay` sends its rays from a single point, so its image is
another one: it is the floor of what as many rays through the same scene cost in C. Where the
images differ is counted against `mj_ray`, ray by ray.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

import mujoco
import numpy as np

from covary.sim.camera_view import HeightmapView
from covary.sim.heightmap import Heightmap, in_hand
from covary.sim.load_task import load_task
from covary.sim.plant import Plant

SCENES = (("push", ""), ("block_pick", "floating_gripper"), ("block_pick", "arm"))
ROUNDS, START = 60, 2.0


def plant_of(name: str, robot: str) -> Plant:
    """The task at one of its starts, the gripper low."""
    task = load_task(name, {"robot": robot})
    plant = Plant(task)
    plant.reset(task.initial_state(np.random.default_rng(2)))
    return plant


def by_numpy(heightmap: Heightmap) -> Callable[[], np.ndarray]:
    """The same image, each geom against all pixels at once: boxes, spheres, capsules and so on."""
    plant, view, n = heightmap.plant, heightmap.view, heightmap.view.pixels
    model, data = plant.model, plant.data
    side = (np.arange(n) - (n - 1) / 2) * view.extent / n
    x, y = np.broadcast_arrays(side[None, :], -side[:, None])
    kinds = mujoco.mjtGeom

    def quadric(a, b, c):
        square = b * b - a * c
        root = np.sqrt(np.maximum(square, 0))
        missed = np.where(square < 0, -np.inf, 0.0)
        return (-b - root) / a - missed, (-b + root) / a + missed

    def image() -> np.ndarray:
        mujoco.mj_kinematics(model, data)
        best = np.full((n, n), -np.inf)
        for g in heightmap._geoms:
            kind, size = model.geom_type[g], model.geom_size[g]
            place, turn = data.geom_xpos[g], data.geom_xmat[g].reshape(3, 3)
            dx, dy = x - place[0], y - place[1]
            start = dx[..., None] * turn[0] + dy[..., None] * turn[1]
            rate = np.where(np.abs(turn[2]) < 1e-12, 1e-12, turn[2])
            if kind == kinds.mjGEOM_PLANE:
                high = -start[..., 2] / rate[2]
            elif kind == kinds.mjGEOM_BOX:
                ends = np.stack([(-size - start) / rate, (size - start) / rate])
                low, high = ends.min(0).max(-1), ends.max(0).min(-1)
                high = np.where(low <= high, high, -np.inf)
            elif kind == kinds.mjGEOM_SPHERE:
                high = quadric(1.0, 0.0, dx * dx + dy * dy - size[0] ** 2)[1]
            else:  # a capsule or a cylinder
                across = (start[..., :2] ** 2).sum(-1) - size[0] ** 2
                low, high = quadric(
                    (rate[:2] ** 2).sum(), (start[..., :2] * rate[:2]).sum(-1), across
                )
                ends = np.stack([-size[1] - start[..., 2], size[1] - start[..., 2]]) / rate[2]
                low, high = np.fmax(low, ends.min(0)), np.fmin(high, ends.max(0))
                high = np.where(low <= high, high, -np.inf)
                for end in (-size[1], size[1]) if kind == kinds.mjGEOM_CAPSULE else ():
                    along = start[..., 2] - end
                    sideways = (start[..., :2] * rate[:2]).sum(-1)
                    ball = quadric(1.0, sideways + along * rate[2], across + along**2)
                    high = np.fmax(high, ball[1])
            best = np.fmax(best, place[2] + high)
        return best.astype(np.float32)

    with np.errstate(all="ignore"):
        image()

    def quiet() -> np.ndarray:
        with np.errstate(all="ignore"):
            return image()

    return quiet


def by_rays(heightmap: Heightmap) -> Callable[[], None]:
    """As many rays of `mj_multiRay`, from a point above."""
    plant, n = heightmap.plant, heightmap.view.pixels
    side = (np.arange(n) - (n - 1) / 2) * heightmap.view.extent / n
    x, y = np.meshgrid(side, -side)
    origin = np.array([0.0, 0.0, START])
    to = np.stack([x, y, np.full_like(x, -START)], -1).reshape(-1, 3)
    to = (to / np.linalg.norm(to, axis=1, keepdims=True)).reshape(-1, 1)
    geom, far = np.zeros((n * n, 1), np.int32), np.zeros((n * n, 1))
    group = np.array([[1], [1], [1], [0], [0], [0]], np.uint8)

    def shoot() -> None:
        mujoco.mj_multiRay(
            plant.model, plant.data, origin, to, group, 1, -1, geom, far, None, n * n, 10.0
        )

    return shoot


def differing(heightmap: Heightmap) -> int:
    """Pixels that are more than 1e-6 m from what `mj_ray` measures; the goal's mark aside."""
    plant, view, image = heightmap.plant, heightmap.view, heightmap.image()
    goal = mujoco.mj_name2id(plant.model, mujoco.mjtObj.mjOBJ_BODY, "goal")
    side = (np.arange(view.pixels) - (view.pixels - 1) / 2) * view.extent / view.pixels
    down, group = np.array([0.0, 0.0, -1.0]), np.array([1, 1, 1, 0, 0, 0], np.uint8)
    geom, found = np.zeros(1, np.int32), 0
    for i, y in enumerate(-side):
        for j, x in enumerate(side):
            start = np.array([x, y, START])
            far = mujoco.mj_ray(plant.model, plant.data, start, down, group, 1, goal, geom, None)
            found += abs(START - far - image[i, j]) > 1e-6
    return found


def main() -> None:
    """Print one JSON object."""
    rows = []
    for name, robot in SCENES:
        plant = plant_of(name, robot)
        for pixels in (64, 128):
            heightmap = Heightmap(plant, HeightmapView(pixels, plant.task.extent))
            ways = {
                "ours_ms": heightmap.image,
                "numpy_ms": by_numpy(heightmap),
                "mj_multiray_ms": by_rays(heightmap),
            }
            if robot and pixels == 64:
                ways["in_hand_24_ms"] = in_hand(plant, 24).image
            took: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, draw in ways.items():
                    before = time.perf_counter()
                    draw()
                    took[way].append((time.perf_counter() - before) * 1e3)
            apart = np.abs(ways["numpy_ms"]() - heightmap.image())
            rows.append(
                {"task": name, "robot": robot, "pixels": pixels, "geoms": len(heightmap._geoms)}
                | {way: round(statistics.median(times), 3) for way, times in took.items()}
                | {"differing_from_mj_ray": int(differing(heightmap))}
                | {"differing_from_numpy": int((apart > 1e-6).sum())}
            )
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"benchmark": "heightmap", "load": load, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
