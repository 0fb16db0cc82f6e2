"""`PointMassObstacles`: starts, cost, walls, and an obstacle dead ahead in all symmetric modes."""

import numpy as np
import pytest
from in_plant import episodes

from covary.planners.cem import CEM
from covary.planners.mppi import MPPI
from covary.planners.symmetric.symmetry_mode import in_mode
from covary.planners.uniform import Uniform
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks.point_mass_obstacles import OBSTACLES, TOUCH, PointMassObstacles

TASK = PointMassObstacles()
WORLD = NumbaDynamics(TASK)
DEAD_AHEAD = np.array([-0.6, 0.0, 0.0, 0.0, 0.6, 0.0, 0.0, 0.0, 1.2, 0.0, -1.2, 0.0])
"""The way to the goal leads through an obstacle's centre, and the mirror y -> -y fixes it all."""


def starts(seeds):
    return np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])


def test_starts():
    x = starts(range(1000))
    start, goal, placed = x[:, 0:2], x[:, 4:6], x[:, 6:].reshape(-1, OBSTACLES, 2)
    way = np.linalg.norm(goal - start, axis=1)
    assert way.min() >= 1.0 and way.max() <= 1.4 and not x[:, 2:4].any()
    np.testing.assert_allclose(start, -goal, atol=1e-15)
    ahead = (goal - start) / way[:, None]
    along = np.sum(placed[:, 0] * ahead, axis=1)
    across = placed[:, 0, 1] * ahead[:, 0] - placed[:, 0, 0] * ahead[:, 1]
    assert np.abs(along).max() <= 0.15 and np.abs(across).max() <= 0.1
    assert np.linalg.norm(placed[:, 1:], axis=-1).max() <= 0.6
    apart = np.linalg.norm(placed[:, :, None] - placed[:, None], axis=-1) + np.eye(OBSTACLES)
    assert apart.min() >= 0.4
    for end in (start, goal):
        assert np.linalg.norm(placed - end[:, None], axis=-1).min() >= 0.3
    assert np.histogram(np.arctan2(ahead[:, 1], ahead[:, 0]), 8, (-np.pi, np.pi))[0].min() > 80


def test_thresholds_and_cost():
    x = np.tile(DEAD_AHEAD, (4, 1))
    x[:, 0] = 0.6
    x[1:3, 1], x[3, 2] = [0.029, -0.031], 0.101
    assert TASK.success(x).tolist() == [True, True, False, False]
    x, u = DEAD_AHEAD.copy(), np.array([1.0, 0.5])
    x[:4] = -0.11, 0.0, 0.3, 0.4
    expected = 0.71 + 0.05 * 0.25 + 0.002 * 1.25 + 30 * 0.25
    assert float(TASK.running_cost(x, u)) == pytest.approx(expected, rel=1e-12)
    assert float(TASK.terminal_cost(x)) == pytest.approx(5 * 0.71, rel=1e-12)


def test_away_from_obstacles_model_and_plant_agree():
    x, rng = starts([0])[0], np.random.default_rng(0)
    x[6:] += 100.0
    u = TASK.limits.project(rng.uniform(-2, 2, (4, 20, 2)))
    costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, 20, 12))
    for i, dynamics in enumerate((WORLD, MujocoDynamics(TASK))):
        dynamics.rollout(x, u, costs[i], states[i])
    assert np.abs(states[0] - states[1]).max() <= 1e-12
    assert np.abs(costs[0] - costs[1]).max() <= 1e-11


def test_an_obstacle_is_a_wall_that_stands_still():
    """Pushed with all force, head on: the mass stops where it touches, and stays there."""
    plant = Plant(TASK)
    plant.reset(DEAD_AHEAD)
    for _ in range(600):
        plant.apply(np.array([2.0, 0.0]))
        plant.step()
    x = plant.state()
    assert x[0] == pytest.approx(-TOUCH, abs=1e-3) and abs(x[2]) < 1e-3 and x[1] == 0.0
    assert np.abs(x[6:] - DEAD_AHEAD[6:]).max() < 1e-4
    model = plant.model
    assert (model.body("mass").mass[0], model.dof_damping[0]) == tuple(TASK.parameters)


def test_in_contact_the_plant_is_symmetric():
    """Head on, aslant and along an obstacle, under all elements: to rounding."""
    s, dynamics = TASK.symmetry, MujocoDynamics(TASK)
    x = np.tile(DEAD_AHEAD, (9, 1))
    x[:, 0], x[:, 1] = -0.2, np.linspace(-0.14, 0.14, 9)
    u = np.tile([[[2.0, 0.3]]], (9, 16, 1))
    touched = 0
    for start, actions in zip(x, u, strict=True):
        own = np.empty((1, 1, 16, 12))
        dynamics.rollout(start, actions[None], np.empty((1, 1)), own)
        touched += np.linalg.norm(own[0, 0, :, :2], axis=1).min() < TOUCH + 1e-3
        for g in s.group.elements:
            there = np.empty((1, 1, 16, 12))
            gx, gu = s.act(g, state=start, action=actions)
            dynamics.rollout(gx, gu[None], np.empty((1, 1)), there)
            assert np.abs(there - s.act(g, state=own)).max() < 1e-10
    assert touched >= 7


class Straight:
    """A spring and a damper pull the mass at its goal, whatever stands in between."""

    def initial_memory(self, seed):
        return None

    def plan(self, x, time, memory):
        force = TASK.limits.project(4.0 * (x[4:6] - x[0:2]) - 3.0 * x[2:4])
        return type("Plan", (), {"actions": force[None]}), memory


def test_floors():
    assert sum(episodes(TASK, Uniform(TASK), range(20))) == 0
    stuck = list(episodes(TASK, Straight(), range(2), start=DEAD_AHEAD))
    assert stuck == [False, False]


MODES = [("orbit", "full"), ("canonical", "full"), ("canonical", "O2"), ("canonical", "E2"),
         ("memory", "full")]  # fmt: skip
CASES = [pytest.param(*m, p, marks=pytest.mark.slow) for m in MODES for p in (MPPI, CEM)][1:]


@pytest.mark.parametrize(("mode", "symmetry", "kind"), [("orbit", "full", MPPI), *CASES])
def test_the_obstacle_dead_ahead(mode, symmetry, kind):
    """Every symmetric mode gets round it for 30 of 30 seeds, on both sides, in the MuJoCo plant."""
    assert len(TASK.symmetry.stabiliser(state=DEAD_AHEAD)) == 2
    sides, passed, arrived = {}, [], []

    def watch(x):
        passed.append(np.linalg.norm(x[:2]))
        if abs(x[0]) < 0.05:
            sides[len(arrived)] = np.sign(x[1])

    def built(word):
        more = {"temperature": 0.3} if kind is MPPI else {}
        return kind(WORLD, word, samples=64, horizon=25, noise=0.2, **more)

    planner = in_mode(built, TASK, mode, symmetry)
    for success in episodes(TASK, planner, range(30), watch, start=DEAD_AHEAD):
        arrived.append(success)
    assert all(arrived) and min(passed) > TOUCH
    left = sum(side > 0 for side in sides.values())
    assert len(sides) == 30 and 5 <= left <= 25  # two-sided binomial p > .001


@pytest.mark.slow
def test_what_the_launch_file_says_solves_it():
    """The figures of docs/tasks.md: 20 of 20, without a touch."""
    nearest = []

    def watch(x):
        nearest.append(np.linalg.norm(x[6:].reshape(-1, 2) - x[:2], axis=1).min())

    plans = {"samples": 256, "horizon": 30, "iterations": 2, "knots": 6, "noise": 0.2}
    assert all(episodes(TASK, MPPI(WORLD, temperature=0.3, **plans), range(20), watch))
    assert min(nearest) > TOUCH
