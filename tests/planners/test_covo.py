"""CoVO finds the curvature of the cost, stretches its samples along valleys, and is exact."""

import numpy as np
import pytest

from covary.benchmarks.problems.pointmass import Pointmass
from covary.planners.covo import CoVO
from covary.planners.ilqr import ILQR
from covary.planners.mppi import MPPI
from covary.sim.numba_dynamics import NumbaDynamics
from covary.sim.tasks.point_mass import PointMass

TURN = 0.5  # rad


class Valley(Pointmass):
    """The cost grows a thousand times faster across a direction of the plane than along it."""

    def __init__(self):
        super().__init__()
        self.symmetry = self.symmetry.restrict("none")

    def running_cost(self, x, u):
        away = x[..., :2] - x[..., 4:6]
        along = away @ [np.cos(TURN), np.sin(TURN)]
        across = away @ [-np.sin(TURN), np.cos(TURN)]
        small = 0.01 * np.sum(x[..., 2:4] ** 2, axis=-1) + 1e-3 * np.sum(u**2, axis=-1)
        return 0.1 * along**2 + 100.0 * across**2 + small

    def terminal_cost(self, x):
        return np.zeros(x.shape[:-1])


class ValleyDynamics(NumbaDynamics):
    """Its model: the states of the mass, the costs of the valley."""

    def rollout(self, x0, actions, costs, states=None):
        visited = np.empty((1, *actions.shape[:2], len(x0)))
        super().rollout(x0, actions, costs, visited)
        costs[0] = self.task.running_cost(visited[0], actions).sum(axis=1)


def near_the_goal(one, seed, steps=30):
    """Cost from rest at a place from which no limit is met; and the memory at the end."""
    task, total = one.task, 0.0
    x, memory = np.array([1.1, 0.95, 0.0, 0.0, 1.0, 1.0]), one.initial_memory(seed)
    for k in range(steps):
        plan, memory = one.plan(x, k * task.dt, memory)
        x = one.dynamics.next_state(x, plan.actions[0])
        total += float(task.running_cost(x, plan.actions[0]))
    return total, memory


def test_the_covariance_follows_the_valley():
    one = CoVO(ValleyDynamics(Valley()), samples=128, horizon=20, knots=3, noise=0.2)
    _, memory = near_the_goal(one, 0)
    covariance = one.root(memory.curvature) @ one.root(memory.curvature)
    for first in (0, 2):  # the last knot hardly moves anything
        block = covariance[first : first + 2, first : first + 2]
        values, vectors = np.linalg.eigh(block)
        angle = np.arctan2(vectors[1, 1], vectors[0, 1])
        assert abs((angle - TURN + np.pi / 2) % np.pi - np.pi / 2) < np.radians(10.0)
        assert values[1] > 2.0 * values[0]


@pytest.mark.slow
def test_what_is_left_above_the_optimum_is_a_fraction_of_mppis():
    model = NumbaDynamics(Pointmass())
    more = {"samples": 128, "horizon": 32, "noise": 0.5, "iterations": 2}
    least = near_the_goal(ILQR(model, horizon=32), 0)[0]
    plain, covo = (
        np.median([near_the_goal(cls(model, **more), seed)[0] for seed in range(3)]) - least
        for cls in (MPPI, CoVO)
    )
    assert 0.0 < covo < 0.5 * plain


def test_a_quadratic_is_found_and_its_covariance_is_the_papers():
    one = CoVO(NumbaDynamics(Pointmass()), "none", knots=2, horizon=10, inertia=1e-6, flattest=1e-6)
    rng = np.random.default_rng(0)
    z, factor = rng.normal(size=(200, 4)), rng.normal(size=(4, 4))
    curvature = factor @ factor.T + 0.1 * np.eye(4)
    costs = 3.0 + z @ rng.normal(size=4) + 0.5 * np.einsum("ki,ij,kj->k", z, curvature, z)
    found = one.fitted(np.zeros((4, 4)), z, costs)
    np.testing.assert_allclose(found, curvature, atol=1e-3)
    root = one.root(found)
    assert np.linalg.det(root) > 0.999
    squared = root @ root @ root @ root @ found  # c^2 R^-1 R
    np.testing.assert_allclose(squared, squared[0, 0] * np.eye(4), atol=1e-6 * squared[0, 0])


def test_nothing_known_or_nothing_curved_is_plain_noise():
    one = CoVO(NumbaDynamics(Pointmass()), knots=2, horizon=10)
    np.testing.assert_array_equal(one.root(np.zeros((4, 4))), np.eye(4))
    np.testing.assert_array_equal(one.root(-np.eye(4)), np.eye(4))
    before = np.eye(4)
    np.testing.assert_array_equal(one.fitted(before, np.zeros((9, 4)), np.zeros(9)), before)


def test_what_few_samples_say_of_many_numbers_counts_by_their_share():
    """Of 4 knots' 36 numbers 18 are shown: half of the way to the mean."""
    more = {"knots": 4, "horizon": 10, "iterations": 1, "flattest": 1e-6}
    few, many = (CoVO(NumbaDynamics(Pointmass()), "none", samples=n, **more) for n in (18, 36))
    curvature = np.diag([7.0, 1.0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(few.root(curvature), many.root(0.5 * curvature + 0.5 * np.eye(8)))
    assert many.known == 1.0


def worst_error(one):
    """Of plan and curvature, over all elements and some warm starts."""
    s, x, memory = one.symmetry, np.array([-0.3, 0.2, 0.3, -0.1, 0.4, 0.1]), one.initial_memory(2)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    worst = 0.0
    for k in range(3):
        plan, memory = one.plan(x, k * 0.05, memory)
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), k * 0.05, moved[g])
            off = np.abs(there.actions - s.act(g, action=plan.actions)).max()
            curved = memory.act(s, g).curvature
            bent = np.abs(moved[g].curvature - curved).max() / np.abs(curved).max()
            worst = max(worst, off, bent)
    return worst


def test_the_fit_goes_with_the_group_and_a_factor_that_does_not_is_refused():
    """It is refused before the first plan; what it would break is shown with that check off."""
    more = {"samples": 96, "horizon": 16, "noise": 1.5, "temperature": 0.5}
    one, broken = (CoVO(NumbaDynamics(PointMass()), **more) for _ in range(2))
    assert worst_error(one) < 1e-9
    broken.root = lambda curvature: np.linalg.cholesky(one.root(curvature) @ one.root(curvature)).T
    with pytest.raises(ValueError, match="CoVO adapts is a triangular"):
        worst_error(broken)
    broken.check = lambda: None
    assert worst_error(broken) > 1e-6


@pytest.mark.parametrize("samples", [30, 300])
def test_few_samples_and_many_are_fitted_alike(samples):
    """By inner products, or by products of coordinates where those are fewer."""
    rng = np.random.default_rng(samples)
    planner = CoVO(NumbaDynamics(PointMass()), "none", samples=64, horizon=12, knots=4)
    before, z = np.diag(rng.uniform(0.0, 1.0, 8)), rng.normal(size=(samples, 8))
    costs = rng.normal(size=samples) + 3.0 * (z @ rng.normal(size=8)) ** 2
    off = costs - 0.5 * np.einsum("ki,ij,kj->k", z, before, z)
    dots, centred = z @ z.T, np.eye(samples) - 1.0 / samples
    gram = centred @ (0.25 * dots**2 + dots) @ centred
    ridge = planner.parameters.inertia * np.trace(gram) / samples
    shares = np.linalg.solve(gram + ridge * np.eye(samples), off - off.mean())
    found = before + 0.5 * (z.T * shares) @ z
    assert np.abs(planner.fitted(before, z, costs) - found).max() < 1e-10
    assert (samples > 8 * 9 // 2 + 8) == (samples == 300)
