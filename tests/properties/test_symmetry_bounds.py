"""Error floors on finite orbits, and the bound on values, against closed forms."""

import numpy as np
import pytest

from covary.symmetry.audit.bound import recorded, simulated
from covary.symmetry.audit.claim import AuditError, claim_of
from covary.symmetry.audit.floors import (
    equivariant_regression,
    estimated,
    invariant_classification,
    invariant_regression,
)
from covary.symmetry.declaration import Symmetry
from covary.symmetry.group import group
from covary.symmetry.part import Scalar, Vector

POINT = Symmetry(group("C4"), {"point": Vector()}, {"velocity": Vector()})


def test_invariant_floors():
    mass = np.full(6, 1 / 6)
    orbit = np.array([0, 0, 0, 1, 1, 1])
    label = np.array([0, 0, 1, 2, 2, 2])
    assert invariant_classification(mass, label, orbit) == pytest.approx(1 / 6)
    value = np.array([0.0, 0.0, 3.0, 5.0, 5.0, 5.0])
    assert invariant_regression(mass, value, orbit) == pytest.approx(0.5 * np.var([0, 0, 3]))
    heavy = np.array([0.4, 0.0, 0.1, 0.5, 0.0, 0.0])
    assert invariant_regression(heavy, value, orbit) == pytest.approx(0.4 * 0.36 + 0.1 * 2.4**2)


def test_an_equivariant_floor_is_attained_and_nothing_goes_below():
    rng = np.random.default_rng(0)
    matrices = POINT.orbit("action")
    mass = rng.dirichlet(np.ones(8)).reshape(2, 4)
    value = rng.normal(size=(2, 4, 2))
    floor = equivariant_regression(mass, value, matrices)

    def error(v):
        return (mass * np.square(value - np.einsum("gij,oj->ogi", matrices, v)).sum(axis=2)).sum()

    weights = mass / mass.sum(axis=1, keepdims=True)
    best = np.einsum("og,gji,ogj->oi", weights, matrices, value)
    assert floor == pytest.approx(error(best))
    assert all(error(best + 0.1 * rng.normal(size=(2, 2))) > floor for _ in range(20))
    carried = np.einsum("gij,j->gi", matrices, [1.0, 2.0])[None]
    assert equivariant_regression(np.full((1, 4), 0.25), carried, matrices) < 1e-20


def test_a_point_that_is_fixed_takes_only_a_value_that_is_fixed_too():
    mass, value = np.full((1, 4), 1.0), np.tile([3.0, 4.0], (1, 4, 1))
    fixing = np.ones((1, 4), bool)  # the origin: no vector is kept by a turn
    found = equivariant_regression(mass, value, POINT.orbit("action"), fixing)
    assert found == pytest.approx(25.0)
    mirror = Symmetry(group("reflection"), {"point": Vector()}, {"velocity": Vector()})
    found = equivariant_regression(
        np.ones((1, 2)), value[:, :2], mirror.orbit("action"), np.ones((1, 2), bool)
    )
    assert found == pytest.approx(16.0)  # the part across the mirror


def test_a_floor_from_samples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 2))
    y = -x + np.array([0.5, 0.0]) + rng.normal(0, 0.1, x.shape)
    floor, (low, high) = estimated(x, y, claim_of(POINT))
    assert floor == pytest.approx(0.25, rel=0.1) and low <= floor <= high
    label = (np.arctan2(x[:, 1], x[:, 0]) // (np.pi / 2)).astype(int)  # four in every orbit
    assert estimated(x, label, claim_of(POINT, "label"))[0] == pytest.approx(0.75, rel=0.05)


def drifting(wind):
    return lambda x, u: x + 0.1 * u + np.array([wind, 0.0])


def paid(x, u):
    return -np.square(x).sum(axis=-1)


def drawn(n):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (n, 2)), rng.uniform(-1, 1, (n, 2))


def test_a_symmetric_simulator_costs_nothing():
    found = simulated(POINT, drifting(0.0), paid, *drawn(50))
    assert found.bound < 1e-9 and found.trivial > 1 and found.supported == 1.0
    assert found.metric.startswith("Wasserstein-1") and "neighbours" in found.rho_from


def test_a_wind_is_epsilon_of_the_dynamics():
    x, u = drawn(200)
    found = simulated(POINT, drifting(0.01), paid, x, u, gamma=0.9, rho=2.0)
    off = 0.02 / np.sqrt(x.var(axis=0).mean())  # a half turn sends the wind to its opposite
    assert found.elements["r2"] == pytest.approx((0.0, off), abs=1e-12)
    assert found.elements["r1"][1] == pytest.approx(off / np.sqrt(2))
    assert found.bound == pytest.approx(0.9 * 2.0 * off / 0.1) and found.rho_from == "given"
    leaning = simulated(POINT, drifting(0.0), lambda x, u: paid(x, u) + 0.1 * x[..., 0], x, u)
    assert leaning.epsilon_reward > 0.15 and leaning.epsilon_dynamics < 1e-12
    assert leaning.bound == pytest.approx(min(leaning.epsilon_reward / 0.01, leaning.trivial))


def test_epsilons_from_transitions():
    x, u = drawn(3000)
    calm, windy = (
        recorded(POINT, x, u, drifting(wind)(x, u), paid(x, u), gamma=0.9, rho=2.0)
        for wind in (0.0, 0.05)
    )
    off = 0.1 / np.sqrt(x.var(axis=0).mean())
    assert calm.epsilon_dynamics < 0.1 * off and calm.supported > 0.9
    assert windy.elements["r2"][1] == pytest.approx(off, rel=0.25)
    assert windy.bound > calm.bound


def test_what_is_refused():
    x, u = drawn(60)
    step = drifting(0.0)
    with pytest.raises(AuditError, match="gamma: 1 must be"):
        simulated(POINT, step, paid, x, u, gamma=1.0)
    with pytest.raises(AuditError, match="action: 1 coordinates; its parts have 2"):
        simulated(POINT, step, paid, x, u[:, :1])
    with pytest.raises(AuditError, match="20 transitions are too few"):
        recorded(POINT, x[:20], u[:20], step(x, u)[:20], paid(x, u)[:20])
    with pytest.raises(AuditError, match="next_state: row 3 is not finite"):
        recorded(POINT, x, u, np.where(np.arange(60)[:, None] == 3, np.nan, x), paid(x, u))
    with pytest.raises(AuditError, match="one for each point"):
        invariant_regression(np.ones(3), np.ones(4), np.zeros(3))
    with pytest.raises(AuditError, match="do not fit 4 matrices of 2"):
        equivariant_regression(np.ones((2, 3)), np.ones((2, 3, 2)), POINT.orbit("action"))
    far = Symmetry(POINT.group, {"point": Vector(), "at": Scalar()}, POINT.action)
    with pytest.raises(AuditError, match="state: 2 coordinates; its parts have 3"):
        recorded(far, x, u, x, paid(x, u))
