"""Demonstrations in a world with a dial: what was done, and what came of it.

A spring and a damper bring the mass of `point_mass` to its goal; starts are isotropic, so nothing
is extrinsic. With `actuator_gain` the demonstrator knows the dial and divides the dearer direction
by it: the motion is that of the even world, the actions are no symmetric function any more. The
other dials of the dynamics leave the actions alone and change what comes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from covary.benchmarks.mismatch.known import Degrees, Known
from covary.sim.dials import Dials
from covary.sim.load_task import load_task
from covary.sim.plant import Plant
from covary.symmetry.declaration import Symmetry

TASK, GROUP = "point_mass", "C4"
PAIRS = ((0, 1), (2, 3), (4, 5))
"""Columns of a state that turn together."""
PERIODS = 20
"""Control periods of each demonstration."""
STIFFNESS, DAMPING = 2.0, 2.0
"""N/m, N s/m; so that the force stays within its limit."""


@dataclass(frozen=True)
class Demonstrations:
    """Rows of all demonstrations, one after the other."""

    state: np.ndarray
    """(N, 6)"""
    action: np.ndarray
    """(N, 2), N."""
    episode: np.ndarray
    """The demonstration of each row. (N,)"""


def demonstrated(seed: int, episodes: int, dials: Dials) -> Demonstrations:
    """Drive the plant from its starts.

    Args:
        seed: Of the starts.
        episodes: How many.
        dials: Of the world.
    """
    task = load_task(TASK)
    plant = task.plant(dials=dials)
    rows = []
    for episode in range(episodes):
        plant.begin(np.random.default_rng([seed, episode]))
        for _ in range(PERIODS):
            x = plant.state()
            u = spring(x[None], dials)[0]
            rows.append((x, u, episode))
            _after(plant, u)
    return Demonstrations(*(np.array(column) for column in zip(*rows, strict=True)))


def actions(seed: int, episodes: int, gain: float) -> Known:
    """States and actions, in a world with `actuator_gain`.

    With k = 1 - 1 / (1 + gain): of an isotropic action each element but the half turn agrees in one
    quadrant, and the floor is 3/16 k^2 E|u|^2, with the mean over these demonstrations.

    Args:
        seed: Of the starts.
        episodes: Demonstrations.
        gain: The dial.
    """
    dials = Dials(actuator_gain=gain)
    drawn, symmetry = demonstrated(seed, episodes, dials), declared()
    degrees = Degrees(1 / 6, 5 / 6, 0.0) if gain else Degrees(1.0, 0.0, 0.0)
    squares = np.square(spring(drawn.state, Dials())).sum(-1).mean()
    return Known(
        name=f"point_mass, gain {gain:g}",
        group=symmetry.group,
        x=drawn.state,
        y=drawn.action,
        move=lambda g, x: symmetry.act(g, state=x),
        answer=lambda g, u: symmetry.act(g, action=u),
        degrees=degrees,
        floor=float(3 / 16 * (1.0 - 1.0 / (1.0 + gain)) ** 2 * squares),
        occurs=lambda x: np.ones(len(x), bool),
        truth=lambda x: spring(x, dials),
        units=PAIRS,
        value_units=((0, 1),),
        episode=drawn.episode,
    )


def transitions(seed: int, episodes: int, dials: Dials) -> Known:
    """States and actions of the even world, and by how much a dialled one makes the state differ.

    So states stay isotropic: demonstrations in a wind would not be, and much of them extrinsic.
    More `damping` along x is noticed by quarter turns, not by half turns; `wind` by all.

    Args:
        seed: Of the starts.
        episodes: Demonstrations.
        dials: `damping` or `wind`, or none.
    """
    drawn, symmetry = demonstrated(seed, episodes, Dials()), declared()
    x, stepped = np.column_stack([drawn.state, drawn.action]), _stepped(dials)
    degrees = Degrees(1.0, 0.0, 0.0)
    if dials.wind:
        degrees = Degrees(0.0, 1.0, 0.0)
    elif dials.damping:
        degrees = Degrees(1 / 3, 2 / 3, 0.0)

    def move(g: int, x: np.ndarray) -> np.ndarray:
        return np.column_stack(symmetry.act(g, state=x[:, :6], action=x[:, 6:]))

    return Known(
        name="transitions of point_mass, " + (dials.text() if dials.turned() else "no dial"),
        group=symmetry.group,
        x=x,
        y=stepped(x),
        move=move,
        answer=lambda g, x: symmetry.act(g, state=x),
        degrees=degrees,
        occurs=lambda x: np.ones(len(x), bool),
        truth=stepped,
        units=(*PAIRS, (6, 7)),
        value_units=PAIRS,
        episode=drawn.episode,
    )


def declared() -> Symmetry:
    """What the task declares, of which quarter turns."""
    return load_task(TASK).symmetry.restrict(GROUP)


def spring(x: np.ndarray, dials: Dials) -> np.ndarray:
    """The demonstrator, who knows the gain. (N, 6) -> (N, 2), N"""
    u = STIFFNESS * (x[:, 4:6] - x[:, 0:2]) - DAMPING * x[:, 2:4]
    size = np.linalg.norm(u, axis=-1, keepdims=True)
    u = u * np.minimum(1.0, 2.0 / np.maximum(size, 1e-12))
    u[:, 0] = np.where(u[:, 0] > 0.0, u[:, 0] / (1.0 + dials.actuator_gain), u[:, 0])
    return u


def _stepped(dials: Dials) -> Callable[[np.ndarray], np.ndarray]:
    plant = load_task(TASK).plant(dials=dials)

    def after(x: np.ndarray) -> np.ndarray:
        found = []
        for row in x:
            plant.reset(row[:6])
            found.append(_after(plant, row[6:]) - row[:6])
        return np.array(found)

    return after


def _after(plant: Plant, u: np.ndarray) -> np.ndarray:
    """The state a control period later."""
    for _ in range(round(plant.task.dt / plant.task.physics_dt)):
        plant.apply(u)
        plant.step()
    return plant.state()
