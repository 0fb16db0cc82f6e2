"""Samples are whole orbits of the group, small ones where no large one fits: none is idle."""

import numpy as np
import pytest
from test_family import AWAY, NAMES, planner

from covary.planners.loop.noise import noise_law
from covary.planners.loop.orbits import Orbits
from covary.planners.loop.samples import Samples
from covary.sim.tasks.drone import Drone
from covary.sim.tasks.point_mass import PointMass
from covary.sim.tasks.point_masses import PointMasses
from covary.sim.tasks.push import Push
from covary.sim.tasks.reacher import Reacher

TASKS = {
    **{"point_mass": PointMass, "push": Push, "reacher": Reacher, "drone": Drone},
    **{name: lambda group=name: PointMasses(group=group) for name in ("T", "O", "Oh", "I")},
}
SIZES = {"point_mass": [8], "reacher": [], "drone": [], "Oh": [24, 12, 8, 6]}


def orbits_of(task, knots=3):
    symmetry = task.symmetry
    return Orbits(symmetry.orbit("action")[list(symmetry.distinct_actions())], knots)


def drawn(orbits, samples, seed=0, knots=3):
    """The noise of an iteration. (K, N, m)"""
    law = noise_law("white", knots, orbits.matrices.shape[-1], orbits.most_draws(samples))
    made = Samples(samples, knots, knots, 1, orbits)
    made.draw(law, np.random.default_rng(seed), 0)
    return made.noise


def apart(some, others):
    """The largest distance of one of some to the nearest of others."""
    flat, other = some.reshape(len(some), -1), others.reshape(len(others), -1)
    return max(np.abs(other - row).max(axis=1).min() for row in flat)


@pytest.mark.parametrize("name", TASKS)
def test_all_that_is_drawn_is_closed_under_every_element(name):
    orbits = orbits_of(TASKS[name]())
    if name in SIZES:
        assert [len(kind.moved) for kind in orbits.small] == SIZES[name]
    for left in {1, orbits.order // 2, orbits.order // 2 + 1, orbits.order - 1}:
        noise = drawn(orbits, orbits.order + left)
        assert orbits.order <= len(noise) <= orbits.order + left
        for matrix in orbits.matrices:
            assert apart(noise @ matrix.T, noise) < 1e-9


def test_hardly_a_sample_is_idle_and_none_is_the_mean():
    orbits = orbits_of(PointMasses(), 1)
    for samples in range(48, 200):
        noise = drawn(orbits, samples, knots=1)
        assert samples - 5 <= len(noise) <= samples
        assert np.abs(noise).max(axis=(1, 2)).min() > 1e-6


@pytest.mark.parametrize("name", TASKS)
def test_small_orbits_have_variance_one_on_the_mean(name):
    """Of every coordinate: on a drone's mirrors the yaw rate would have none, so it has none."""
    orbits = orbits_of(TASKS[name]())
    for kind in orbits.small:
        draws = np.random.default_rng(0).standard_normal((4000, len(kind.fixed)))
        images = np.einsum("sij,nj->nsi", kind.moved, draws @ kind.fixed.T)
        found = np.mean(images**2, axis=(0, 1))
        assert np.abs(found - 1.0).max() < 0.1


def test_few_samples_span_more_directions_on_mirrors():
    """Of the 45 of five knots and three balls; 240 are five whole orbits of 9 directions each."""
    orbits, few = orbits_of(PointMasses(), 5), []
    assert orbits.sparing == 240 and orbits.split(240) == (5, [])
    assert orbits.split(239)[0] == 0 and len(orbits.split(120)[1]) == 5
    for many in (orbits, orbits_of(PointMasses(), 1)):  # which need one orbit only
        noise = drawn(many, 128, knots=5)
        few.append(np.linalg.matrix_rank(noise.reshape(len(noise), -1), tol=1e-6))
    assert few[0] > 30 > few[1] > 20
    assert all(orbits_of(TASKS[name](), 9).sparing == 0 for name in ("push", "point_mass"))


def test_an_orbit_of_the_wrong_elements_is_not_closed():
    """The control: a draw that nothing fixes, and half of its images."""
    orbits = orbits_of(PointMasses())
    half = orbits.small[0].moved
    draw = np.random.default_rng(0).standard_normal((3, 9))
    noise = np.einsum("sij,nj->sni", half, draw)
    assert max(apart(noise @ matrix.T, noise) for matrix in orbits.matrices) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_is_exact_with_small_orbits(name):
    """44 samples of D4, or fewer, are five orbits of 8 and one on a mirror."""
    one = planner(name, samples=44 + 1, noise=1.5, iterations=2)
    s, x = one.symmetry, np.concatenate([AWAY, [-0.2, 0.5]])
    memory = one.initial_memory(3)
    moved = {g: memory.act(s, g) for g in s.group.elements}
    for k in range(3):
        plan, memory = one.plan(x, 0.1 * k, memory)
        for g in s.group.elements:
            there, moved[g] = one.plan(s.act(g, state=x), 0.1 * k, moved[g])
            np.testing.assert_allclose(there.actions, s.act(g, action=plan.actions), atol=1e-9)
