"""How exactly MuJoCo keeps the symmetry of a push, by pusher, cone and warm start: prints JSON."""

import argparse
import json
import math
from pathlib import Path

import mujoco
import numpy as np

from covary.sim.plant import Plant
from covary.sim.tasks.push import HALF_X, HALF_Y, RADIUS, Push

SPEED, FOLLOWED, MARKS = 0.2, 200, (1, 50, 200)
SPHERE = 'type="sphere" size="0.02"'
CYLINDER = 'type="cylinder" size="0.02 0.018"'
ODD_ANGLES = (0.3, 1.1, 2.0, 2.9, 4.1, 5.5)
D4 = [(k * math.pi / 2, side) for k in range(4) for side in (1, -1)]
ODD = [(angle, side) for angle in ODD_ANGLES for side in (1, -1)]


def plane(angle: float, side: int) -> np.ndarray:
    """Turn by `angle`, after the mirror y -> -y if side is -1. (2, 2)"""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -side * sin], [sin, side * cos]])


def pushes(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Starts (8,) 1 mm clear of the box, and velocities (2,): every fourth one at a corner."""
    rng = np.random.default_rng(0)
    half = np.array([HALF_X, HALF_Y])
    made = []
    for k in range(count):
        axis, sign, along = k % 2, rng.choice([-1.0, 1.0]), rng.uniform(-0.7, 0.7)
        if k % 4 == 3:
            diagonal = rng.uniform(0.3, math.pi / 2 - 0.3)
            normal = rng.choice([-1.0, 1.0], 2) * [math.cos(diagonal), math.sin(diagonal)]
            touched = np.sign(normal) * half
        else:
            normal = sign * np.eye(2)[axis]
            touched = (
                sign * half[axis] * np.eye(2)[axis] + along * half[1 - axis] * np.eye(2)[1 - axis]
            )
        yaw, aside = rng.uniform(-math.pi, math.pi), rng.uniform(-0.5, 0.5)
        x = np.zeros(8)
        x[2:4], x[4] = rng.uniform(-0.2, 0.2, 2), yaw
        x[:2] = x[2:4] + plane(yaw, 1) @ (touched + (RADIUS + 0.001) * normal)
        made.append((x, SPEED * plane(yaw + aside, 1) @ -normal))
    return made


def followed(plant: Plant, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, int]:
    """States from the first contact on (200, 8), and in how many of them there is contact."""
    pusher = plant.model.geom("pusher").id
    plant.reset(x)
    plant.apply(u)
    states, touching = [], 0
    while len(states) < FOLLOWED and plant.tick < 3 * FOLLOWED:
        plant.step()
        contact = bool((plant.data.contact.geom == pusher).any())
        if contact or states:
            states.append(plant.state())
            touching += contact
    return np.array(states), touching


def residuals(text: str | None, count: int = 24) -> dict:
    """Worst pose error (m, rad) over pushes and elements, after so many steps from first contact.

    Args:
        text: The MJCF model; None is the task's own.
        count: Number of pushes.

    Returns:
        ``D4`` and ``odd angles``: steps -> error; and the least of the ticks in contact and of the
        box's motion (m) over the pushes.
    """
    plant = Plant(Push(), text)
    worst = {"D4": dict.fromkeys(MARKS, 0.0), "odd angles": dict.fromkeys(MARKS, 0.0)}
    ticks, motion = FOLLOWED, math.inf
    for x, u in pushes(count):
        plain, touching = followed(plant, x, u)
        ticks = min(ticks, touching)
        motion = min(motion, float(np.hypot(*(plain[-1] - plain[0])[2:4])))
        for family, elements in (("D4", D4), ("odd angles", ODD)):
            for angle, side in elements:
                matrix, moved = plane(angle, side), np.zeros(8)
                moved[:2], moved[2:4], moved[4] = (
                    matrix @ x[:2],
                    matrix @ x[2:4],
                    side * x[4] + angle,
                )
                got, _ = followed(plant, moved, matrix @ u)
                error = got[:, :5].copy()
                error[:, :2] -= plain[:, :2] @ matrix.T
                error[:, 2:4] -= plain[:, 2:4] @ matrix.T
                error[:, 4] -= side * plain[:, 4] + angle
                error[:, 4] = (error[:, 4] + math.pi) % (2 * math.pi) - math.pi
                for steps in MARKS:
                    now = float(np.abs(error[:steps]).max())
                    worst[family][steps] = max(worst[family][steps], now)
    return {**worst, "least ticks in contact": ticks, "least motion": motion}


def main() -> None:
    """Measures every variant and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pushes", type=int, default=24)
    count = parser.parse_args().pushes
    own = Path(Push.mjcf).read_text()
    rows = []
    for pusher, shape in (("sphere", SPHERE), ("cylinder", CYLINDER)):
        for cone in ("elliptic", "pyramidal"):
            for warm in (True, False):
                text = own.replace(SPHERE, shape).replace('cone="elliptic"', f'cone="{cone}"')
                if not warm:
                    text = text.replace(
                        "<option ", '<option><flag warmstart="disable"/></option>\n<option '
                    )
                row = {"pusher": pusher, "cone": cone, "warm start": warm, **residuals(text, count)}
                rows.append(row)
    name = "push_plant_symmetry"
    print(json.dumps({"benchmark": name, "mujoco": mujoco.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
