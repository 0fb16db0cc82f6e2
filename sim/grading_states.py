"""The states and action sequences at which `residuals` grades a task, one independent draw each."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from ..symmetry.part import Pose, Position, Vector
from .plant import Plant
from .task import Task

RING = 0.05
"""Width of a ring of the workspace, m."""
HELD = 5
"""Control periods for which an action is held."""
_DEEPEST = 0.002  # m, how far things may stand in each other at the start
_TRIES = 200


@dataclass(frozen=True)
class Draw:
    """One state, what is done from it, and where it is.

    Attributes:
        x: The state. (n,)
        actions: One a control period. (T, m)
        radius: Distance of the robot from the workspace's centre, m; NaN where a task has no place.
    """

    x: np.ndarray
    actions: np.ndarray
    radius: float


def draws(task: Task, plant: Plant, count: int, seed: int, periods: int) -> list[Draw]:
    """Independent draws: every second one near a thing and towards it, the others anywhere.

    Radii are uniform between 0 and the farthest that starts go, so that every ring has as many.

    Args:
        task: The task.
        plant: Its plant, dials at zero.
        count: How many.
        seed: Draw i is a function of the seed and i.
        periods: Control periods of each sequence.
    """
    places = _places(task)
    reach = _reach(task, places, seed)
    return [
        _draw(task, plant, places, reach, np.random.default_rng([seed, i]), bool(i % 2), periods)
        for i in range(count)
    ]


def touches(plant: Plant) -> bool:
    """Whether what the actuators drive touches something else that can move."""
    model, data = plant.model, plant.data
    if plant.engine.name != "mujoco":
        mujoco.mj_collision(model, data)
    driven = {
        int(model.body_rootid[model.jnt_bodyid[model.actuator_trnid[i, 0]]])
        for i in range(model.nu)
    }
    for contact in data.contact[: data.ncon]:
        roots = {int(model.body_rootid[model.geom_bodyid[g]]) for g in contact.geom}
        if contact.dist <= 0.0 and len(roots) == 2 and len(roots & driven) == 1 and 0 not in roots:
            return True
    return False


def _places(task: Task) -> list[slice]:
    """Where x and y of the robot, then of each thing, stand in the state."""
    found = []
    x = task.initial_state(np.random.default_rng(0))
    for name, here in task.symmetry.slices("state").items():
        part = task.symmetry.state[name]
        if name == task.goal or not (isinstance(part, Pose | Position) or part == Vector(1)):
            continue
        moved = x.copy()
        moved[here.start] += 1e-3
        if not np.array_equal(task.physics_from_state(moved)[0], task.physics_from_state(x)[0]):
            found.append(slice(here.start, here.start + 2))  # a velocity would move no position
    return found


def _reach(task: Task, places: list[slice], seed: int) -> float:
    """The largest distance from the centre at which anything starts, up to a whole ring, m."""
    if not places:
        return 0.0
    rng = np.random.default_rng([seed, 2**32])
    starts = np.stack([task.initial_state(rng) for _ in range(64)])
    farthest = max(np.hypot(*starts[:, here].T).max() for here in places)
    return float(np.ceil(farthest / RING - 0.2) * RING)


def _draw(
    task: Task,
    plant: Plant,
    places: list[slice],
    reach: float,
    rng: np.random.Generator,
    near: bool,
    periods: int,
) -> Draw:
    slices = task.symmetry.slices("state")
    start = task.initial_state(rng)
    x, thing = start, None
    for _ in range(_TRIES if places else 0):
        x = start.copy()
        x[places[0]] = _at(rng, rng.uniform(0.0, reach))
        if near and len(places) > 1:
            thing = places[1 + rng.integers(len(places) - 1)]
            x[thing] = x[places[0]]
            x[places[0]] = x[thing] + _at(rng, rng.uniform(0.0, 0.15))
            name = next(n for n, here in slices.items() if here.start == thing.start)
            if "height" in slices and f"{name}_height" in slices:
                x[slices["height"]] = x[slices[f"{name}_height"]] + rng.uniform(0.0, 0.05)
        if _stands(plant, x):
            break
    else:
        x, thing = start, None
    low, high = task.limits.bound()
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    pieces = -(-periods // HELD)
    held = middle + half * rng.uniform(-0.5, 0.5, (pieces, len(low)))
    if thing is not None:
        towards = x[thing] - x[places[0]]
        towards /= max(float(np.linalg.norm(towards)), 1e-9)
        for name, here in task.symmetry.slices("action").items():
            if task.symmetry.action[name] == Vector(1):
                held[:, here] = half[here] * (towards + rng.uniform(-0.4, 0.4, (pieces, 2)))
    actions = task.limits.project(np.repeat(held, HELD, axis=0)[:periods])
    if thing is not None and rng.uniform() < 0.5:
        x, actions = _at_contact(task, plant, x, actions)
    radius = float(np.hypot(*x[places[0]])) if places else float("nan")
    return Draw(x, actions, radius)


def _at_contact(
    task: Task, plant: Plant, x: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The state after the period in which contact begins, and what is done then; else as given."""
    plant.reset(x)
    for k, action in enumerate(actions):
        touched = False
        for _ in range(round(task.dt / task.physics_dt)):
            plant.apply(action)
            plant.step()
            touched = touched or touches(plant)
        if touched:
            there = plant.state()
            later = np.concatenate([actions[k:], np.repeat(actions[-1:], k, axis=0)])
            return (there, later) if _stands(plant, there) else (x, actions)
    return x, actions


def _at(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A point that far away in any direction, m. (2,)"""
    direction = rng.uniform(-np.pi, np.pi)
    return radius * np.array([np.cos(direction), np.sin(direction)])


def _stands(plant: Plant, x: np.ndarray) -> bool:
    """Whether the plant can be put in a state and nothing but the ground is stood into."""
    try:
        plant.reset(x)
    except ValueError:  # an arm cannot get there
        return False
    model, data = plant.model, plant.data
    mujoco.mj_fwdPosition(model, data)
    for contact in data.contact[: data.ncon]:
        if contact.dist < -_DEEPEST and all(model.geom_bodyid[g] > 0 for g in contact.geom):
            return False
    return True
