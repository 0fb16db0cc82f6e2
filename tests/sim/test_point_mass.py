"""`PointMass`: starts, thresholds, cost, model against plant and closed form, floors."""

import math

import numpy as np
import pytest

from covary.sim.env import TaskEnv
from covary.sim.mujoco_dynamics import MujocoDynamics
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.plant import Plant
from covary.sim.tasks import point_mass as kernels
from covary.sim.tasks.point_mass import FORCE, ZONE, PointMass

TASK = PointMass()
EXACT = 1e-12


def starts(seeds):
    return np.array([TASK.initial_state(np.random.default_rng(seed)) for seed in seeds])


def nearest(x):
    """Distance of the straight way from start to goal to the origin, m. (..., 6) -> (...)"""
    start, way = x[..., 0:2], x[..., 4:6] - x[..., 0:2]
    along = np.clip(-np.sum(start * way, -1) / np.sum(way * way, -1), 0.0, 1.0)
    return np.linalg.norm(start + along[..., None] * way, axis=-1)


def test_starts():
    x = starts(range(10_000, 12_000))
    for where in (x[:, 0:2], x[:, 4:6]):
        far = np.hypot(*where.T)
        assert far.min() >= 0.4 and far.max() <= 0.7
        assert np.histogram(np.arctan2(*where.T), 8, (-np.pi, np.pi))[0].min() > 150
    assert (x[:, 2:4] == 0.0).all()
    cosine = np.sum(x[:, 0:2] * x[:, 4:6], 1) / np.prod(
        [np.hypot(*x[:, 0:2].T), np.hypot(*x[:, 4:6].T)], 0
    )
    assert cosine.max() <= math.cos(math.pi - math.pi / 3) + EXACT, "60 degrees from opposite"
    assert 0.45 < np.mean(nearest(x) < ZONE) < 0.65, "the straight way should often be barred"


def test_thresholds():
    x = np.tile([0.3, 0.4, 0.0, 0.0, 0.3, 0.4], (5, 1))
    x[:, 0] += [0.0, 0.0299, 0.0301, 0.0, 0.0]
    x[3:, 2:4] = [[0.0599, 0.0799], [0.0601, 0.0801]]
    assert TASK.success(x).tolist() == [True, True, False, True, False]
    assert TASK.hold == 0.5 and TASK.time_limit == 8.0
    assert TASK.limits.bound()[1].tolist() == [FORCE, FORCE] == [2.0, 2.0]


def test_the_limit_is_a_disc():
    u = TASK.limits.project(np.array([[3.0, 4.0], [0.6, 0.8], [0.0, -2.0]]))
    assert u == pytest.approx(np.array([[1.2, 1.6], [0.6, 0.8], [0.0, -2.0]]), abs=EXACT)


def test_the_cost_is_what_the_documents_say():
    x = np.array([0.05, -0.02, 0.3, -0.4, 0.5, 0.1])
    u = np.array([1.0, -0.5])
    inside = 1.0 - math.hypot(0.05, 0.02) / 0.15
    away = math.hypot(0.45, 0.12)
    expected = away + 0.05 * 0.25 + 0.002 * 1.25 + 20.0 * inside**2
    assert float(TASK.running_cost(x, u)) == pytest.approx(expected, rel=1e-12)
    assert float(TASK.terminal_cost(x)) == pytest.approx(5.0 * away, rel=1e-12)
    x[:2] = 0.1501, 0.0
    assert float(TASK.running_cost(x, 0 * u)) == pytest.approx(math.hypot(0.3499, 0.1) + 0.0125)


def test_the_zones_cost_is_smooth_at_its_rim():
    rim = np.zeros((2, 6))
    rim[:, 0] = ZONE - 1e-6, ZONE + 1e-6
    rim[:, 4] = 1.0
    cost = TASK.running_cost(rim, np.zeros(2)) + rim[:, 0]
    assert abs(cost[1] - cost[0]) < 1e-8


def test_model_and_plant_agree_over_a_second():
    """Both make the same semi-implicit substeps: what is left is rounding."""
    rng = np.random.default_rng(0)
    ticks = round(1.0 / TASK.dt)
    for x in starts(range(10)):
        u = TASK.limits.project(rng.uniform(-FORCE, FORCE, (4, ticks, 2)))
        costs, states = np.empty((2, 1, 4)), np.empty((2, 1, 4, ticks, 6))
        for i, dynamics in enumerate((NumbaDynamics(TASK), MujocoDynamics(TASK))):
            dynamics.rollout(x, u, costs[i], states[i])
        assert np.abs(states[0] - states[1]).max() <= EXACT
        assert np.abs(costs[0] - costs[1]).max() <= 1e-11
        assert np.abs(states[0, 0, :, -1, :2] - x[:2]).max() > 0.05, "nothing moved"


def test_the_model_is_a_mass_with_friction():
    """Against the exact solution of m v' = u - k v; the integrator is of first order, h = 5 ms.

    Over a second it lags by h k / (2 m) of the change in speed, and leads by h / 2 of it in place.
    """
    mass, friction = TASK.parameters
    x = np.array([0.1, -0.3, 0.5, -0.2, 0.0, 0.0])
    u = np.array([1.0, 1.5])
    states = np.empty((1, 1, 20, 6))
    NumbaDynamics(TASK).rollout(x, np.tile(u, (1, 20, 1)), np.empty((1, 1)), states)
    t = TASK.dt * np.arange(1, 21)[:, None]
    fade = np.exp(-friction * t / mass)
    speed = u / friction + (x[2:4] - u / friction) * fade
    place = x[:2] + u / friction * t + (x[2:4] - u / friction) * mass / friction * (1.0 - fade)
    assert np.abs(states[0, 0, :, 2:4] - speed).max() < 2e-3
    assert np.abs(states[0, 0, :, 0:2] - place).max() < 4e-3


def test_parameters_are_physical():
    """Twice the mass and twice the friction under twice the force move alike."""
    x, u = starts([0])[0], np.array([0.7, -0.4])
    light, heavy = NumbaDynamics(TASK), NumbaDynamics(TASK, 2.0 * TASK.parameters)
    assert heavy.next_state(x, 2.0 * u) == pytest.approx(light.next_state(x, u), abs=1e-15)
    assert not np.allclose(heavy.next_state(x, u), light.next_state(x, u))


def test_step_may_write_over_its_argument():
    x = starts([1])[0]
    out = np.empty(6)
    kernels.step(x, np.array([1.0, -1.0]), TASK.parameters, out)
    kernels.step(x, np.array([1.0, -1.0]), TASK.parameters, x)
    assert np.array_equal(x, out)


def test_the_plants_goal_is_a_mark():
    plant = Plant(TASK)
    plant.reset(starts([2])[0])
    plant.set_goal(TASK.goal_from_pose(0.2, -0.1, 1.0))
    assert plant.state()[4:6].tolist() == [0.2, -0.1]
    assert TASK.frames(plant.state())["goal"] == (0.2, -0.1, 0.0)


def steered(x):
    """A spring and a damper towards the goal, or a point beside the zone if that is in between."""
    aim = x[4:6]
    if nearest(x) < ZONE + 0.03:
        way = aim - x[:2]
        side = np.array([-way[1], way[0]]) / np.hypot(*way)
        side *= 1.0 if side @ (x[:2] + 1e-9) >= 0.0 else -1.0
        aim = 0.25 * side
    return 8.0 * (aim - x[:2]) - 4.0 * x[2:4]


def episode(env, seed, policy):
    """Whether it succeeds, and how many periods it spends in the zone."""
    x, _ = env.reset(seed=seed)
    inside = 0
    while True:
        x, _, terminated, truncated, info = env.step(policy(x))
        inside += np.hypot(*x[:2]) < ZONE
        if terminated or truncated:
            return info["success"], inside


def test_a_sensible_controller_succeeds_and_a_random_one_does_not():
    env = TaskEnv(TASK)
    ours = [episode(env, seed, steered) for seed in range(3000, 3040)]
    assert sum(success for success, _ in ours) >= 39
    assert np.median([inside for _, inside in ours]) <= 1
    rng = np.random.default_rng(0)
    blind = [episode(env, s, lambda x: rng.uniform(-FORCE, FORCE, 2)) for s in range(3000, 3040)]
    assert sum(success for success, _ in blind) <= 2
